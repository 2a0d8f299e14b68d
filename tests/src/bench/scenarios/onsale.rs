//! A whole on-sale at once, and load that does not wait for answers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Bench, HOLDS_PER_S};
use crate::bench::cpu;
use crate::bench::fans::{Count, Joiner, Poller};
use crate::bench::load::{self, Fan, Window};
use crate::bench::world::FIRST_USER;

/// Connections at which requests arrive: more than the ingress lets wait, so that arrivals never wait for one before it
/// refuses.
const ARRIVAL_CONNECTIONS: usize = 14_000;

impl Bench {
    /// Joiners, pollers, holders and payers at once, in the proportion of a sale whose fans poll six times.
    pub(super) async fn mixed(&mut self) -> Result<()> {
        let crowd = self.crowd(HOLDS_PER_S / 2.0, 1).await?;
        let fresh = self.world.schedule(50, 1_000_000).await?;
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let joining = Count::default();
        let schedules: Arc<[i64]> = [fresh].into();
        let mut n = 0;
        let fans: Vec<Box<dyn Fan>> = self.fans(|| -> Box<dyn Fan> {
            n += 1;
            match n % 10 {
                0 => Box::new(Joiner {
                    turns: joining.clone(),
                    users: self.size.users,
                    first_user: FIRST_USER,
                    schedules: schedules.clone(),
                    joined: sender.clone(),
                    asking: (0, 0),
                }),
                1 | 2 => Box::new(crowd.holder(false)),
                3 => Box::new(crowd.holder(true)),
                _ => Box::new(Poller { joined: crowd.joined.clone(), at: n * 31 }),
            }
        });
        drop(sender);
        let address = self.world.address.clone();
        self.measure("mixed", &address, fans).await?;
        self.world.check_told(&crowd).await?;
        let mut told = 0;
        while receiver.recv().await.is_some() {
            told += 1;
        }
        let joined: i64 = sqlx::query_scalar("SELECT count(*) FROM queue_tokens WHERE schedule_id = $1")
            .bind(fresh)
            .fetch_one(&self.world.pool)
            .await?;
        ensure!(joined == told, "{told} were told that they joined, and {joined} did");
        Ok(())
    }

    /// Holds that arrive at a part of the capacity that this round measured, whether or not earlier ones are answered. A
    /// machine that is shared may lose much of its capacity meanwhile: refusals are counted at every part.
    pub(super) async fn open_loop(&mut self) -> Result<()> {
        let capacity = self.figures.latest("hold").context("open_loop needs hold")?;
        let window = Window { warm_up: Duration::from_secs(1), ..self.size.window };
        for percent in [150, 75, 50, 25] {
            let rate = capacity * f64::from(percent) / 100.0;
            let needed = (rate * (window.warm_up + window.counted).as_secs_f64()) as u64 + 1;
            let crowd = self.crowd_of(needed.min(self.size.users), 1).await?;
            let fans = (0..ARRIVAL_CONNECTIONS).map(|_| crowd.holder(false).may_be_refused());
            self.world.rest().await?;
            let before = self.cpu_seconds();
            let run = load::open(&self.world.address, fans.collect(), rate, window).await?;
            let name = format!("open_loop_{percent}");
            eprint!("{name}: p50 {:.1} ms, p99 {:.1} ms, ", run.ms_at(50.0), run.ms_at(99.0));
            self.add_run(&name, &run, &before);
            self.world.check_told(&crowd).await?;
            self.figures.add(&format!("{name}.offered"), "1/s", rate);
            for percentile in [90.0, 99.9] {
                self.figures.add(&format!("{name}.p{percentile}"), "ms", run.ms_at(percentile));
            }
            let ingress = self.world.fleet.pid("ingress").context("an ingress")?;
            self.figures.add(&format!("{name}.ingress"), "MiB", cpu::resident_mib(ingress));
            if percent == 50 {
                self.figures.add("open_loop_50.spread", "p99 / p50", run.ms_at(99.0) / run.ms_at(50.0));
            }
            self.figures.add(&format!("{name}.refused"), "1/s", run.refused as f64 / run.seconds);
            if percent > 100 {
                let refused_ms = run.refusal_us.value_at_percentile(99.0) as f64 / 1000.0;
                self.figures.add("open_loop", "1/s at 150 %", run.per_second());
                self.figures.add(&format!("{name}.refused.p99"), "ms", refused_ms);
            }
        }
        Ok(())
    }
}
