//! The bench: load, measuring sticks, scenarios, and what is said of them. `deploy/bench` runs it.

pub mod connection;
pub mod cpu;
pub mod fans;
pub mod figures;

pub mod load;
pub mod scenarios;
pub mod sticks;
pub mod world;
