//! Payments.

use onsale_common::contract::payment::{PaidReservation, PaidSeat, PaymentMethod, PaymentStatus, PaymentView};
use onsale_common::contract::reservation::reservation_number;
use onsale_common::ids::{PaymentId, QueueToken, ReservationId, UserId};
use onsale_common::money::Money;
use onsale_common::time::Time;
use sqlx::{FromRow, PgConnection};

use super::{reservations, tokens};
use crate::domain::hold::Seat;
use crate::failure::Failure;
use crate::store::outcomes::{Rows, Statement, keep_with};
use crate::store::seats::{bind_seats, update_seats};

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

/// What a batch of payments changed, beside the accounts.
#[derive(Debug)]
pub struct Paid<'a> {
    /// New payments.
    pub payments: &'a [NewPayment],
    /// Their seats, as they are now.
    pub seats: Vec<&'a Seat>,
    /// Tokens that are used up.
    pub used: &'a [QueueToken],
    /// Tokens that go on, and until when their other holds keep them alive.
    pub alive: &'a [(QueueToken, Time)],
}

impl Rows for Paid<'_> {
    fn statement(&self) -> Option<&'static str> {
        let statement = keep_with!(
            "seat AS (",
            update_seats!(),
            "), payment AS (
                 INSERT INTO payments (id, reservation_id, user_id, amount, paid_at)
                 SELECT *, $2 FROM unnest($15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[])
             ), reservation AS (
                 UPDATE reservations SET status = $19 WHERE id = ANY($16)
             ), used AS (
                 UPDATE queue_tokens SET status = $20, expires_at = least(expires_at, $2), hold_until = NULL
                 WHERE token = ANY($21)
             ), alive AS (
                 UPDATE queue_tokens t SET hold_until = v.hold_until
                 FROM unnest($22::uuid[], $23::timestamptz[]) AS v(token, hold_until) WHERE t.token = v.token
             ), "
        );
        (!self.payments.is_empty()).then_some(statement)
    }

    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        let Self { payments, seats, used, alive } = self;
        bind_seats(statement, seats)
            .bind(payments.iter().map(|new| new.id.get()).collect::<Vec<_>>())
            .bind(payments.iter().map(|new| new.reservation.get()).collect::<Vec<_>>())
            .bind(payments.iter().map(|new| new.user.get()).collect::<Vec<_>>())
            .bind(payments.iter().map(|new| new.amount).collect::<Vec<_>>())
            .bind(reservations::PAID)
            .bind(tokens::USED)
            .bind(used.iter().map(|token| token.uuid()).collect::<Vec<_>>())
            .bind(alive.iter().map(|(token, _)| token.uuid()).collect::<Vec<_>>())
            .bind(alive.iter().map(|(_, until)| until.0).collect::<Vec<_>>())
    }
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
