//! The payment worker.

use std::process::ExitCode;

use onsale_workers::lanes::payment::PaymentLane;
use onsale_workers::role::{Servers, run_worker};
use onsale_workers::store::numbers::Numbers;

fn main() -> ExitCode {
    run_worker("payment", |Servers { pool, redis, limits }, _| PaymentLane {
        pool,
        redis,
        limits,
        numbers: Numbers::of_payments(),
    })
}
