//! Concerts and their seats.

use chrono::NaiveDate;
use onsale_common::contract::catalog::{
    ConcertView, ListSeats, PlannedSchedule, ScheduleStatus, SeatFilter, SeatStatus, SeatView,
};
use onsale_common::contract::{Code, Example};
use onsale_common::ids::ScheduleId;
use onsale_common::time::Time;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::answer::Failure;
use crate::caller::{Demand, Login};
use crate::compat::concerts::every_concert;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, answer_with};

use super::names::{name_of, named_in_path};
use super::{CONCERT_EXAMPLE, QUEUE_TOKEN};

pub(super) const GROUP: Group = Group {
    name: "Concerts and seats",
    endpoints: &[
        Endpoint::get("/concerts", Demand::NOTHING)
            .talks("listConcerts", "The concerts that can be booked now.", |talk| answer_with(concerts(talk)))
            .gives::<Vec<Concert>>(),
        Endpoint::get("/concerts/{id}/seats", LOGIN_OR_TOKEN)
            .talks("listSeats", "Every seat of a concert.", |talk| answer_with(seats(talk)))
            .gives::<Vec<Seat>>()
            .fails(&[Code::TokenExpired, Code::WrongSchedule, Code::ConcertNotFound]),
    ],
};

const LOGIN_OR_TOKEN: Demand = Demand { login: Login::Always, ..Demand::token_or_login(QUEUE_TOKEN) };

/// A concert: one performance.
#[derive(Serialize, JsonSchema)]
struct Concert {
    /// Its id.
    id: Uuid,
    /// Its name.
    name: String,
    /// Where it is.
    venue: String,
    /// The day, where it is.
    concert_date: NaiveDate,
    /// When it was announced.
    created_at: Time,
    /// The same: nothing said here changes afterwards.
    updated_at: Time,
}

impl Concert {
    fn of(concert: &ConcertView, schedule: &PlannedSchedule) -> Self {
        Self {
            id: name_of(schedule.schedule_id),
            name: concert.title.clone(),
            venue: concert.venue_name.clone(),
            concert_date: schedule.performance_date,
            created_at: concert.created_at,
            updated_at: concert.created_at,
        }
    }
}

impl Example for Concert {
    fn example() -> Self {
        Self::of(&Example::example(), &Example::example())
    }
}

async fn concerts(talk: Talk<'_>) -> Result<Vec<Concert>, Failure> {
    let mut bookable = Vec::new();
    for concert in &every_concert(&talk, true).await? {
        let schedules = concert.schedules.iter().flatten();
        let open = schedules.filter(|schedule| schedule.status == ScheduleStatus::Open);
        bookable.extend(open.map(|schedule| Concert::of(concert, schedule)));
    }
    Ok(bookable)
}

/// Whether a seat can be had.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SeatStatus")]
enum Standing {
    /// It can be reserved.
    Available,
    /// Somebody has reserved and not yet paid it.
    ReservedTemp,
    /// Somebody has paid it.
    ReservedFinal,
}

/// A seat of a concert.
#[derive(Serialize, JsonSchema)]
struct Seat {
    /// Its id.
    id: Uuid,
    /// The concert.
    concert_id: Uuid,
    /// Its number within the concert, from 1 on.
    seat_number: i32,
    /// Whether it can be had.
    status: Standing,
}

impl Seat {
    fn of(seat: &SeatView, concert: ScheduleId) -> Self {
        Self {
            id: name_of(seat.seat_id),
            concert_id: name_of(concert),
            seat_number: seat.seat_number,
            status: match seat.status {
                SeatStatus::Available => Standing::Available,
                SeatStatus::Held => Standing::ReservedTemp,
                SeatStatus::Sold => Standing::ReservedFinal,
            },
        }
    }
}

impl Example for Seat {
    fn example() -> Self {
        Self::of(&Example::example(), CONCERT_EXAMPLE)
    }
}

async fn seats(mut talk: Talk<'_>) -> Result<Vec<Seat>, Failure> {
    let schedule_id = named_in_path(&talk.ask)?;
    // A login is enough, whatever became of the queue token.
    if let Some(login) = talk.ask.caller.login {
        talk.go_on_as(login).await?;
    }
    let map = talk.command(ListSeats { concert_id: None, schedule_id, status: SeatFilter::All }).await?;
    Ok(map.seats.iter().map(|seat| Seat::of(seat, schedule_id)).collect())
}
