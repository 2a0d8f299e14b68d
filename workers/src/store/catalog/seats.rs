//! Some seats as they are shown, with who has them.

use chrono::{DateTime, Utc};
use onsale_common::contract::catalog::{SeatView, YourReservation};
use onsale_common::ids::{ReservationId, SeatId, UserId};
use onsale_common::time::Time;
use sqlx::{FromRow, PgConnection};

use crate::failure::Failure;
use crate::store::seats::status;

/// A seat, and the live or paid reservation of it.
#[derive(Debug, Clone)]
pub struct FoundSeat {
    /// The seat as anybody sees it.
    pub seat: SeatView,
    /// Who has it, if anybody.
    pub taken: Option<Taken>,
}

/// Who has a seat.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The user.
    pub user: UserId,
    /// The reservation, as its owner sees it.
    pub reservation: YourReservation,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    seat_number: i32,
    price: i64,
    status: i16,
    label: String,
    section: String,
    row_name: String,
    user_id: Option<i64>,
    reservation_id: Option<i64>,
    reserved_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    paid_at: Option<DateTime<Utc>>,
}

impl Row {
    fn taken(&self) -> Option<Taken> {
        let reservation = YourReservation {
            reservation_id: ReservationId::new(self.reservation_id?),
            reserved_at: Time(self.reserved_at?),
            expires_at: Time(self.expires_at?),
            paid_at: self.paid_at.map(Time),
        };
        Some(Taken { user: UserId::new(self.user_id?), reservation })
    }
}

impl From<Row> for FoundSeat {
    fn from(row: Row) -> Self {
        let taken = row.taken();
        let seat = SeatView {
            seat_id: SeatId::new(row.id),
            seat_number: row.seat_number,
            price: row.price,
            status: status(row.status),
            label: row.label,
            section: row.section,
            row: row.row_name,
        };
        Self { seat, taken }
    }
}

/// Reads some seats with their reservations; what is over counts no more, whether or not that is written down.
///
/// # Errors
/// When Postgres fails.
pub async fn read(db: &mut PgConnection, ids: &[i64], now: Time) -> Result<Vec<FoundSeat>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT s.id, s.seat_number, s.price, s.label, s.section, s.row_name,
                CASE WHEN s.status = 1 AND s.held_until <= $2 THEN 0::smallint ELSE s.status END AS status,
                r.user_id, r.id AS reservation_id, r.reserved_at, r.expires_at, p.paid_at
         FROM seats s
         LEFT JOIN reservations r
              ON r.id = s.reservation_id AND (r.status = 1 OR (r.status = 0 AND r.expires_at > $2))
         LEFT JOIN payments p ON p.reservation_id = r.id
         WHERE s.id = ANY($1)",
    )
    .bind(ids)
    .bind(now.0)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(FoundSeat::from).collect())
}
