//! The admission worker.

use std::process::ExitCode;

use onsale_common::login;
use onsale_workers::lanes::admission::AdmissionLane;
use onsale_workers::role::{Servers, run_worker};

fn main() -> ExitCode {
    run_worker("admission", |Servers { pool, redis, limits }, env| {
        let logins_demanded = login::are_demanded(env);
        AdmissionLane { pool, redis, limits, logins_demanded }
    })
}
