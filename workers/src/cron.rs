//! The cron process: what happens because time passes. Any number may run: each job claims its rows or its slot.

mod admit;
mod expire;
mod lag;
mod reconcile;
mod relay;
mod schedule;

use std::sync::Arc;
use std::time::Duration;

use onsale_common::amqp::connection::url_from_env;
use onsale_common::config::Env;
use onsale_common::ops::Readiness;
use onsale_common::shutdown::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::cron::schedule::Expression;
use crate::failure::Failure;
use crate::role::Servers;
use crate::store;
use crate::store::purge::Keeping;

/// What the jobs need.
pub struct CronConfig {
    /// The broker, for the relay.
    pub amqp_url: String,
    /// The queues.
    pub topology: onsale_common::amqp::topology::Topology,
    /// How long what is over is kept.
    pub keeping: Keeping,
    /// When each job runs, as cron expressions with seconds.
    pub times: Times,
}

/// When each job runs.
#[derive(Debug, Clone)]
pub struct Times {
    admit: Expression,
    expire: Expression,
    relay: Expression,
    reconcile: Expression,
    purge: Expression,
}

impl CronConfig {
    /// Reads `ONSALE_AMQP_URL`, `ONSALE_KEEP_S`, `ONSALE_ATTEMPTS_KEEP_D` and `ONSALE_CRON_{ADMIT,EXPIRE,RELAY,RECONCILE,PURGE}`.
    pub fn from_env(env: &mut Env) -> Self {
        const DAY_S: u64 = 86_400;
        let at = |text: &str| text.parse::<Expression>().expect("a default is a cron expression");
        let every_second = || at("* * * * * *");
        Self {
            amqp_url: url_from_env(env),
            topology: onsale_common::amqp::topology::Topology::from_env(env),
            keeping: Keeping {
                effects: env.seconds("ONSALE_KEEP_S", DAY_S, DAY_S..=365 * DAY_S),
                attempts: Duration::from_secs(DAY_S * env.number("ONSALE_ATTEMPTS_KEEP_D", 30, 1..=3650)),
            },
            times: Times {
                admit: env.parsed("ONSALE_CRON_ADMIT", every_second()),
                expire: env.parsed("ONSALE_CRON_EXPIRE", every_second()),
                relay: env.parsed("ONSALE_CRON_RELAY", every_second()),
                reconcile: env.parsed("ONSALE_CRON_RECONCILE", at("*/5 * * * * *")),
                purge: env.parsed("ONSALE_CRON_PURGE", at("30 * * * * *")),
            },
        }
    }
}

/// Who this process is among several, for the slots.
#[derive(Clone)]
struct Crew {
    servers: Servers,
    me: Uuid,
}

impl Crew {
    /// Takes or keeps the slot of a job that one process at a time does.
    async fn claim(&self, job: &str) -> Result<bool, Failure> {
        const LEASE: Duration = Duration::from_secs(10);
        let mut db = self.servers.pool.acquire().await?;
        let claimed = store::slots::claim(&mut db, job, self.me, LEASE).await?;
        db.give_back();
        Ok(claimed)
    }
}

/// Runs the jobs until shutdown; then each finishes what it is at.
///
/// # Errors
/// When the scheduler does not start.
pub async fn run(
    servers: Servers,
    config: CronConfig,
    ready: &Readiness,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let crew = Crew { servers, me: Uuid::now_v7() };
    let tracker = TaskTracker::new();
    let relay = Arc::new(relay::Relay::new(crew.clone()));
    let reconciler = Arc::new(reconcile::Reconciler::new(crew.clone()));
    let times = &config.times;
    let admitting = crew.clone();
    let expiring = crew.clone();
    let measuring = crew.clone();
    let purging = (crew.clone(), config.keeping);
    let jobs = [
        schedule::Job::new("admit", &times.admit, move || admit::run(admitting.clone())),
        schedule::Job::new("expire", &times.expire, move || expire::run(expiring.clone())),
        schedule::Job::new("relay", &times.relay, {
            let relay = relay.clone();
            move || relay.clone().run()
        }),
        schedule::Job::new("lag", &times.relay, move || lag::run(measuring.clone())),
        schedule::Job::new("reconcile", &times.reconcile, move || reconciler.clone().run()),
        schedule::Job::new("purge", &times.purge, move || purge(purging.clone())),
    ];
    let scheduling = schedule::run(jobs.into(), &tracker, shutdown);
    tracker.spawn({
        let (ready, shutdown) = (ready.clone(), shutdown.clone());
        async move { relay.stay_linked(&config.amqp_url, config.topology, &ready, &shutdown).await }
    });
    scheduling.await?;
    tracker.close();
    tracker.wait().await;
    store::slots::release_all(&mut *crew.servers.pool.acquire().await?, crew.me).await?;
    crew.servers.pool.close().await;
    Ok(())
}

/// Deletes what is over age.
async fn purge((crew, keeping): (Crew, Keeping)) -> Result<u64, Failure> {
    let mut gone = 0;
    if crew.claim("purge").await? {
        loop {
            let mut db = crew.servers.pool.acquire().await?;
            let chunk = store::purge::chunk(&mut db, &keeping).await?;
            db.give_back();
            gone += chunk;
            if chunk == 0 || !crew.claim("purge").await? {
                break;
            }
        }
    }
    Ok(gone)
}
