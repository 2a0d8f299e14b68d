//! Seat locks: they turn away the thousand losers of a hot seat without touching Postgres. They never decide who wins.

use std::sync::LazyLock;
use std::time::Duration;

use deadpool_redis::redis::{Script, Value};
use onsale_common::contract::reservation::HoldSeats;
use onsale_common::ids::{QueueToken, SeatId};
use onsale_common::time::Time;
use uuid::Uuid;

use super::Redis;
use super::rooms::RoomChange;

/// A lock lasts this long until its hold is committed; then until the hold ends.
const UNTIL_COMMIT: Duration = Duration::from_secs(10);
/// For how long the outcome of a command that lost here is kept, as outcomes in Postgres are.
const LOST_FOR: Duration = Duration::from_secs(86_400);
/// For how long a sold seat turns people away here; after that Postgres does.
const SOLD_FOR: Duration = Duration::from_secs(86_400);
const SOLD: &str = "sold";

/// For each hold: 0, let Postgres decide (its token is not known to be active, or there may be more to say than that it lost); 1, it has
/// the locks of all its seats; or the seats that others have, and it is lost.
static LOCK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local now, until_commit, lost_for = tonumber(ARGV[1]), ARGV[2], ARGV[3]
        local lost_prefix, seat_prefix = ARGV[4] .. ':lost:', ARGV[4] .. ':seat:'
        local room_prefix, call = ARGV[4] .. ':room:', redis.call
        local verdicts, i = {}, 5
        while i <= #ARGV do
            local id, token, room, contested, count = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3] == '1', tonumber(ARGV[i + 4])
            i = i + 5
            local lost = call('GET', lost_prefix .. id)
            if lost then
                verdicts[#verdicts + 1] = lost
            else
                local ends = call('ZSCORE', room_prefix .. room .. ':active', token)
                if not ends or tonumber(ends) <= now then
                    verdicts[#verdicts + 1] = 0
                else
                    local taken = {}
                    for s = i, i + count - 1 do
                        local owner = call('GET', seat_prefix .. ARGV[s])
                        if owner and owner ~= id then taken[#taken + 1] = ARGV[s] end
                    end
                    if #taken == 0 then
                        for s = i, i + count - 1 do
                            call('SET', seat_prefix .. ARGV[s], id, 'PX', until_commit)
                        end
                        verdicts[#verdicts + 1] = 1
                    elseif contested then
                        verdicts[#verdicts + 1] = 0
                    else
                        local seats = table.concat(taken, ',')
                        call('SET', lost_prefix .. id, seats, 'EX', lost_for)
                        verdicts[#verdicts + 1] = seats
                    end
                end
            end
            i = i + count
        end
        return verdicts
        ",
    )
});

/// Compares the owner before it releases.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        for i = 2, #ARGV, 2 do
            local key = ARGV[1] .. ':seat:' .. ARGV[i]
            if redis.call('GET', key) == ARGV[i + 1] then redis.call('DEL', key) end
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
    /// The owner of the locks, if it gets them.
    pub command: Uuid,
    /// Whose active token opens the door.
    pub token: QueueToken,
    /// Whether Postgres is to say why it lost: a hold with an idempotency key may repeat an older command, one that
    /// would be its user's only hold may meet the user's own.
    pub contested: bool,
    /// The seats.
    pub hold: &'a HoldSeats,
}

impl Redis {
    /// Asks for the locks of each hold's seats, all or none, in the order of arrival.
    pub async fn lock_seats(&self, holds: &[Asking<'_>], now: Time) -> Vec<Verdict> {
        if holds.is_empty() {
            return Vec::new();
        }
        let mut call = LOCK.arg(now.0.timestamp_millis());
        call.arg(UNTIL_COMMIT.as_millis() as u64).arg(LOST_FOR.as_secs()).arg(self.prefix());
        for asking in holds {
            let seats = asking.hold.seat_ids.as_slice();
            call.arg(asking.command.as_bytes())
                .arg(asking.token.uuid().as_bytes())
                .arg(asking.token.schedule().get())
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

    /// Keeps the locks of committed holds until the holds end, whoever had them before: Postgres has decided. Their tokens
    /// live as long.
    pub async fn keep_seats(&self, held: &[(SeatId, Uuid, Time)], tokens: &[RoomChange], now: Time) {
        if held.is_empty() && tokens.is_empty() {
            return;
        }
        let mut pipe = deadpool_redis::redis::pipe();
        for (seat, owner, until) in held {
            let ttl_ms = until.since(now).as_millis().max(1) as u64;
            pipe.cmd("SET").arg(self.seat_key(*seat)).arg(owner.as_bytes()).arg("PX").arg(ttl_ms).ignore();
        }
        self.add_changes(&mut pipe, tokens);
        self.call("keep seat locks", async |mut connection| pipe.query_async::<()>(&mut connection).await).await;
    }

    /// Lets sold seats turn people away for a day. Their buyers' tokens may be over.
    pub async fn mark_sold(&self, seats: &[SeatId], tokens: &[RoomChange]) {
        if seats.is_empty() && tokens.is_empty() {
            return;
        }
        let mut pipe = deadpool_redis::redis::pipe();
        for seat in seats {
            pipe.cmd("SET").arg(self.seat_key(*seat)).arg(SOLD).arg("EX").arg(SOLD_FOR.as_secs()).ignore();
        }
        self.add_changes(&mut pipe, tokens);
        self.call("mark seats sold", async |mut connection| pipe.query_async::<()>(&mut connection).await).await;
    }

    /// Releases locks that the given commands still own.
    pub async fn release_seats(&self, owned: &[(SeatId, Uuid)]) {
        if owned.is_empty() {
            return;
        }
        let mut call = RELEASE.arg(self.prefix());
        for (seat, owner) in owned {
            call.arg(seat.get()).arg(owner.as_bytes());
        }
        self.call("release seat locks", async |mut connection| call.invoke_async::<()>(&mut connection).await).await;
    }

    fn seat_key(&self, seat: SeatId) -> String {
        format!("{}:seat:{seat}", self.prefix())
    }
}

fn verdict(value: &Value) -> Verdict {
    let text = match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        _ => return Verdict::Open,
    };
    Verdict::Lost(text.split(',').filter_map(|seat| seat.parse().ok()).collect())
}
