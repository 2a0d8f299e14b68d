//! Holds.

use onsale_common::contract::reservation::{GetReservation, HoldSeats, ReleaseReservation};
use onsale_common::contract::{Command, Rejection};

use crate::caller::Demand;
use crate::endpoint::{Ask, Endpoint, real_schedule};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::post("/reservations", Demand::QueueToken, hold).created().keyed(),
    Endpoint::get("/reservations/{reservationId}", Demand::QueueToken, get),
    Endpoint::delete("/reservations/{reservationId}", Demand::QueueToken, release),
];

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
