//! A whole on-sale at once, and load that does not wait for answers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Bench;
use crate::bench::fans::{Holder, Joiner, Poller, Turns};
use crate::bench::load::{self, Fan, Window};
use crate::bench::world::FIRST_USER;

/// Connections at which requests arrive: more than can be under way, so that arrivals never wait for one.
const ARRIVAL_CONNECTIONS: usize = 4096;

impl Bench {
    /// Joiners, pollers, holders and payers at once, in the proportion of a sale whose fans poll six times.
    pub(super) async fn mixed(&mut self) -> Result<()> {
        let joined = Arc::new(self.crowd(1).await?);
        let fresh = self.world.schedule(50, 1_000_000).await?;
        let (sender, _receiver) = tokio::sync::mpsc::unbounded_channel();
        let (joining, holding, paying) = (Turns::default(), Turns::default(), Turns::default());
        let schedules: Arc<[i64]> = [fresh].into();
        let mut n = 0;
        let half = Arc::new(joined[..joined.len() / 2].to_vec());
        let other_half = Arc::new(joined[joined.len() / 2..].to_vec());
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
                1 | 2 => Box::new(Holder::new(&holding, &half, 1, false)),
                3 => {
                    let mut payer = Holder::new(&paying, &other_half, 1, true);
                    payer.first_seat = half.len() as i64 + 1;
                    Box::new(payer)
                }
                _ => Box::new(Poller { joined: joined.clone(), at: n * 31 }),
            }
        });
        let address = self.world.address.clone();
        self.measure("mixed", &address, fans).await.map(drop)
    }

    /// Holds that arrive at a part of the capacity that was measured, whether or not earlier ones are answered.
    pub(super) async fn open_loop(&mut self) -> Result<()> {
        let capacity = self.figures.summary("hold").context("open_loop needs hold")?.median;
        for percent in [25, 50, 75, 150] {
            let rate = capacity * f64::from(percent) / 100.0;
            let window = Window { warm_up: Duration::from_secs(1), ..self.size.window };
            let needed = rate * (window.warm_up + window.counted).as_secs_f64();
            let joined = Arc::new(self.crowd(1).await?);
            ensure!(joined.len() as f64 > needed, "{} have joined, {needed:.0} holds arrive", joined.len());
            let turns = Turns::default();
            let fans = (0..ARRIVAL_CONNECTIONS)
                .map(|_| Holder { may_be_refused: percent > 100, ..Holder::new(&turns, &joined, 1, false) });
            let run = load::open(&self.world.address, fans.collect(), rate, window).await?;
            let name = format!("open_loop_{percent}");
            self.figures.add(&name, "1/s", run.per_second());
            self.figures.add(&format!("{name}.offered"), "1/s", rate);
            for percentile in [50.0, 90.0, 99.0, 99.9] {
                self.figures.add(&format!("{name}.p{percentile}"), "ms", run.ms_at(percentile));
            }
            let refused_ms = run.refusal_us.value_at_percentile(99.0) as f64 / 1000.0;
            self.figures.add(&format!("{name}.refused"), "1/s", run.refused as f64 / run.seconds);
            self.figures.add(&format!("{name}.refused.p99"), "ms", refused_ms);
            let ingress = self.world.fleet.pid("ingress").context("an ingress")?;
            self.figures.add(&format!("{name}.ingress"), "MiB", crate::bench::cpu::resident_mib(ingress));
        }
        Ok(())
    }
}
