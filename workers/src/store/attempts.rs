//! The log of attempts to get seats.

use chrono::{DateTime, Utc};
use onsale_common::contract::reservation::AttemptView;
use onsale_common::ids::{QueueToken, ScheduleId, SeatId, UserId};
use onsale_common::time::Time;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::domain::attempt::Attempt;
use crate::failure::Failure;

/// Inserts attempts; returns their ids in the same order.
///
/// # Errors
/// When Postgres fails.
pub async fn insert(db: &mut PgConnection, attempts: &[Attempt], now: Time) -> Result<Vec<i64>, Failure> {
    if attempts.is_empty() {
        return Ok(Vec::new());
    }
    // Drawn first: no promise ties the order of RETURNING to the order of the attempts.
    let mut ids: Vec<i64> = sqlx::query_scalar("SELECT nextval('seat_attempts_id_seq') FROM generate_series(1, $1)")
        .bind(attempts.len() as i64)
        .fetch_all(&mut *db)
        .await?;
    ids.sort_unstable();
    sqlx::query(
        "INSERT INTO seat_attempts (id, schedule_id, seat_id, user_id, token, attempted_at)
         SELECT id, seat_id >> 29, seat_id, user_id, token, $5
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::uuid[]) AS new(id, seat_id, user_id, token)",
    )
    .bind(&ids)
    .bind(attempts.iter().map(|attempt| attempt.seat.get()).collect::<Vec<_>>())
    .bind(attempts.iter().map(|attempt| attempt.user.get()).collect::<Vec<_>>())
    .bind(attempts.iter().map(|attempt| attempt.token.uuid()).collect::<Vec<_>>())
    .bind(now.0)
    .execute(db)
    .await?;
    Ok(ids)
}

/// A page of a schedule's attempts to read.
#[derive(Debug, Clone, Copy)]
pub struct AttemptsAsked {
    /// Which schedule.
    pub schedule: ScheduleId,
    /// The id of the last attempt of the page before; from the newest when absent.
    pub after: Option<i64>,
    /// Attempts at most.
    pub limit: u32,
}

/// An attempt of a page; only the page where there is none.
#[derive(FromRow)]
struct Row {
    page: i64,
    id: Option<i64>,
    seat_id: Option<i64>,
    user_id: Option<i64>,
    token: Option<Uuid>,
    attempted_at: Option<DateTime<Utc>>,
}

impl Row {
    fn view(&self) -> Option<AttemptView> {
        Some(AttemptView {
            attempt_id: self.id?,
            seat_id: SeatId::new(self.seat_id?),
            user_id: UserId::new(self.user_id?),
            token: QueueToken::from_uuid(self.token?),
            attempted_at: Time(self.attempted_at?),
        })
    }
}

/// Reads some pages of attempts, newest first, in the order asked; none for a schedule that does not exist.
///
/// # Errors
/// When Postgres fails.
pub async fn pages(db: &mut PgConnection, asked: &[AttemptsAsked]) -> Result<Vec<Option<Vec<AttemptView>>>, Failure> {
    let mut pages = vec![None; asked.len()];
    if asked.is_empty() {
        return Ok(pages);
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT asked.page, a.id, a.seat_id, a.user_id, a.token, a.attempted_at
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
              WITH ORDINALITY AS asked(schedule_id, after, most, page)
         JOIN schedules s ON s.id = asked.schedule_id
         LEFT JOIN LATERAL (
             SELECT * FROM seat_attempts l
             WHERE l.schedule_id = asked.schedule_id AND l.id < asked.after ORDER BY l.id DESC LIMIT asked.most
         ) AS a ON true
         ORDER BY asked.page, a.id DESC",
    )
    .bind(asked.iter().map(|page| page.schedule.get()).collect::<Vec<_>>())
    .bind(asked.iter().map(|page| page.after.unwrap_or(i64::MAX)).collect::<Vec<_>>())
    .bind(asked.iter().map(|page| i64::from(page.limit)).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    for row in rows {
        // WITH ORDINALITY counts from 1.
        pages[row.page as usize - 1].get_or_insert_with(Vec::new).extend(row.view());
    }
    Ok(pages)
}
