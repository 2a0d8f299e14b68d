//! Logs and metrics of a process.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::Env;

static PROMETHEUS: OnceLock<PrometheusHandle> = OnceLock::new();

/// At 60,000 samples a second this keeps what piles up below 5 MB.
const UPKEEP_PERIOD: Duration = Duration::from_secs(5);

/// Commands that travelled in one AMQP message, by lane; counted at the ingress.
pub const BUNDLE_COMMANDS: &str = "onsale_bundle_commands";
/// Bundles that the ingress published again because no reply came in time, by lane.
pub const BUNDLES_REPEATED: &str = "onsale_bundles_repeated_total";
/// Commands that a worker decided in one batch, by lane.
pub const BATCH_COMMANDS: &str = "onsale_batch_commands";
/// How long a worker took for one batch, from the first drained delivery to the last outcome, by lane.
pub const BATCH_SECONDS: &str = "onsale_batch_seconds";

/// What a process logs, and how.
#[derive(Debug)]
pub struct Logging {
    filter: EnvFilter,
    json: bool,
}

impl Logging {
    /// Reads `ONSALE_LOG`, a filter, and `ONSALE_LOG_FORMAT`: `text`, or `json` for one object a line.
    pub fn from_env(env: &mut Env) -> Self {
        let filter = env.parsed("ONSALE_LOG", EnvFilter::new("info,lapin=warn,sqlx::postgres::notice=error"));
        let format = env.parsed("ONSALE_LOG_FORMAT", "text".to_owned());
        if !["text", "json"].contains(&format.as_str()) {
            env.fault(format!("ONSALE_LOG_FORMAT is {format:?}; it must be text or json"));
        }
        Self { filter, json: format == "json" }
    }
}

/// Starts logging to standard error and collecting metrics.
///
/// # Panics
/// When called twice in one process.
pub fn start(process: &'static str, logging: Logging) {
    let logs =
        tracing_subscriber::fmt().with_env_filter(logging.filter).with_writer(std::io::stderr).with_target(false);
    if logging.json {
        logs.json().init();
    } else {
        logs.with_ansi(false).init();
    }
    let sizes = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
    let seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
    let recorder = PrometheusBuilder::new()
        .add_global_label("process", process)
        .set_buckets_for_metric(Matcher::Suffix("_commands".to_owned()), &sizes)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds))
        .expect("bucket lists are not empty")
        .install_recorder()
        .expect("telemetry starts once in a process");
    // Samples of histograms pile up until they are folded into their buckets, and nobody may ever scrape.
    let folding = recorder.clone();
    std::thread::Builder::new()
        .name("telemetry".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(UPKEEP_PERIOD);
                folding.run_upkeep();
            }
        })
        .expect("a process that cannot start a thread cannot start");
    let _ = PROMETHEUS.set(recorder);
}

/// The metrics in Prometheus' text format; empty before [`start`].
pub fn render_metrics() -> String {
    PROMETHEUS
        .get()
        .map(|handle| {
            handle.run_upkeep();
            handle.render()
        })
        .unwrap_or_default()
}
