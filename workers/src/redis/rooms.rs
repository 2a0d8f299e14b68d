//! Waiting rooms in Redis: who waits, in order of arrival (`waiting`), and which active tokens have the room's `slots`,
//! each with its end, as 13 digits of milliseconds, and its user. A room that was emptied lacks its `built` mark, and is
//! built again from Postgres before anybody is told a place.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use deadpool_redis::redis::{AsyncCommands, Pipeline, cmd, pipe};
use onsale_common::ids::{QueueToken, ScheduleId, UserId};
use onsale_common::time::Time;
use uuid::Uuid;

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
    /// It was admitted, or is its user's active one.
    Active(QueueToken, UserId, Time),
    /// It is over.
    Gone(QueueToken),
}

/// The changes of one room, by the command that writes them.
#[derive(Default)]
struct RoomChanges {
    waits: Vec<(i64, Uuid)>,
    waits_no_more: Vec<Uuid>,
    active: Vec<(Uuid, String)>,
    active_no_more: Vec<Uuid>,
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
        if schedules.is_empty() {
            // A pipeline without commands is an error to the library.
            return Some(HashMap::new());
        }
        let mut pipe = pipe();
        for schedule in schedules {
            pipe.exists(self.room_key(*schedule, "built"));
            pipe.zcard(self.room_key(*schedule, "waiting"));
            pipe.hlen(self.room_key(*schedule, "slots"));
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
        self.add_changes(&mut pipe, changes);
        self.call("change rooms", async |mut connection| pipe.query_async::<()>(&mut connection).await).await;
    }

    /// Adds changes to what is sent, a command for all of a room.
    pub(super) fn add_changes(&self, pipe: &mut Pipeline, changes: &[RoomChange]) {
        let mut rooms: BTreeMap<ScheduleId, RoomChanges> = BTreeMap::new();
        for change in changes {
            let (RoomChange::Waits(token, _) | RoomChange::Active(token, _, _) | RoomChange::Gone(token)) = change;
            let (room, member) = (rooms.entry(token.schedule()).or_default(), token.uuid());
            match change {
                RoomChange::Waits(_, ordinal) => room.waits.push((*ordinal, member)),
                RoomChange::Active(_, user, until) => {
                    room.waits_no_more.push(member);
                    room.active.push((member, slot(*user, *until)));
                }
                RoomChange::Gone(_) => {
                    room.waits_no_more.push(member);
                    room.active_no_more.push(member);
                }
            }
        }
        for (schedule, room) in rooms {
            let (line, slots) = (self.room_key(schedule, "waiting"), self.room_key(schedule, "slots"));
            for (command, key, members) in
                [("ZREM", &line, &room.waits_no_more), ("HDEL", &slots, &room.active_no_more)]
            {
                if !members.is_empty() {
                    let mut remove = cmd(command);
                    remove.arg(key);
                    for member in members {
                        remove.arg(member.as_bytes());
                    }
                    pipe.add_command(remove).ignore();
                }
            }
            if !room.waits.is_empty() {
                let mut join = cmd("ZADD");
                join.arg(line);
                for (ordinal, member) in room.waits {
                    join.arg(ordinal).arg(member.as_bytes());
                }
                pipe.add_command(join).ignore();
            }
            if !room.active.is_empty() {
                let mut fill = cmd("HSET");
                fill.arg(slots);
                for (member, slot) in room.active {
                    fill.arg(member.as_bytes()).arg(slot);
                }
                pipe.add_command(fill).ignore();
            }
        }
    }

    /// The places of waiting tokens; `None` when Redis is away.
    pub async fn places(&self, tokens: &[QueueToken]) -> Option<Vec<Place>> {
        if tokens.is_empty() {
            return Some(Vec::new());
        }
        let rooms: BTreeSet<ScheduleId> = tokens.iter().map(|token| token.schedule()).collect();
        let mut pipe = pipe();
        for room in &rooms {
            pipe.exists(self.room_key(*room, "built"));
        }
        for token in tokens {
            pipe.zrank(self.room_key(token.schedule(), "waiting"), token.uuid().as_bytes());
        }
        let answers: Vec<Option<u64>> =
            self.call("rank tokens", async |mut connection| pipe.query_async(&mut connection).await).await?;
        let (built, ranks) = answers.split_at_checked(rooms.len())?;
        let built: BTreeMap<ScheduleId, bool> =
            rooms.into_iter().zip(built.iter().map(|built| *built == Some(1))).collect();
        let place = |(token, rank): (&QueueToken, &Option<u64>)| match (built[&token.schedule()], rank) {
            (true, Some(rank)) => Place::Known(rank + 1),
            (true, None) => Place::Missing,
            (false, _) => Place::Unbuilt,
        };
        Some(tokens.iter().zip(ranks).map(place).collect())
    }

    /// Everybody whom Redis has in a room: who waits, and who is active.
    pub async fn members(&self, schedule: ScheduleId) -> Option<(Vec<QueueToken>, Vec<QueueToken>)> {
        let (line, slots) = (self.room_key(schedule, "waiting"), self.room_key(schedule, "slots"));
        let (waiting, active): (Vec<Vec<u8>>, Vec<Vec<u8>>) = self
            .call("list a room", async |mut connection| {
                pipe().zrange(&line, 0, -1).hkeys(&slots).query_async(&mut connection).await
            })
            .await?;
        let tokens = |members: Vec<Vec<u8>>| {
            members.iter().filter_map(|bytes| Uuid::from_slice(bytes).ok()).map(QueueToken::from_uuid).collect()
        };
        Some((tokens(waiting), tokens(active)))
    }

    /// Takes the right to build a room; false when another process is at it, or Redis is away.
    pub async fn claim_build(&self, schedule: ScheduleId) -> bool {
        let claim = self.call("claim a room", async |mut connection| {
            cmd("SET")
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
        active: &[(QueueToken, UserId, Time)],
    ) -> Option<()> {
        let (line, slots) = (self.room_key(schedule, "waiting"), self.room_key(schedule, "slots"));
        self.call("empty a room", async |mut connection| connection.del::<_, ()>((&line, &slots)).await).await?;
        for chunk in waiting.chunks(BUILD_CHUNK) {
            let members: Vec<(i64, Vec<u8>)> =
                chunk.iter().map(|(token, ordinal)| (*ordinal, uuid_bytes(token))).collect();
            self.call("fill a room", async |mut connection| {
                connection.zadd_multiple::<_, _, _, ()>(&line, &members).await
            })
            .await?;
        }
        for chunk in active.chunks(BUILD_CHUNK) {
            let members: Vec<(Vec<u8>, String)> =
                chunk.iter().map(|(token, user, until)| (uuid_bytes(token), slot(*user, *until))).collect();
            self.call("fill a room", async |mut connection| {
                connection.hset_multiple::<_, _, _, ()>(&slots, &members).await
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

/// The slot of an active token: until when, and whose.
fn slot(user: UserId, until: Time) -> String {
    format!("{:013}{user}", until.0.timestamp_millis())
}

fn uuid_bytes(token: &QueueToken) -> Vec<u8> {
    token.uuid().as_bytes().to_vec()
}
