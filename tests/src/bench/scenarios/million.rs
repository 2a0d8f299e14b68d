//! A million people in one waiting room.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use deadpool_redis::redis;
use onsale_stack::servers::Server;

use super::Bench;
use crate::bench::fans::{Poller, Turns};
use crate::bench::load::{self, Window};
use crate::bench::world::World;

/// Steps in which people join, so that the rate over time shows.
const STEPS: u64 = 10;

impl Bench {
    /// `people` join a room that admits nobody; tokens are polled before and after; then a tenth is admitted.
    ///
    /// # Errors
    /// When somebody is not let in, or not admitted in time.
    pub async fn million(&mut self, people: u64) -> Result<()> {
        self.world.users(people).await?;
        let room = self.world.schedule(50, 0).await?;
        let patient = Window { warm_up: Duration::ZERO, counted: Duration::from_secs(600) };
        let address = self.world.address.clone();

        let (_, first) = self.world.join(self.size.connections as u64, &[room], 16, patient).await?;
        let empty = poll(&address, &first, self.size.connections, self.size.window).await?;
        self.figures.add("million.poll_empty.p50", "ms", empty.ms_at(50.0));

        let (redis_before, postgres_before) = (redis_bytes(&self.world).await?, postgres_bytes(&self.world).await?);
        let mut waiting = first;
        for step in 1..=STEPS {
            let upto = people * step / STEPS;
            let from = waiting.len() as u64;
            let (run, joined) = self.world.join_from(from, upto, &[room], self.size.connections, patient).await?;
            self.figures.add(&format!("million.join_{step:02}"), "1/s", run.per_second());
            self.figures.add("million", "1/s", run.per_second());
            waiting.extend(joined);
        }
        let grown = waiting.len() as f64 - self.size.connections as f64;
        self.figures.add("million.redis", "bytes a person", (redis_bytes(&self.world).await? - redis_before) / grown);
        self.figures.add(
            "million.postgres",
            "bytes a person",
            (postgres_bytes(&self.world).await? - postgres_before) / grown,
        );

        let full = poll(&address, &waiting, self.size.connections, self.size.window).await?;
        self.figures.add("million.poll_full.p50", "ms", full.ms_at(50.0));

        let admitted = people / 10;
        let seconds = self.world.admit(room, u32::try_from(admitted)?).await?;
        self.figures.add("million.admission", "1/s", admitted as f64 / seconds);
        Ok(())
    }
}

async fn poll(
    address: &str,
    joined: &[crate::bench::fans::Joined],
    connections: usize,
    window: Window,
) -> Result<load::Run> {
    let (joined, turns) = (Arc::new(joined.to_vec()), Turns::default());
    let fans = (0..connections).map(|_| Poller { joined: joined.clone(), at: turns.take() as usize * 31 }).collect();
    load::closed(address, fans, window).await
}

async fn redis_bytes(world: &World) -> Result<f64> {
    let client = redis::Client::open(world.servers.redis.url())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let info: String = redis::cmd("INFO").arg("memory").query_async(&mut connection).await?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).context("used_memory")?;
    Ok(used.trim().parse()?)
}

async fn postgres_bytes(world: &World) -> Result<f64> {
    let bytes = world.count("SELECT pg_total_relation_size('queue_tokens')").await?;
    Ok(bytes as f64)
}
