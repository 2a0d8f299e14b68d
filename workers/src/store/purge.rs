//! What is over age goes, some rows at a time.

use std::time::Duration;

use sqlx::PgConnection;

use crate::failure::Failure;

/// Rows of one statement at most, so that no purge holds anything for long.
const CHUNK: i64 = 5_000;

/// Deletes one chunk of everything older than `age`; returns how many rows went. Keys go with their outcomes; an event
/// goes only once it is published, a token only once it is over.
///
/// # Errors
/// When Postgres fails.
pub async fn chunk(db: &mut PgConnection, age: Duration) -> Result<u64, Failure> {
    let statements = [
        "DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM idempotency_keys
             WHERE created_at < now() - $1 * interval '1 second' LIMIT $2))",
        "DELETE FROM command_outcomes WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM command_outcomes
             WHERE created_at < now() - $1 * interval '1 second' LIMIT $2))",
        "DELETE FROM outbox WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM outbox
             WHERE created_at < now() - $1 * interval '1 second' AND published_at IS NOT NULL LIMIT $2))",
        "DELETE FROM queue_tokens WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM queue_tokens
             WHERE status >= 2 AND expires_at < now() - $1 * interval '1 second' LIMIT $2))",
    ];
    let mut gone = 0;
    for statement in statements {
        gone += sqlx::query(statement).bind(age.as_secs_f64()).bind(CHUNK).execute(&mut *db).await?.rows_affected();
    }
    Ok(gone)
}
