//! Seats.

use onsale_common::contract::catalog::SeatStatus;
use onsale_common::ids::{ReservationId, SeatId};
use onsale_common::time::Time;
use sqlx::{FromRow, PgConnection};

use crate::domain::hold::Seat;
use crate::failure::Failure;
use crate::store::outcomes::Statement;

/// What a status is in its column.
pub(super) const AVAILABLE: i16 = 0;
pub(super) const HELD: i16 = 1;
pub(super) const SOLD: i16 = 2;

/// What a column's value is as a status.
pub(super) const fn status(code: i16) -> SeatStatus {
    match code {
        AVAILABLE => SeatStatus::Available,
        HELD => SeatStatus::Held,
        _ => SeatStatus::Sold,
    }
}

#[derive(FromRow)]
pub(super) struct Row {
    id: i64,
    seat_number: i32,
    price: i64,
    status: i16,
    reservation_id: Option<i64>,
    held_until: Option<chrono::DateTime<chrono::Utc>>,
}

impl From<Row> for Seat {
    fn from(row: Row) -> Self {
        Self {
            id: SeatId::new(row.id),
            number: row.seat_number,
            price: row.price,
            status: status(row.status),
            reservation: row.reservation_id.map(ReservationId::new),
            held_until: row.held_until.map(Time),
        }
    }
}

/// Reads and locks some seats.
///
/// # Errors
/// When Postgres fails.
pub async fn lock(db: &mut PgConnection, seats: &[i64]) -> Result<Vec<Seat>, Failure> {
    if seats.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, seat_number, price, status, reservation_id, held_until
         FROM seats WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(seats)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Seat::from).collect())
}

/// Reads some seats.
///
/// # Errors
/// When Postgres fails.
pub async fn read(db: &mut PgConnection, seats: &[i64]) -> Result<Vec<Seat>, Failure> {
    if seats.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, seat_number, price, status, reservation_id, held_until FROM seats WHERE id = ANY($1)",
    )
    .bind(seats)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Seat::from).collect())
}

/// Writes the status, reservation and end of hold of the seats that [`bind_seats`] binds.
macro_rules! update_seats {
    () => {
        "UPDATE seats s SET status = v.status, reservation_id = v.reservation_id, held_until = v.held_until
         FROM unnest($11::bigint[], $12::smallint[], $13::bigint[], $14::timestamptz[])
              AS v(id, status, reservation_id, held_until)
         WHERE s.id = v.id"
    };
}
pub(super) use update_seats;

/// Binds the parameters of [`update_seats`], the first after those of the outcomes.
pub(super) fn bind_seats<'q>(statement: Statement<'q>, seats: &[&Seat]) -> Statement<'q> {
    let code = |seat: &&Seat| match seat.status {
        SeatStatus::Available => AVAILABLE,
        SeatStatus::Held => HELD,
        SeatStatus::Sold => SOLD,
    };
    statement
        .bind(seats.iter().map(|seat| seat.id.get()).collect::<Vec<_>>())
        .bind(seats.iter().map(code).collect::<Vec<_>>())
        .bind(seats.iter().map(|seat| seat.reservation.map(ReservationId::get)).collect::<Vec<_>>())
        .bind(seats.iter().map(|seat| seat.held_until.map(|time| time.0)).collect::<Vec<_>>())
}
