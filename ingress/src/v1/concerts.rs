//! Concerts, their schedules, and the seats.

use std::borrow::Cow;

use onsale_common::contract::catalog::{GetConcert, ListConcerts, ListSchedules, ListSeats, SeatFilter};
use onsale_common::contract::{Command, Rejection};

use crate::caller::Demand;
use crate::endpoint::{Ask, Endpoint, checked};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/concerts", Demand::Nothing, list),
    Endpoint::get("/concerts/{concertId}", Demand::Nothing, get),
    Endpoint::get("/concerts/{concertId}/schedules", Demand::QueueToken, schedules),
    Endpoint::get("/concerts/{concertId}/schedules/{scheduleId}/seats", Demand::QueueToken, seats),
];

fn list(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    let limit = ask.query.number("limit")?;
    let cursor = ask.query.text("cursor").map(Cow::into_owned);
    checked(ListConcerts { limit, cursor, with_schedules: false })
}

fn get(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(GetConcert { concert_id: ask.id("concertId")?, with_schedules: false }.into())
}

fn schedules(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    let concert_id = ask.id("concertId")?;
    checked(ListSchedules { concert_id, from_date: ask.query.date("fromDate")?, to_date: ask.query.date("toDate")? })
}

fn seats(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    let (concert_id, schedule_id) = (Some(ask.id("concertId")?), ask.schedule_id()?);
    let status = match ask.query.text("status").as_deref() {
        None | Some("available") => SeatFilter::Available,
        Some("all") => SeatFilter::All,
        Some(_) => return Err(Rejection::invalid_field("status", "must be available or all")),
    };
    Ok(ListSeats { concert_id, schedule_id, status }.into())
}
