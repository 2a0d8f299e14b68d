//! The bench: load, measuring sticks, scenarios, and what is said of them. `deploy/bench` runs it.

pub mod charts;
pub mod connection;
pub mod cpu;
pub mod fans;
pub mod figures;
pub mod load;
pub mod machine;
pub mod report;
pub mod scenarios;
pub mod sticks;
pub mod targets;
pub mod world;
