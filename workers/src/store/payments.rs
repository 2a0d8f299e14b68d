//! Payments.

use onsale_common::contract::payment::{PaidReservation, PaidSeat, PaymentMethod, PaymentStatus, PaymentView};
use onsale_common::contract::reservation::reservation_number;
use onsale_common::ids::{PaymentId, ReservationId, UserId};
use onsale_common::money::Money;
use onsale_common::time::Time;
use sqlx::{FromRow, PgConnection};

use crate::failure::Failure;

/// A payment to insert.
#[derive(Debug, Clone)]
pub struct NewPayment {
    /// Its id.
    pub id: PaymentId,
    /// What is paid.
    pub reservation: ReservationId,
    /// Who pays.
    pub user: UserId,
    /// How much.
    pub amount: Money,
}

/// Draws numbers for new payments.
///
/// # Errors
/// When Postgres fails.
pub async fn draw_numbers(db: &mut PgConnection, count: usize) -> Result<Vec<i64>, Failure> {
    let numbers = sqlx::query_scalar("SELECT nextval('payment_numbers') FROM generate_series(1, $1)")
        .bind(count as i64)
        .fetch_all(db)
        .await?;
    Ok(numbers)
}

/// Inserts payments.
///
/// # Errors
/// When Postgres fails.
pub async fn insert(db: &mut PgConnection, new: &[NewPayment], now: Time) -> Result<(), Failure> {
    if new.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO payments (id, reservation_id, user_id, amount, paid_at)
         SELECT *, $5 FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])",
    )
    .bind(new.iter().map(|new| new.id.get()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.reservation.get()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.user.get()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.amount).collect::<Vec<_>>())
    .bind(now.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Reads some payments, with what was paid.
///
/// # Errors
/// When Postgres fails.
pub async fn read(db: &mut PgConnection, ids: &[i64]) -> Result<Vec<PaymentView>, Failure> {
    #[derive(FromRow)]
    struct Row {
        id: i64,
        reservation_id: i64,
        user_id: i64,
        amount: i64,
        paid_at: chrono::DateTime<chrono::Utc>,
        numbers: Vec<i32>,
        prices: Vec<i64>,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT p.id, p.reservation_id, p.user_id, p.amount, p.paid_at,
                array_agg(s.seat_number ORDER BY asked.n) AS numbers, array_agg(s.price ORDER BY asked.n) AS prices
         FROM payments p
         JOIN reservations r ON r.id = p.reservation_id
         CROSS JOIN LATERAL unnest(r.seat_ids) WITH ORDINALITY AS asked(seat_id, n)
         JOIN seats s ON s.id = asked.seat_id
         WHERE p.id = ANY($1) GROUP BY p.id",
    )
    .bind(ids)
    .fetch_all(db)
    .await?;
    let view = |row: Row| {
        let reservation_id = ReservationId::new(row.reservation_id);
        let seats = row.numbers.into_iter().zip(row.prices);
        PaymentView {
            payment_id: PaymentId::new(row.id),
            reservation_id,
            user_id: UserId::new(row.user_id),
            amount: row.amount,
            payment_method: PaymentMethod::Balance,
            status: PaymentStatus::Completed,
            paid_at: Time(row.paid_at),
            reservation: PaidReservation {
                reservation_number: reservation_number(reservation_id),
                seats: seats.map(|(seat_number, price)| PaidSeat { seat_number, price }).collect(),
            },
        }
    };
    Ok(rows.into_iter().map(view).collect())
}
