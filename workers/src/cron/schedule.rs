//! When jobs run. The scheduler only rings: a job that takes long misses rings and nothing else, and a scheduler that has
//! stopped ringing (its repeated jobs can, when a tick falls behind) is replaced.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use onsale_common::shutdown::CancellationToken;
use tokio::sync::Notify;
use tokio_cron_scheduler::{JobBuilder, JobScheduler, JobSchedulerError};
use tokio_util::task::TaskTracker;

use crate::failure::Failure;

/// How often a job's last ring is looked at.
const WATCH_EVERY: Duration = Duration::from_secs(5);
/// No expression of ours rings less often than this, so that silence for longer is a fault.
const RING_AT_LEAST_EVERY: Duration = Duration::from_secs(150);

type Work = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<u64, Failure>> + Send>> + Send + Sync>;

/// Work that is done whenever its cron expression rings.
pub(super) struct Job {
    name: &'static str,
    expression: String,
    bell: Arc<Bell>,
    work: Work,
}

/// What the scheduler rings.
struct Bell {
    ring: Notify,
    started: Instant,
    last_ms: AtomicU64,
}

impl Bell {
    fn ring(&self) {
        self.last_ms.store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
        self.ring.notify_one();
    }

    fn silent_for(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Relaxed)))
    }
}

impl Job {
    /// A job that returns how many things it did.
    pub(super) fn new<F>(name: &'static str, expression: &str, work: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<u64, Failure>> + Send + 'static,
    {
        let bell = Bell { ring: Notify::new(), started: Instant::now(), last_ms: AtomicU64::new(0) };
        let work: Work = Box::new(move || Box::pin(work()));
        Self { name, expression: expression.to_owned(), bell: Arc::new(bell), work }
    }

    /// Does the work once at start, then at every ring.
    async fn run(self, shutdown: CancellationToken) {
        loop {
            let started = Instant::now();
            // A task of its own, so that a panic ends only this run.
            let did = tokio::spawn((self.work)()).await;
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
/// When a cron expression cannot be parsed.
pub(super) async fn run(jobs: Vec<Job>, tracker: &TaskTracker, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let bells: Vec<(String, Arc<Bell>)> = jobs.iter().map(|job| (job.expression.clone(), job.bell.clone())).collect();
    let mut scheduler = start(&bells).await.map_err(|error| {
        let expressions: Vec<&str> = bells.iter().map(|(expression, _)| expression.as_str()).collect();
        anyhow::anyhow!("a cron expression among {expressions:?} is not usable: {error}")
    })?;
    for job in jobs {
        tracker.spawn(job.run(shutdown.clone()));
    }
    let mut watch = tokio::time::interval(WATCH_EVERY);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = watch.tick() => {}
        }
        let shortest = bells.iter().map(|(_, bell)| bell.silent_for()).min().unwrap_or_default();
        let longest = bells.iter().map(|(_, bell)| bell.silent_for()).max().unwrap_or_default();
        if shortest > WATCH_EVERY || longest > RING_AT_LEAST_EVERY {
            tracing::warn!(silent_ms = longest.as_millis() as u64, "the scheduler has stopped ringing and is replaced");
            let _ = scheduler.shutdown().await;
            scheduler = start(&bells).await?;
            bells.iter().for_each(|(_, bell)| bell.ring());
        }
    }
    let _ = scheduler.shutdown().await;
    Ok(())
}

async fn start(bells: &[(String, Arc<Bell>)]) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    for (expression, bell) in bells {
        let bell = bell.clone();
        let job = JobBuilder::new()
            .with_cron_job_type()
            .with_schedule(expression.as_str())?
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
