//! One sale: its own database, virtual host and cache, and every process of Onsale.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use onsale_stack::fleet::{Fleet, FleetConfig};
use onsale_stack::role::Role;
use onsale_stack::servers::{Server, Servers, ServersConfig};
use onsale_stack::stack_file::StackFile;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use crate::client::Client;
use crate::producer::Producer;
use crate::proxy::Proxy;

const ADMIN_KEY: &str = "the-organiser";
const JWT_SECRET: &str = "a secret of thirty-two bytes or more";
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Sales at once in one process: nextest runs each test in a process of its own, `cargo test` all of them in one.
static PLACES: Semaphore = Semaphore::const_new(2);

/// A sale with all its processes.
pub struct Sale {
    /// Its processes.
    pub fleet: Fleet,
    /// Its own servers, where they are not shared with other tests.
    pub servers: Option<Servers>,
    /// A client of its ingress.
    pub client: Client,
    /// Its database.
    pub pool: PgPool,
    environment: BTreeMap<String, String>,
    _place: SemaphorePermit<'static>,
}

impl Sale {
    /// Starts a sale on the servers that all tests share, with one process of each role.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::with_roles(settings, &Role::ALL).await
    }

    /// Starts a sale on the shared servers with these processes only.
    pub async fn with_roles(settings: &[(&str, &str)], roles: &[Role]) -> Self {
        let (urls, _) = Self::place().await;
        Self::begin(None, urls, settings, roles).await
    }

    /// Starts a whole sale on the shared servers, whose processes reach the broker through a proxy.
    pub async fn behind_proxy(settings: &[(&str, &str)]) -> (Self, Proxy) {
        let ([amqp, postgres, redis], shared) = Self::place().await;
        let proxy = Proxy::to(&shared.amqp).await;
        (Self::begin(None, [proxy.url(&amqp), postgres, redis], settings, &Role::ALL).await, proxy)
    }

    /// A place on the shared servers that no other test has: its broker, database and cache.
    async fn place() -> ([String; 3], StackFile) {
        let file = std::env::var("ONSALE_TEST_SERVERS")
            .expect("ONSALE_TEST_SERVERS is not set: run the tests with deploy/test, which starts the servers");
        let shared = StackFile::read(&PathBuf::from(&file)).expect("the servers' file");
        let (n, vhost) = claim(&shared);
        let urls = [
            shared.amqp_of(&vhost),
            shared.postgres_of(&format!("sale_{vhost}")),
            shared.redis_of(u8::try_from(n + 1).expect("there are fewer places than databases")),
        ];
        (urls, shared)
    }

    /// Starts a sale on servers of its own, to be stopped, killed and emptied.
    pub async fn private(settings: &[(&str, &str)], roles: &[Role]) -> Self {
        let dir = tempdir("servers");
        let config = ServersConfig { state_dir: dir, extra_vhosts: 0 };
        let servers = tokio::task::spawn_blocking(move || Servers::start(&config)).await;
        let servers = servers.expect("no panic").expect("servers start");
        let urls = [servers.rabbitmq.url(), servers.postgres.local_url(), servers.redis.local_url()];
        Self::begin(Some(servers), urls, settings, roles).await
    }

    async fn begin(servers: Option<Servers>, urls: [String; 3], settings: &[(&str, &str)], roles: &[Role]) -> Self {
        let place = PLACES.acquire().await.expect("never closed");
        let [amqp, postgres, redis] = urls;
        let mut environment: BTreeMap<String, String> = [
            ("ONSALE_AMQP_URL", amqp.as_str()),
            ("ONSALE_POSTGRES_URL", &postgres),
            ("ONSALE_REDIS_URL", &redis),
            ("ONSALE_PARTITIONS", "2"),
            ("ONSALE_ADMIN_KEY", ADMIN_KEY),
            ("ONSALE_JWT_SECRET", JWT_SECRET),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        run("migrate", &["--demo"], &environment);
        let config = FleetConfig {
            state_dir: tempdir("fleet"),
            bin_dir: bin_dir(),
            http_port: None,
            environment: environment.clone(),
        };
        let roles = roles.to_vec();
        let start = move || {
            let fleet = Fleet::new(config)?;
            for role in roles {
                fleet.add(role, &[])?;
            }
            fleet.wait_ready(READY_LIMIT)?;
            anyhow::Ok(fleet)
        };
        let fleet = tokio::task::spawn_blocking(start).await.expect("no panic");
        // Its text and not its backtrace, which would bury what the process said.
        let fleet = fleet.unwrap_or_else(|error| panic!("the processes do not start: {error:#}"));
        let port = fleet.port("ingress").expect("an ingress");
        let client = Client::new(&format!("http://127.0.0.1:{port}"), ADMIN_KEY);
        let pool = PgPoolOptions::new().max_connections(2).connect_lazy(&postgres).expect("a URL");
        Self { fleet, servers, client, pool, environment, _place: place }
    }

    /// A direct producer.
    pub async fn producer(&self) -> Producer {
        Producer::connect(&self.environment["ONSALE_AMQP_URL"]).await
    }

    /// The URL of the broker.
    pub fn amqp(&self) -> &str {
        &self.environment["ONSALE_AMQP_URL"]
    }

    /// The URL of the database.
    pub fn postgres(&self) -> &str {
        &self.environment["ONSALE_POSTGRES_URL"]
    }

    /// The URL of the cache.
    pub fn redis(&self) -> &str {
        &self.environment["ONSALE_REDIS_URL"]
    }

    /// Adds a process of a role, and waits until it is ready.
    pub fn add(&self, role: Role) -> String {
        let name = self.fleet.add(role, &[]).expect("a process");
        self.wait_ready(std::slice::from_ref(&name), READY_LIMIT);
        name
    }

    /// Waits until some processes are ready.
    pub fn wait_ready(&self, names: &[String], limit: Duration) {
        tokio::task::block_in_place(|| self.fleet.wait_ready_of(names, limit)).expect("ready in time");
    }

    /// One of its own servers.
    pub fn server(&self, name: &str) -> &dyn Server {
        self.servers.as_ref().expect("servers of its own").by_name(name).expect("a server of this name")
    }

    /// A number from the database.
    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.expect("a number")
    }

    /// Whether every invariant holds, and what the audit says of them.
    pub fn audit(&self) -> (bool, String) {
        let output = start("audit", &[], &self.environment);
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Nobody may learn from a log what lets one act as somebody else.
    async fn assert_that_logs_hold_no_secret(&self) {
        for name in self.fleet.names() {
            let log = std::fs::read_to_string(self.fleet.log(&name)).expect("a log");
            let secrets = [ADMIN_KEY, JWT_SECRET, "onsale-demo", "eyJ"];
            let told = secrets.into_iter().find(|secret| log.contains(secret));
            assert_eq!(told, None, "{name} logs a secret:\n{log}");
            let tokens: Vec<Uuid> = sqlx::query_scalar("SELECT token FROM queue_tokens WHERE token = ANY($1)")
                .bind(uuids_in(&log))
                .fetch_all(&self.pool)
                .await
                .expect("the tokens");
            assert!(tokens.is_empty(), "{name} logs queue tokens:\n{log}");
        }
    }

    /// Ends the sale: every invariant must hold, after every event is published.
    pub async fn finish(self) {
        until("the outbox is published", Duration::from_secs(15), async || {
            self.fleet.pid("cron").is_none()
                || self.count("SELECT count(*) FROM outbox WHERE id > (SELECT published_to FROM outbox_relay)").await
                    == 0
        })
        .await;
        self.assert_that_logs_hold_no_secret().await;
        let (clean, said) = self.audit();
        assert!(clean && said.contains("holds") && !said.contains("BROKEN"), "{said}");
        self.pool.close().await;
        let running: Vec<String> =
            self.fleet.names().into_iter().filter(|name| self.fleet.pid(name).is_some()).collect();
        tokio::task::block_in_place(|| self.fleet.stop_all()).expect("every process is asked to end");
        for name in running {
            let log = std::fs::read_to_string(self.fleet.log(&name)).expect("a log");
            assert!(!log.contains("panicked at"), "{name} panicked:\n{log}");
            until("its end is known", Duration::from_secs(1), async || self.fleet.exit_status(&name).is_some()).await;
            let status = self.fleet.exit_status(&name).expect("known");
            assert!(status.success(), "{name} did not end by itself in time: {status}");
        }
    }
}

/// Every UUID in a text, written with hyphens.
fn uuids_in(text: &str) -> Vec<Uuid> {
    let hyphens = text.match_indices('-').filter_map(|(at, _)| at.checked_sub(8));
    hyphens.filter_map(|from| text.get(from..from + 36)?.parse().ok()).collect()
}

/// Waits for a state, with a bound.
pub async fn until(what: &str, limit: Duration, mut reached: impl AsyncFnMut() -> bool) {
    let end = tokio::time::Instant::now() + limit;
    while !reached().await {
        assert!(tokio::time::Instant::now() < end, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Where the processes' programs are.
fn bin_dir() -> PathBuf {
    std::env::var_os("ONSALE_TEST_BIN_DIR").map(PathBuf::from).expect("ONSALE_TEST_BIN_DIR: run deploy/test")
}

/// Runs a program of ours to its end.
fn start(program: &str, arguments: &[&str], environment: &BTreeMap<String, String>) -> Output {
    Command::new(bin_dir().join(program)).args(arguments).envs(environment).output().expect("it runs")
}

/// Runs a program of ours that must succeed.
fn run(program: &str, arguments: &[&str], environment: &BTreeMap<String, String>) {
    let output = start(program, arguments, environment);
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&said));
}

/// Takes a virtual host for this test alone: tests run as processes of their own, so that a file decides.
fn claim(shared: &StackFile) -> (usize, String) {
    for (n, vhost) in shared.vhosts.iter().enumerate() {
        let file = shared.state_dir.join(format!("claimed-{vhost}"));
        if OpenOptions::new().write(true).create_new(true).open(file).is_ok() {
            return (n, vhost.clone());
        }
    }
    panic!("every virtual host is taken: start the servers with more (onsale-stack servers --extra-vhosts)");
}

fn tempdir(what: &str) -> PathBuf {
    let file = std::env::var("ONSALE_TEST_SERVERS").expect("ONSALE_TEST_SERVERS: run the tests with deploy/test");
    let shared = StackFile::read(&PathBuf::from(file)).expect("the servers' file");
    shared.state_dir.join(format!("{what}-{}", uuid::Uuid::now_v7()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_uuid_of_a_text_is_found() {
        let ids = [Uuid::now_v7(), Uuid::now_v7()];
        let text = format!("a-b token=\"{}\" 2026-11-22T10:00:00Z x{}-y", ids[0], ids[1]);
        assert_eq!(uuids_in(&text), ids);
    }
}
