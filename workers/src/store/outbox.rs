//! The outbox: every committed effect, to be published at least once, in one order that never changes.
//!
//! An event's place is drawn when its transaction stores it, which is after the transaction has all its locks: of two
//! effects on the same row the later has the higher place. But places are drawn before commits, and transactions commit
//! in any order, so that a higher place can be visible before a lower one. Whoever drew a place therefore stands in a
//! gate until its transaction ends: a shared lock that nobody ever waits for. The relay reads up to a [`horizon`]: a
//! place such that all who had drawn up to it have left the gate. Below it nothing can appear any more.

use std::time::Duration;

use onsale_common::contract::event::{EventData, EventKind};
use onsale_common::ids::ScheduleId;
use onsale_common::time::Time;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{FromRow, PgConnection, Postgres};
use uuid::Uuid;

use crate::failure::Failure;

/// The key of the gate, among the advisory locks of the database. It fits into 32 bits, so that `pg_locks` shows it as
/// it is in `objid`.
const GATE: i64 = 0x0075_B0C5;

/// How long a horizon may wait for the gate: transactions are at their last two statements there.
const GATE_WAIT_MAX: Duration = Duration::from_secs(1);
const GATE_LOOK_EVERY: Duration = Duration::from_millis(2);

/// An effect to tell the world about.
#[derive(Debug, Clone)]
pub struct NewEvent {
    id: Uuid,
    kind: EventKind,
    schedule: Option<ScheduleId>,
    subject: String,
    data: String,
}

impl NewEvent {
    /// The event of an effect.
    pub fn of<D: EventData>(data: &D) -> Self {
        let json = serde_json::to_string(data).expect("event data has string keys only");
        Self { id: Uuid::now_v7(), kind: D::KIND, schedule: data.schedule(), subject: data.subject(), data: json }
    }
}

/// Inserts the events that [`bind_events`] binds. The gate is entered before the first place is drawn: the rows to insert
/// are joined with it and sorted first.
macro_rules! insert_events {
    () => {
        "WITH gate AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared($1))
         INSERT INTO outbox (event_id, kind, schedule_id, subject, data, created_at)
         SELECT event_id, kind, schedule_id, subject, data, $2
         FROM gate CROSS JOIN unnest($3::uuid[], $4::text[], $5::bigint[], $6::text[], $7::text[])
              WITH ORDINALITY AS event(event_id, kind, schedule_id, subject, data, n)
         ORDER BY n"
    };
}
pub(super) use insert_events;

/// Binds the first seven parameters of a statement, those of [`insert_events`].
pub(super) fn bind_events<'q>(
    statement: Query<'q, Postgres, PgArguments>,
    events: &[NewEvent],
    now: Time,
) -> Query<'q, Postgres, PgArguments> {
    statement
        .bind(GATE)
        .bind(now.0)
        .bind(events.iter().map(|event| event.id).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.schedule.map(ScheduleId::get)).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.subject.clone()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.data.clone()).collect::<Vec<_>>())
}

/// Stores events, in their order. The transaction holds the rows that its effects change, and commits soon.
///
/// # Errors
/// When Postgres fails.
pub async fn add(db: &mut PgConnection, events: &[NewEvent], now: Time) -> Result<(), Failure> {
    if events.is_empty() {
        return Ok(());
    }
    bind_events(sqlx::query(insert_events!()), events, now).execute(db).await?;
    Ok(())
}

/// The highest place up to which every event is either visible or will never be. None while a transaction stays in the
/// gate for too long.
///
/// # Errors
/// When Postgres fails.
pub async fn horizon(db: &mut PgConnection) -> Result<Option<i64>, Failure> {
    // First the place, then the gate: whoever enters later draws a higher one.
    let last: Option<i64> = sqlx::query_scalar("SELECT pg_sequence_last_value(pg_get_serial_sequence('outbox', 'id'))")
        .fetch_one(&mut *db)
        .await?;
    let mut ahead = inside_the_gate(db).await?;
    let end = tokio::time::Instant::now() + GATE_WAIT_MAX;
    while !ahead.is_empty() {
        if tokio::time::Instant::now() > end {
            return Ok(None);
        }
        tokio::time::sleep(GATE_LOOK_EVERY).await;
        let inside = inside_the_gate(db).await?;
        ahead.retain(|transaction| inside.contains(transaction));
    }
    Ok(Some(last.unwrap_or(0)))
}

/// The transactions that have drawn a place, or are about to, and have not ended.
async fn inside_the_gate(db: &mut PgConnection) -> Result<Vec<String>, Failure> {
    let transactions = sqlx::query_scalar(
        "SELECT virtualtransaction FROM pg_locks
         WHERE locktype = 'advisory' AND classid = 0 AND objid = $1::bigint::oid AND objsubid = 1 AND granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .bind(GATE)
    .fetch_all(db)
    .await?;
    Ok(transactions)
}

/// An event that waits to be published.
#[derive(Debug, Clone, FromRow)]
pub struct StoredEvent {
    /// Its place in the order of all events.
    pub id: i64,
    /// Its id for consumers, who may see it more than once.
    pub event_id: Uuid,
    /// Its kind, as [`EventKind::as_str`] writes it.
    pub kind: String,
    /// The schedule that it is about, if any.
    pub schedule_id: Option<i64>,
    /// What it is about.
    pub subject: String,
    /// Its data, JSON.
    pub data: String,
    /// When the effect was committed.
    pub created_at: chrono::DateTime<chrono::Utc>,
}

/// The first events that wait, in their order, up to a horizon.
///
/// # Errors
/// When Postgres fails.
pub async fn unpublished(db: &mut PgConnection, horizon: i64, most: i64) -> Result<Vec<StoredEvent>, Failure> {
    let events = sqlx::query_as(
        "SELECT id, event_id, kind, schedule_id, subject, data, created_at
         FROM outbox WHERE id > (SELECT published_to FROM outbox_relay) AND id <= $1 ORDER BY id LIMIT $2",
    )
    .bind(horizon)
    .bind(most)
    .fetch_all(db)
    .await?;
    Ok(events)
}

/// Notes that every event up to this place is published. A relay that was overtaken takes nothing back.
///
/// # Errors
/// When Postgres fails.
pub async fn mark_published(db: &mut PgConnection, last: i64) -> Result<(), Failure> {
    sqlx::query("UPDATE outbox_relay SET published_to = $1 WHERE published_to < $1").bind(last).execute(db).await?;
    Ok(())
}

/// How many events wait, and for how many seconds the oldest has.
///
/// # Errors
/// When Postgres fails.
pub async fn lag(db: &mut PgConnection) -> Result<(i64, f64), Failure> {
    let lag = sqlx::query_as(
        "SELECT (SELECT count(*) FROM outbox WHERE id > published_to),
                coalesce((SELECT extract(epoch FROM clock_timestamp() - created_at)
                          FROM outbox WHERE id > published_to ORDER BY id LIMIT 1), 0)::float8
         FROM outbox_relay",
    )
    .fetch_one(db)
    .await?;
    Ok(lag)
}
