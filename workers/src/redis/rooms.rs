//! Waiting rooms in Redis: who waits, in order of arrival, and who is active until when. A room that was emptied lacks
//! its `built` mark, and is built again from Postgres before anybody is told a place.

use std::collections::HashMap;
use std::time::Duration;

use deadpool_redis::redis::{AsyncCommands, pipe};
use onsale_common::ids::{QueueToken, ScheduleId};
use onsale_common::time::Time;

use super::Redis;

/// One process at a time builds a room; it is given this long.
const BUILD_LOCK: Duration = Duration::from_secs(30);
/// Tokens per command while a room is built.
const BUILD_CHUNK: usize = 5_000;

/// What changed in a room.
#[derive(Debug, Clone, Copy)]
pub enum RoomChange {
    /// It joined the line.
    Waits(QueueToken, i64),
    /// It was admitted, or a hold keeps it alive for longer.
    Active(QueueToken, Time),
    /// It is over.
    Gone(QueueToken),
}

/// What Redis knows of a room at a glance.
#[derive(Debug, Clone, Copy, Default)]
pub struct RoomGlance {
    /// Whether the room was built since Redis was last emptied.
    pub built: bool,
    /// How many wait.
    pub waiting: u64,
    /// How many are active.
    pub active: u64,
}

/// Where Redis has a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// So many are served up to and including it.
    Known(u64),
    /// Not in the line: just admitted, or lost.
    Missing,
    /// The room has to be built first.
    Unbuilt,
}

impl Redis {
    fn room_key(&self, schedule: ScheduleId, part: &str) -> String {
        format!("{}:room:{schedule}:{part}", self.prefix())
    }

    /// Looks at some rooms; `None` when Redis is away.
    pub async fn glance(&self, schedules: &[ScheduleId]) -> Option<HashMap<ScheduleId, RoomGlance>> {
        let mut pipe = pipe();
        for schedule in schedules {
            pipe.exists(self.room_key(*schedule, "built"));
            pipe.zcard(self.room_key(*schedule, "waiting"));
            pipe.zcard(self.room_key(*schedule, "active"));
        }
        let answers: Vec<u64> =
            self.call("look at rooms", async |mut connection| pipe.query_async(&mut connection).await).await?;
        let glance = |parts: &[u64]| RoomGlance { built: parts[0] == 1, waiting: parts[1], active: parts[2] };
        Some(schedules.iter().copied().zip(answers.chunks_exact(3).map(glance)).collect())
    }

    /// Writes changes down.
    pub async fn change_rooms(&self, changes: &[RoomChange]) {
        if changes.is_empty() {
            return;
        }
        let mut pipe = pipe();
        for change in changes {
            match change {
                RoomChange::Waits(token, ordinal) => {
                    pipe.zadd(self.room_key(token.schedule(), "waiting"), token.uuid().as_bytes(), *ordinal).ignore();
                }
                RoomChange::Active(token, until) => {
                    let (key, until_ms) = (token.uuid(), until.0.timestamp_millis());
                    pipe.zrem(self.room_key(token.schedule(), "waiting"), key.as_bytes()).ignore();
                    pipe.zadd(self.room_key(token.schedule(), "active"), key.as_bytes(), until_ms).ignore();
                }
                RoomChange::Gone(token) => {
                    let key = token.uuid();
                    pipe.zrem(self.room_key(token.schedule(), "waiting"), key.as_bytes()).ignore();
                    pipe.zrem(self.room_key(token.schedule(), "active"), key.as_bytes()).ignore();
                }
            }
        }
        self.call("change rooms", async |mut connection| pipe.query_async::<()>(&mut connection).await).await;
    }

    /// The places of waiting tokens; `None` when Redis is away.
    pub async fn places(&self, tokens: &[QueueToken]) -> Option<Vec<Place>> {
        if tokens.is_empty() {
            return Some(Vec::new());
        }
        let mut pipe = pipe();
        for token in tokens {
            pipe.exists(self.room_key(token.schedule(), "built"));
            pipe.zrank(self.room_key(token.schedule(), "waiting"), token.uuid().as_bytes());
        }
        let answers: Vec<Option<u64>> =
            self.call("rank tokens", async |mut connection| pipe.query_async(&mut connection).await).await?;
        let place = |parts: &[Option<u64>]| match (parts[0], parts[1]) {
            (Some(1), Some(rank)) => Place::Known(rank + 1),
            (Some(1), None) => Place::Missing,
            _ => Place::Unbuilt,
        };
        Some(answers.chunks_exact(2).map(place).collect())
    }

    /// Everybody whom Redis has in a room: who waits, and who is active.
    pub async fn members(&self, schedule: ScheduleId) -> Option<(Vec<QueueToken>, Vec<QueueToken>)> {
        let (line, actives) = (self.room_key(schedule, "waiting"), self.room_key(schedule, "active"));
        let (waiting, active): (Vec<Vec<u8>>, Vec<Vec<u8>>) = self
            .call("list a room", async |mut connection| {
                pipe().zrange(&line, 0, -1).zrange(&actives, 0, -1).query_async(&mut connection).await
            })
            .await?;
        let tokens = |members: Vec<Vec<u8>>| {
            members.iter().filter_map(|bytes| uuid::Uuid::from_slice(bytes).ok()).map(QueueToken::from_uuid).collect()
        };
        Some((tokens(waiting), tokens(active)))
    }

    /// Takes the right to build a room; false when another process is at it, or Redis is away.
    pub async fn claim_build(&self, schedule: ScheduleId) -> bool {
        let claim = self.call("claim a room", async |mut connection| {
            deadpool_redis::redis::cmd("SET")
                .arg(self.room_key(schedule, "building"))
                .arg(1)
                .arg("NX")
                .arg("PX")
                .arg(BUILD_LOCK.as_millis() as u64)
                .query_async::<Option<String>>(&mut connection)
                .await
        });
        claim.await.flatten().is_some()
    }

    /// Writes a room as Postgres has it, and marks it built. Tokens that Redis has beyond those are removed.
    pub async fn build_room(
        &self,
        schedule: ScheduleId,
        waiting: &[(QueueToken, i64)],
        active: &[(QueueToken, Time)],
    ) -> Option<()> {
        let (line, actives) = (self.room_key(schedule, "waiting"), self.room_key(schedule, "active"));
        self.call("empty a room", async |mut connection| connection.del::<_, ()>((&line, &actives)).await).await?;
        for chunk in waiting.chunks(BUILD_CHUNK) {
            let members: Vec<(i64, Vec<u8>)> =
                chunk.iter().map(|(token, ordinal)| (*ordinal, uuid_bytes(token))).collect();
            self.call("fill a room", async |mut connection| {
                connection.zadd_multiple::<_, _, _, ()>(&line, &members).await
            })
            .await?;
        }
        for chunk in active.chunks(BUILD_CHUNK) {
            let members: Vec<(i64, Vec<u8>)> =
                chunk.iter().map(|(token, until)| (until.0.timestamp_millis(), uuid_bytes(token))).collect();
            self.call("fill a room", async |mut connection| {
                connection.zadd_multiple::<_, _, _, ()>(&actives, &members).await
            })
            .await?;
        }
        let (built, building) = (self.room_key(schedule, "built"), self.room_key(schedule, "building"));
        self.call("finish a room", async |mut connection| {
            pipe().set(&built, 1).ignore().del(&building).ignore().query_async::<()>(&mut connection).await
        })
        .await
    }
}

fn uuid_bytes(token: &QueueToken) -> Vec<u8> {
    token.uuid().as_bytes().to_vec()
}
