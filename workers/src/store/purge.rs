//! What is over age goes, some rows at a time.

use std::time::Duration;

use sqlx::PgConnection;

use crate::failure::Failure;

/// Rows of one statement at most, so that no purge holds anything for long.
const CHUNK: i64 = 5_000;

/// How long what is over is kept.
#[derive(Debug, Clone, Copy)]
pub struct Keeping {
    /// Outcomes, keys, published events and tokens that are over.
    pub effects: Duration,
    /// The log of attempts.
    pub attempts: Duration,
}

/// Deletes one chunk of everything over age; returns how many rows went. Keys go before their outcomes; an event goes only
/// once it is published, a token only once it is over: what ended so long ago was issued before that, and young tokens need
/// not be looked at.
///
/// # Errors
/// When Postgres fails.
pub async fn chunk(db: &mut PgConnection, keeping: &Keeping) -> Result<u64, Failure> {
    let keys = delete(
        db,
        keeping.effects,
        "DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM idempotency_keys
             WHERE created_at < now() - $1 * interval '1 second' LIMIT $2))",
    )
    .await?;
    // A key without its outcome could neither be told nor used again.
    if keys == CHUNK.unsigned_abs() {
        return Ok(keys);
    }
    let statements = [
        (
            keeping.effects,
            "DELETE FROM command_outcomes WHERE ctid = ANY(ARRAY(
                 SELECT ctid FROM command_outcomes
                 WHERE created_at < now() - $1 * interval '1 second' LIMIT $2))",
        ),
        (
            keeping.effects,
            "DELETE FROM outbox WHERE ctid = ANY(ARRAY(
                 SELECT ctid FROM outbox
                 WHERE created_at < now() - $1 * interval '1 second' AND id <= (SELECT published_to FROM outbox_relay) LIMIT $2))",
        ),
        (
            keeping.effects,
            "DELETE FROM queue_tokens WHERE ctid = ANY(ARRAY(
                 SELECT ctid FROM queue_tokens
                 WHERE status >= 2 AND expires_at < now() - $1 * interval '1 second'
                   AND issued_at < now() - $1 * interval '1 second' LIMIT $2))",
        ),
        (
            keeping.attempts,
            "DELETE FROM seat_attempts WHERE ctid = ANY(ARRAY(
                 SELECT ctid FROM seat_attempts
                 WHERE attempted_at < now() - $1 * interval '1 second' LIMIT $2))",
        ),
    ];
    let mut gone = keys;
    for (age, statement) in statements {
        gone += delete(db, age, statement).await?;
    }
    Ok(gone)
}

async fn delete(db: &mut PgConnection, age: Duration, statement: &'static str) -> Result<u64, Failure> {
    Ok(sqlx::query(statement).bind(age.as_secs_f64()).bind(CHUNK).execute(db).await?.rows_affected())
}
