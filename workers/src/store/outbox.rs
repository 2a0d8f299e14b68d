//! The outbox: every committed effect, to be published at least once.

use onsale_common::ids::ScheduleId;
use onsale_common::time::Time;
use serde::Serialize;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::failure::Failure;

/// A kind of effect, in the past tense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A user may hold and pay.
    TokenAdmitted,
    /// Seats are held.
    SeatsHeld,
    /// A hold was released by its owner.
    SeatsReleased,
    /// A hold ran out.
    HoldExpired,
    /// A balance grew.
    BalanceCharged,
    /// A balance was used.
    BalanceUsed,
    /// A reservation was paid.
    PaymentCompleted,
}

impl EventKind {
    /// The `type` of the published event, and its routing key.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokenAdmitted => "onsale.token.admitted",
            Self::SeatsHeld => "onsale.seats.held",
            Self::SeatsReleased => "onsale.seats.released",
            Self::HoldExpired => "onsale.seats.expired",
            Self::BalanceCharged => "onsale.balance.charged",
            Self::BalanceUsed => "onsale.balance.used",
            Self::PaymentCompleted => "onsale.payment.completed",
        }
    }
}

/// An effect to tell the world about.
#[derive(Debug, Clone)]
pub struct NewEvent {
    kind: EventKind,
    schedule: Option<ScheduleId>,
    subject: String,
    data: String,
}

impl NewEvent {
    /// An event about `subject` (such as `reservations/536870913`), with its data.
    pub fn new(kind: EventKind, schedule: Option<ScheduleId>, subject: String, data: &impl Serialize) -> Self {
        let data = serde_json::to_string(data).expect("event data has string keys only");
        Self { kind, schedule, subject, data }
    }
}

/// Stores events, in their order.
///
/// # Errors
/// When Postgres fails.
pub async fn add(db: &mut PgConnection, events: &[NewEvent], now: Time) -> Result<(), Failure> {
    if events.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO outbox (kind, schedule_id, subject, data, created_at)
         SELECT kind, schedule_id, subject, data, $5
         FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[])
              WITH ORDINALITY AS event(kind, schedule_id, subject, data, n)
         ORDER BY n",
    )
    .bind(events.iter().map(|event| event.kind.name()).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.schedule.map(ScheduleId::get)).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.subject.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.data.as_str()).collect::<Vec<_>>())
    .bind(now.0)
    .execute(db)
    .await?;
    Ok(())
}

/// An event that waits to be published.
#[derive(Debug, Clone, FromRow)]
pub struct StoredEvent {
    /// Its place in the order of the outbox.
    pub id: i64,
    /// Its id for consumers, who may see it more than once.
    pub event_id: Uuid,
    /// Its `type`.
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

/// The oldest events that wait.
///
/// # Errors
/// When Postgres fails.
pub async fn unpublished(db: &mut PgConnection, most: i64) -> Result<Vec<StoredEvent>, Failure> {
    let events = sqlx::query_as(
        "SELECT id, event_id, kind, schedule_id, subject, data, created_at
         FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT $1",
    )
    .bind(most)
    .fetch_all(db)
    .await?;
    Ok(events)
}

/// Marks events as published.
///
/// # Errors
/// When Postgres fails.
pub async fn mark_published(db: &mut PgConnection, ids: &[i64]) -> Result<(), Failure> {
    sqlx::query("UPDATE outbox SET published_at = clock_timestamp() WHERE id = ANY($1)").bind(ids).execute(db).await?;
    Ok(())
}

/// How many events wait, and for how many seconds the oldest has.
///
/// # Errors
/// When Postgres fails.
pub async fn lag(db: &mut PgConnection) -> Result<(i64, f64), Failure> {
    let lag = sqlx::query_as(
        "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8
         FROM outbox WHERE published_at IS NULL",
    )
    .fetch_one(db)
    .await?;
    Ok(lag)
}
