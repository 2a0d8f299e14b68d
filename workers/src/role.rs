//! How a worker process starts, works and ends; the binaries only name their lane.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use onsale_common::config::Env;
use onsale_common::ops::{self, Readiness};
use onsale_common::shutdown::{self, CancellationToken};
use onsale_common::telemetry::{self, Logging};

use crate::config::{ConsumeConfig, Limits, PostgresConfig, RedisConfig};
use crate::redis::Redis;
use crate::runtime::{self, LaneWorker, PartitionRange};
use crate::store;
use crate::store::pool::{Plans, Pool};

/// What most roles need.
#[derive(Clone)]
pub struct Servers {
    /// The truth.
    pub pool: Pool,
    /// What may be lost.
    pub redis: Redis,
    /// Lifetimes and limits.
    pub limits: Limits,
}

impl Servers {
    /// Reads where the servers are, and the limits; connects to nothing yet. A URL that is missing or unusable is a fault
    /// of `env`, said with all the others when its reading ends; until then a stand-in that nobody uses takes its place.
    pub fn from_env(env: &mut Env, process: &str, plans: Plans) -> Self {
        let mut postgres = PostgresConfig::from_env(env);
        let mut redis = RedisConfig::from_env(env);
        let limits = Limits::from_env(env);
        let pool = store::pool::open(&postgres, process, plans).unwrap_or_else(|error| {
            fault_unless_missing(env, "ONSALE_POSTGRES_URL", &postgres.url, &error);
            postgres.url = "postgres://nowhere".to_owned();
            store::pool::open(&postgres, process, plans).expect("the stand-in is a URL")
        });
        let redis = Redis::open(&redis).unwrap_or_else(|error| {
            fault_unless_missing(env, "ONSALE_REDIS_URL", &redis.url, &error);
            redis.url = "redis://nowhere".to_owned();
            Redis::open(&redis).expect("the stand-in is a URL")
        });
        Self { pool, redis, limits }
    }
}

fn fault_unless_missing(env: &mut Env, name: &str, url: &str, error: &dyn std::error::Error) {
    if !url.is_empty() {
        env.fault(format!("{name} is not usable: {error}"));
    }
}

#[derive(Parser)]
#[command(about = "A worker of Onsale. It is configured by ONSALE_… variables; see the README.")]
struct Arguments {
    /// Consume only these partitions: 3 or 0-3.
    #[arg(long)]
    partitions: Option<PartitionRange>,
}

/// Runs a worker until SIGTERM or Ctrl-C.
pub fn run_worker<L: LaneWorker>(
    process: &'static str,
    lane: impl FnOnce(Servers, &mut Env) -> L + Send + 'static,
) -> ExitCode {
    let arguments = Arguments::parse();
    run(process, async move |mut env: Env, ready, shutdown| {
        let servers = Servers::from_env(&mut env, process, Plans::Once);
        let consume = ConsumeConfig::from_env(&mut env);
        let pool = servers.pool.clone();
        let lane = Arc::new(lane(servers, &mut env));
        tracing::info!(configuration = env.report(), "starting");
        let consume = env.finish(consume)?;
        if let Some(range) = &arguments.partitions {
            range.check(consume.topology.partitions).map_err(anyhow::Error::msg)?;
        }
        runtime::run(lane, &consume, arguments.partitions.as_ref(), &ready, &shutdown).await;
        pool.close().await;
        Ok(())
    })
}

/// Runs a process with telemetry, the operator's door and a shutdown signal.
pub fn run(
    process: &'static str,
    work: impl AsyncFnOnce(Env, Readiness, CancellationToken) -> anyhow::Result<()>,
) -> ExitCode {
    let mut env = Env::from_process();
    telemetry::start(process, Logging::from_env(&mut env));
    let threads = env.number("ONSALE_THREADS", 1, 1..=64);
    let drain = env.millis("ONSALE_DRAIN_MS", 10_000, 0..=600_000);
    let ops_listen: Option<SocketAddr> = env.optional("ONSALE_OPS_LISTEN");
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(process, &error.into()),
    };
    let outcome = runtime.block_on(async move {
        let ready = Readiness::default();
        let shutdown = shutdown::on_signal()?;
        if let Some(address) = ops_listen {
            ops::serve(address, ready.clone(), shutdown.clone())
                .await
                .map_err(|error| anyhow::anyhow!("ONSALE_OPS_LISTEN: cannot listen on {address}: {error}"))?;
        }
        let too_late = async {
            shutdown.cancelled().await;
            tokio::time::sleep(drain).await;
        };
        tokio::select! {
            ended = work(env, ready, shutdown.clone()) => ended,
            () = too_late => {
                // As if it had been killed: what was committed is known, and everything else comes again.
                tracing::warn!("what was under way did not end within ONSALE_DRAIN_MS, and is left to others");
                Ok(())
            }
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(process, &error),
    }
}

fn failed(process: &str, error: &anyhow::Error) -> ExitCode {
    eprintln!("{process}: {error:#}");
    ExitCode::FAILURE
}
