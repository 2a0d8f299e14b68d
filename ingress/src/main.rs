//! The front of Onsale: HTTP in, commands out. It knows no database and no rule of the sale.

mod answer;
mod ask;
mod body;
mod caller;
mod compat;
mod config;
mod dialect;
mod docs;
#[cfg(test)]
mod documented;
mod endpoint;
mod health;
mod ingress;
mod meter;
mod openapi;
#[cfg(test)]
mod over_the_wire;
mod pulse;
mod query;
mod router;
mod server;
mod shape;
mod talk;
mod v1;
mod wire;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use clap::builder::PossibleValuesParser;
use onsale_common::amqp::rpc::RpcClient;
use onsale_common::config::Env;
use onsale_common::ops::Readiness;
use onsale_common::shutdown::{self, CancellationToken};
use onsale_common::telemetry::{self, Logging};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;
use crate::dialect::Dialect;
use crate::docs::Docs;
use crate::ingress::Ingress;
use crate::router::Router;

/// The HTTP APIs that this process speaks; the first one words what belongs to none.
static DIALECTS: &[&Dialect] = &[
    &v1::DIALECT,
    &compat::bearer::DIALECT,
    &compat::cookie::DIALECT,
    &compat::reservation_token::DIALECT,
    &compat::login::DIALECT,
];

/// The link to the broker has this long to end; its replies are of no use any more.
const UNLINK_TIMEOUT: Duration = Duration::from_secs(1);

/// Descriptors beside those of the clients: the broker, the logs, the listener.
const DESCRIPTORS_OF_OURS: u64 = 64;

#[derive(Parser)]
#[command(about = "The HTTP ingress of Onsale. It is configured by ONSALE_… variables; see the README.")]
struct Arguments {
    /// Serve this API at the root path too [default: ONSALE_ROOT_API, or none].
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(DIALECTS.iter().map(|dialect| dialect.name)))]
    root_api: Option<String>,
}

impl Arguments {
    /// The environment of this process, where the arguments do not say otherwise.
    fn env(self) -> Env {
        Env::from_lookup(move |name| match name {
            "ONSALE_ROOT_API" if self.root_api.is_some() => self.root_api.clone(),
            _ => std::env::var(name).ok(),
        })
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ingress: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut env = arguments.env();
    let logging = Logging::from_env(&mut env);
    let (config, report) = Config::from_env(env)?;
    telemetry::start("ingress", logging);
    tracing::info!(config = report, "starting");
    allow_descriptors(config.limits.connections_max as u64);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = config.threads {
        runtime.worker_threads(threads);
    }
    runtime.enable_all().build().context("could not start the runtime")?.block_on(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let listener = server::listen(config.listen)
        .with_context(|| format!("could not listen on {} (ONSALE_HTTP_LISTEN)", config.listen))?;
    let shutdown = shutdown::on_signal().context("could not handle signals")?;
    let router = Router::new(DIALECTS, config.root_api).context("the tables of endpoints contradict each other")?;
    let docs = Docs::of(DIALECTS, config.root_api, &config.rpc.topology);
    let (rpc, ready) = (RpcClient::new(config.rpc), Readiness::default());
    // The link outlives the drain: requests in progress still wait for their replies.
    let unlink = CancellationToken::new();
    let link = {
        let (rpc, ready, unlink) = (rpc.clone(), ready.clone(), unlink.clone());
        tokio::spawn(async move { rpc.run(&ready, &unlink).await })
    };
    tracing::info!(listen = %listener.local_addr()?, "serving");
    let ingress = Arc::new(Ingress::new(rpc, router, docs, config.access, config.limits, ready));
    server::serve(listener, ingress, shutdown).await;
    unlink.cancel();
    let _ = tokio::time::timeout(UNLINK_TIMEOUT, link).await;
    tracing::info!("stopped");
    Ok(())
}

/// Raises the soft limit of open descriptors to what the connections need: shells commonly set 1024.
fn allow_descriptors(connections: u64) {
    let wanted = connections + DESCRIPTORS_OF_OURS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let allowed = limit.maximum.map_or(wanted, |maximum| wanted.min(maximum));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum: limit.maximum });
    if allowed < wanted || raised.is_err() {
        tracing::warn!(
            wanted,
            allowed,
            "the limit of open files is below ONSALE_CONNECTIONS_MAX; connections beyond it wait"
        );
    }
}
