//! The rows that a batch of holds and releases decides over, asked for with the BEGIN of its transaction.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use onsale_common::ids::{ScheduleId, UserId};
use onsale_common::time::Time;
use sqlx::FromRow;
use uuid::Uuid;

use crate::domain::hold::{Reservation, SaleWindow, Seat};
use crate::domain::token::Token;
use crate::failure::Failure;
use crate::store::questions::{Answers, Questions, list};
use crate::store::reservations::Row as ReservationRow;
use crate::store::seats::Row as SeatRow;
use crate::store::tokens;

/// What [`Wanted`] asks by name, beside the tokens. Reservations are locked before their seats are looked up. OFFSET keeps
/// the planner from beginning with all live reservations, of which it may think that there are none.
pub(super) const PREPARE: [&str; 4] = [
    "PREPARE lock_reservations (bigint[]) AS
     SELECT id, user_id, token, command_id, seat_ids, total_amount, status, reserved_at, expires_at
     FROM reservations WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
    "PREPARE lock_seats (bigint[], bigint[]) AS
     SELECT id, seat_number, price, status, reservation_id, held_until
     FROM seats WHERE id = ANY($1 || ARRAY(SELECT unnest(seat_ids) FROM reservations WHERE id = ANY($2)))
     ORDER BY id FOR NO KEY UPDATE",
    "PREPARE sale_windows (bigint[]) AS
     SELECT s.id, s.booking_open_at, s.booking_close_at, s.seats_per_user, r.paused
     FROM schedules s JOIN rooms r ON r.schedule_id = s.id WHERE s.id = ANY($1)",
    "PREPARE seats_of_users (bigint[], bigint[]) AS
     SELECT user_id, schedule_id, sum(cardinality(r.seat_ids))
     FROM unnest($1, $2) AS wanted(user_id, schedule_id)
     CROSS JOIN LATERAL (
         SELECT seat_ids, status, expires_at FROM reservations its
         WHERE its.user_id = wanted.user_id AND its.schedule_id = wanted.schedule_id OFFSET 0) AS r
     WHERE r.status = 1 OR (r.status = 0 AND r.expires_at > now())
     GROUP BY user_id, schedule_id",
];

/// The rows that holds and releases look at.
#[derive(Debug, Default)]
pub struct Wanted {
    /// The tokens of who asks.
    pub tokens: BTreeSet<Uuid>,
    /// Users whose live tokens of other rooms are locked too, and those rooms.
    pub other_tokens: BTreeSet<(UserId, ScheduleId)>,
    /// The reservations to release.
    pub reservations: BTreeSet<i64>,
    /// The seats to hold.
    pub seats: BTreeSet<i64>,
    /// Their schedules.
    pub schedules: BTreeSet<i64>,
    /// Who wants them.
    pub users: BTreeSet<(UserId, ScheduleId)>,
}

/// What [`Wanted`] names, as it is.
#[derive(Debug, Default)]
pub struct Found {
    /// The tokens.
    pub tokens: Vec<Token>,
    /// The reservations.
    pub reservations: Vec<Reservation>,
    /// The seats, those of the reservations among them.
    pub seats: Vec<Seat>,
    /// What holding needs to know of the schedules that exist.
    pub windows: HashMap<ScheduleId, SaleWindow>,
    /// How many seats the users hold or own; those without any are left out.
    pub seats_of_users: HashMap<(UserId, ScheduleId), u32>,
}

impl Wanted {
    fn releases(&self) -> bool {
        !self.reservations.is_empty()
    }

    fn holds(&self) -> bool {
        !self.schedules.is_empty()
    }

    /// Asks for the rows, to be locked in the global order: tokens, reservations, seats. [`Self::found`] reads the answers.
    pub fn ask(&self, questions: &mut Questions) {
        tokens::ask_to_lock(questions, &self.tokens, &self.other_tokens);
        let reservations = list(self.reservations.iter().copied());
        if self.releases() {
            questions.ask("lock_reservations", &[&reservations]);
        }
        questions.ask("lock_seats", &[&list(self.seats.iter().copied()), &reservations]);
        if self.holds() {
            let users = list(self.users.iter().map(|(user, _)| user.get()));
            let in_schedules = list(self.users.iter().map(|(_, schedule)| schedule.get()));
            questions.ask("sale_windows", &[&list(self.schedules.iter().copied())]);
            questions.ask("seats_of_users", &[&users, &in_schedules]);
        }
    }

    /// The rows. `seats_per_user` is the limit of schedules that have none of their own.
    ///
    /// # Errors
    /// When a row is not what was asked for.
    pub fn found(&self, mut answers: Answers, seats_per_user: u32) -> Result<Found, Failure> {
        let mut next = || answers.next().unwrap_or_default();
        let mut found = Found { tokens: tokens::locked(&next())?, ..Found::default() };
        if self.releases() {
            for row in next() {
                found.reservations.push(ReservationRow::from_row(&row)?.into());
            }
        }
        for row in next() {
            found.seats.push(SeatRow::from_row(&row)?.into());
        }
        if self.holds() {
            for row in next() {
                let (id, window) = sale_window(FromRow::from_row(&row)?, seats_per_user);
                found.windows.insert(id, window);
            }
            for row in next() {
                let (user, schedule, seats): (i64, i64, i64) = FromRow::from_row(&row)?;
                let seats = u32::try_from(seats).unwrap_or(u32::MAX);
                found.seats_of_users.insert((UserId::new(user), ScheduleId::new(schedule)), seats);
            }
        }
        Ok(found)
    }
}

/// Id, opening, closing, the limit of its own, and whether it is paused.
type WindowRow = (i64, DateTime<Utc>, DateTime<Utc>, Option<i32>, bool);

fn sale_window((id, open, close, limit, paused): WindowRow, seats_per_user: u32) -> (ScheduleId, SaleWindow) {
    let window = SaleWindow {
        booking_open_at: Time(open),
        booking_close_at: Time(close),
        paused,
        seats_per_user: limit.map_or(seats_per_user, i32::unsigned_abs),
    };
    (ScheduleId::new(id), window)
}
