//! Concerts, their performances, and the seats. A token that waits for its turn may look too.

use chrono::TimeDelta;
use onsale_common::contract::admission::{GetToken, TokenStatus};
use onsale_common::contract::catalog::{
    ConcertView, GetConcert, ListSeats, PlannedSchedule, ScheduleStatus, SeatFilter, SeatMap, SeatStatus, SeatView,
};
use onsale_common::contract::{Code, Example, Rejection};
use onsale_common::ids::{ConcertId, ScheduleId, SeatId};
use onsale_common::time::Time;
use schemars::JsonSchema;
use serde::Serialize;

use super::users::Concert;
use super::{TOKEN, ids, performance_datetime};
use crate::answer::Failure;
use crate::compat::concerts::every_concert;
use crate::compat::zoneless::Zoneless;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::shape::Param;
use crate::talk::{Talk, answer_with};

pub(super) const GROUP: Group = Group {
    name: "Concerts, performances, seats",
    endpoints: &[
        Endpoint::get("/concerts", TOKEN)
            .talks("listConcerts", "Read the concerts.", |talk| answer_with(concerts(talk)))
            .gives::<Vec<Concert>>(),
        Endpoint::get("/concert_performances", TOKEN)
            .talks("listPerformances", "Read the performances of a concert that can be booked now.", |talk| {
                answer_with(performances(talk))
            })
            .queries(&[Param::new(CONCERT_ID, "The concert.", ids::long, "1").required()])
            .gives::<Vec<Performance>>()
            .fails(&[Code::ConcertNotFound]),
        Endpoint::get("/performance_seats", TOKEN)
            .talks("listSeats", "Read all seats of a performance.", |talk| answer_with(seats(talk)))
            .queries(&[Param::new(CONCERT_DATE_ID, "The performance.", ids::long, "1").required()])
            .gives::<Vec<Seat>>()
            .fails(&[Code::ScheduleNotFound, Code::WrongSchedule]),
    ],
};

const CONCERT_ID: &str = "concert_id";
const CONCERT_DATE_ID: &str = "concert_date_id";

/// A performance that can be booked.
#[derive(Debug, Serialize, JsonSchema)]
struct Performance {
    /// The performance.
    id: ScheduleId,
    /// Its concert.
    concert_id: ConcertId,
    /// All its seats.
    max_seats: u64,
    /// When it begins, where the venue is.
    performance_datetime: Zoneless,
}

/// A seat.
#[derive(Debug, Serialize, JsonSchema)]
struct Seat {
    /// The seat.
    id: SeatId,
    /// What it is a seat of.
    concert_performance_id: ScheduleId,
    /// Its number within the performance.
    seat_number: i32,
    /// Whether it is sold; a seat that somebody is booking is not yet.
    booked: bool,
}

async fn concerts(talk: Talk<'_>) -> Result<Vec<Concert>, Failure> {
    demand_live_token(&talk).await?;
    Ok(every_concert(&talk, false).await?.into_iter().map(Concert::from).collect())
}

async fn performances(mut talk: Talk<'_>) -> Result<Vec<Performance>, Failure> {
    let concert_id = query_id(&mut talk, CONCERT_ID, ConcertId::new)?;
    demand_live_token(&talk).await?;
    let concert = talk.command(GetConcert { concert_id, with_schedules: true }).await?;
    let planned = concert.schedules.into_iter().flatten();
    let now = Time::now();
    let bookable = planned.filter(|schedule| schedule.status == ScheduleStatus::Open && !has_begun(schedule, now));
    Ok(bookable.map(|schedule| Performance::of(concert_id, &schedule)).collect())
}

/// Whether a performance has begun wherever its venue is: its time is the venue's, which may be twelve hours behind UTC.
fn has_begun(schedule: &PlannedSchedule, now: Time) -> bool {
    let begins = schedule.performance_date.and_time(schedule.performance_time);
    begins.checked_add_signed(TimeDelta::hours(12)).is_some_and(|begun| begun < now.0.naive_utc())
}

async fn seats(mut talk: Talk<'_>) -> Result<Vec<Seat>, Failure> {
    let schedule_id = query_id(&mut talk, CONCERT_DATE_ID, ScheduleId::new)?;
    let map: SeatMap = talk.command(ListSeats { concert_id: None, schedule_id, status: SeatFilter::All }).await?;
    Ok(map.seats.iter().map(Seat::from).collect())
}

/// Everybody may see the concerts; this design shows them to who has a token only.
async fn demand_live_token(talk: &Talk<'_>) -> Result<(), Failure> {
    match talk.command(GetToken::default()).await?.status {
        TokenStatus::Waiting | TokenStatus::Active => Ok(()),
        TokenStatus::Expired | TokenStatus::Used => Err(Code::TokenExpired.into()),
    }
}

fn query_id<T>(talk: &mut Talk<'_>, name: &str, new: fn(i64) -> T) -> Result<T, Rejection> {
    let text = talk.ask.query.text(name)?.ok_or_else(|| Rejection::invalid_field(name, "is required"))?;
    ids::id_of(name, &text, new)
}

impl Performance {
    fn of(concert_id: ConcertId, schedule: &PlannedSchedule) -> Self {
        Self {
            id: schedule.schedule_id,
            concert_id,
            max_seats: schedule.seat_count,
            performance_datetime: performance_datetime(schedule),
        }
    }
}

impl From<&SeatView> for Seat {
    fn from(seat: &SeatView) -> Self {
        Self {
            id: seat.seat_id,
            concert_performance_id: seat.seat_id.schedule(),
            seat_number: seat.seat_number,
            booked: seat.status == SeatStatus::Sold,
        }
    }
}

impl Example for Performance {
    fn example() -> Self {
        Self::of(ConcertView::example().concert_id, &PlannedSchedule::example())
    }
}

impl Example for Seat {
    fn example() -> Self {
        Self::from(&SeatView::example())
    }
}
