//! The reservation worker.

use std::process::ExitCode;

use onsale_workers::lanes::reservation::ReservationLane;
use onsale_workers::role::{Servers, run_worker};

fn main() -> ExitCode {
    run_worker("reservation", |Servers { pool, redis, limits }, _| ReservationLane { pool, redis, limits })
}
