//! Waiting rooms. A room's row is the lock under which users are admitted: only its holder makes a token active.

use onsale_common::ids::{QueueToken, ScheduleId, UserId};
use onsale_common::time::Time;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use uuid::Uuid;

use crate::config::Limits;
use crate::domain::room::{Drained, Room};
use crate::failure::Failure;

#[derive(FromRow)]
struct Row {
    schedule_id: i64,
    capacity: Option<i32>,
    paused: bool,
    drained_weight: f64,
    drained_at: chrono::DateTime<chrono::Utc>,
    active_at_most: Option<i32>,
}

impl Row {
    fn into_room(self, limits: &Limits) -> (ScheduleId, Room) {
        let id = ScheduleId::new(self.schedule_id);
        let room = Room {
            capacity: self.capacity.map_or(limits.capacity_of(id), i32::unsigned_abs),
            paused: self.paused,
            drained: Drained { weight: self.drained_weight, at: Time(self.drained_at) },
            active_at_most: self.active_at_most.map(i32::unsigned_abs),
        };
        (id, room)
    }
}

/// Reads some rooms.
///
/// # Errors
/// When Postgres fails.
pub async fn read(
    db: &mut PgConnection,
    schedules: &[i64],
    limits: &Limits,
) -> Result<Vec<(ScheduleId, Room)>, Failure> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT schedule_id, capacity, paused, drained_weight, drained_at, active_at_most
         FROM rooms WHERE schedule_id = ANY($1)",
    )
    .bind(schedules)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| row.into_room(limits)).collect())
}

/// Takes the locks of some rooms.
///
/// # Errors
/// When Postgres fails.
pub async fn lock(
    db: &mut PgConnection,
    schedules: &[i64],
    limits: &Limits,
) -> Result<Vec<(ScheduleId, Room)>, Failure> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT schedule_id, capacity, paused, drained_weight, drained_at, active_at_most
         FROM rooms WHERE schedule_id = ANY($1) ORDER BY schedule_id FOR NO KEY UPDATE",
    )
    .bind(schedules)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| row.into_room(limits)).collect())
}

/// Changes the capacity of a room and whether it is paused, where that is given; returns the room as it is then.
///
/// # Errors
/// When Postgres fails.
pub async fn change(
    db: &mut PgConnection,
    schedule: ScheduleId,
    capacity: Option<u32>,
    paused: Option<bool>,
    limits: &Limits,
) -> Result<Room, Failure> {
    // The clock as it is under the room's lock: whoever was admitted under the old capacity was so before.
    let row: Row = sqlx::query_as(
        "UPDATE rooms SET capacity = coalesce($2::integer, capacity), paused = coalesce($3, paused),
             capacity_changed_at = CASE WHEN $2::integer IS DISTINCT FROM capacity AND $2 IS NOT NULL
                                        THEN clock_timestamp() ELSE capacity_changed_at END
         WHERE schedule_id = $1
         RETURNING schedule_id, capacity, paused, drained_weight, drained_at, active_at_most",
    )
    .bind(schedule.get())
    .bind(capacity.map(i64::from))
    .bind(paused)
    .fetch_one(db)
    .await?;
    Ok(row.into_room(limits).1)
}

/// Whether anybody waits in a room.
///
/// # Errors
/// When Postgres fails.
pub async fn anybody_waits(db: &mut PgConnection, schedule: ScheduleId) -> Result<bool, Failure> {
    let waits = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM queue_tokens WHERE schedule_id = $1 AND status = 0)");
    Ok(waits.bind(schedule.get()).fetch_one(db).await?)
}

/// How many are active in a room, counted.
///
/// # Errors
/// When Postgres fails.
pub async fn count_active(db: &mut PgConnection, schedule: ScheduleId) -> Result<u32, Failure> {
    let count = sqlx::query_scalar("SELECT count(*) FROM queue_tokens WHERE schedule_id = $1 AND status = 1");
    let active: i64 = count.bind(schedule.get()).fetch_one(db).await?;
    Ok(u32::try_from(active).unwrap_or(u32::MAX))
}

/// Writes down how many are active in a room at most. The caller holds the room's lock.
///
/// # Errors
/// When Postgres fails.
pub async fn set_active_at_most(db: &mut PgConnection, schedule: ScheduleId, active: u32) -> Result<(), Failure> {
    sqlx::query("UPDATE rooms SET active_at_most = $2 WHERE schedule_id = $1")
        .bind(schedule.get())
        .bind(i32::try_from(active).unwrap_or(i32::MAX))
        .execute(db)
        .await?;
    Ok(())
}

/// A token that was admitted.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// The token.
    pub token: QueueToken,
    /// Its user.
    pub user: UserId,
    /// When it runs out.
    pub expires_at: Time,
}

/// What to do about a token that another transaction has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// Wait until it ends: nobody behind is admitted first.
    Wait,
    /// Admit who comes next instead.
    Skip,
}

/// Admits those who wait longest, at most so many; returns them in the order of the line. The caller holds the room's lock.
///
/// Who is next is found by ordinal, but locked in the order of tokens, in which everybody locks them.
///
/// # Errors
/// When Postgres fails.
pub async fn admit_next(
    db: &mut PgConnection,
    schedule: ScheduleId,
    most: u32,
    others: Others,
    now: Time,
    expires_at: Time,
) -> Result<Vec<Admitted>, Failure> {
    let skip = match others {
        Others::Wait => "",
        Others::Skip => "FOR NO KEY UPDATE SKIP LOCKED",
    };
    // The number is part of the text: a plan for any number would sort the whole line to take its first. Whether somebody
    // still waits is looked at after the lock: asked of the table, it would let a planner whose statistics are from before
    // a crowd came walk through the index of all who wait, and through the next ones for each.
    let statement = format!(
        "WITH next AS MATERIALIZED (
             SELECT token FROM queue_tokens
             WHERE schedule_id = $1 AND status = 0 AND expires_at > $2 ORDER BY ordinal LIMIT {most} {skip}
         ), locked AS MATERIALIZED (
             SELECT t.token, t.status FROM queue_tokens t JOIN next USING (token)
             ORDER BY t.token FOR NO KEY UPDATE OF t
         )
         UPDATE queue_tokens t SET status = 1, active_at = $2, expires_at = $3
         FROM locked WHERE t.token = locked.token AND locked.status = 0
         RETURNING t.token, t.user_id, t.ordinal"
    );
    let mut rows: Vec<(Uuid, i64, i64)> = sqlx::query_as(AssertSqlSafe(statement))
        .persistent(false)
        .bind(schedule.get())
        .bind(now.0)
        .bind(expires_at.0)
        .fetch_all(db)
        .await?;
    rows.sort_unstable_by_key(|(_, _, ordinal)| *ordinal);
    let admitted =
        |(token, user, _)| Admitted { token: QueueToken::from_uuid(token), user: UserId::new(user), expires_at };
    Ok(rows.into_iter().map(admitted).collect())
}

/// Writes the measured rate of a room down.
///
/// # Errors
/// When Postgres fails.
pub async fn set_drained(db: &mut PgConnection, schedule: ScheduleId, drained: Drained) -> Result<(), Failure> {
    sqlx::query("UPDATE rooms SET drained_weight = $2, drained_at = $3 WHERE schedule_id = $1")
        .bind(schedule.get())
        .bind(drained.weight)
        .bind(drained.at.0)
        .execute(db)
        .await?;
    Ok(())
}

/// The rooms in which somebody waits and that are not paused.
///
/// # Errors
/// When Postgres fails.
pub async fn with_waiting(db: &mut PgConnection) -> Result<Vec<ScheduleId>, Failure> {
    let ids: Vec<i64> = sqlx::query_scalar(
        "SELECT r.schedule_id FROM rooms r
         WHERE NOT r.paused
           AND EXISTS (SELECT 1 FROM queue_tokens t WHERE t.schedule_id = r.schedule_id AND t.status = 0)",
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(ScheduleId::new).collect())
}

/// The rooms that hold any live token.
///
/// # Errors
/// When Postgres fails.
pub async fn occupied(db: &mut PgConnection) -> Result<Vec<ScheduleId>, Failure> {
    let ids: Vec<i64> = sqlx::query_scalar(
        "SELECT r.schedule_id FROM rooms r
         WHERE EXISTS (SELECT 1 FROM queue_tokens t WHERE t.schedule_id = r.schedule_id AND t.status = 0)
            OR EXISTS (SELECT 1 FROM queue_tokens t WHERE t.schedule_id = r.schedule_id AND t.status = 1)",
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(ScheduleId::new).collect())
}

/// The place of some waiting tokens, counted in Postgres: what is told while Redis is away.
///
/// # Errors
/// When Postgres fails.
pub async fn places(db: &mut PgConnection, tokens: &[(QueueToken, i64)]) -> Result<Vec<u64>, Failure> {
    let places: Vec<i64> = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM queue_tokens t
                 WHERE t.schedule_id = asked.schedule_id AND t.status = 0 AND t.ordinal <= asked.ordinal)
         FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS asked(schedule_id, ordinal, n) ORDER BY n",
    )
    .bind(tokens.iter().map(|(token, _)| token.schedule().get()).collect::<Vec<_>>())
    .bind(tokens.iter().map(|(_, ordinal)| *ordinal).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    Ok(places.into_iter().map(i64::unsigned_abs).collect())
}

/// Everybody in a room: who waits, in order, and who is active until when.
#[derive(Debug, Default)]
pub struct RoomContents {
    /// Waiting tokens with their ordinals.
    pub waiting: Vec<(QueueToken, i64)>,
    /// Active tokens with their users and ends.
    pub active: Vec<(QueueToken, UserId, Time)>,
}

/// Reads everybody in a room.
///
/// # Errors
/// When Postgres fails.
pub async fn contents(db: &mut PgConnection, schedule: ScheduleId) -> Result<RoomContents, Failure> {
    let rows: Vec<(Uuid, i64, i64, bool, chrono::DateTime<chrono::Utc>)> = sqlx::query_as(
        "SELECT token, user_id, ordinal, status = 1, greatest(expires_at, hold_until)
         FROM queue_tokens WHERE schedule_id = $1 AND status = 0
         UNION ALL
         SELECT token, user_id, ordinal, status = 1, greatest(expires_at, hold_until)
         FROM queue_tokens WHERE schedule_id = $1 AND status = 1",
    )
    .bind(schedule.get())
    .fetch_all(db)
    .await?;
    let mut contents = RoomContents::default();
    for (token, user, ordinal, active, until) in rows {
        let token = QueueToken::from_uuid(token);
        if active {
            contents.active.push((token, UserId::new(user), Time(until)));
        } else {
            contents.waiting.push((token, ordinal));
        }
    }
    Ok(contents)
}

/// How many wait and are active in some rooms.
///
/// # Errors
/// When Postgres fails.
pub async fn counts(db: &mut PgConnection, schedules: &[i64]) -> Result<Vec<(ScheduleId, u64, u64)>, Failure> {
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
        "SELECT id, (SELECT count(*) FROM queue_tokens t WHERE t.schedule_id = id AND t.status = 0),
                    (SELECT count(*) FROM queue_tokens t WHERE t.schedule_id = id AND t.status = 1)
         FROM unnest($1::bigint[]) AS asked(id)",
    )
    .bind(schedules)
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, waiting, active)| (ScheduleId::new(id), waiting.unsigned_abs(), active.unsigned_abs()))
        .collect())
}
