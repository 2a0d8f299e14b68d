//! The stage on which the tests play: real servers, real processes, an own database, virtual host and cache for each sale.

pub mod bench;
pub mod client;
pub mod hostile;
pub mod producer;
pub mod proxy;
pub mod sale;
pub mod shape;

pub use client::{Answer, Client};
pub use sale::Sale;

/// The id of the `n`th seat of a schedule.
pub const fn seat(schedule: i64, n: i64) -> i64 {
    (schedule << 29) + n
}
