//! Reserving a seat.

use onsale_common::contract::reservation::{HoldSeats, ReservationStatus, ReservationView};
use onsale_common::contract::{Code, Example};
use onsale_common::ids::SeatId;
use onsale_common::money::Money;
use onsale_common::time::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::answer::Failure;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, answer_with};

use super::names::{name_of, named};
use super::user::who_logged_in;
use super::{CONCERT_EXAMPLE, LOGIN_AND_TOKEN, USER_EXAMPLE};

pub(super) const GROUP: Group = Group {
    name: "Reservations",
    endpoints: &[Endpoint::post("/reservation", LOGIN_AND_TOKEN)
        .talks("reserveSeat", "Hold a seat until it is paid, for some minutes.", |talk| answer_with(reserve(talk)))
        .takes::<Reserve>()
        .gives::<Reservation>()
        .created()
        .keyed()
        .fails(&[
            Code::TokenNotActive,
            Code::WrongSchedule,
            Code::ConcertNotFound,
            Code::SeatNotFound,
            Code::SeatTaken,
            Code::SeatLimitExceeded,
            Code::BookingClosed,
        ])],
};

/// Which seat, and for whom.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Reserve {
    /// The concert.
    concert_id: Uuid,
    /// The seat.
    seat_id: Uuid,
    /// The user who logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<Uuid>,
}

impl Example for Reserve {
    fn example() -> Self {
        let seat = HoldSeats::example().seat_ids.as_slice()[0];
        Self { concert_id: name_of(CONCERT_EXAMPLE), seat_id: name_of(seat), user_id: None }
    }
}

/// Where a reservation stands.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ReservationStatus")]
enum Standing {
    /// To be paid before its deadline.
    Pending,
    /// Paid.
    Completed,
    /// Not paid in time.
    Canceled,
}

/// A reservation of a seat.
#[derive(Serialize, JsonSchema)]
struct Reservation {
    /// Its id.
    id: Uuid,
    /// Whose.
    user_id: Uuid,
    /// The concert.
    concert_id: Uuid,
    /// The seat.
    seat_id: Uuid,
    /// Where it stands.
    status: Standing,
    /// What is to be paid.
    amount: Money,
    /// When the seat was reserved.
    reserved_at: Time,
    /// Until when it can be paid.
    payment_deadline: Time,
    /// When it was paid; null until then.
    completed_at: Option<Time>,
    /// When the seat was reserved.
    created_at: Time,
    /// When it last changed.
    updated_at: Time,
}

impl Reservation {
    fn of(view: &ReservationView, seat: SeatId, user_id: Uuid) -> Self {
        Self {
            id: name_of(view.reservation_id),
            user_id,
            concert_id: name_of(view.schedule_id),
            seat_id: name_of(seat),
            status: match view.status {
                ReservationStatus::Reserved => Standing::Pending,
                ReservationStatus::Paid => Standing::Completed,
                ReservationStatus::Cancelled | ReservationStatus::Expired => Standing::Canceled,
            },
            amount: view.total_amount,
            reserved_at: view.reserved_at,
            payment_deadline: view.expires_at,
            completed_at: None,
            created_at: view.reserved_at,
            updated_at: view.reserved_at,
        }
    }
}

impl Example for Reservation {
    fn example() -> Self {
        let view = ReservationView::example();
        Self::of(&view, view.seats[0].seat_id, USER_EXAMPLE)
    }
}

async fn reserve(talk: Talk<'_>) -> Result<Reservation, Failure> {
    let reserve: Reserve = talk.ask.read()?;
    let schedule_id = named(reserve.concert_id)?;
    let seat: SeatId = named(reserve.seat_id)?;
    let user = who_logged_in(&talk, reserve.user_id).await?;
    let hold = HoldSeats { schedule_id, seat_ids: seat.into(), user_id: user.user_id, amount: None, only_hold: false };
    Ok(Reservation::of(&talk.effect(hold).await?, seat, user.uuid))
}
