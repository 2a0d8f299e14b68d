//! A million people in one waiting room.

use anyhow::{Context, Result};
use deadpool_redis::redis;
use onsale_stack::servers::Server;

use super::{Bench, PATIENT};
use crate::bench::fans::{Crowd, Poller};
use crate::bench::load::{self, Run};
use crate::bench::world::World;

/// Steps in which people join, so that the rate over time shows.
pub(crate) const STEPS: u64 = 10;

impl Bench {
    /// People join a room that admits nobody; tokens are polled before and after; then a tenth is admitted.
    ///
    /// # Errors
    /// When somebody is not let in, or not admitted in time.
    pub async fn million(&mut self) -> Result<()> {
        let people = self.size.people;
        self.world.users(people).await?;
        let room = self.world.schedule(50, 0).await?;
        let address = self.world.address.clone();
        let (_, mut waiting) = self.world.join(self.size.connections as u64, &[room], 16, PATIENT).await?;
        let empty = self.poll(Crowd::new(waiting.clone(), 1)).await?;

        let (redis_before, postgres_before) = (redis_bytes(&self.world).await?, postgres_bytes(&self.world).await?);
        let first = waiting.len() as u64;
        for step in 1..=STEPS {
            let upto = people * step / STEPS;
            let from = waiting.len() as u64;
            let connections = self.size.connections;
            let (run, joined) = self.world.join_from(&address, from, upto, &[room], connections, PATIENT).await?;
            eprintln!("million: {upto} joined, {:.0}/s", run.per_second());
            self.figures.add(&format!("million.join_{step:02}"), "1/s", run.per_second());
            self.figures.add("million", "1/s", run.per_second());
            waiting.extend(joined);
        }
        let joined = (people - first) as f64;
        let redis = (redis_bytes(&self.world).await? - redis_before) / joined;
        let postgres = (postgres_bytes(&self.world).await? - postgres_before) / joined;
        self.figures.add("million.redis", "bytes a person", redis);
        self.figures.add("million.postgres", "bytes a person", postgres);

        let full = self.poll(Crowd::new(waiting, 1)).await?;
        self.figures.add("million.poll_empty", "ms", empty.ms_at(50.0));
        self.figures.add("million.poll_full", "ms", full.ms_at(50.0));

        let admitted = people / 10;
        let seconds = self.world.admit(room, u32::try_from(admitted)?).await?;
        self.figures.add("million.admission", "1/s", admitted as f64 / seconds);
        eprintln!(
            "million: {redis:.0} bytes of Redis, {postgres:.0} of Postgres; poll {:.1} then {:.1} ms; {admitted} admitted in {seconds:.1} s",
            empty.ms_at(50.0),
            full.ms_at(50.0)
        );
        self.world.audit().await
    }

    async fn poll(&self, crowd: Crowd) -> Result<Run> {
        let mut at = 0;
        let fans = self.fans(|| {
            at += 31;
            Poller { joined: crowd.joined.clone(), at }
        });
        self.world.rest().await?;
        load::closed(&self.world.address, fans, self.size.window).await
    }
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
