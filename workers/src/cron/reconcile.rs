//! Reconciles the waiting rooms in Redis with Postgres: a room that was emptied is built again; one that differs at two
//! looks in a row, which the traffic between two writes does not explain, is mended token by token.
//!
//! Postgres is written first and Redis a moment later, so that a busy room differs at every look, each time by another
//! few. To read all of a million people for that would cost the sale more than the few that may be lost, of whom
//! Postgres knows: mended is what differs by the same numbers twice, as in a quiet room, or by a good part of the room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use onsale_common::contract::admission::TokenStatus;
use onsale_common::ids::{QueueToken, ScheduleId};
use onsale_common::lock::lock;

use super::Crew;
use crate::failure::Failure;
use crate::lanes::rooms;
use crate::redis::rooms::RoomChange;
use crate::sorted::sorted;
use crate::store;

/// The job, with the rooms that differed at its last look.
pub(super) struct Reconciler {
    crew: Crew,
    differed: Mutex<HashMap<ScheduleId, Difference>>,
}

/// By how many waiting and active tokens Postgres has more than Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Difference {
    waiting: i64,
    active: i64,
}

impl Difference {
    fn is_large(self, people: u64) -> bool {
        (self.waiting.unsigned_abs() + self.active.unsigned_abs()) * LARGE_PART > people
    }
}

/// A difference of more than a twentieth of a room is no traffic.
const LARGE_PART: u64 = 20;

impl Reconciler {
    pub(super) fn new(crew: Crew) -> Self {
        Self { crew, differed: Mutex::default() }
    }

    /// Looks at every room that anybody is in; returns how many were built or mended.
    pub(super) async fn run(self: Arc<Self>) -> Result<u64, Failure> {
        if !self.crew.claim("reconcile").await? {
            return Ok(0);
        }
        let (pool, redis) = (&self.crew.servers.pool, &self.crew.servers.redis);
        let mut db = pool.acquire().await?;
        let schedules = store::rooms::occupied(&mut db).await?;
        let Some(glances) = redis.glance(&schedules).await else { return Ok(0) };
        let ids: Vec<i64> = schedules.iter().map(|schedule| schedule.get()).collect();
        let counts = store::rooms::counts(&mut db, &ids).await?;
        let before = std::mem::take(&mut *lock(&self.differed));
        let mut differ = HashMap::new();
        let mut repaired = 0;
        for (schedule, waiting, active) in counts {
            let glance = glances[&schedule];
            if !glance.built {
                rooms::build(&mut db, redis, schedule).await?;
                repaired += 1;
            } else if (glance.waiting, glance.active) != (waiting, active) {
                let difference = Difference {
                    waiting: waiting.cast_signed() - glance.waiting.cast_signed(),
                    active: active.cast_signed() - glance.active.cast_signed(),
                };
                let people = waiting + active;
                let stays = |earlier: &Difference| {
                    *earlier == difference || (earlier.is_large(people) && difference.is_large(people))
                };
                if before.get(&schedule).is_some_and(stays) {
                    drop(db);
                    repaired += self.mend(schedule).await?;
                    db = pool.acquire().await?;
                } else {
                    differ.insert(schedule, difference);
                }
            }
        }
        db.give_back();
        *lock(&self.differed) = differ;
        Ok(repaired)
    }

    /// Mends the tokens of a room that Redis and Postgres disagree on, as Postgres has them now.
    async fn mend(&self, schedule: ScheduleId) -> Result<u64, Failure> {
        let mut db = self.crew.servers.pool.acquire().await?;
        let Some((waiting, active)) = self.crew.servers.redis.members(schedule).await else { return Ok(0) };
        let contents = store::rooms::contents(&mut db, schedule).await?;
        let there: HashMap<QueueToken, bool> = waiting
            .into_iter()
            .map(|token| (token, false))
            .chain(active.into_iter().map(|token| (token, true)))
            .collect();
        let here: HashMap<QueueToken, bool> = contents
            .waiting
            .iter()
            .map(|(token, _)| (*token, false))
            .chain(contents.active.iter().map(|(token, _, _)| (*token, true)))
            .collect();
        let differ = |a: &HashMap<QueueToken, bool>, b: &HashMap<QueueToken, bool>| -> Vec<QueueToken> {
            a.iter().filter(|(token, active)| b.get(*token) != Some(*active)).map(|(token, _)| *token).collect()
        };
        let mut suspects = differ(&there, &here);
        suspects.extend(differ(&here, &there));
        let suspects = sorted(suspects);
        // Read again: most of what differed was on its way.
        let uuids: Vec<_> = suspects.iter().map(|token| token.uuid()).collect();
        let now: HashMap<QueueToken, RoomChange> = store::tokens::read(&mut db, &uuids)
            .await?
            .into_iter()
            .map(|token| match token.status {
                TokenStatus::Waiting => (token.token, RoomChange::Waits(token.token, token.ordinal)),
                TokenStatus::Active => (token.token, RoomChange::Active(token.token, token.user, token.ends_at())),
                _ => (token.token, RoomChange::Gone(token.token)),
            })
            .collect();
        let changes: Vec<RoomChange> =
            suspects.iter().map(|token| now.get(token).copied().unwrap_or(RoomChange::Gone(*token))).collect();
        tracing::info!(%schedule, tokens = changes.len(), "mending a waiting room in redis");
        self.crew.servers.redis.change_rooms(&changes).await;
        Ok(1)
    }
}
