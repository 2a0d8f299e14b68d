//! When jobs run. The scheduler only rings: a job that takes long misses rings and nothing else, and a scheduler that has
//! stopped ringing (its repeated jobs can, when a tick falls behind) is replaced.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use onsale_common::lock::lock;
use onsale_common::shutdown::CancellationToken;
use tokio::sync::Notify;
use tokio_cron_scheduler::{JobBuilder, JobScheduler, JobSchedulerError};
use tokio_util::task::TaskTracker;

use crate::failure::Failure;
use crate::store::pool;

/// How often a job's last ring is looked at; one that is overdue by longer than that has been missed.
const WATCH_EVERY: Duration = Duration::from_secs(5);

/// How long a run may take. Postgres bounds each of its steps far below that; a run that takes longer waits for an answer
/// that was lost on its way, or has more to do than it may in one run.
const RUN_MAX: Duration = Duration::from_secs(120);

/// When a job runs: a cron expression with seconds, in UTC.
#[derive(Debug, Clone)]
pub(super) struct Expression {
    text: String,
    cron: Cron,
}

impl Expression {
    /// Whether a ring after `last` has been missed by now. A clock that was set back has the scheduler wait for the time
    /// at which it would have rung next.
    fn has_missed(&self, last: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let due = self.cron.find_next_occurrence(&last, false);
        last > now || due.is_ok_and(|due| now - due > TimeDelta::from_std(WATCH_EVERY).unwrap_or(TimeDelta::MAX))
    }
}

impl FromStr for Expression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let cron = CronParser::builder().seconds(Seconds::Required).build().parse(text);
        let cron = cron.map_err(|error| format!("no cron expression with seconds, as in */5 * * * * *: {error}"))?;
        Ok(Self { text: text.to_owned(), cron })
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

type Work = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<u64, Failure>> + Send>> + Send + Sync>;

/// Work that is done whenever its cron expression rings.
pub(super) struct Job {
    name: &'static str,
    expression: Expression,
    bell: Arc<Bell>,
    work: Work,
}

/// What the scheduler rings.
struct Bell {
    ring: Notify,
    last: Mutex<DateTime<Utc>>,
}

impl Bell {
    fn ring(&self) {
        *lock(&self.last) = Utc::now();
        self.ring.notify_one();
    }

    fn last(&self) -> DateTime<Utc> {
        *lock(&self.last)
    }
}

impl Job {
    /// A job that returns how many things it did.
    pub(super) fn new<F>(
        name: &'static str,
        expression: &Expression,
        work: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<u64, Failure>> + Send + 'static,
    {
        let bell = Bell { ring: Notify::new(), last: Mutex::new(Utc::now()) };
        let work: Work = Box::new(move || Box::pin(work()));
        Self { name, expression: expression.clone(), bell: Arc::new(bell), work }
    }

    /// Does the work once at start, then at every ring.
    async fn run(self, shutdown: CancellationToken) {
        loop {
            let started = Instant::now();
            let did = pool::bounded(RUN_MAX, (self.work)()).await;
            metrics::histogram!("onsale_cron_seconds", "job" => self.name).record(started.elapsed());
            match did {
                Ok(Ok(count)) => metrics::counter!("onsale_cron_done_total", "job" => self.name).increment(count),
                Ok(Err(failure)) => tracing::warn!(job = self.name, %failure, "a job failed and runs again"),
                Err(panic) => tracing::error!(job = self.name, %panic, "a job panicked and runs again"),
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = self.bell.ring.notified() => {}
            }
        }
    }
}

/// Starts the jobs, and keeps a scheduler ringing until shutdown.
///
/// # Errors
/// When the scheduler does not start.
pub(super) async fn run(jobs: Vec<Job>, tracker: &TaskTracker, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let bells: Vec<(Expression, Arc<Bell>)> =
        jobs.iter().map(|job| (job.expression.clone(), job.bell.clone())).collect();
    let mut scheduler = start(&bells).await?;
    for job in jobs {
        tracker.spawn(job.run(shutdown.clone()));
    }
    let mut watch = tokio::time::interval(WATCH_EVERY);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = watch.tick() => {}
        }
        let now = Utc::now();
        if bells.iter().any(|(expression, bell)| expression.has_missed(bell.last(), now)) {
            tracing::warn!("the scheduler has stopped ringing and is replaced");
            let _ = scheduler.shutdown().await;
            scheduler = start(&bells).await?;
            bells.iter().for_each(|(_, bell)| bell.ring());
        }
    }
    let _ = scheduler.shutdown().await;
    Ok(())
}

async fn start(bells: &[(Expression, Arc<Bell>)]) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    for (expression, bell) in bells {
        let bell = bell.clone();
        let job = JobBuilder::new()
            .with_cron_job_type()
            .with_schedule(expression)?
            .with_run_async(Box::new(move |_, _| {
                let bell = bell.clone();
                Box::pin(async move { bell.ring() })
            }))
            .build()?;
        scheduler.add(job).await?;
    }
    scheduler.start().await?;
    Ok(scheduler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_missed_when_its_time_is_over() {
        let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let (hourly, every_second): (Expression, Expression) =
            ("0 0 * * * *".parse().unwrap(), "* * * * * *".parse().unwrap());
        let last = time("2026-01-31T09:00:00Z");
        assert!(!hourly.has_missed(last, time("2026-01-31T10:00:03Z")));
        assert!(hourly.has_missed(last, time("2026-01-31T10:00:06Z")));
        assert!(!every_second.has_missed(last, time("2026-01-31T09:00:06Z")));
        assert!(every_second.has_missed(last, time("2026-01-31T09:00:07Z")));
        assert!(every_second.has_missed(last, time("2026-01-31T08:59:59Z")), "the clock was set back");
        for wrong in ["every second", "* * * * *", "", "61 * * * * *"] {
            assert!(wrong.parse::<Expression>().is_err(), "{wrong}");
        }
    }
}
