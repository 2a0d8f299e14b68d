//! Configuration of the workers: where the servers are, and the limits of the sale.

use std::time::Duration;

use onsale_common::amqp::connection::url_from_env;
use onsale_common::amqp::topology::Topology;
use onsale_common::config::Env;
use onsale_common::ids::ScheduleId;
use onsale_common::money::Money;

/// Limits and lifetimes of the sale, the same in every worker of one system.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long seats are held.
    pub hold_ttl: Duration,
    /// How long an admitted user may take.
    pub active_ttl: Duration,
    /// How long a place in a waiting room is kept.
    pub waiting_ttl: Duration,
    /// Active users of a schedule's room that has no capacity of its own.
    pub capacity: u32,
    /// Active users of the service-wide room, where it has no capacity of its own.
    pub service_capacity: u32,
    /// Seats per user of a schedule that has no limit of its own.
    pub seats_per_user: u32,
    /// The largest single charge.
    pub charge_max: Money,
    /// The largest balance.
    pub balance_max: Money,
}

impl Limits {
    /// Active users of a room that has no capacity of its own.
    pub fn capacity_of(&self, room: ScheduleId) -> u32 {
        if room == ScheduleId::SERVICE_WIDE { self.service_capacity } else { self.capacity }
    }

    /// Reads `ONSALE_HOLD_TTL_S`, `ONSALE_ACTIVE_TTL_S`, `ONSALE_WAITING_TTL_S`, `ONSALE_CAPACITY`,
    /// `ONSALE_SERVICE_CAPACITY`, `ONSALE_SEATS_PER_USER`, `ONSALE_CHARGE_MAX` and `ONSALE_BALANCE_MAX`.
    pub fn from_env(env: &mut Env) -> Self {
        const DAY_S: u64 = 86_400;
        let capacity = env.number("ONSALE_CAPACITY", 1000, 0..=1_000_000);
        Self {
            hold_ttl: env.seconds("ONSALE_HOLD_TTL_S", 300, 1..=DAY_S),
            active_ttl: env.seconds("ONSALE_ACTIVE_TTL_S", 300, 1..=DAY_S),
            waiting_ttl: env.seconds("ONSALE_WAITING_TTL_S", 43_200, 1..=30 * DAY_S),
            capacity,
            service_capacity: env.number("ONSALE_SERVICE_CAPACITY", capacity, 0..=1_000_000),
            seats_per_user: env.number("ONSALE_SEATS_PER_USER", 4, 1..=1000),
            charge_max: env.number("ONSALE_CHARGE_MAX", 10_000_000, 1..=1_000_000_000_000),
            balance_max: env.number("ONSALE_BALANCE_MAX", 1_000_000_000_000, 1..=(1 << 53) - 1),
        }
    }
}

/// Where Postgres is and how much of it a process takes.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// The URL, with its password.
    pub url: String,
    /// Connections at most.
    pub connections_max: u32,
}

impl PostgresConfig {
    /// Reads `ONSALE_POSTGRES_URL` and `ONSALE_POSTGRES_CONNECTIONS`.
    pub fn from_env(env: &mut Env) -> Self {
        Self {
            url: env.required_secret(
                "ONSALE_POSTGRES_URL",
                "the database, as in postgres://user:password@host:5432/onsale",
            ),
            connections_max: env.number("ONSALE_POSTGRES_CONNECTIONS", 4, 1..=200),
        }
    }
}

/// Where Redis is.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// The URL, with its password.
    pub url: String,
    /// What every key starts with, so that systems can share a server.
    pub prefix: String,
    /// Connections at most.
    pub connections_max: usize,
}

impl RedisConfig {
    /// Reads `ONSALE_REDIS_URL`, `ONSALE_REDIS_PREFIX` and `ONSALE_REDIS_CONNECTIONS`.
    pub fn from_env(env: &mut Env) -> Self {
        Self {
            url: env.required_secret("ONSALE_REDIS_URL", "the cache, as in redis://:password@host:6379/0"),
            prefix: env.parsed("ONSALE_REDIS_PREFIX", "onsale".to_owned()),
            connections_max: env.number("ONSALE_REDIS_CONNECTIONS", 4, 1..=200),
        }
    }
}

/// How a worker consumes.
#[derive(Debug, Clone)]
pub struct ConsumeConfig {
    /// The broker's URL, with its password.
    pub amqp_url: String,
    /// The queues.
    pub topology: Topology,
    /// Commands in one batch, about; the last delivery may exceed it.
    pub batch_commands_max: usize,
    /// Batches of one partition that are settled at the same time.
    pub batches_in_flight: usize,
    /// Deliveries that wait in the process per partition: enough for good batches of single commands, and no more, because a
    /// process that hangs keeps them from its siblings until the broker misses it.
    pub prefetch: u16,
}

impl ConsumeConfig {
    /// Reads `ONSALE_AMQP_URL`, `ONSALE_BATCH_MAX`, `ONSALE_BATCHES_IN_FLIGHT`, `ONSALE_PREFETCH` and the topology.
    pub fn from_env(env: &mut Env) -> Self {
        Self {
            amqp_url: url_from_env(env),
            topology: Topology::from_env(env),
            batch_commands_max: env.number("ONSALE_BATCH_MAX", 512, 1..=16_384),
            batches_in_flight: env.number("ONSALE_BATCHES_IN_FLIGHT", 2, 1..=16),
            prefetch: env.number("ONSALE_PREFETCH", 64, 1..=10_000),
        }
    }
}
