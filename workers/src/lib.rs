//! The roles of Onsale that decide. A batch of commands walks through these rooms: `runtime` (drain, decode, retry, reply,
//! ack), its `lanes` (load, decide, store), `domain` (pure decisions), `store` (all SQL), `redis` (all scripts), and back.

pub mod config;
pub mod cron;
pub mod domain;
pub mod failure;
pub mod lanes;
pub mod redis;
pub mod role;
pub mod runtime;
mod sorted;
pub mod store;
