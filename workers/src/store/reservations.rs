//! Reservations.

use onsale_common::contract::reservation::ReservationStatus;
use onsale_common::ids::{QueueToken, ReservationId, SeatId, UserId};
use onsale_common::time::Time;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::domain::hold::{Reservation, Seat};
use crate::failure::Failure;
use crate::store::outcomes::{Rows, Statement, keep_with};
use crate::store::pages::PageAsked;
use crate::store::seats::{bind_seats, update_seats};

/// What a status is in its column.
pub(super) const RESERVED: i16 = 0;
pub(super) const PAID: i16 = 1;
pub(super) const CANCELLED: i16 = 2;
pub(super) const EXPIRED: i16 = 3;

#[derive(FromRow)]
pub(super) struct Row {
    id: i64,
    user_id: i64,
    token: Uuid,
    command_id: Uuid,
    seat_ids: Vec<i64>,
    total_amount: i64,
    status: i16,
    reserved_at: chrono::DateTime<chrono::Utc>,
    expires_at: chrono::DateTime<chrono::Utc>,
}

impl From<Row> for Reservation {
    fn from(row: Row) -> Self {
        Self {
            id: ReservationId::new(row.id),
            user: UserId::new(row.user_id),
            token: QueueToken::from_uuid(row.token),
            command: row.command_id,
            seats: row.seat_ids.into_iter().map(SeatId::new).collect(),
            total_amount: row.total_amount,
            status: match row.status {
                RESERVED => ReservationStatus::Reserved,
                PAID => ReservationStatus::Paid,
                CANCELLED => ReservationStatus::Cancelled,
                _ => ReservationStatus::Expired,
            },
            reserved_at: Time(row.reserved_at),
            expires_at: Time(row.expires_at),
        }
    }
}

/// Reads and locks some reservations.
///
/// # Errors
/// When Postgres fails.
pub async fn lock(db: &mut PgConnection, ids: &[i64]) -> Result<Vec<Reservation>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, user_id, token, command_id, seat_ids, total_amount, status, reserved_at, expires_at
         FROM reservations WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(ids)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Reservation::from).collect())
}

/// Reads some reservations.
///
/// # Errors
/// When Postgres fails.
pub async fn read(db: &mut PgConnection, ids: &[i64]) -> Result<Vec<Reservation>, Failure> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, user_id, token, command_id, seat_ids, total_amount, status, reserved_at, expires_at
         FROM reservations WHERE id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Reservation::from).collect())
}

/// A page of a user's reservations to read.
#[derive(Debug, Clone, Copy)]
pub struct ReservationsAsked {
    /// Which of all of them.
    pub page: PageAsked,
    /// Only those of this seat.
    pub seat: Option<SeatId>,
}

/// Reads some pages of users' reservations, newest first; returns them in the order asked. A page goes on after the
/// reservation that ended the one before it: ids of different schedules do not follow time, so that its own time counts.
///
/// # Errors
/// When Postgres fails.
pub async fn pages(db: &mut PgConnection, asked: &[ReservationsAsked]) -> Result<Vec<Vec<Reservation>>, Failure> {
    #[derive(FromRow)]
    struct PagedRow {
        page: i64,
        #[sqlx(flatten)]
        row: Row,
    }
    let mut pages = vec![Vec::new(); asked.len()];
    if asked.is_empty() {
        return Ok(pages);
    }
    let rows: Vec<PagedRow> = sqlx::query_as(
        "SELECT asked.page, r.*
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
              WITH ORDINALITY AS asked(user_id, after, most, seat, page)
         CROSS JOIN LATERAL (
             SELECT id, user_id, token, command_id, seat_ids, total_amount, status, reserved_at, expires_at
             FROM reservations
             WHERE user_id = asked.user_id
               AND (asked.seat IS NULL OR asked.seat = ANY(seat_ids))
               AND (asked.after IS NULL OR (reserved_at, id) < (
                   SELECT last.reserved_at, last.id FROM reservations last
                   WHERE last.id = asked.after AND last.user_id = asked.user_id))
             ORDER BY reserved_at DESC, id DESC LIMIT asked.most
         ) AS r
         ORDER BY asked.page, r.reserved_at DESC, r.id DESC",
    )
    .bind(asked.iter().map(|asked| asked.page.user.get()).collect::<Vec<_>>())
    .bind(asked.iter().map(|asked| asked.page.after).collect::<Vec<_>>())
    .bind(asked.iter().map(|asked| i64::from(asked.page.limit)).collect::<Vec<_>>())
    .bind(asked.iter().map(|asked| asked.seat.map(SeatId::get)).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    for PagedRow { page, row } in rows {
        // WITH ORDINALITY counts from 1.
        pages[page as usize - 1].push(Reservation::from(row));
    }
    Ok(pages)
}

/// How many reservations of some users wait for payment, in all schedules. Of two holds that a user tries in different
/// schedules with one token, the second waits for that token's row, and counts the first.
///
/// # Errors
/// When Postgres fails.
pub async fn holds_of_users(db: &mut PgConnection, users: &[i64], now: Time) -> Result<Vec<(UserId, u32)>, Failure> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        // OFFSET for the same reason as in `holds_of_tokens`.
        "SELECT user_id, count(*)
         FROM (SELECT user_id, status, expires_at FROM reservations WHERE user_id = ANY($1) OFFSET 0) AS r
         WHERE status = 0 AND expires_at > $2
         GROUP BY 1",
    )
    .bind(users)
    .bind(now.0)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(user, holds)| (UserId::new(user), u32::try_from(holds).unwrap_or(u32::MAX))).collect())
}

/// What a batch of holds and releases changed.
#[derive(Debug)]
pub struct Changed<'a> {
    /// New reservations.
    pub held: &'a [Reservation],
    /// Reservations that were released.
    pub cancelled: &'a [Reservation],
    /// Their seats, as they are now.
    pub seats: Vec<&'a Seat>,
    /// Until when live holds keep their tokens alive.
    pub tokens: &'a [(QueueToken, Option<Time>)],
}

/// The rows of holds: their seats, which are those of releases too, the reservations, and the tokens.
macro_rules! hold_rows {
    () => {
        concat!(
            "seat AS (",
            update_seats!(),
            "), held AS (
                 INSERT INTO reservations
                     (id, schedule_id, user_id, token, command_id, seat_ids, total_amount, reserved_at, expires_at)
                 SELECT id, id >> 29, user_id, token, command_id, seat_ids::bigint[], total_amount, reserved_at, expires_at
                 FROM unnest($15::bigint[], $16::bigint[], $17::uuid[], $18::uuid[], $19::text[], $20::bigint[],
                             $21::timestamptz[], $22::timestamptz[])
                      AS new(id, user_id, token, command_id, seat_ids, total_amount, reserved_at, expires_at)
             ), token AS (
                 UPDATE queue_tokens t SET hold_until = v.hold_until
                 FROM unnest($23::uuid[], $24::timestamptz[]) AS v(token, hold_until) WHERE t.token = v.token
             ), "
        )
    };
}

impl Rows for Changed<'_> {
    fn statement(&self) -> Option<&'static str> {
        let holds = keep_with!(hold_rows!());
        let with_releases =
            keep_with!(hold_rows!(), "cancelled AS (UPDATE reservations SET status = $26 WHERE id = ANY($25)), ");
        match (self.held, self.cancelled) {
            ([], []) => None,
            (_, []) => Some(holds),
            _ => Some(with_releases),
        }
    }

    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        let Self { held, cancelled, seats, tokens } = self;
        // unnest flattens arrays of arrays, so that each list of seats travels as the text of an array.
        let seat_ids = |reservation: &Reservation| {
            let ids: Vec<String> = reservation.seats.iter().map(ToString::to_string).collect();
            format!("{{{}}}", ids.join(","))
        };
        let statement = bind_seats(statement, seats)
            .bind(held.iter().map(|new| new.id.get()).collect::<Vec<_>>())
            .bind(held.iter().map(|new| new.user.get()).collect::<Vec<_>>())
            .bind(held.iter().map(|new| new.token.uuid()).collect::<Vec<_>>())
            .bind(held.iter().map(|new| new.command).collect::<Vec<_>>())
            .bind(held.iter().map(seat_ids).collect::<Vec<_>>())
            .bind(held.iter().map(|new| new.total_amount).collect::<Vec<_>>())
            .bind(held.iter().map(|new| new.reserved_at.0).collect::<Vec<_>>())
            .bind(held.iter().map(|new| new.expires_at.0).collect::<Vec<_>>())
            .bind(tokens.iter().map(|(token, _)| token.uuid()).collect::<Vec<_>>())
            .bind(tokens.iter().map(|(_, until)| until.map(|time| time.0)).collect::<Vec<_>>());
        if cancelled.is_empty() {
            return statement;
        }
        statement.bind(cancelled.iter().map(|cancelled| cancelled.id.get()).collect::<Vec<_>>()).bind(CANCELLED)
    }
}

/// When the last live hold of some tokens ends, but for holds that are `over`; tokens without one are left out.
///
/// # Errors
/// When Postgres fails.
pub async fn holds_of_tokens(
    db: &mut PgConnection,
    tokens: &[(QueueToken, UserId)],
    over: &[i64],
    now: Time,
) -> Result<Vec<(QueueToken, Time)>, Failure> {
    let rows: Vec<(Uuid, chrono::DateTime<chrono::Utc>)> = sqlx::query_as(
        // OFFSET keeps the planner from walking through all live holds, for which there is an index too.
        "SELECT wanted.token, max(r.expires_at)
         FROM unnest($1::uuid[], $2::bigint[]) AS wanted(token, user_id)
         CROSS JOIN LATERAL (
             SELECT id, status, expires_at FROM reservations
             WHERE user_id = wanted.user_id AND token = wanted.token OFFSET 0
         ) AS r
         WHERE r.status = 0 AND r.expires_at > $3 AND r.id <> ALL($4)
         GROUP BY 1",
    )
    .bind(tokens.iter().map(|(token, _)| token.uuid()).collect::<Vec<_>>())
    .bind(tokens.iter().map(|(_, user)| user.get()).collect::<Vec<_>>())
    .bind(now.0)
    .bind(over)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(token, until)| (QueueToken::from_uuid(token), Time(until))).collect())
}
