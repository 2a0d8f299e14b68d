//! Concerts, their schedules, and the seats.

use std::borrow::Cow;

use onsale_common::contract::catalog::{GetConcert, ListConcerts, ListSchedules, ListSeats, SeatFilter};
use onsale_common::contract::{Code, Command, Rejection};
use serde_json::{Value, json};

use crate::ask::{Ask, checked};
use crate::caller::Demand;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::shape::Param;

use super::{CURSOR, LIMIT};

pub(super) const GROUP: Group = Group {
    name: "Concerts, schedules, seats",
    endpoints: &[
        Endpoint::get("/concerts", Demand::NOTHING).asks::<ListConcerts>(list).queries(&[LIMIT, CURSOR]),
        Endpoint::get("/concerts/{concertId}", Demand::NOTHING).asks::<GetConcert>(get).fails(&[Code::ConcertNotFound]),
        Endpoint::get("/concerts/{concertId}/schedules", Demand::QUEUE_TOKEN)
            .asks::<ListSchedules>(schedules)
            .queries(&[FROM_DATE, TO_DATE])
            .fails(&[Code::ConcertNotFound]),
        Endpoint::get("/concerts/{concertId}/schedules/{scheduleId}/seats", Demand::QUEUE_TOKEN)
            .asks::<ListSeats>(seats)
            .queries(&[STATUS])
            .fails(&[Code::ScheduleNotFound, Code::WrongSchedule]),
    ],
};

const FROM_DATE: Param = Param::new("fromDate", "Performances on this day or later.", day, "\"2026-01-01\"");
const TO_DATE: Param = Param::new("toDate", "Performances on this day or earlier.", day, "\"2099-12-31\"");
const STATUS: Param = Param::new(
    "status",
    "Which seats: those that can be held now, or all.",
    || json!({ "type": "string", "enum": ["available", "all"], "default": "available" }),
    "\"all\"",
);

fn day() -> Value {
    json!({ "type": "string", "format": "date" })
}

fn list(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    let limit = ask.query.number("limit")?;
    let cursor = ask.query.text("cursor")?.map(Cow::into_owned);
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
    let status = match ask.query.text("status")?.as_deref() {
        None | Some("available") => SeatFilter::Available,
        Some("all") => SeatFilter::All,
        Some(_) => return Err(Rejection::invalid_field("status", "must be available or all")),
    };
    Ok(ListSeats { concert_id, schedule_id, status }.into())
}
