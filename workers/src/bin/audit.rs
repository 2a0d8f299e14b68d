//! Checks every invariant of the system against Postgres. Exit code 0: all hold; 1: one does not; 2: could not look.

use std::process::ExitCode;

use anyhow::Context;
use onsale_common::config::Env;
use onsale_workers::config::{Limits, PostgresConfig};
use onsale_workers::store::pool::Plans;
use onsale_workers::store::{self, audit};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match check().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("audit: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn check() -> anyhow::Result<bool> {
    let mut env = Env::from_process();
    let limits = Limits::from_env(&mut env);
    let config = PostgresConfig::from_env(&mut env);
    let config = env.finish(config)?;
    let pool = store::pool::open(&config, "audit", Plans::AsItPays)?;
    // One snapshot for all: what one query sees, the next one does too.
    let mut snapshot = pool.acquire().await.context("cannot reach Postgres (ONSALE_POSTGRES_URL)")?;
    audit::begin_snapshot(&mut snapshot, &limits).await?;
    let mut clean = true;
    for invariant in audit::INVARIANTS {
        let offenders = audit::offenders(&mut snapshot, invariant).await?;
        println!("{}  {}", if offenders.is_empty() { "holds " } else { "BROKEN" }, invariant.rule);
        for offender in &offenders {
            println!("          {offender}");
        }
        clean &= offenders.is_empty();
    }
    Ok(clean)
}
