//! The broker: topology, a supervised connection, and the client that bundles commands.

pub mod connection;
pub mod reply_to;
pub mod rpc;
pub mod topology;
pub mod unroutable;
