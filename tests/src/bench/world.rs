//! A stack of the bench's own, and what the scenarios need in it: users with balances, schedules with seats, people who
//! have joined.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use onsale_stack::fleet::{Fleet, FleetConfig};
use onsale_stack::role::Role;
use onsale_stack::servers::{Server, Servers, ServersConfig};
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::mpsc;

use super::connection::Connection;
use super::cpu;
use super::fans::{self, Count, Crowd, Joined, Joiner};
use super::load::{self, Run, Window};

const ADMIN_KEY: &str = "the-benchs-organiser";
/// How long processes may take to be ready.
pub const READY_LIMIT: Duration = Duration::from_secs(60);
/// The bench's own users come after the demo's.
pub const FIRST_USER: i64 = 10_001;
/// What each of them has.
const BALANCE: i64 = 1_000_000_000;

/// A stack with all its processes.
pub struct World {
    /// Its servers.
    pub servers: Servers,
    /// Its processes.
    pub fleet: Fleet,
    /// Where its ingress is.
    pub address: String,
    /// Its database.
    pub pool: PgPool,
    /// The variables of its processes.
    pub environment: BTreeMap<String, String>,
    bin_dir: PathBuf,
}

impl World {
    /// Starts servers and one process of each role, with these settings.
    ///
    /// # Errors
    /// When something does not start.
    pub fn start(state_dir: &Path, bin_dir: &Path, extra_vhosts: usize, settings: &[(&str, &str)]) -> Result<Self> {
        let servers = Servers::start(&ServersConfig { state_dir: state_dir.to_owned(), extra_vhosts })?;
        let mut environment: BTreeMap<String, String> = [
            ("ONSALE_AMQP_URL", servers.rabbitmq.url().as_str()),
            ("ONSALE_POSTGRES_URL", &servers.postgres.local_url()),
            ("ONSALE_REDIS_URL", &servers.redis.local_url()),
            ("ONSALE_ADMIN_KEY", ADMIN_KEY),
            ("ONSALE_JWT_SECRET", "a secret of thirty-two bytes or more"),
            ("ONSALE_CONNECTIONS_MAX", "50000"),
            ("ONSALE_CAPACITY", "1000000"),
            ("ONSALE_ACTIVE_TTL_S", "36000"),
            ("ONSALE_HOLD_TTL_S", "3600"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        run(bin_dir, "migrate", &["--demo"], &environment)?;
        let config = FleetConfig {
            state_dir: state_dir.to_owned(),
            bin_dir: bin_dir.to_owned(),
            http_port: None,
            environment: environment.clone(),
        };
        let fleet = Fleet::new(config)?;
        for role in Role::ALL {
            fleet.add(role, &[])?;
        }
        fleet.wait_ready(READY_LIMIT)?;
        let address = format!("127.0.0.1:{}", fleet.port("ingress").context("an ingress")?);
        let pool = PgPoolOptions::new().max_connections(2).connect_lazy(&servers.postgres.url())?;
        Ok(Self { servers, fleet, address, pool, environment, bin_dir: bin_dir.to_owned() })
    }

    /// Makes sure that there are this many users, each with a balance that its ledger explains. They charged it so long
    /// ago that its events are purged.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn users(&self, count: u64) -> Result<()> {
        let last = FIRST_USER + count as i64 - 1;
        for statement in [
            "INSERT INTO users (id, username, email, password_hash)
             SELECT n, 'fan' || n, 'fan' || n || '@example.com', '-' FROM generate_series($1, $2) n
             ON CONFLICT (id) DO NOTHING",
            "WITH fresh AS (
               INSERT INTO accounts (user_id, balance, total_charged, version)
               SELECT n, $3, $3, 1 FROM generate_series($1, $2) n ON CONFLICT (user_id) DO NOTHING RETURNING user_id)
             INSERT INTO ledger_entries (user_id, kind, amount, balance_after, created_at)
             SELECT user_id, 0, $3, $3, now() - interval '2 days' FROM fresh",
        ] {
            let mut query = sqlx::query(statement).bind(FIRST_USER).bind(last);
            if statement.contains("$3") {
                query = query.bind(BALANCE);
            }
            query.execute(&self.pool).await?;
        }
        sqlx::query("ANALYZE users, accounts, ledger_entries").execute(&self.pool).await?;
        Ok(())
    }

    /// Creates a schedule with so many seats at 1000 each, and a room of this capacity.
    ///
    /// # Errors
    /// When the organiser's API refuses.
    pub async fn schedule(&self, seats: u64, capacity: u32) -> Result<i64> {
        Ok(self.schedules(1, seats, capacity).await?[0])
    }

    /// Creates some schedules of one concert, several at a time; in the order of their ids.
    ///
    /// # Errors
    /// When the organiser's API refuses.
    pub async fn schedules(&self, count: usize, seats: u64, capacity: u32) -> Result<Vec<i64>> {
        const AT_A_TIME: usize = 16;
        let concert =
            self.organise("POST", "/api/v1/admin/concerts", &json!({ "title": "Bench", "venueName": "Bench" })).await?;
        let path = format!("/api/v1/admin/concerts/{}/schedules", concert["concertId"]);
        let body = json!({
            "performanceDate": "2036-05-01", "performanceTime": "19:30:00",
            "bookingOpenAt": "2020-01-01T00:00:00Z", "bookingCloseAt": "2036-05-01T00:00:00Z",
            "seats": { "count": seats, "price": 1000 },
            "maxConcurrentUsers": capacity, "seatsPerUser": 1000,
        });
        let create = |_| async { self.organise("POST", &path, &body).await?["scheduleId"].as_i64().context("an id") };
        let mut ids: Vec<i64> = stream::iter(0..count).map(create).buffered(AT_A_TIME).try_collect().await?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// Opens a room to so many, and gives the seconds until all of them are in.
    ///
    /// # Errors
    /// When they are not within a minute.
    pub async fn admit(&self, schedule: i64, capacity: u32) -> Result<f64> {
        let started = Instant::now();
        let path = format!("/api/v1/admin/schedules/{schedule}");
        self.organise("PATCH", &path, &json!({ "maxConcurrentUsers": capacity })).await?;
        let active = "SELECT count(*) FROM queue_tokens WHERE schedule_id = $1 AND status = 1";
        while sqlx::query_scalar::<_, i64>(active).bind(schedule).fetch_one(&self.pool).await? < i64::from(capacity) {
            ensure!(started.elapsed() < Duration::from_secs(60), "not all were admitted within a minute");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(started.elapsed().as_secs_f64())
    }

    async fn organise(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let mut request = Vec::new();
        fans::write(&mut request, method, path, None, &body.to_string());
        let end = request.windows(4).position(|window| window == b"\r\n\r\n").context("a head")?;
        request.splice(end..end, format!("\r\nauthorization: Bearer {ADMIN_KEY}").into_bytes());
        let mut connection = Connection::open(&self.address).await?;
        let reply = connection.ask(&request).await?;
        let answer: Value = serde_json::from_slice(reply.body)?;
        if !matches!(reply.status, 200 | 201) {
            bail!("{path} was answered {}: {answer}", reply.status);
        }
        Ok(answer["data"].clone())
    }

    /// Lets users join these rooms in turn, for as long as the window lasts.
    ///
    /// # Errors
    /// When somebody is not let in.
    pub async fn join(
        &self,
        users: u64,
        schedules: &[i64],
        connections: usize,
        window: Window,
    ) -> Result<(Run, Vec<Joined>)> {
        self.join_from(&self.address, 0, users, schedules, connections, window).await
    }

    /// The same at another ingress, of the users from `first` on.
    ///
    /// # Errors
    /// When somebody is not let in.
    pub async fn join_from(
        &self,
        address: &str,
        first: u64,
        users: u64,
        schedules: &[i64],
        connections: usize,
        window: Window,
    ) -> Result<(Run, Vec<Joined>)> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let (turns, schedules): (Count, Arc<[i64]>) = (Count::default(), schedules.into());
        let joiner = || Joiner {
            turns: turns.clone(),
            users: users - first,
            first_user: FIRST_USER + first as i64,
            schedules: schedules.clone(),
            joined: sender.clone(),
            asking: (0, 0),
        };
        let fans = (0..connections).map(|_| joiner()).collect();
        let run = load::closed(address, fans, window).await?;
        drop(sender);
        let mut joined = Vec::new();
        while let Ok(one) = receiver.try_recv() {
            joined.push(one);
        }
        joined.sort_unstable_by_key(|one| one.user);
        let tokens = "SELECT count(*) FROM queue_tokens WHERE schedule_id = ANY($1) AND user_id >= $2";
        let first = FIRST_USER + first as i64;
        let stored: i64 = sqlx::query_scalar(tokens).bind(&schedules[..]).bind(first).fetch_one(&self.pool).await?;
        ensure!(stored == joined.len() as i64, "{} were told that they joined, and {stored} did", joined.len());
        Ok((run, joined))
    }

    /// Processor seconds of every process, by role or server.
    pub fn cpu_seconds(&self) -> BTreeMap<String, f64> {
        let ours = self.fleet.names().into_iter().filter_map(|name| Some((name.clone(), self.fleet.pid(&name)?)));
        let servers =
            self.servers.each().into_iter().filter_map(|server| Some((server.name().to_owned(), server.pid()?)));
        ours.chain(servers).map(|(name, pid)| (name, cpu::seconds_of(pid))).collect()
    }

    /// Whether as many reservations and payments of a crowd's schedules are stored as its people were told.
    ///
    /// # Errors
    /// When they differ.
    pub async fn check_told(&self, crowd: &Crowd) -> Result<()> {
        let mut schedules: Vec<i64> = crowd.joined.iter().map(|one| one.schedule).collect();
        schedules.sort_unstable();
        schedules.dedup();
        let stored =
            "SELECT count(*), count(*) FILTER (WHERE status = 1) FROM reservations WHERE schedule_id = ANY($1)";
        let stored: (i64, i64) = sqlx::query_as(stored).bind(schedules).fetch_one(&self.pool).await?;
        let told = (crowd.held.get() as i64, crowd.paid.get() as i64);
        ensure!(stored == told, "(holds, payments): clients were told of {told:?}, and {stored:?} are stored");
        Ok(())
    }

    /// A number from the database.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn count(&self, query: &'static str) -> Result<i64> {
        Ok(sqlx::query_scalar(query).fetch_one(&self.pool).await?)
    }

    /// How many events are not published yet.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn events_behind(&self) -> Result<i64> {
        self.count("SELECT count(*) FROM outbox WHERE id > (SELECT published_to FROM outbox_relay)").await
    }

    /// Waits until every event is published, so that nothing of what was done before is paid for by what comes next.
    ///
    /// # Errors
    /// When that takes longer than a minute.
    pub async fn rest(&self) -> Result<()> {
        let started = Instant::now();
        while self.events_behind().await? > 0 {
            ensure!(started.elapsed() < Duration::from_secs(60), "the events are not published within a minute");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Whether every invariant holds, once every event is published.
    ///
    /// # Errors
    /// With what the audit says, when one does not.
    pub async fn audit(&self) -> Result<()> {
        self.rest().await?;
        run(&self.bin_dir, "audit", &[], &self.environment)
    }
}

/// Runs one of the programs to its end.
///
/// # Errors
/// With what it said, when it failed.
pub fn run(bin_dir: &Path, program: &str, arguments: &[&str], environment: &BTreeMap<String, String>) -> Result<()> {
    let output = Command::new(bin_dir.join(program)).args(arguments).envs(environment).output()?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{program} failed: {}", String::from_utf8_lossy(&said));
    }
    Ok(())
}
