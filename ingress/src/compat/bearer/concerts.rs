//! Concerts, for everybody; their schedules and seats, for who has a queue token.

use chrono::NaiveDate;
use onsale_common::contract::catalog::{
    ConcertView, GetConcert, ListSchedules, ListSeats, ScheduleStatus, ScheduleView, SeatFilter, SeatView,
};
use onsale_common::contract::{Code, Example};
use onsale_common::ids::{ConcertId, ScheduleId, SeatId};
use onsale_common::money::Money;
use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::Failure;
use crate::caller::Demand;
use crate::compat::concerts::every_concert;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, answer_with};

use super::TOKEN;

pub(super) const GROUP: Group = Group {
    name: "Concerts, schedules, seats",
    endpoints: &[
        Endpoint::get("/concerts", Demand::NOTHING)
            .talks("listConcerts", "Read the concerts", |talk| answer_with(list(talk)))
            .gives::<Vec<Concert>>(),
        Endpoint::get("/concerts/{concertId}", Demand::NOTHING)
            .talks("getConcert", "Read one concert", |talk| answer_with(get(talk)))
            .gives::<Concert>()
            .fails(&[Code::ConcertNotFound]),
        Endpoint::get("/concerts/{concertId}/schedules", TOKEN)
            .talks("listSchedules", "Read the days that can be booked", |talk| answer_with(schedules(talk)))
            .gives::<Schedules>()
            .fails(&[Code::ConcertNotFound]),
        Endpoint::get("/concerts/schedules/{scheduleId}/seats", TOKEN)
            .talks("listSeats", "Read the seats that can be held", |talk| answer_with(seats(talk)))
            .gives::<Seats>()
            .fails(&[Code::ScheduleNotFound]),
    ],
};

/// A concert.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Concert {
    /// Its id.
    id: ConcertId,
    /// Its title.
    title: String,
    /// The day of its first performance; null when none is planned.
    start_date: Option<NaiveDate>,
    /// The day of its last performance; null when none is planned.
    end_date: Option<NaiveDate>,
}

impl From<ConcertView> for Concert {
    fn from(concert: ConcertView) -> Self {
        Self {
            id: concert.concert_id,
            title: concert.title,
            start_date: concert.start_date,
            end_date: concert.end_date,
        }
    }
}

impl Example for Concert {
    fn example() -> Self {
        ConcertView::example().into()
    }
}

/// The days of a concert that can be booked.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Schedules {
    /// The concert.
    concert_id: ConcertId,
    /// Its schedules by date.
    schedules: Vec<Schedule>,
}

/// A performance.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Schedule {
    /// Its id.
    schedule_id: ScheduleId,
    /// Its day.
    date: NaiveDate,
}

impl From<ScheduleView> for Schedule {
    fn from(schedule: ScheduleView) -> Self {
        Self { schedule_id: schedule.schedule_id, date: schedule.performance_date }
    }
}

impl Example for Schedules {
    fn example() -> Self {
        let schedule = ScheduleView::example();
        Self { concert_id: schedule.concert_id, schedules: vec![schedule.into()] }
    }
}

/// The seats of a schedule that can be held.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Seats {
    /// The schedule.
    schedule_id: ScheduleId,
    /// Its seats.
    seats: Vec<Seat>,
}

/// A seat.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Seat {
    /// Its id.
    seat_id: SeatId,
    /// Its name, as in `A1`.
    seat_number: String,
    /// What it costs.
    price: Money,
}

impl From<SeatView> for Seat {
    fn from(seat: SeatView) -> Self {
        Self { seat_id: seat.seat_id, seat_number: seat.label, price: seat.price }
    }
}

impl Example for Seats {
    fn example() -> Self {
        let seat = SeatView::example();
        Self { schedule_id: seat.seat_id.schedule(), seats: vec![seat.into()] }
    }
}

async fn list(talk: Talk<'_>) -> Result<Vec<Concert>, Failure> {
    Ok(every_concert(&talk, false).await?.into_iter().map(Concert::from).collect())
}

async fn get(talk: Talk<'_>) -> Result<Concert, Failure> {
    let concert_id = talk.ask.id("concertId")?;
    Ok(talk.command(GetConcert { concert_id, with_schedules: false }).await?.into())
}

async fn schedules(talk: Talk<'_>) -> Result<Schedules, Failure> {
    let concert_id = talk.ask.id("concertId")?;
    let found = talk.command(ListSchedules { concert_id, from_date: None, to_date: None }).await?;
    let open = found.into_iter().filter(|schedule| schedule.status == ScheduleStatus::Open);
    Ok(Schedules { concert_id, schedules: open.map(Schedule::from).collect() })
}

async fn seats(talk: Talk<'_>) -> Result<Seats, Failure> {
    let schedule_id = talk.ask.schedule_id()?;
    let map = talk.command(ListSeats { concert_id: None, schedule_id, status: SeatFilter::Available }).await?;
    Ok(Seats { schedule_id, seats: map.seats.into_iter().map(Seat::from).collect() })
}
