//! Seats as they are shown. The seats of a schedule are a range of ids, in the order of their numbers.

use futures_util::TryStreamExt;
use onsale_common::contract::catalog::{SeatFilter, SeatStatus};
use onsale_common::ids::ScheduleId;
use onsale_common::money::Money;
use onsale_common::time::Time;
use serde::Serialize;
use sqlx::{PgConnection, Row};

use crate::failure::Failure;
use crate::store::seats::status;

/// How many seats of some schedules can be held now.
///
/// # Errors
/// When Postgres fails.
pub async fn available(db: &mut PgConnection, schedules: &[i64], now: Time) -> Result<Vec<(ScheduleId, u64)>, Failure> {
    if schedules.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT asked.id, (SELECT count(*) FROM seats
                           WHERE seats.id >= asked.id << 29 AND seats.id < (asked.id + 1) << 29
                             AND (status = 0 OR (status = 1 AND held_until <= $2)))
         FROM unnest($1::bigint[]) AS asked(id)",
    )
    .bind(schedules)
    .bind(now.0)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(id, seats)| (ScheduleId::new(id), seats.unsigned_abs())).collect())
}

/// A seat of a seat map, still in the row it was read from: serialised, it is a `SeatView`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatOnMap<'a> {
    /// Its id.
    pub seat_id: i64,
    /// Its number within the schedule.
    pub seat_number: i32,
    /// What it costs.
    pub price: Money,
    /// Whether it can be had now.
    pub status: SeatStatus,
    /// Its name for people.
    pub label: &'a str,
    /// The section.
    pub section: &'a str,
    /// The row.
    pub row: &'a str,
}

/// Shows the seats of a schedule one after another, by number.
///
/// # Errors
/// When Postgres fails.
pub async fn each_seat(
    db: &mut PgConnection,
    schedule: ScheduleId,
    filter: SeatFilter,
    now: Time,
    mut show: impl FnMut(&SeatOnMap<'_>) + Send,
) -> Result<(), Failure> {
    let mut rows = sqlx::query(
        "SELECT id, seat_number, price, CASE WHEN status = 1 AND held_until <= $3 THEN 0::smallint ELSE status END,
                label, section, row_name
         FROM seats
         WHERE id >= $1 AND id < $2 AND ($4 OR status = 0 OR (status = 1 AND held_until <= $3)) ORDER BY id",
    )
    .bind(schedule.compose(0))
    .bind(ScheduleId::new(schedule.get() + 1).compose(0))
    .bind(now.0)
    .bind(filter == SeatFilter::All)
    .fetch(db);
    while let Some(row) = rows.try_next().await? {
        show(&SeatOnMap {
            seat_id: row.try_get(0)?,
            seat_number: row.try_get(1)?,
            price: row.try_get(2)?,
            status: status(row.try_get(3)?),
            label: row.try_get(4)?,
            section: row.try_get(5)?,
            row: row.try_get(6)?,
        });
    }
    Ok(())
}
