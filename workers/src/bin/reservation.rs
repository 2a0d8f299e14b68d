//! The reservation worker.

use std::process::ExitCode;

use onsale_workers::lanes::reservation::ReservationLane;
use onsale_workers::redis::keeper::LockKeeper;
use onsale_workers::role::{Servers, run_worker};
use onsale_workers::store::numbers::Numbers;

fn main() -> ExitCode {
    run_worker("reservation", |Servers { pool, redis, limits }, _| ReservationLane {
        pool,
        keeper: LockKeeper::start(redis.clone()),
        redis,
        limits,
        numbers: Numbers::of_reservations(),
    })
}
