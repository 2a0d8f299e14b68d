//! All that Redis keeps: what must be fast and may be lost. Every call is bounded, and its failure is an answer of its
//! own (`None`): Postgres decides then.

pub mod keeper;
pub mod link;
pub mod rooms;
pub mod seats;

pub use link::Redis;
