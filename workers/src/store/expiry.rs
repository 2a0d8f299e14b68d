//! What has run out of time is written down as such. Nobody's rights depend on when: every reader compares the times.

use onsale_common::ids::{QueueToken, ReservationId, SeatId, UserId};
use onsale_common::time::Time;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{reservations, seats};
use crate::failure::Failure;

/// Ends tokens that have run out and that no live hold keeps alive, some at a time. Rows that somebody works on are
/// skipped: they are found at the next tick.
///
/// # Errors
/// When Postgres fails.
pub async fn expire_tokens(db: &mut PgConnection, most: i64) -> Result<Vec<QueueToken>, Failure> {
    // In the words of its index (migration 0010).
    let tokens: Vec<Uuid> = sqlx::query_scalar(
        "UPDATE queue_tokens t SET status = 2
         FROM (SELECT token FROM queue_tokens
               WHERE status + 0 < 2 AND expires_at <= now() AND (hold_until IS NULL OR hold_until <= now())
               LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED) AS over
         WHERE t.token = over.token
         RETURNING t.token",
    )
    .bind(most)
    .fetch_all(db)
    .await?;
    Ok(tokens.into_iter().map(QueueToken::from_uuid).collect())
}

/// A hold that ran out.
#[derive(Debug, Clone)]
pub struct ExpiredHold {
    /// The reservation.
    pub id: ReservationId,
    /// Whose it was.
    pub user: UserId,
    /// The command that made it, which owns the locks on its seats.
    pub command: Uuid,
    /// Its seats.
    pub seats: Vec<SeatId>,
}

/// Which of the holds that have run out are ended.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// Of the first so many those whose rows, and whose seats, nobody works on: the others are found at the next tick.
    First(i64),
    /// Those among these; whoever works on them is waited for.
    These(&'a [ReservationId]),
}

/// Ends holds that have run out, and frees their seats.
///
/// # Errors
/// When Postgres fails.
pub async fn expire_holds(db: &mut PgConnection, which: Which<'_>) -> Result<(Time, Vec<ExpiredHold>), Failure> {
    let query = match which {
        Which::First(most) => sqlx::query_as(
            "WITH over AS MATERIALIZED (
                 SELECT id, seat_ids FROM reservations WHERE status = 0 AND expires_at <= now()
                 ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
             ), at_hand AS MATERIALIZED (
                 SELECT id FROM seats WHERE id = ANY(ARRAY(SELECT unnest(seat_ids) FROM over))
                 ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
             )
             UPDATE reservations r SET status = $1
             FROM over
             WHERE r.id = over.id
               AND NOT EXISTS (SELECT FROM unnest(over.seat_ids) AS of_it(id) WHERE id NOT IN (SELECT id FROM at_hand))
             RETURNING r.id, r.user_id, r.command_id, r.seat_ids",
        )
        .bind(reservations::EXPIRED)
        .bind(most),
        Which::These(ids) => sqlx::query_as(
            "UPDATE reservations r SET status = $1
             FROM (SELECT id FROM reservations WHERE id = ANY($2) AND status = 0 AND expires_at <= now()
                   ORDER BY id FOR NO KEY UPDATE) AS over
             WHERE r.id = over.id
             RETURNING r.id, r.user_id, r.command_id, r.seat_ids",
        )
        .bind(reservations::EXPIRED)
        .bind(ids.iter().map(|id| id.get()).collect::<Vec<_>>()),
    };
    let rows: Vec<(i64, i64, Uuid, Vec<i64>)> = query.fetch_all(&mut *db).await?;
    let now: chrono::DateTime<chrono::Utc> = sqlx::query_scalar("SELECT now()").fetch_one(&mut *db).await?;
    let ids: Vec<i64> = rows.iter().map(|row| row.0).collect();
    let all_seats: Vec<i64> = rows.iter().flat_map(|row| row.3.iter().copied()).collect();
    if !ids.is_empty() {
        // In the order of ids, in which everybody locks seats.
        sqlx::query(
            "WITH locked AS MATERIALIZED (
                 SELECT id FROM seats WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE
             )
             UPDATE seats s SET status = $3, reservation_id = NULL, held_until = NULL
             FROM locked WHERE s.id = locked.id AND s.status = $4 AND s.reservation_id = ANY($2)",
        )
        .bind(all_seats)
        .bind(&ids)
        .bind(seats::AVAILABLE)
        .bind(seats::HELD)
        .execute(db)
        .await?;
    }
    let expired = rows
        .into_iter()
        .map(|(id, user, command, seats)| ExpiredHold {
            id: ReservationId::new(id),
            user: UserId::new(user),
            command,
            seats: seats.into_iter().map(SeatId::new).collect(),
        })
        .collect();
    Ok((Time(now), expired))
}
