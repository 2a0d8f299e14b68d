//! Holds: one seat at a time, at the price that the client saw.

use std::borrow::Cow;

use onsale_common::contract::account::FindUser;
use onsale_common::contract::reservation::{HoldSeats, ReservationView};
use onsale_common::contract::{Code, Example};
use onsale_common::ids::{ReservationId, ScheduleId, SeatId, UserId};
use onsale_common::money::Amount;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use super::super::seat::seat_of;
use super::super::zoneless::Zoneless;
use super::TOKEN;
use crate::answer::Failure;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, answer_with};

pub(super) const GROUP: Group = Group {
    name: "Holds",
    endpoints: &[Endpoint::post("/api/reservations", TOKEN)
        .talks("holdSeat", "Hold a seat for five minutes.", |talk| answer_with(hold(talk)))
        .takes::<NewHold>()
        .gives::<Hold>()
        .key_required()
        .fails(&[
            Code::InvalidAmount,
            Code::AmountMismatch,
            Code::TokenNotActive,
            Code::Forbidden,
            Code::WrongSchedule,
            Code::UserNotFound,
            Code::ScheduleNotFound,
            Code::SeatNotFound,
            Code::SeatTaken,
            Code::SeatLimitExceeded,
            Code::BookingClosed,
        ])],
};

/// The seat that a user wants.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct NewHold {
    /// Who holds it: the token's user.
    user_id: UserId,
    /// The schedule that the seat is of.
    concert_schedule_id: ScheduleId,
    /// The seat: its number within the schedule, or its id in the canonical API.
    seat_id: SeatId,
    /// What the client believes it costs; refused when it differs.
    price: Amount,
}

impl Example for NewHold {
    fn example() -> Self {
        let HoldSeats { user_id, schedule_id, amount, .. } = HoldSeats::example();
        let price = amount.expect("the example has an amount");
        Self { user_id, concert_schedule_id: schedule_id, seat_id: SeatId::new(1), price }
    }
}

/// A seat that is held.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Hold {
    /// The reservation.
    reservation_id: Tsid,
    /// That the seat is held.
    status: HoldStatus,
    /// When the hold runs out.
    expired_at: Zoneless,
    /// The seat's number within the schedule.
    seat_number: i32,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum HoldStatus {
    Preempted,
}

impl Hold {
    /// None when nothing is held, which no worker answers.
    fn of(reservation: &ReservationView) -> Option<Self> {
        Some(Self {
            reservation_id: Tsid(reservation.reservation_id),
            status: HoldStatus::Preempted,
            expired_at: reservation.expires_at.into(),
            seat_number: reservation.seats.first()?.seat_number,
        })
    }
}

impl Example for Hold {
    fn example() -> Self {
        Self::of(&ReservationView::example()).expect("the example has a seat")
    }
}

/// A reservation's id as this design writes it.
struct Tsid(ReservationId);

impl Serialize for Tsid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("TSID-{}", self.0))
    }
}

impl JsonSchema for Tsid {
    fn schema_name() -> Cow<'static, str> {
        "Tsid".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^TSID-[0-9]+$",
            "description": "The reservation's number in the canonical API, after `TSID-`.",
        })
    }
    fn inline_schema() -> bool {
        true
    }
}

async fn hold(talk: Talk<'_>) -> Result<Hold, Failure> {
    let NewHold { user_id, concert_schedule_id: schedule_id, seat_id, price } = talk.ask.read()?;
    let seat_ids = seat_of(schedule_id, seat_id).into();
    let command = HoldSeats { schedule_id, seat_ids, user_id, amount: Some(price), only_hold: false };
    let outcome = talk.effect(command).await;
    if outcome.as_ref().is_err_and(|failure| failure.code == Code::Forbidden) {
        // Another user, or nobody at all: then that is what is wrong.
        talk.command(FindUser { user_id: Some(user_id), ..FindUser::default() }).await?;
    }
    let reservation = outcome?;
    Hold::of(&reservation).ok_or_else(|| Code::Internal.into())
}
