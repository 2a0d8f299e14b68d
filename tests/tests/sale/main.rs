//! Onsale from outside, on real servers. Every sale ends with the audit.

mod amqp;
mod api;
mod faults;
mod holds;
mod room;
