//! The scenarios, and one round of all of them.

mod growth;
mod latency;
mod million;
mod onsale;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::connection::Connection;
use super::fans::{Charger, Contender, Count, Crowd, Joined, Poller, Reader};
use super::figures::Figures;
use super::load::{self, Fan, Run, Window};
use super::sticks::{Direct, Floor, strangers};
use super::world::World;

pub(super) use growth::{LOADS, PARTITIONS, PROCESSES, SCHEDULES};
pub(super) use million::STEPS as MILLION_STEPS;

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
    /// People in the waiting room of `million`.
    pub people: u64,
    /// Past reservations of the scenario with full tables.
    pub past_reservations: u64,
}

impl Size {
    /// For the README's table.
    pub const FULL: Self = Self {
        rounds: 3,
        window: Window { warm_up: Duration::from_secs(1), counted: Duration::from_secs(4) },
        connections: 4096,
        users: 200_000,
        people: 1_000_000,
        past_reservations: 10_000_000,
    };
    /// For a first look.
    pub const QUICK: Self = Self {
        rounds: 1,
        window: Window { warm_up: Duration::from_millis(500), counted: Duration::from_secs(2) },
        connections: 4096,
        users: 60_000,
        people: 50_000,
        past_reservations: 100_000,
    };

    /// More people than can be served one after the other at this rate, within the window.
    fn people_at(&self, per_second: f64) -> u64 {
        let needed = (per_second * (self.window.warm_up + self.window.counted).as_secs_f64()) as u64;
        (needed + self.connections as u64).min(self.users)
    }
}

/// More holds in a second than are done here, and more of hold and payment.
const HOLDS_PER_S: f64 = 25_000.0;
const PAIRS_PER_S: f64 = 12_000.0;
/// As long as it takes.
const PATIENT: Window = Window { warm_up: Duration::ZERO, counted: Duration::from_secs(600) };

/// A stack with its measuring sticks, and what was measured.
pub struct Bench {
    /// How much is measured.
    pub size: Size,
    /// What was measured so far.
    pub figures: Figures,
    // The sticks stand on the world's servers and end before them.
    bundled: Floor,
    single: Floor,
    direct: Direct,
    /// The stack.
    pub world: World,
}

impl Bench {
    /// Starts everything, with these settings of the processes.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start(state_dir: &Path, bin_dir: &Path, size: Size, settings: &[(&str, &str)]) -> Result<Self> {
        let vhosts = 2 + PARTITIONS.len();
        let world = World::start(state_dir, bin_dir, vhosts, settings)?;
        world.users(size.users).await?;
        let bundled = Floor::start(&world, state_dir, bin_dir, "t0", 256)?;
        let single = Floor::start(&world, state_dir, bin_dir, "t1", 1)?;
        let direct = Direct::start(&world, bin_dir).await?;
        Ok(Self { size, figures: Figures::default(), bundled, single, direct, world })
    }

    /// Runs every scenario once. `wanted` says which.
    ///
    /// # Errors
    /// When an answer was not the expected one, or an invariant does not hold afterwards.
    pub async fn round(&mut self, wanted: impl Fn(&str) -> bool) -> Result<()> {
        if wanted("null_http") {
            self.null_http().await?;
        }
        if wanted("floor_bundled") || wanted("floor_single") {
            self.floors().await?;
        }
        if wanted("direct_hold") {
            self.direct_hold().await?;
        }
        if wanted("seat_map") {
            self.seat_maps().await?;
        }
        if wanted("join") || wanted("poll") || wanted("hold") || wanted("open_loop") {
            self.join_poll_hold().await?;
        }
        // Next to the capacity that it offers parts of: a machine that is shared is not the same some minutes later.
        if wanted("open_loop") {
            self.open_loop().await?;
        }
        if wanted("hold_spread") {
            self.hold("hold_spread", HOLDS_PER_S, 1000, false).await?;
        }
        if wanted("reserve_pay") {
            self.hold("reserve_pay", PAIRS_PER_S, 1, true).await?;
        }
        if wanted("charge") {
            self.charge().await?;
        }
        if wanted("contended") {
            self.contended("contended", 1).await?;
            self.contended("contended_500", 500).await?;
        }
        if wanted("mixed") {
            self.mixed().await?;
        }
        if wanted("idle_latency") {
            self.idle_latency().await?;
        }
        self.world.audit().await
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
            let crowd = Crowd::new(strangers(1, 2_000_000), 1);
            let fans = self.fans(|| crowd.holder(false));
            self.measure(name, &address, fans).await?;
        }
        Ok(())
    }

    async fn direct_hold(&mut self) -> Result<()> {
        let crowd = self.direct.crowd(self.size.people_at(HOLDS_PER_S / 2.0)).await?;
        let fans = self.fans(|| crowd.holder(false));
        let address = self.direct.address.clone();
        self.measure("direct_hold", &address, fans).await?;
        self.direct.check_told(&crowd).await
    }

    async fn seat_maps(&mut self) -> Result<()> {
        for (name, seats, connections) in
            [("seat_map", 50, self.size.connections), ("seat_map_20000", 20_000, self.size.connections.min(64))]
        {
            let schedule = self.world.schedule(seats, 1_000_000).await?;
            let (_, joined) = self.world.join(1, &[schedule], 1, PATIENT).await?;
            let concert: i64 = sqlx::query_scalar("SELECT concert_id FROM schedules WHERE id = $1")
                .bind(schedule)
                .fetch_one(&self.world.pool)
                .await?;
            let path = format!("/api/v1/concerts/{concert}/schedules/{schedule}/seats");
            let address = self.world.address.clone();
            let reader = || Reader::of(&path, Some(joined[0].token), "scheduleInfo");
            self.measure(name, &address, (0..connections).map(|_| reader()).collect()).await?;
            if seats == 20_000 {
                let bytes = Connection::open(&address).await?.ask(&reader().request).await?.body.len();
                self.plain("plain_20000", bytes, connections).await?;
            }
        }
        Ok(())
    }

    /// An answer of so many bytes from hyper alone.
    async fn plain(&mut self, name: &str, bytes: usize, connections: usize) -> Result<()> {
        let path = format!("/plain/{bytes}");
        let fans = (0..connections).map(|_| Reader::of(&path, None, "plain")).collect();
        let address = self.direct.address.clone();
        self.measure(name, &address, fans).await.map(drop)
    }

    /// People join a hot schedule, poll their tokens, and hold a seat each.
    async fn join_poll_hold(&mut self) -> Result<()> {
        let schedule = self.world.schedule(self.size.users, 1_000_000).await?;
        self.world.rest().await?;
        let before = self.cpu_seconds();
        eprint!("join: ");
        let (run, joined) =
            self.world.join(self.size.users, &[schedule], self.size.connections, self.size.window).await?;
        self.add_run("join", &run, &before);
        let crowd = Crowd::new(joined, 1);
        let address = self.world.address.clone();

        let mut at = 0;
        let fans = self.fans(|| {
            at += 31;
            Poller { joined: crowd.joined.clone(), at }
        });
        self.measure("poll", &address, fans).await?;

        let fans = self.fans(|| crowd.holder(false));
        self.measure("hold", &address, fans).await?;
        self.world.check_told(&crowd).await
    }

    /// People hold a seat each, over and over, in so many schedules in turn; they may pay for it before the next.
    async fn hold(&mut self, name: &str, people_per_s: f64, schedules: usize, pays: bool) -> Result<()> {
        let crowd = self.crowd(people_per_s, schedules).await?;
        let fans = self.fans(|| crowd.holder(pays));
        let address = self.world.address.clone();
        self.measure(name, &address, fans).await?;
        self.world.check_told(&crowd).await
    }

    async fn charge(&mut self) -> Result<()> {
        const CHARGES: &str = "SELECT count(*) FROM ledger_entries WHERE kind = 0";
        let joined = self.crowd(1000.0, 1).await?.joined;
        let (turns, charged) = (Count::default(), Count::default());
        let fans = self.fans(|| Charger { turns: turns.clone(), joined: joined.clone(), charged: charged.clone() });
        let address = self.world.address.clone();
        let before = self.world.count(CHARGES).await?;
        self.measure("charge", &address, fans).await?;
        let stored = self.world.count(CHARGES).await? - before;
        ensure!(stored == charged.get() as i64, "{} were told of a charge, {stored} are stored", charged.get());
        Ok(())
    }

    /// 10,000 clients at once want one of `seats` seats.
    async fn contended(&mut self, name: &str, seats: i64) -> Result<()> {
        const CLIENTS: usize = 10_000;
        let schedule = self.world.schedule(seats as u64, 1_000_000).await?;
        let (_, joined) = self.world.join(CLIENTS as u64, &[schedule], 256, PATIENT).await?;
        let contender = |(n, joined): (usize, &Joined)| Contender {
            joined: *joined,
            seat_number: n as i64 % seats + 1,
            asked: false,
        };
        let fans: Vec<Contender> = joined.iter().enumerate().map(contender).collect();
        let address = self.world.address.clone();
        self.world.rest().await?;
        let run = load::closed(&address, fans, PATIENT).await?;
        ensure!(run.done == seats as u64, "{} of {seats} seats were sold", run.done);
        ensure!(run.done + run.refused == CLIENTS as u64, "{} of {CLIENTS} were answered", run.done + run.refused);
        let held: i64 = sqlx::query_scalar("SELECT count(*) FROM reservations WHERE schedule_id = $1")
            .bind(schedule)
            .fetch_one(&self.world.pool)
            .await?;
        ensure!(held == seats, "{held} reservations of {seats} seats are stored");
        eprintln!("{name}: {:.2} s", run.seconds);
        self.figures.add(name, "s until 10,000 are answered", run.seconds);
        Ok(())
    }

    /// People who have joined new schedules that have a seat for each: more than can hold at this rate.
    async fn crowd(&self, holds_per_s: f64, schedules: usize) -> Result<Crowd> {
        self.crowd_of(self.size.people_at(holds_per_s), schedules).await
    }

    async fn crowd_of(&self, people: u64, schedules: usize) -> Result<Crowd> {
        let seats = people.div_ceil(schedules as u64);
        let rooms = self.world.schedules(schedules, seats, 1_000_000).await?;
        let joined = self.world.join(people, &rooms, self.size.connections, PATIENT).await?.1;
        Ok(Crowd::new(joined, schedules as u64))
    }

    fn fans<F>(&self, mut fan: impl FnMut() -> F) -> Vec<F> {
        (0..self.size.connections).map(|_| fan()).collect()
    }

    async fn measure<F: Fan>(&mut self, name: &str, address: &str, fans: Vec<F>) -> Result<Run> {
        self.world.rest().await?;
        eprint!("{name}: ");
        let before = self.cpu_seconds();
        let run = load::closed(address, fans, self.size.window).await.with_context(|| name.to_owned())?;
        self.add_run(name, &run, &before);
        // A relay that does not keep up would let the next scenario pay.
        let behind = self.world.events_behind().await?;
        self.figures.add(&format!("{name}.events_behind"), "events", behind as f64);
        Ok(run)
    }

    /// Processor seconds of every process, the sticks' too: those of the same name together, as all but one of them rest.
    fn cpu_seconds(&self) -> BTreeMap<String, f64> {
        let mut all = self.world.cpu_seconds();
        let sticks = [self.bundled.cpu_seconds(), self.single.cpu_seconds()].into_iter().flatten();
        for (name, seconds) in sticks.chain([self.direct.cpu_seconds()]) {
            *all.entry(name.to_owned()).or_default() += seconds;
        }
        all
    }

    fn add_run(&mut self, name: &str, run: &Run, before: &BTreeMap<String, f64>) {
        eprintln!("{:.0}/s", run.per_second());
        let mut spent = self.cpu_seconds();
        for (process, seconds) in &mut spent {
            *seconds -= before.get(process).copied().unwrap_or(0.0);
            // For all that was answered, of which the window counts a part.
            *seconds *= run.done as f64 / run.answered.max(1) as f64;
        }
        self.figures.add_run(name, run, &spent);
    }
}
