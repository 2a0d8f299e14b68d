//! How the cost of a hold grows: with the load, the processes, the partitions, the schedules, and the past.

use std::time::Instant;

use anyhow::{Context, Result};
use onsale_stack::fleet::{Fleet, FleetConfig};
use onsale_stack::role::Role;
use onsale_stack::stack_file::StackFile;

use super::{Bench, HOLDS_PER_S, PATIENT};
use crate::bench::fans::Crowd;
use crate::bench::load;
use crate::bench::world::READY_LIMIT;

/// How many connections ask at once.
pub(crate) const LOADS: [usize; 5] = [1, 16, 128, 1024, 4096];
/// Processes of the reservation role.
pub(crate) const PROCESSES: [usize; 3] = [1, 2, 4];
/// Partitions of a lane.
pub(crate) const PARTITIONS: [u16; 6] = [1, 2, 4, 8, 16, 32];
/// Schedules that are on sale at once.
pub(crate) const SCHEDULES: [usize; 5] = [1, 10, 100, 1000, 10_000];
/// Schedules where their number is not what is varied: enough for every partition.
const SOME_SCHEDULES: usize = 64;

impl Bench {
    /// Measures all of it once.
    ///
    /// # Errors
    /// As the scenarios.
    pub async fn growth(&mut self) -> Result<()> {
        for connections in LOADS {
            self.hold_from(&format!("load.{connections}"), connections, 1).await?;
        }
        for count in PROCESSES {
            self.scale(count)?;
            self.hold_from(&format!("processes.{count}"), self.size.connections, SOME_SCHEDULES).await?;
        }
        self.scale(1)?;
        for (n, partitions) in PARTITIONS.into_iter().enumerate() {
            self.hold_over(partitions, &format!("t{}", n + 2)).await?;
        }
        for schedules in SCHEDULES {
            self.hold_from(&format!("schedules.{schedules}"), self.size.connections, schedules).await?;
        }
        self.hold_from("past.0", self.size.connections, 1).await?;
        self.fill_the_past().await?;
        self.hold_from(&format!("past.{}", self.size.past_reservations), self.size.connections, 1).await?;
        self.world.audit().await
    }

    fn scale(&self, count: usize) -> Result<()> {
        tokio::task::block_in_place(|| self.world.fleet.scale(Role::Reservation, count, READY_LIMIT))
    }

    async fn hold_from(&mut self, name: &str, connections: usize, schedules: usize) -> Result<()> {
        let wanted = if connections < 64 { HOLDS_PER_S / 10.0 } else { HOLDS_PER_S };
        let crowd = self.crowd(wanted, schedules).await?;
        self.world.rest().await?;
        let before = self.cpu_seconds();
        let fans = (0..connections).map(|_| crowd.holder(false)).collect();
        let run = load::closed(&self.world.address, fans, self.size.window).await?;
        eprint!("growth.{name}: ");
        self.add_run(&format!("growth.{name}"), &run, &before);
        self.world.check_told(&crowd).await
    }

    /// Holds through processes of their own, whose lanes have this many partitions.
    async fn hold_over(&mut self, partitions: u16, vhost: &str) -> Result<()> {
        let mut environment = self.world.environment.clone();
        let amqp = StackFile::of(&self.world.servers, None).amqp_of(vhost);
        environment.insert("ONSALE_AMQP_URL".to_owned(), amqp);
        environment.insert("ONSALE_PARTITIONS".to_owned(), partitions.to_string());
        let config = FleetConfig {
            state_dir: self.world.servers.state_dir().join(vhost),
            environment,
            ..self.world.fleet.config()
        };
        let fleet = Fleet::new(config)?;
        for role in [Role::Ingress, Role::Admission, Role::Reservation] {
            fleet.add(role, &[])?;
        }
        tokio::task::block_in_place(|| fleet.wait_ready(READY_LIMIT))?;
        let address = format!("127.0.0.1:{}", fleet.port("ingress").context("an ingress")?);

        let people = self.size.people_at(HOLDS_PER_S);
        let rooms = self.world.schedules(SOME_SCHEDULES, people.div_ceil(SOME_SCHEDULES as u64), 1_000_000).await?;
        let connections = self.size.connections;
        let (_, joined) = self.world.join_from(&address, 0, people, &rooms, connections, PATIENT).await?;
        let crowd = Crowd::new(joined, SOME_SCHEDULES as u64);
        let fans = self.fans(|| crowd.holder(false));
        self.world.rest().await?;
        let run = load::closed(&address, fans, self.size.window).await?;
        eprintln!("growth.partitions.{partitions}: {:.0}/s", run.per_second());
        self.figures.add(&format!("growth.partitions.{partitions}"), "1/s", run.per_second());
        self.world.check_told(&crowd).await
    }

    /// Stores reservations that ran out long ago, of all users.
    async fn fill_the_past(&self) -> Result<()> {
        const CHUNK: u64 = 500_000;
        let started = Instant::now();
        let schedule = self.world.schedule(1, 0).await?;
        let mut done = 0;
        while done < self.size.past_reservations {
            let upto = (done + CHUNK).min(self.size.past_reservations);
            sqlx::query(
                "INSERT INTO reservations
                     (id, schedule_id, user_id, token, command_id, seat_ids, total_amount, status, reserved_at, expires_at)
                 SELECT ($1 << 29) + n, $1, $4 + n % $5, gen_random_uuid(), gen_random_uuid(), ARRAY[($1 << 29) + 1], 1000, 3,
                        now() - interval '2 days', now() - interval '2 days'
                 FROM generate_series($2::bigint + 1, $3) n",
            )
            .bind(schedule)
            .bind(done as i64)
            .bind(upto as i64)
            .bind(crate::bench::world::FIRST_USER)
            .bind(self.size.users as i64)
            .execute(&self.world.pool)
            .await?;
            done = upto;
        }
        sqlx::query("ANALYZE reservations").execute(&self.world.pool).await?;
        eprintln!("growth.past: {done} reservations in {:.0} s", started.elapsed().as_secs_f64());
        Ok(())
    }
}
