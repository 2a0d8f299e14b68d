//! Holds: one seat for five minutes.

use chrono::NaiveDate;
use futures_util::future::join;
use onsale_common::contract::catalog::{ConcertView, GetSeats, SeatInContext};
use onsale_common::contract::reservation::{HoldSeats, ReservationView};
use onsale_common::contract::{Code, Example};
use onsale_common::ids::{ConcertId, ReservationId, ScheduleId, SeatId};
use onsale_common::money::Money;
use onsale_common::time::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::Failure;
use crate::ask::real_schedule;
use crate::compat::seat::seat_of;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, answer_with};

use super::username::Username;
use super::{TOKEN, token_user};

pub(super) const GROUP: Group = Group {
    name: "Holds",
    endpoints: &[Endpoint::post("/reservations", TOKEN)
        .talks("reserve", "Hold a seat for five minutes", |talk| answer_with(reserve(talk)))
        .takes::<Reserve>()
        .gives::<Reservation>()
        .created()
        .keyed()
        .fails(&[
            Code::TokenNotActive,
            Code::Forbidden,
            Code::UserNotFound,
            Code::ScheduleNotFound,
            Code::SeatNotFound,
            Code::SeatTaken,
            Code::SeatLimitExceeded,
            Code::BookingClosed,
        ])],
};

/// Which seat, and for whom.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Reserve {
    /// The token's user, by name.
    user_id: Username,
    /// The concert.
    concert_id: ConcertId,
    /// The concert's schedule.
    #[schemars(range(min = 1))]
    schedule_id: ScheduleId,
    /// The seat, by its id or by its number within the schedule.
    seat_id: SeatId,
}

impl Example for Reserve {
    fn example() -> Self {
        let SeatInContext { seat, schedule, concert, .. } = Example::example();
        Self {
            user_id: Example::example(),
            concert_id: concert.concert_id,
            schedule_id: schedule.schedule_id,
            seat_id: seat.seat_id,
        }
    }
}

/// Where a reservation stands.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum ReserveStatus {
    /// Held, waiting for payment.
    Temp,
}

/// A held seat.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Reservation {
    /// The reservation's id.
    reserve_id: ReservationId,
    /// The day of the performance.
    schedule: NaiveDate,
    /// The seat's name, as in `A1`.
    seat_number: String,
    /// The concert.
    concert: ReservedConcert,
    /// What it costs.
    price: Money,
    /// Where it stands.
    status: ReserveStatus,
    /// When the seat was held.
    created_at: Time,
    /// When the hold runs out.
    expired_at: Time,
}

/// The concert of a reservation.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ReservedConcert {
    /// Its id.
    concert_id: ConcertId,
    /// Its title.
    title: String,
    /// The day of its first performance.
    start_date: Option<NaiveDate>,
    /// The day of its last performance.
    end_date: Option<NaiveDate>,
}

impl From<ConcertView> for ReservedConcert {
    fn from(concert: ConcertView) -> Self {
        Self {
            concert_id: concert.concert_id,
            title: concert.title,
            start_date: concert.start_date,
            end_date: concert.end_date,
        }
    }
}

impl Reservation {
    fn of(held: &ReservationView, seat: SeatInContext) -> Self {
        Self {
            reserve_id: held.reservation_id,
            schedule: seat.schedule.performance_date,
            seat_number: seat.seat.label,
            concert: seat.concert.into(),
            price: held.total_amount,
            status: ReserveStatus::Temp,
            created_at: held.reserved_at,
            expired_at: held.expires_at,
        }
    }
}

impl Example for Reservation {
    fn example() -> Self {
        Self::of(&ReservationView::example(), Example::example())
    }
}

async fn reserve(talk: Talk<'_>) -> Result<Reservation, Failure> {
    let body: Reserve = talk.ask.read()?;
    real_schedule(body.schedule_id)?;
    let get = GetSeats { seat_ids: seat_of(body.schedule_id, body.seat_id).into() };
    let (user, seats) = join(token_user(&talk, body.user_id.as_str()), talk.command(get.clone())).await;
    let user = user?;
    let seats = match seats {
        // The token may be over since the hold was made, which the key of a retry finds again.
        Err(over) if over.code == Code::TokenExpired => talk.command_as(user.user_id, get).await.map_err(|_| over)?,
        seats => seats?,
    };
    let seat = body.seat_among(seats)?;
    let hold = HoldSeats {
        schedule_id: body.schedule_id,
        seat_ids: seat.seat.seat_id.into(),
        user_id: user.user_id,
        amount: None,
        only_hold: false,
    };
    Ok(Reservation::of(&talk.effect(hold).await?, seat))
}

impl Reserve {
    /// The seat asked for, which must be of the schedule and the concert that were named with it.
    fn seat_among(&self, found: Vec<SeatInContext>) -> Result<SeatInContext, Code> {
        let seat = found.into_iter().next().ok_or(Code::SeatNotFound)?;
        if seat.schedule.schedule_id != self.schedule_id {
            return Err(Code::SeatNotFound);
        }
        if seat.concert.concert_id != self.concert_id {
            return Err(Code::ScheduleNotFound);
        }
        Ok(seat)
    }
}
