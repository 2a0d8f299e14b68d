//! The contract: typed commands, replies and rejections. It knows JSON and nothing of HTTP, AMQP or SQL.
//!
//! `data` of a command holds what the HTTP v1 request holds, by the same names: body fields, path and query parameters.
//! `data` of a reply is byte for byte what HTTP v1 puts under `data`.

pub mod account;
pub mod admission;
pub mod catalog;
pub mod command;
pub mod envelope;
pub mod event;
pub mod example;
pub mod page;
pub mod parse;
pub mod payment;
pub mod rejection;
pub mod reply;
pub mod reservation;

pub use command::{Command, CommandData, CommandName, CommandVisitor, Lane};
pub use envelope::Envelope;
pub use example::Example;
pub use rejection::{Code, Rejection};
pub use reply::{Nothing, Outcome, Reply};
