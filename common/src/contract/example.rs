//! One true example of everything that travels: what the documents show, and what the tests hold them to.
//!
//! The examples tell one story of the demo data: on 31 January 2026 at nine, `user1` joins the waiting room of schedule 1,
//! charges 100,000, holds seat A1 for 75,000, pays it, and uses 10,000 of what is left.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta};
use uuid::Uuid;

use super::{CommandData, CommandName, Envelope};
use crate::ids::{ConcertId, PaymentId, QueueToken, ReservationId, ScheduleId, SeatId, UserId};
use crate::money::Money;
use crate::time::Time;

mod account;
mod admission;
mod catalog;
mod event;
mod payment;
mod reservation;

/// A type with an example.
pub trait Example {
    /// The example.
    fn example() -> Self;
}

impl<T: Example> Example for Vec<T> {
    fn example() -> Self {
        vec![T::example()]
    }
}

/// The message that carries a command's example.
pub fn envelope<C: CommandData>() -> Envelope {
    use CommandName as N;
    let token = match C::NAME {
        // Asked by whoever comes along, or by the organiser.
        N::IssueToken | N::CreateUser | N::FindUser | N::LogIn | N::ListConcerts | N::GetConcert => None,
        N::CreateConcert | N::CreateSchedule | N::UpdateSchedule | N::ListAttempts => None,
        _ => Some(TOKEN),
    };
    Envelope {
        id: Uuid::from_u128(0x0192_f0c1_2345_7678_9abc_0000_0000_0001),
        deadline: at(5),
        token,
        caller: None,
        idempotency_key: None,
        command: C::example().into(),
    }
}

const USER: UserId = UserId::new(1);
const CONCERT: ConcertId = ConcertId::new(1);
const SCHEDULE: ScheduleId = ScheduleId::new(1);
const SEAT: SeatId = SeatId::new(SCHEDULE.compose(1));
const RESERVATION: ReservationId = ReservationId::new(SCHEDULE.compose(1));
const PAYMENT: PaymentId = PaymentId::new(SCHEDULE.compose(1));
const PRICE: Money = 75_000;

/// A token of schedule 1.
const TOKEN: QueueToken = QueueToken::from_uuid(Uuid::from_u128(0x0000_015e_7c1a_8d2b_9f3c_4a5b_6c7d_8e9f));

/// So many minutes after nine, when the story begins.
fn at(minutes: i64) -> Time {
    const NINE_UNIX_S: i64 = 1_769_850_000;
    Time(DateTime::UNIX_EPOCH + TimeDelta::seconds(NINE_UNIX_S) + TimeDelta::minutes(minutes))
}

/// The day before the story: the demo data opens booking a day before it is loaded.
fn booking_opens() -> Time {
    at(-24 * 60)
}

/// Ten years after the story.
fn booking_closes() -> Time {
    at(3652 * 24 * 60)
}

/// A day of February 2036, in which the performances are.
fn february(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2036, 2, day).expect("a day of that month")
}

fn half_past_seven() -> NaiveTime {
    NaiveTime::from_hms_opt(19, 30, 0).expect("an hour of the day")
}

#[cfg(test)]
mod tests;
