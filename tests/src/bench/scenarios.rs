//! The scenarios, and one round of all of them.

mod million;
mod onsale;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::fans::{Charger, Contender, Holder, Joined, Poller, Reader, Turns};
use super::figures::Figures;
use super::load::{self, Fan, Run, Window};
use super::sticks::{Direct, Floor, strangers};
use super::world::World;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// How often each scenario is run.
    pub rounds: usize,
    /// How long each is watched.
    pub window: Window,
    /// Connections of the scenarios that want many.
    pub connections: usize,
    /// Users who join at most.
    pub users: u64,
}

impl Size {
    /// For the README's table.
    pub const FULL: Self = Self {
        rounds: 5,
        window: Window { warm_up: Duration::from_millis(500), counted: Duration::from_secs(4) },
        connections: 512,
        users: 200_000,
    };
    /// For a first look.
    pub const QUICK: Self = Self {
        rounds: 1,
        window: Window { warm_up: Duration::from_millis(300), counted: Duration::from_secs(2) },
        connections: 512,
        users: 60_000,
    };
}

/// A stack with its measuring sticks, and what was measured.
pub struct Bench {
    /// How much is measured.
    pub size: Size,
    /// The stack.
    pub world: World,
    /// What was measured so far.
    pub figures: Figures,
    bundled: Floor,
    single: Floor,
    direct: Direct,
}

impl Bench {
    /// Starts everything.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start(state_dir: &Path, bin_dir: &Path, size: Size, settings: &[(&str, &str)]) -> Result<Self> {
        let world = World::start(state_dir, bin_dir, 2, settings)?;
        world.users(size.users).await?;
        let bundled = Floor::start(&world, state_dir, bin_dir, "t0", 256)?;
        let single = Floor::start(&world, state_dir, bin_dir, "t1", 1)?;
        let direct = Direct::start(&world, bin_dir)?;
        Ok(Self { size, world, figures: Figures::default(), bundled, single, direct })
    }

    /// Runs every scenario once. `wanted` says which.
    ///
    /// # Errors
    /// When an answer was not the expected one, or an invariant does not hold afterwards.
    pub async fn round(&mut self, wanted: impl Fn(&str) -> bool) -> Result<()> {
        if wanted("null_http") {
            self.null_http().await?;
        }
        if wanted("floor") {
            self.floors().await?;
        }
        if wanted("direct_hold") {
            self.direct_hold().await?;
        }
        if wanted("seat_map") {
            self.seat_maps().await?;
        }
        if wanted("hold") {
            self.join_poll_hold().await?;
        }
        if wanted("hold_spread") {
            self.hold_spread().await?;
        }
        if wanted("reserve_pay") {
            self.reserve_pay().await?;
        }
        if wanted("charge") {
            self.charge().await?;
        }
        if wanted("contended") {
            self.contended(1).await?;
            self.contended(500).await?;
        }
        if wanted("mixed") {
            self.mixed().await?;
        }
        if wanted("open_loop") {
            self.open_loop().await?;
        }
        if wanted("idle_latency") {
            self.idle_latency().await?;
        }
        self.world.audit()
    }

    async fn null_http(&mut self) -> Result<()> {
        let fans = self.fans(|| Reader::of("/health/live", None, "live"));
        let address = self.world.address.clone();
        self.measure("null_http", &address, fans).await.map(drop)
    }

    async fn floors(&mut self) -> Result<()> {
        for (name, address) in
            [("floor_bundled", self.bundled.address.clone()), ("floor_single", self.single.address.clone())]
        {
            let (turns, joined) = (Turns::default(), Arc::new(strangers(1, 2_000_000)));
            let fans = self.fans(|| Holder::new(&turns, &joined, 1, false));
            self.measure(name, &address, fans).await?;
        }
        Ok(())
    }

    async fn direct_hold(&mut self) -> Result<()> {
        let joined = self.crowd(1).await?;
        self.direct.admit(&self.world, &joined).await?;
        let (turns, joined) = (Turns::default(), Arc::new(joined));
        let fans = self.fans(|| Holder::new(&turns, &joined, 1, false));
        let address = self.direct.address.clone();
        self.measure("direct_hold", &address, fans).await.map(drop)
    }

    async fn seat_maps(&mut self) -> Result<()> {
        for seats in [50, 20_000] {
            let schedule = self.world.schedule(seats, 1_000_000).await?;
            let (_, joined) = self.world.join(1, &[schedule], 1, self.size.window).await?;
            let concert: i64 = sqlx::query_scalar("SELECT concert_id FROM schedules WHERE id = $1")
                .bind(schedule)
                .fetch_one(&self.world.pool)
                .await?;
            let path = format!("/api/v1/concerts/{concert}/schedules/{schedule}/seats");
            let address = self.world.address.clone();
            let connections = if seats > 1000 { 16 } else { self.size.connections };
            let fans = (0..connections).map(|_| Reader::of(&path, Some(joined[0].token), "scheduleInfo")).collect();
            self.measure(&format!("seat_map_{seats}"), &address, fans).await?;
        }
        Ok(())
    }

    /// People join a hot schedule, poll their tokens, and hold a seat each.
    async fn join_poll_hold(&mut self) -> Result<()> {
        let schedule = self.world.schedule(self.size.users, 1_000_000).await?;
        let before = self.world.cpu_seconds();
        let (run, joined) =
            self.world.join(self.size.users, &[schedule], self.size.connections, self.size.window).await?;
        self.add_run("join", &run, &before);
        let joined = Arc::new(joined);
        let address = self.world.address.clone();

        let mut at = 0;
        let fans = self.fans(|| {
            at += 31;
            Poller { joined: joined.clone(), at }
        });
        self.measure("poll", &address, fans).await?;

        let turns = Turns::default();
        let fans = self.fans(|| Holder::new(&turns, &joined, 1, false));
        self.measure("hold", &address, fans).await?;
        let told = turns.take().min(joined.len() as u64) as i64;
        let held: i64 = sqlx::query_scalar("SELECT count(*) FROM reservations WHERE schedule_id = $1 AND status = 0")
            .bind(schedule)
            .fetch_one(&self.world.pool)
            .await?;
        ensure!(held == told, "{told} clients were told that they hold a seat, and {held} do");
        Ok(())
    }

    async fn hold_spread(&mut self) -> Result<()> {
        let mut schedules = Vec::new();
        for _ in 0..1000 {
            schedules.push(self.world.schedule(self.size.users / 1000, 1_000_000).await?);
        }
        let (_, joined) = self.world.join(self.size.users, &schedules, self.size.connections, self.size.window).await?;
        let (turns, joined) = (Turns::default(), Arc::new(joined));
        let fans = self.fans(|| Holder::new(&turns, &joined, 1000, false));
        let address = self.world.address.clone();
        self.measure("hold_spread", &address, fans).await.map(drop)
    }

    async fn reserve_pay(&mut self) -> Result<()> {
        let (turns, joined) = (Turns::default(), Arc::new(self.crowd(1).await?));
        let fans = self.fans(|| Holder::new(&turns, &joined, 1, true));
        let address = self.world.address.clone();
        self.measure("reserve_pay", &address, fans).await.map(drop)
    }

    async fn charge(&mut self) -> Result<()> {
        let (turns, joined) = (Turns::default(), Arc::new(self.crowd(1).await?));
        let fans = self.fans(|| Charger { turns: turns.clone(), joined: joined.clone() });
        let address = self.world.address.clone();
        self.measure("charge", &address, fans).await.map(drop)
    }

    /// 10,000 clients at once want one of `seats` seats.
    async fn contended(&mut self, seats: i64) -> Result<()> {
        const CLIENTS: usize = 10_000;
        let schedule = self.world.schedule(seats as u64, 1_000_000).await?;
        let patient = Window { warm_up: Duration::ZERO, counted: Duration::from_secs(60) };
        let (_, joined) = self.world.join(CLIENTS as u64, &[schedule], 256, patient).await?;
        let contender = |(n, joined): (usize, &Joined)| Contender {
            joined: *joined,
            seat_number: n as i64 % seats + 1,
            asked: false,
        };
        let fans: Vec<Contender> = joined.iter().enumerate().map(contender).collect();
        let address = self.world.address.clone();
        let run = load::closed(&address, fans, patient).await?;
        ensure!(run.done == seats as u64, "{} of {seats} seats were sold", run.done);
        ensure!(run.done + run.refused == CLIENTS as u64, "{} of {CLIENTS} were answered", run.done + run.refused);
        let name = format!("contended_{seats}");
        self.figures.add(&name, "s to answer 10,000", run.seconds);
        Ok(())
    }

    async fn idle_latency(&mut self) -> Result<()> {
        let (turns, joined) = (Turns::default(), Arc::new(self.crowd(1).await?));
        let address = self.world.address.clone();
        let fans = vec![Holder::new(&turns, &joined, 1, false)];
        self.measure("idle_hold", &address, fans).await.map(drop)
    }

    /// People who have joined a new schedule that has a seat for each.
    async fn crowd(&self, schedules: usize) -> Result<Vec<Joined>> {
        let mut rooms = Vec::new();
        for _ in 0..schedules {
            rooms.push(self.world.schedule(self.size.users / schedules as u64, 1_000_000).await?);
        }
        Ok(self.world.join(self.size.users, &rooms, self.size.connections, self.size.window).await?.1)
    }

    fn fans<F>(&self, mut fan: impl FnMut() -> F) -> Vec<F> {
        (0..self.size.connections).map(|_| fan()).collect()
    }

    async fn measure<F: Fan>(&mut self, name: &str, address: &str, fans: Vec<F>) -> Result<Run> {
        eprint!("{name}: ");
        let before = self.world.cpu_seconds();
        let run = load::closed(address, fans, self.size.window).await?;
        self.add_run(name, &run, &before);
        eprintln!("{:.0}/s", run.per_second());
        Ok(run)
    }

    fn add_run(&mut self, name: &str, run: &Run, before: &BTreeMap<String, f64>) {
        let mut spent = self.world.cpu_seconds();
        for (process, seconds) in &mut spent {
            *seconds -= before.get(process).copied().unwrap_or(0.0);
        }
        // The window's part of what was spent since the connections opened.
        let part = self.size.window.counted.as_secs_f64()
            / (self.size.window.counted + self.size.window.warm_up).as_secs_f64();
        for seconds in spent.values_mut() {
            *seconds *= part;
        }
        self.figures.add_run(name, run, &spent);
    }
}
