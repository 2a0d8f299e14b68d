//! Seat locks: they turn away the thousand losers of a hot seat without touching Postgres. They never decide who wins.
//!
//! A hold first asks for its seats: a lock that says who is at it, so that what becomes of the hold can be told later, and
//! that keeps nobody away, because the hold may yet be refused. The lock of a hold that is committed turns others away.
//!
//! The locks of a schedule are one hash: a seat's id, and until when which command is at it or has it, as 13 digits of
//! milliseconds, `?` or `!`, and the command's id. A batch is a few commands to Redis for each schedule, however many
//! seats it wants.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;
use std::time::Duration;

use deadpool_redis::redis::{Script, Value, cmd, pipe};
use onsale_common::contract::reservation::HoldSeats;
use onsale_common::ids::{QueueToken, ScheduleId, SeatId};
use onsale_common::time::Time;
use uuid::Uuid;

use super::Redis;
use super::keeper::Held;
use super::rooms::RoomChange;

/// How long a hold may be at its seats until it is committed.
const UNTIL_COMMIT: Duration = Duration::from_secs(10);
/// For how long it is known what became of a command, as outcomes in Postgres are kept.
const KNOWN_FOR: Duration = Duration::from_secs(86_400);
/// What stands where the seats that a command lost would: it did not lose here, and Postgres has its outcome.
const IN_POSTGRES: &str = "-";
/// For how long a sold seat turns people away here, after that Postgres does. No lock is for longer, so that the locks of
/// a schedule that nobody wants any more go after that time.
const SOLD_FOR: Duration = Duration::from_secs(86_400);
/// A script takes this many seats or a command's more at a time: Lua hands at most 8,000 arguments on.
const GROUP_SEATS: usize = 1_000;

/// For each hold: 0 or `-`, let Postgres decide (there may be more to say than that it lost), or the seats that others
/// have, and it is lost. Only who could hold them loses here: whose token is active and its user's.
///
/// The holds come in groups, each of a schedule and the room of its tokens, and a group column by column, so that Redis is
/// asked for a column as it stands: the schedule, the room, how many holds and how many seats; of the holds the ids, the
/// tokens, the users, whether each is contested, and how many seats it wants; the seats.
static LOCK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local ARGV, call = ARGV, redis.call
        local prefix, clock, known_for, longest, in_postgres = ARGV[1], tonumber(ARGV[2]), ARGV[4], ARGV[5], ARGV[6]
        local lock_for = string.format('%013d?', clock + ARGV[3])
        local verdicts, group = {}, 7
        while group < #ARGV do
            local hash, n, m = prefix .. ':locks:' .. ARGV[group], tonumber(ARGV[group + 2]), tonumber(ARGV[group + 3])
            local ids = group + 4
            local tokens, users, contested, counts, seats = ids + n, ids + 2 * n, ids + 3 * n, ids + 4 * n, ids + 5 * n
            local slots = call('HMGET', prefix .. ':room:' .. ARGV[group + 1] .. ':slots', unpack(ARGV, tokens, users - 1))
            local locks = call('HMGET', hash, unpack(ARGV, seats, seats + m - 1))
            local known_keys, known_prefix = {}, prefix .. ':lost:'
            for h = 1, n do known_keys[h] = known_prefix .. ARGV[ids + h - 1] end
            local known = call('MGET', unpack(known_keys))
            local at, write, first = {}, {}, 0
            for h = 1, n do
                local id, slot, last = ARGV[ids + h - 1], slots[h], first + ARGV[counts + h - 1] - 1
                local verdict = known[h] or 0
                if verdict == 0 and slot and tonumber(slot:sub(1, 13)) > clock and slot:sub(14) == ARGV[users + h - 1] then
                    local taken, free = nil, true
                    for s = first, last do
                        local seat, lock = ARGV[seats + s], locks[s + 1]
                        if lock and tonumber(lock:sub(1, 13)) > clock then
                            local committed, own = lock:byte(14) == 33, lock:sub(15) == id
                            if committed and not own then taken = taken and taken .. ',' .. seat or seat end
                            free = free and own and not committed
                        end
                        free = free and (at[seat] or id) == id
                    end
                    if taken and ARGV[contested + h - 1] == '0' then
                        call('SET', known_keys[h], taken, 'EX', known_for)
                        verdict = taken
                    elseif free then
                        local lock = lock_for .. id
                        for s = first, last do
                            local seat, over = ARGV[seats + s], locks[s + 1]
                            if over and over:byte(14) == 33 then
                                call('SET', known_prefix .. over:sub(15), in_postgres, 'EX', known_for)
                            end
                            at[seat] = id
                            write[#write + 1] = seat
                            write[#write + 1] = lock
                        end
                    end
                end
                verdicts[#verdicts + 1] = verdict
                first = last + 1
            end
            if #write > 0 then
                call('HSET', hash, unpack(write))
                call('EXPIRE', hash, longest)
            end
            group = seats + m
        end
        return verdicts
        ",
    )
});

/// Compares who is at the seat before it keeps it: a hold may be over by now, and its lock released or another's, or its
/// seat sold. The arguments are groups, column by column: a schedule, how many locks, their seats, their owners, and their ends.
static KEEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local ARGV, call = ARGV, redis.call
        local group = 2
        while group < #ARGV do
            local hash, n = ARGV[1] .. ':locks:' .. ARGV[group], tonumber(ARGV[group + 1])
            local seats, owners, ends = group + 2, group + 2 + n, group + 2 + 2 * n
            local locks, kept = call('HMGET', hash, unpack(ARGV, seats, owners - 1)), {}
            for k = 0, n - 1 do
                local lock = locks[k + 1]
                if lock and lock:byte(14) == 63 and lock:sub(15) == ARGV[owners + k] then
                    kept[#kept + 1] = ARGV[seats + k]
                    kept[#kept + 1] = ARGV[ends + k] .. ARGV[owners + k]
                end
            end
            if #kept > 0 then call('HSET', hash, unpack(kept)) end
            group = ends + n
        end
        ",
    )
});

/// Compares whose lock it is before it releases. From now on another may have the seat, and the command that comes again is
/// to get its first outcome all the same, not to lose; so it is where a lock that is over makes room for another (`LOCK`).
/// Of a command that neither had the seat nor a lock nothing is kept: whoever has no active token could fill Redis with such.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local prefix, in_postgres, known_for = ARGV[1], ARGV[2], ARGV[3]
        for i = 4, #ARGV, 4 do
            local hash, id = prefix .. ':locks:' .. ARGV[i], ARGV[i + 2]
            local lock = redis.call('HGET', hash, ARGV[i + 1])
            local owned = lock and lock:sub(15) == id
            if owned then redis.call('HDEL', hash, ARGV[i + 1]) end
            if owned or ARGV[i + 3] == '1' then
                redis.call('SET', prefix .. ':lost:' .. id, in_postgres, 'EX', known_for)
            end
        end
        ",
    )
});

/// What the locks say of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Postgres decides.
    Open,
    /// Others have these seats.
    Lost(Vec<i64>),
}

/// A seat that a command does not have any more.
#[derive(Debug, Clone, Copy)]
pub struct Freed {
    /// The seat.
    pub seat: SeatId,
    /// The hold that it was locked for.
    pub command: Uuid,
    /// Whether the command held it, with a lock or without one; it was refused otherwise.
    pub was_held: bool,
}

/// A hold that asks for its seats' locks.
pub struct Asking<'a> {
    /// Who is at the seats, unless somebody else is.
    pub command: Uuid,
    /// The active token that opens the door to the hold's user.
    pub token: QueueToken,
    /// Whether Postgres is to say why it lost: a hold with an idempotency key may repeat an older command, one that
    /// would be its user's only hold may meet the user's own, and one that comes after a release may find its seats free.
    pub contested: bool,
    /// The seats.
    pub hold: &'a HoldSeats,
}

impl Redis {
    /// Asks for each hold's seats, all or none, in the order of arrival. `now` is the time by which locks and tokens are
    /// over.
    pub async fn lock_seats(&self, holds: &[Asking<'_>], now: Time) -> Vec<Verdict> {
        if holds.is_empty() {
            return Vec::new();
        }
        let mut call = LOCK.arg(self.prefix());
        call.arg(now.0.timestamp_millis())
            .arg(UNTIL_COMMIT.as_millis() as u64)
            .arg(KNOWN_FOR.as_secs())
            .arg(SOLD_FOR.as_secs())
            .arg(IN_POSTGRES);
        let groups = groups(holds);
        for group in &groups {
            let asking = || group.holds.iter().map(|n| &holds[*n]);
            let tokens: Vec<Uuid> = asking().map(|one| one.token.uuid()).collect();
            let seats = asking().flat_map(|one| one.hold.seat_ids.as_slice()).map(|seat| seat.get());
            call.arg(group.schedule.get()).arg(group.room.get()).arg(group.holds.len()).arg(group.seats);
            call.arg(asking().map(|one| one.command.as_bytes().as_slice()).collect::<Vec<_>>())
                .arg(tokens.iter().map(|token| token.as_bytes().as_slice()).collect::<Vec<_>>())
                .arg(asking().map(|one| one.hold.user_id.get()).collect::<Vec<_>>())
                .arg(asking().map(|one| one.contested).collect::<Vec<_>>())
                .arg(asking().map(|one| one.hold.seat_ids.as_slice().len()).collect::<Vec<_>>())
                .arg(seats.collect::<Vec<_>>());
        }
        let told: Option<Vec<Value>> =
            self.call("lock seats", async |mut connection| call.invoke_async(&mut connection).await).await;
        let mut verdicts = vec![Verdict::Open; holds.len()];
        for (n, told) in groups.iter().flat_map(|group| &group.holds).zip(told.unwrap_or_default()) {
            verdicts[*n] = verdict(&told);
        }
        verdicts
    }

    /// Keeps seats for the given commands until the given times, where nobody else came to be at them.
    pub(super) async fn keep_seats(&self, held: &[Held]) {
        let mut by_schedule: BTreeMap<ScheduleId, Vec<&Held>> = BTreeMap::new();
        for lock in held {
            by_schedule.entry(lock.0.schedule()).or_default().push(lock);
        }
        let mut call = KEEP.arg(self.prefix());
        for (schedule, locks) in by_schedule {
            for locks in locks.chunks(GROUP_SEATS) {
                call.arg(schedule.get()).arg(locks.len());
                call.arg(locks.iter().map(|(seat, _, _)| seat.get()).collect::<Vec<_>>())
                    .arg(locks.iter().map(|(_, owner, _)| owner.as_bytes().as_slice()).collect::<Vec<_>>())
                    .arg(locks.iter().map(|(_, _, until)| lock_value(*until, &[])).collect::<Vec<_>>());
            }
        }
        self.call("keep seat locks", async |mut connection| call.invoke_async::<()>(&mut connection).await).await;
    }

    /// Lets sold seats turn people away for a day, all but the holds that they were sold of, and tells what changed in
    /// rooms. The buyers' tokens may be over.
    pub async fn mark_sold(&self, sold: &[(SeatId, Uuid)], rooms: &[RoomChange]) {
        let until = Time::now().plus(SOLD_FOR);
        let mut by_schedule: BTreeMap<ScheduleId, Vec<&(SeatId, Uuid)>> = BTreeMap::new();
        for lock in sold {
            by_schedule.entry(lock.0.schedule()).or_default().push(lock);
        }
        if by_schedule.is_empty() {
            return self.change_rooms(rooms).await;
        }
        let mut pipe = pipe();
        for (schedule, locks) in by_schedule {
            let hash = format!("{}:locks:{schedule}", self.prefix());
            let mut write = cmd("HSET");
            write.arg(&hash);
            for (seat, owner) in locks {
                write.arg(seat.get()).arg(lock_value(until, owner.as_bytes()));
            }
            pipe.add_command(write).ignore();
            pipe.cmd("EXPIRE").arg(hash).arg(SOLD_FOR.as_secs()).ignore();
        }
        self.add_changes(&mut pipe, rooms);
        self.call("mark seats sold", async |mut connection| pipe.query_async::<()>(&mut connection).await).await;
    }

    /// Releases locks that the given commands still own, whose outcomes Postgres has. False when Redis did not do it.
    pub async fn release_seats(&self, freed: &[Freed]) -> bool {
        if freed.is_empty() {
            return true;
        }
        let mut call = RELEASE.arg(self.prefix());
        call.arg(IN_POSTGRES).arg(KNOWN_FOR.as_secs());
        for Freed { seat, command, was_held } in freed {
            call.arg(seat.schedule().get()).arg(seat.get()).arg(command.as_bytes()).arg(*was_held);
        }
        let released = async |mut connection| call.invoke_async::<()>(&mut connection).await;
        self.call("release seat locks", released).await.is_some()
    }
}

/// Holds that are asked about together: their places among all, and how many seats they want.
struct Group {
    schedule: ScheduleId,
    room: ScheduleId,
    holds: Vec<usize>,
    seats: usize,
}

/// Holds of one schedule with tokens of one room, in their order, as many as a group takes.
fn groups(holds: &[Asking<'_>]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut latest: HashMap<(ScheduleId, ScheduleId), usize> = HashMap::new();
    for (n, asking) in holds.iter().enumerate() {
        let (schedule, room) = (asking.hold.schedule_id, asking.token.schedule());
        let group = match latest.get(&(schedule, room)) {
            Some(group) if groups[*group].seats < GROUP_SEATS => *group,
            _ => {
                groups.push(Group { schedule, room, holds: Vec::new(), seats: 0 });
                latest.insert((schedule, room), groups.len() - 1);
                groups.len() - 1
            }
        };
        groups[group].holds.push(n);
        groups[group].seats += asking.hold.seat_ids.as_slice().len();
    }
    groups
}

/// The lock of what is committed, as Redis has it.
fn lock_value(until: Time, owner: &[u8]) -> Vec<u8> {
    let mut lock = format!("{:013}!", until.0.timestamp_millis()).into_bytes();
    lock.extend_from_slice(owner);
    lock
}

fn verdict(value: &Value) -> Verdict {
    let text = match value {
        Value::BulkString(bytes) if bytes != IN_POSTGRES.as_bytes() => std::str::from_utf8(bytes).unwrap_or_default(),
        _ => return Verdict::Open,
    };
    Verdict::Lost(text.split(',').filter_map(|seat| seat.parse().ok()).collect())
}
