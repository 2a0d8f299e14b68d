//! Queue tokens. Their rows are the truth; the rows of the live tokens that open a schedule
//! to a user are that user's lock within it.

use std::collections::BTreeSet;

use onsale_common::contract::admission::TokenStatus;
use onsale_common::ids::{QueueToken, ScheduleId, UserId};
use onsale_common::time::Time;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row as _};
use uuid::Uuid;

use crate::domain::token::Token;
use crate::failure::Failure;
use crate::store::questions::{Questions, list};

/// The status column.
pub(super) const WAITING: i16 = 0;
pub(super) const ACTIVE: i16 = 1;
pub(super) const EXPIRED: i16 = 2;
pub(super) const USED: i16 = 3;

#[derive(FromRow)]
struct Row {
    token: Uuid,
    schedule_id: i64,
    user_id: i64,
    ordinal: i64,
    status: i16,
    issued_at: chrono::DateTime<chrono::Utc>,
    active_at: Option<chrono::DateTime<chrono::Utc>>,
    expires_at: chrono::DateTime<chrono::Utc>,
    hold_until: Option<chrono::DateTime<chrono::Utc>>,
}

impl From<Row> for Token {
    fn from(row: Row) -> Self {
        Self {
            token: QueueToken::from_uuid(row.token),
            schedule: ScheduleId::new(row.schedule_id),
            user: UserId::new(row.user_id),
            ordinal: row.ordinal,
            status: match row.status {
                WAITING => TokenStatus::Waiting,
                ACTIVE => TokenStatus::Active,
                USED => TokenStatus::Used,
                _ => TokenStatus::Expired,
            },
            issued_at: Time(row.issued_at),
            active_at: row.active_at.map(Time),
            expires_at: Time(row.expires_at),
            hold_until: row.hold_until.map(Time),
        }
    }
}

/// Reads some tokens.
///
/// # Errors
/// When Postgres fails.
pub async fn read(db: &mut PgConnection, tokens: &[Uuid]) -> Result<Vec<Token>, Failure> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT token, schedule_id, user_id, ordinal, status, issued_at, active_at, expires_at, hold_until
         FROM queue_tokens WHERE token = ANY($1)",
    )
    .bind(tokens)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Token::from).collect())
}

/// Reads and locks some tokens.
///
/// # Errors
/// When Postgres fails.
pub async fn lock(db: &mut PgConnection, tokens: &[Uuid]) -> Result<Vec<Token>, Failure> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT token, schedule_id, user_id, ordinal, status, issued_at, active_at, expires_at, hold_until
         FROM queue_tokens WHERE token = ANY($1) ORDER BY token FOR NO KEY UPDATE",
    )
    .bind(tokens)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Token::from).collect())
}

/// What [`ask_to_lock`] asks by name. Times travel as seconds, whose texts are read many times faster. Hardly anybody has
/// a token of the service-wide room and one of a schedule: while that room is empty no other token is looked for. OFFSET
/// keeps the planner from beginning with all live tokens, of which it may think that there are none.
pub(super) const PREPARE: &str = "PREPARE lock_tokens (uuid[], bigint[], bigint[]) AS
     SELECT token, schedule_id, user_id, ordinal, status, date_part('epoch', issued_at), date_part('epoch', active_at),
            date_part('epoch', expires_at), date_part('epoch', hold_until)
     FROM queue_tokens
     WHERE token = ANY($1 || ARRAY(
         SELECT other.token
         FROM unnest($2, $3) AS asked(user_id, schedule_id)
         CROSS JOIN LATERAL (
             SELECT token FROM queue_tokens live
             WHERE live.schedule_id = asked.schedule_id AND live.user_id = asked.user_id AND live.status < 2
             OFFSET 0) AS other
         WHERE EXISTS (SELECT 1 FROM queue_tokens WHERE schedule_id = 0 AND status = 1)
            OR EXISTS (SELECT 1 FROM queue_tokens WHERE schedule_id = 0 AND status = 0)))
     ORDER BY token FOR NO KEY UPDATE";

/// Asks for some tokens and the live ones of some users in other rooms, to be locked in one order; [`locked`] reads the
/// answer.
pub(super) fn ask_to_lock(questions: &mut Questions, tokens: &BTreeSet<Uuid>, others: &BTreeSet<(UserId, ScheduleId)>) {
    let users = list(others.iter().map(|(user, _)| user.get()));
    let schedules = list(others.iter().map(|(_, schedule)| schedule.get()));
    questions.ask("lock_tokens", &[&list(tokens.iter().copied()), &users, &schedules]);
}

/// The tokens that [`ask_to_lock`] asked for.
///
/// # Errors
/// When a row is not what was asked for.
pub(super) fn locked(answer: &[PgRow]) -> Result<Vec<Token>, Failure> {
    let time = |seconds: f64| {
        let time = chrono::DateTime::from_timestamp_micros((seconds * 1e6).round() as i64);
        time.ok_or_else(|| sqlx::Error::Decode(format!("no calendar has a second {seconds}").into()))
    };
    let tokens = answer.iter().map(|row| {
        Ok(Row {
            token: row.try_get(0)?,
            schedule_id: row.try_get(1)?,
            user_id: row.try_get(2)?,
            ordinal: row.try_get(3)?,
            status: row.try_get(4)?,
            issued_at: time(row.try_get(5)?)?,
            active_at: row.try_get::<Option<f64>, _>(6)?.map(time).transpose()?,
            expires_at: time(row.try_get(7)?)?,
            hold_until: row.try_get::<Option<f64>, _>(8)?.map(time).transpose()?,
        }
        .into())
    });
    Ok(tokens.collect::<Result<_, sqlx::Error>>()?)
}

/// Reads and locks the live tokens of some users in some schedules' rooms.
///
/// # Errors
/// When Postgres fails.
pub async fn lock_live_of(db: &mut PgConnection, users: &[i64], schedules: &[i64]) -> Result<Vec<Token>, Failure> {
    // OFFSET for the same reason as in `PREPARE`. A token may have ended while its lock was waited for.
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT token, schedule_id, user_id, ordinal, status, issued_at, active_at, expires_at, hold_until
         FROM queue_tokens
         WHERE token = ANY(ARRAY(
             SELECT live.token
             FROM unnest($1::bigint[], $2::bigint[]) AS wanted(user_id, schedule_id)
             CROSS JOIN LATERAL (
                 SELECT token FROM queue_tokens t
                 WHERE t.schedule_id = wanted.schedule_id AND t.user_id = wanted.user_id AND t.status < 2
                 OFFSET 0) AS live))
         ORDER BY token FOR NO KEY UPDATE",
    )
    .bind(users)
    .bind(schedules)
    .fetch_all(db)
    .await?;
    let live = rows.into_iter().filter(|row| matches!(row.status, WAITING | ACTIVE));
    Ok(live.map(Token::from).collect())
}

/// A token to insert.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The token.
    pub token: QueueToken,
    /// Its room.
    pub schedule: ScheduleId,
    /// Its user.
    pub user: UserId,
    /// Whether it is active at once.
    pub active: bool,
    /// When it runs out.
    pub expires_at: Time,
}

/// Inserts tokens in their order of arrival; returns their ordinals in the same order.
///
/// # Errors
/// [`Failure::Overtaken`] when one of the users has a live token of the schedule by now.
pub async fn insert(db: &mut PgConnection, tokens: &[NewToken], now: Time) -> Result<Vec<i64>, Failure> {
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(
        "INSERT INTO queue_tokens (token, schedule_id, user_id, status, issued_at, active_at, expires_at)
         SELECT token, schedule_id, user_id, active::int, $6, CASE WHEN active THEN $6 END, expires_at
         FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::boolean[], $5::timestamptz[])
              WITH ORDINALITY AS new(token, schedule_id, user_id, active, expires_at, n)
         ORDER BY n
         RETURNING token, ordinal",
    )
    .bind(tokens.iter().map(|new| new.token.uuid()).collect::<Vec<_>>())
    .bind(tokens.iter().map(|new| new.schedule.get()).collect::<Vec<_>>())
    .bind(tokens.iter().map(|new| new.user.get()).collect::<Vec<_>>())
    .bind(tokens.iter().map(|new| new.active).collect::<Vec<_>>())
    .bind(tokens.iter().map(|new| new.expires_at.0).collect::<Vec<_>>())
    .bind(now.0)
    .fetch_all(db)
    .await?;
    // A plain insert returns its rows in order, which the documentation does not promise.
    let ordinals: std::collections::HashMap<Uuid, i64> = rows.into_iter().collect();
    Ok(tokens.iter().map(|new| ordinals[&new.token.uuid()]).collect())
}

/// Ends some tokens before their time.
///
/// # Errors
/// When Postgres fails.
pub async fn expire(db: &mut PgConnection, ended: &[QueueToken], now: Time) -> Result<(), Failure> {
    if ended.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE queue_tokens t SET status = $2, expires_at = least(t.expires_at, $3), hold_until = NULL
         FROM unnest($1::uuid[]) AS v(token) WHERE t.token = v.token",
    )
    .bind(ended.iter().map(|token| token.uuid()).collect::<Vec<_>>())
    .bind(EXPIRED)
    .bind(now.0)
    .execute(db)
    .await?;
    Ok(())
}
