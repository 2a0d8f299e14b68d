//! Pure decisions over loaded rows: no I/O, no clock of their own.

pub mod account;
pub mod attempt;
pub mod caller;
pub mod hold;
pub mod payment;
pub mod room;
pub mod schedule;
pub mod token;
