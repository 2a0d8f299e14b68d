//! Holds.

use onsale_common::contract::reservation::{GetReservation, HoldSeats, ReleaseReservation};
use onsale_common::contract::{Code, Command, Rejection};

use crate::ask::{Ask, real_schedule};
use crate::caller::Demand;
use crate::dialect::Group;
use crate::endpoint::Endpoint;

pub(super) const GROUP: Group = Group {
    name: "Holds",
    endpoints: &[
        Endpoint::post("/reservations", Demand::QUEUE_TOKEN).asks::<HoldSeats>(hold).created().keyed().fails(&[
            Code::InvalidAmount,
            Code::AmountMismatch,
            Code::TokenNotActive,
            Code::Forbidden,
            Code::WrongSchedule,
            Code::ScheduleNotFound,
            Code::SeatNotFound,
            Code::SeatTaken,
            Code::HoldExists,
            Code::SeatLimitExceeded,
            Code::BookingClosed,
        ]),
        Endpoint::get("/reservations/{reservationId}", Demand::QUEUE_TOKEN).asks::<GetReservation>(get).fails(&[
            Code::Forbidden,
            Code::WrongSchedule,
            Code::ReservationNotFound,
        ]),
        Endpoint::delete("/reservations/{reservationId}", Demand::QUEUE_TOKEN)
            .asks::<ReleaseReservation>(release)
            .fails(&[
                Code::Forbidden,
                Code::WrongSchedule,
                Code::ReservationNotFound,
                Code::AlreadyPaid,
                Code::ReservationExpired,
            ]),
    ],
};

fn hold(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    let data: HoldSeats = ask.body()?;
    real_schedule(data.schedule_id)?;
    Ok(data.into())
}

fn get(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(GetReservation { reservation_id: ask.id("reservationId")? }.into())
}

fn release(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(ReleaseReservation { reservation_id: ask.id("reservationId")? }.into())
}
