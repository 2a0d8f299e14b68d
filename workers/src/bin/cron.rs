//! The cron process.

use std::process::ExitCode;

use onsale_workers::cron::{self, CronConfig};
use onsale_workers::role::{Servers, run};
use onsale_workers::store::pool::Plans;

fn main() -> ExitCode {
    run("cron", async |mut env, ready, shutdown| {
        let servers = Servers::from_env(&mut env, "cron", Plans::AsItPays);
        let config = CronConfig::from_env(&mut env);
        tracing::info!(configuration = env.report(), "starting");
        let config = env.finish(config)?;
        cron::run(servers, config, &ready, &shutdown).await
    })
}
