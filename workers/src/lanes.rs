//! What each role does with its commands: load, decide, store.

pub mod account;
pub mod admission;
mod batch;
mod callers;
pub mod catalog;
pub(crate) mod holds;
pub mod payment;
pub mod reservation;
pub(crate) mod rooms;
mod views;
