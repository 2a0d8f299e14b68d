//! Seat locks: they turn away the thousand losers of a hot seat without touching Postgres. They never decide who wins.
//!
//! A hold first asks for its seats: a lock that says who is at it, so that what becomes of the hold can be told later, and
//! that keeps nobody away, because the hold may yet be refused. The lock of a hold that is committed turns others away.
//!
//! The locks of a schedule are one hash: a seat's id, and until when which command is at it or has it, as 13 digits of
//! milliseconds, `?` or `!`, and the command's id. A batch is a few commands to Redis for each schedule, however many
//! seats it wants.

use std::collections::BTreeMap;
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
/// For how long the outcome of a command that lost here is kept, as outcomes in Postgres are.
const LOST_FOR: Duration = Duration::from_secs(86_400);
/// For how long a sold seat turns people away here, after that Postgres does. No lock is for longer, so that the locks of
/// a schedule that nobody wants any more go after that time.
const SOLD_FOR: Duration = Duration::from_secs(86_400);
const SOLD: &[u8] = b"sold";

/// For each hold: 0, let Postgres decide (there may be more to say than that it lost), or the seats that others have, and
/// it is lost. Only who could hold them loses here: whose token is active and its user's. A hold's seven arguments are
/// its id, its token, the token's schedule, its user, its own schedule, whether it is contested, and how many seats follow.
static LOCK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local ARGV, call = ARGV, redis.call
        local prefix, clock, until_commit, lost_for = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
        local lock_for, longest = string.format('%013d?', clock + until_commit), ARGV[5]

        -- Appends to the list of a key.
        local function gather(lists, key, item)
            local list = lists[key]
            if list then list[#list + 1] = item else lists[key] = { item } end
        end

        -- Calls a command for each list, by its key, a thousand items at a time, which is what the stack of Lua takes.
        local function each(lists, command, hear)
            for key, list in pairs(lists) do
                for from = 1, #list, 1000 do
                    local answers = call(command, key, unpack(list, from, math.min(from + 999, #list)))
                    if hear then
                        for n = 1, #answers do hear(list[from + n - 1], answers[n]) end
                    end
                end
            end
        end

        local ends, users, at, owners, lost = {}, {}, {}, {}, {}
        local total, i = #ARGV, 6
        local actives, names, hashes, lost_keys = {}, {}, {}, {}
        local room_prefix, hash_prefix, lost_prefix = prefix .. ':room:', prefix .. ':locks:', prefix .. ':lost:'
        while i <= total do
            local room = room_prefix .. ARGV[i + 2]
            gather(actives, room .. ':active', ARGV[i + 1])
            gather(names, room .. ':users', ARGV[i + 1])
            lost_keys[#lost_keys + 1] = lost_prefix .. ARGV[i]
            local hash, last = hash_prefix .. ARGV[i + 4], i + 6 + ARGV[i + 6]
            for n = i + 7, last do gather(hashes, hash, ARGV[n]) end
            i = last + 1
        end
        each(actives, 'ZMSCORE', function(token, score) ends[token] = score end)
        each(names, 'HMGET', function(token, user) users[token] = user end)
        each(hashes, 'HMGET', function(seat, lock)
            if lock and tonumber(lock:sub(1, 13)) > clock then
                if lock:byte(14) == 33 then owners[seat] = lock:sub(15) else at[seat] = lock:sub(15) end
            end
        end)
        for from = 1, #lost_keys, 1000 do
            local some = call('MGET', unpack(lost_keys, from, math.min(from + 999, #lost_keys)))
            for n = 1, #some do lost[from + n - 1] = some[n] end
        end

        local verdicts, locks = {}, {}
        local h = 0
        i = 6
        while i <= total do
            h = h + 1
            local id, first, last = ARGV[i], i + 7, i + 6 + ARGV[i + 6]
            local ends_at = ends[ARGV[i + 1]]
            local verdict = lost[h] or 0
            if verdict == 0 and ends_at and tonumber(ends_at) > clock and users[ARGV[i + 1]] == ARGV[i + 3] then
                local taken, free
                for n = first, last do
                    local owner = owners[ARGV[n]]
                    if owner and owner ~= id then taken = taken and taken .. ',' .. ARGV[n] or ARGV[n] end
                    if not owner and (at[ARGV[n]] or id) == id then free = (free or 0) + 1 end
                end
                if taken then
                    if ARGV[i + 5] == '0' then
                        call('SET', lost_keys[h], taken, 'EX', lost_for)
                        verdict = taken
                    end
                elseif free == last - first + 1 then
                    local hash, lock = hash_prefix .. ARGV[i + 4], lock_for .. id
                    for n = first, last do
                        at[ARGV[n]] = id
                        gather(locks, hash, ARGV[n])
                        gather(locks, hash, lock)
                    end
                end
            end
            verdicts[h] = verdict
            i = last + 1
        end
        each(locks, 'HSET')
        for hash in pairs(locks) do call('EXPIRE', hash, longest) end
        return verdicts
        ",
    )
});

/// Compares who is at the seat before it keeps it: a hold may be over by now, and its lock released or another's. The
/// arguments are, for each schedule, its id, how many locks follow, and each one's seat, owner and end.
static KEEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local ARGV, call = ARGV, redis.call
        local prefix, longest, i = ARGV[1] .. ':locks:', ARGV[2], 3
        while i < #ARGV do
            local hash, last = prefix .. ARGV[i], i + 1 + 3 * ARGV[i + 1]
            i = i + 2
            while i <= last do
                -- Some hundred locks at a time, which is what the stack of Lua takes.
                local seats, kept, to = {}, {}, math.min(last, i + 1499)
                for n = i, to, 3 do seats[#seats + 1] = ARGV[n] end
                local locks = call('HMGET', hash, unpack(seats))
                for n = i, to, 3 do
                    local lock = locks[(n - i) / 3 + 1]
                    if lock and lock:sub(15) == ARGV[n + 1] then
                        kept[#kept + 1] = ARGV[n]
                        kept[#kept + 1] = ARGV[n + 2] .. ARGV[n + 1]
                    end
                end
                if #kept > 0 then
                    call('HSET', hash, unpack(kept))
                    call('EXPIRE', hash, longest)
                end
                i = to + 1
            end
        end
        ",
    )
});

/// Compares whose lock it is before it releases.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        for i = 2, #ARGV, 3 do
            local hash = ARGV[1] .. ':locks:' .. ARGV[i]
            local lock = redis.call('HGET', hash, ARGV[i + 1])
            if lock and lock:sub(15) == ARGV[i + 2] then redis.call('HDEL', hash, ARGV[i + 1]) end
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
            .arg(LOST_FOR.as_secs())
            .arg(SOLD_FOR.as_secs());
        for asking in holds {
            let seats = asking.hold.seat_ids.as_slice();
            call.arg(asking.command.as_bytes())
                .arg(asking.token.uuid().as_bytes())
                .arg(asking.token.schedule().get())
                .arg(asking.hold.user_id.get())
                .arg(asking.hold.schedule_id.get())
                .arg(u8::from(asking.contested))
                .arg(seats.len());
            for seat in seats {
                call.arg(seat.get());
            }
        }
        let verdicts: Option<Vec<Value>> =
            self.call("lock seats", async |mut connection| call.invoke_async(&mut connection).await).await;
        match verdicts {
            Some(verdicts) if verdicts.len() == holds.len() => verdicts.iter().map(verdict).collect(),
            _ => holds.iter().map(|_| Verdict::Open).collect(),
        }
    }

    /// Keeps seats for the given commands until the given times, where nobody else came to be at them.
    pub(super) async fn keep_seats(&self, held: &[Held]) {
        let mut by_schedule: BTreeMap<ScheduleId, Vec<&Held>> = BTreeMap::new();
        for lock in held {
            by_schedule.entry(lock.0.schedule()).or_default().push(lock);
        }
        let mut call = KEEP.arg(self.prefix());
        call.arg(SOLD_FOR.as_secs());
        for (schedule, locks) in by_schedule {
            call.arg(schedule.get()).arg(locks.len());
            for (seat, owner, until) in locks {
                call.arg(seat.get()).arg(owner.as_bytes()).arg(lock_value(*until, &[]));
            }
        }
        self.call("keep seat locks", async |mut connection| call.invoke_async::<()>(&mut connection).await).await;
    }

    /// Lets sold seats turn people away for a day, and tells what changed in rooms. The buyers' tokens may be over.
    pub async fn mark_sold(&self, seats: &[SeatId], rooms: &[RoomChange]) {
        let sold = lock_value(Time::now().plus(SOLD_FOR), SOLD);
        let mut by_schedule: BTreeMap<ScheduleId, Vec<SeatId>> = BTreeMap::new();
        for seat in seats {
            by_schedule.entry(seat.schedule()).or_default().push(*seat);
        }
        if by_schedule.is_empty() {
            return self.change_rooms(rooms).await;
        }
        let mut pipe = pipe();
        for (schedule, seats) in by_schedule {
            let hash = format!("{}:locks:{schedule}", self.prefix());
            let mut write = cmd("HSET");
            write.arg(&hash);
            for seat in seats {
                write.arg(seat.get()).arg(&sold);
            }
            pipe.add_command(write).ignore();
            pipe.cmd("EXPIRE").arg(hash).arg(SOLD_FOR.as_secs()).ignore();
        }
        self.add_changes(&mut pipe, rooms);
        self.call("mark seats sold", async |mut connection| pipe.query_async::<()>(&mut connection).await).await;
    }

    /// Releases locks that the given commands still own.
    pub async fn release_seats(&self, owned: &[(SeatId, Uuid)]) {
        if owned.is_empty() {
            return;
        }
        let mut call = RELEASE.arg(self.prefix());
        for (seat, owner) in owned {
            call.arg(seat.schedule().get()).arg(seat.get()).arg(owner.as_bytes());
        }
        self.call("release seat locks", async |mut connection| call.invoke_async::<()>(&mut connection).await).await;
    }
}

/// The lock of what is committed, as Redis has it.
fn lock_value(until: Time, owner: &[u8]) -> Vec<u8> {
    let mut lock = format!("{:013}!", until.0.timestamp_millis()).into_bytes();
    lock.extend_from_slice(owner);
    lock
}

fn verdict(value: &Value) -> Verdict {
    let text = match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        _ => return Verdict::Open,
    };
    Verdict::Lost(text.split(',').filter_map(|seat| seat.parse().ok()).collect())
}
