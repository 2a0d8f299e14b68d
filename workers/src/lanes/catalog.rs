//! The catalog lane: concerts, schedules and seats, read by fans and made by organisers.

mod organise;
mod read;
mod seat_map;
mod seats;
mod views;

use std::collections::HashMap;
use std::sync::Arc;

use onsale_common::contract::{Envelope, Lane, Outcome};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::config::Limits;
use crate::failure::Failure;
use crate::runtime::LaneWorker;
use crate::store;
use crate::store::pool::Pool;

/// What the lane needs.
pub struct CatalogLane {
    /// The truth.
    pub pool: Pool,
    /// Lifetimes and limits.
    pub limits: Limits,
    /// Whoever makes seats, which takes long, has this: of the connections that readers need no more than one.
    pub making_seats: Mutex<()>,
}

impl LaneWorker for CatalogLane {
    const LANE: Lane = Lane::Catalog;

    async fn settle(self: Arc<Self>, commands: Vec<Arc<Envelope>>) -> Result<Vec<Outcome>, Failure> {
        let (writes, reads): (Vec<usize>, Vec<usize>) =
            (0..commands.len()).partition(|n| commands[*n].command.name().has_effect());
        let mut outcomes: Vec<Option<Outcome>> = vec![None; commands.len()];
        let pick = |indices: &[usize]| indices.iter().map(|n| commands[*n].clone()).collect::<Vec<_>>();
        if !writes.is_empty() {
            for (n, outcome) in writes.iter().zip(organise::settle(&self, pick(&writes)).await?) {
                outcomes[*n] = Some(outcome);
            }
        }
        if !reads.is_empty() {
            for (n, outcome) in reads.iter().zip(read::settle(&self, &pick(&reads)).await?) {
                outcomes[*n] = Some(outcome);
            }
        }
        Ok(outcomes.into_iter().map(|outcome| outcome.expect("every command has an effect or not")).collect())
    }

    async fn kept(&self, commands: &[Uuid]) -> Result<HashMap<Uuid, Outcome>, Failure> {
        store::outcomes::kept(&self.pool, commands).await
    }
}
