//! The measuring sticks: the same ingress over a worker that only echoes, and the service that people build instead.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use deadpool_redis::redis;
use onsale_stack::fleet::{Fleet, FleetConfig};
use onsale_stack::ports;
use onsale_stack::role::Role;
use onsale_stack::servers::Server;
use onsale_stack::stack_file::StackFile;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use super::cpu;
use super::fans::{Crowd, Joined};
use super::world::{self, FIRST_USER, World};

const READY_LIMIT: Duration = Duration::from_secs(60);
/// Connections of the direct service to Postgres: the best of 4 to 64 on two processors.
const DIRECT_CONNECTIONS: u32 = 16;

/// An ingress over the echo worker.
pub struct Floor {
    /// Where the ingress is.
    pub address: String,
    fleet: Fleet,
    echo: Running,
}

impl Floor {
    /// Starts them in a virtual host of their own; `bundle_max` bounds the bundles.
    ///
    /// # Errors
    /// When something does not start.
    pub fn start(world: &World, state_dir: &Path, bin_dir: &Path, vhost: &str, bundle_max: u32) -> Result<Self> {
        let mut environment = world.environment.clone();
        let amqp = StackFile::of(&world.servers, None).amqp_of(vhost);
        environment.insert("ONSALE_AMQP_URL".to_owned(), amqp);
        environment.insert("ONSALE_BUNDLE_MAX".to_owned(), bundle_max.to_string());
        if bundle_max == 1 {
            // As many messages in flight as bundles of one need to keep the broker busy.
            environment.insert("ONSALE_BUNDLES_IN_FLIGHT".to_owned(), "64".to_owned());
        }
        let echo = Running::start(Command::new(bin_dir.join("echo")).envs(&environment))?;
        let state_dir = state_dir.join(vhost);
        let fleet = Fleet::new(FleetConfig { state_dir, bin_dir: bin_dir.to_owned(), http_port: None, environment })?;
        fleet.add(Role::Ingress, &[])?;
        fleet.wait_ready(READY_LIMIT)?;
        let address = format!("127.0.0.1:{}", fleet.port("ingress").context("an ingress")?);
        Ok(Self { address, fleet, echo })
    }

    /// Processor seconds of its processes.
    pub fn cpu_seconds(&self) -> [(&'static str, f64); 2] {
        let ingress = self.fleet.pid("ingress").map_or(0.0, cpu::seconds_of);
        [("ingress", ingress), ("echo", self.echo.cpu_seconds())]
    }
}

/// The direct service, over a database of its own in the world's Postgres, and the world's Redis.
pub struct Direct {
    /// Where it is.
    pub address: String,
    pool: PgPool,
    redis: redis::Client,
    running: Running,
}

impl Direct {
    /// Starts it.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(world: &World, bin_dir: &Path) -> Result<Self> {
        let mut environment = world.environment.clone();
        let postgres = world.servers.postgres.local_url_of("direct");
        environment.insert("ONSALE_POSTGRES_URL".to_owned(), postgres.clone());
        world::run(bin_dir, "migrate", &[], &environment)?;
        let pool = PgPoolOptions::new().max_connections(1).connect(&postgres).await?;
        // The service draws each number by itself.
        sqlx::query("ALTER SEQUENCE reservation_numbers INCREMENT BY 1").execute(&pool).await?;
        sqlx::query("INSERT INTO venues (name) VALUES ('Bench')").execute(&pool).await?;
        sqlx::query("INSERT INTO concerts (title, venue_id) SELECT 'Bench', id FROM venues").execute(&pool).await?;
        let address = format!("127.0.0.1:{}", ports::free_port()?);
        let mut command = Command::new(bin_dir.join("direct_hold"));
        command
            .envs(&environment)
            .env("DIRECT_LISTEN", &address)
            .env("DIRECT_CONNECTIONS", DIRECT_CONNECTIONS.to_string());
        let running = Running::start(&mut command)?;
        let redis = redis::Client::open(world.servers.redis.url())?;
        Ok(Self { address, pool, redis, running })
    }

    /// People with tokens for a new schedule that has a seat for each.
    ///
    /// # Errors
    /// When the database or the cache refuses.
    pub async fn crowd(&self, people: u64) -> Result<Crowd> {
        let schedule: i64 = sqlx::query_scalar(
            "INSERT INTO schedules (concert_id, performance_date, performance_time, booking_open_at, booking_close_at, seat_count)
             SELECT id, '2036-05-01', '19:30', '2020-01-01', '2036-05-01', $1 FROM concerts RETURNING id",
        )
        .bind(i32::try_from(people)?)
        .fetch_one(&self.pool)
        .await?;
        sqlx::query(
            "INSERT INTO seats (id, schedule_id, seat_number, label, section, row_name, price)
             SELECT ($1 << 29) + n, $1, n, n, 'A', '1', 1000 FROM generate_series(1, $2) n",
        )
        .bind(schedule)
        .bind(people as i64)
        .execute(&self.pool)
        .await?;
        let joined = strangers(schedule, people as usize);
        sqlx::query(
            "INSERT INTO queue_tokens (token, schedule_id, user_id, status, issued_at, active_at, expires_at)
             SELECT token, $3, user_id, 1, now(), now(), now() + interval '1 day'
             FROM unnest($1::uuid[], $2::bigint[]) AS joined(token, user_id)",
        )
        .bind(joined.iter().map(|one| one.token).collect::<Vec<_>>())
        .bind(joined.iter().map(|one| one.user).collect::<Vec<_>>())
        .bind(schedule)
        .execute(&self.pool)
        .await?;
        sqlx::query("ANALYZE").execute(&self.pool).await?;
        let mut connection = self.redis.get_multiplexed_async_connection().await?;
        for some in joined.chunks(1000) {
            let mut pipe = redis::pipe();
            for one in some {
                pipe.set(format!("direct:token:{}", one.token), one.user).ignore();
            }
            pipe.query_async::<()>(&mut connection).await?;
        }
        Ok(Crowd::new(joined, 1))
    }

    /// Processor seconds of its process.
    pub fn cpu_seconds(&self) -> (&'static str, f64) {
        ("direct_hold", self.running.cpu_seconds())
    }

    /// Whether as many holds are stored as people were told.
    ///
    /// # Errors
    /// When they differ.
    pub async fn check_told(&self, crowd: &Crowd) -> Result<()> {
        let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM reservations WHERE schedule_id = $1")
            .bind(crowd.joined[0].schedule)
            .fetch_one(&self.pool)
            .await?;
        ensure!(stored == crowd.held.get() as i64, "{} were told that they hold, {stored} do", crowd.held.get());
        Ok(())
    }
}

/// A program of the bench's own that ends with it.
struct Running(Child);

impl Running {
    /// Starts a program and waits until it says that it is ready.
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = Self(command.stdout(Stdio::piped()).spawn()?);
        let mut said = String::new();
        BufReader::new(child.0.stdout.take().context("a pipe")?).read_line(&mut said)?;
        if said.trim() != "ready" {
            bail!("{:?} did not start", command.get_program());
        }
        Ok(child)
    }

    fn cpu_seconds(&self) -> f64 {
        cpu::seconds_of(self.0.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// People who never joined, for a worker that does not ask.
pub fn strangers(schedule: i64, count: usize) -> Vec<Joined> {
    (0..count as i64).map(|n| Joined { user: FIRST_USER + n, schedule, token: token_of(schedule) }).collect()
}

fn token_of(schedule: i64) -> Uuid {
    let schedule = onsale_common::ids::ScheduleId::new(schedule);
    onsale_common::ids::QueueToken::draw(schedule).expect("randomness").uuid()
}
