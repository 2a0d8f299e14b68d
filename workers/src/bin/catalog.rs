//! The catalog worker.

use std::process::ExitCode;

use onsale_workers::lanes::catalog::CatalogLane;
use onsale_workers::role::{Servers, run_worker};
use tokio::sync::Mutex;

fn main() -> ExitCode {
    run_worker("catalog", |Servers { pool, limits, .. }, _| CatalogLane {
        pool,
        limits,
        making_seats: Mutex::default(),
    })
}
