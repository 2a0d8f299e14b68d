//! What an operator can set about the ingress.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use onsale_common::amqp::rpc::RpcConfig;
use onsale_common::config::{ConfigError, Env};
use onsale_common::login::{self, Logins};

use crate::DIALECTS;
use crate::caller::Access;
use crate::dialect::Dialect;

/// The least that hyper takes for its buffer, and so for the headers.
const HEADERS_MIN_BYTES: usize = 8192;

/// Everything the ingress is told at its start.
pub(crate) struct Config {
    /// Where HTTP is served.
    pub(crate) listen: SocketAddr,
    /// Threads of the runtime; one for each processor when not given.
    pub(crate) threads: Option<usize>,
    /// The broker and how commands are bundled.
    pub(crate) rpc: RpcConfig,
    /// Who may do what.
    pub(crate) access: Access,
    /// The dialect that is served at the root too.
    pub(crate) root_api: Option<&'static Dialect>,
    /// Bounds of connections and requests.
    pub(crate) limits: Limits,
}

/// Bounds of connections and requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections served at once; further ones wait in the backlog of the operating system.
    pub(crate) connections_max: usize,
    /// From the first byte of a request to the last of its headers.
    pub(crate) header_timeout: Duration,
    /// A connection without a request, or with an answer that its client does not read.
    pub(crate) idle_timeout: Duration,
    /// From the end of the headers to the end of the body.
    pub(crate) body_timeout: Duration,
    /// A command's deadline, counted from when its request was read.
    pub(crate) reply_timeout: Duration,
    /// How long requests in progress may go on after SIGTERM.
    pub(crate) drain_timeout: Duration,
    /// The request line and the headers together.
    pub(crate) headers_max_bytes: usize,
    /// A body at most.
    pub(crate) body_max_bytes: usize,
    /// An organiser's body at most: a schedule may list its sections and rows.
    pub(crate) admin_body_max_bytes: usize,
}

impl Config {
    /// Reads the whole configuration, and gives it with its report, which has no secrets.
    ///
    /// # Errors
    /// Every fault at once.
    pub(crate) fn from_env(mut env: Env) -> Result<(Self, String), ConfigError> {
        let config = Self {
            listen: env.parsed("ONSALE_HTTP_LISTEN", SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))),
            threads: threads(&mut env),
            rpc: RpcConfig::from_env(&mut env),
            access: access(&mut env),
            root_api: root_api(&mut env),
            limits: Limits::from_env(&mut env),
        };
        let report = env.report().to_owned();
        env.finish((config, report))
    }
}

impl Limits {
    fn from_env(env: &mut Env) -> Self {
        Self {
            connections_max: env.number("ONSALE_CONNECTIONS_MAX", 10_000, 1..=1_000_000),
            header_timeout: env.millis("ONSALE_HEADER_TIMEOUT_MS", 5_000, 100..=60_000),
            idle_timeout: env.millis("ONSALE_IDLE_TIMEOUT_MS", 60_000, 100..=3_600_000),
            body_timeout: env.millis("ONSALE_BODY_TIMEOUT_MS", 10_000, 100..=60_000),
            reply_timeout: env.millis("ONSALE_REPLY_TIMEOUT_MS", 5_000, 100..=60_000),
            drain_timeout: env.millis("ONSALE_DRAIN_MS", 10_000, 0..=600_000),
            headers_max_bytes: env.number("ONSALE_HEADERS_MAX_BYTES", 16 << 10, HEADERS_MIN_BYTES..=1 << 20),
            body_max_bytes: env.number("ONSALE_BODY_MAX_BYTES", 64 << 10, 1024..=16 << 20),
            admin_body_max_bytes: env.number("ONSALE_ADMIN_BODY_MAX_BYTES", 4 << 20, 1024..=64 << 20),
        }
    }
}

fn threads(env: &mut Env) -> Option<usize> {
    let threads = env.optional::<usize>("ONSALE_THREADS");
    if threads.is_some_and(|threads| !(1..=1024).contains(&threads)) {
        env.fault("ONSALE_THREADS must be a number from 1 to 1024");
        return None;
    }
    threads
}

fn access(env: &mut Env) -> Access {
    let demanded = login::are_demanded(env);
    // Some dialects demand logins whatever the service demands.
    let logins = if demanded { Some(Logins::from_env(env)) } else { Logins::from_env_where_set(env) };
    let admin_key = env.secret("ONSALE_ADMIN_KEY");
    if admin_key.as_ref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
        env.fault("ONSALE_ADMIN_KEY has what no Authorization header carries; it must be visible ASCII");
    }
    Access::new(logins, demanded, admin_key.as_deref())
}

fn root_api(env: &mut Env) -> Option<&'static Dialect> {
    let name = env.optional::<String>("ONSALE_ROOT_API")?;
    let dialect = DIALECTS.iter().copied().find(|dialect| dialect.name == name);
    if dialect.is_none() {
        let names: Vec<&str> = DIALECTS.iter().map(|dialect| dialect.name).collect();
        env.fault(format!("ONSALE_ROOT_API is {name:?}; it must be one of {}", names.join(", ")));
    }
    dialect
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &'static [(&str, &str)]) -> Result<(Config, String), ConfigError> {
        Config::from_env(Env::from_lookup(|name| {
            pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned())
        }))
    }

    #[test]
    fn defaults_need_only_the_broker() {
        let (config, report) = read(&[("ONSALE_AMQP_URL", "amqp://hush@localhost")]).unwrap();
        assert_eq!(config.listen.port(), 8080);
        assert_eq!(config.limits.body_max_bytes, 65_536);
        assert!(report.contains("ONSALE_REPLY_TIMEOUT_MS=5000"), "{report}");
        assert!(!report.contains("hush"));
    }

    #[test]
    fn every_fault_is_said_at_once() {
        let faults = read(&[
            ("ONSALE_HTTP_LISTEN", "here"),
            ("ONSALE_AUTH", "maybe"),
            ("ONSALE_THREADS", "0"),
            ("ONSALE_REPLY_TIMEOUT_MS", "99"),
            ("ONSALE_ROOT_API", "esperanto"),
        ])
        .err()
        .unwrap()
        .to_string();
        for name in [
            "ONSALE_HTTP_LISTEN",
            "ONSALE_AUTH",
            "ONSALE_THREADS",
            "ONSALE_REPLY_TIMEOUT_MS",
            "ONSALE_ROOT_API",
            "ONSALE_AMQP_URL",
        ] {
            assert!(faults.contains(name), "{name}: {faults}");
        }
    }

    #[test]
    fn a_broker_that_is_written_wrongly_is_not_quoted() {
        let told = read(&[("ONSALE_AMQP_URL", "onsale:hush@localhost:5672/%2f")]).err().unwrap().to_string();
        assert!(told.contains("ONSALE_AMQP_URL is not usable; write amqp://") && !told.contains("hush"), "{told}");
    }

    #[test]
    fn logins_need_a_secret_of_some_length() {
        let faults = read(&[("ONSALE_AMQP_URL", "amqp://h"), ("ONSALE_AUTH", "jwt"), ("ONSALE_JWT_SECRET", "short")]);
        assert!(faults.err().unwrap().to_string().contains("ONSALE_JWT_SECRET has 5 bytes"));
    }
}
