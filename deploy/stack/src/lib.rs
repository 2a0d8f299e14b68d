//! A private Onsale stack on one machine: Postgres, Redis and RabbitMQ from Debian packages, and every
//! Onsale process, each in a session of its own with its output in one log file.
//!
//! Everything lives under one *state directory*: the servers' data, the logs, the secrets, and
//! `stack.json`, which tells any reader where everything is. Two state directories never meet: ports are
//! chosen free, and nothing outside the directory is used. All calls block; nothing here is async.
//!
//! - [`servers::Servers`] starts, stops, kills and restarts the three servers.
//! - [`fleet::Fleet`] does the same for Onsale's own processes, and scales a role.
//! - [`stack_file::StackFile`] is `stack.json`.

pub mod files;
pub mod fleet;
pub mod interrupt;
mod member;
pub mod packages;
pub mod ports;
pub mod postgres;
pub mod probe;
pub mod process;
pub mod rabbitmq;
pub mod redis;
pub mod role;
pub mod servers;
pub mod settings;
mod slot;
pub mod stack_file;
pub mod stack_lock;
pub mod sweep;
pub mod unix_user;
