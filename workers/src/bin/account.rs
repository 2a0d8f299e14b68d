//! The account worker.

use std::process::ExitCode;

use onsale_common::login::Logins;
use onsale_workers::lanes::account::AccountLane;
use onsale_workers::role::{Servers, run_worker};

fn main() -> ExitCode {
    run_worker("account", |Servers { pool, limits, .. }, env| AccountLane {
        pool,
        limits,
        logins: Logins::from_env(env),
    })
}
