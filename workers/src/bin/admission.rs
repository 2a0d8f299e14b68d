//! The admission worker.

use std::process::ExitCode;

use onsale_workers::lanes::admission::AdmissionLane;
use onsale_workers::role::{Servers, run_worker};

fn main() -> ExitCode {
    run_worker("admission", |Servers { pool, redis, limits }, _| AdmissionLane { pool, redis, limits })
}
