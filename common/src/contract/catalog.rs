//! Commands and replies of the catalog lane: concerts, schedules and seats. What the organiser does is in a file of its
//! own.

mod organise;

use chrono::{NaiveDate, NaiveTime};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::Rejection;
use super::command::{CommandData, CommandName};
use super::page::check_page;
use super::parse::{some_day, word};
use super::reservation::SeatIds;
use crate::ids::{ConcertId, QueueToken, ReservationId, ScheduleId, SeatId};
use crate::money::Money;
use crate::time::Time;

pub use organise::{
    CAPACITY_MAX, CreateConcert, CreateSchedule, Managed, ManagedScheduleView, NewRow, NewSeats, NewSection,
    SEATS_PER_SCHEDULE_MAX, ServiceRoomView, UpdateSchedule, row_name,
};

/// Read the concerts, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListConcerts {
    /// How many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Each with its schedules.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_schedules: bool,
}

impl CommandData for ListConcerts {
    const NAME: CommandName = CommandName::ListConcerts;
    type Reply = ConcertPage;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        0
    }
    fn check(&self) -> Result<(), Rejection> {
        check_page(self.limit, self.cursor.as_deref())
    }
}

/// Read one concert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetConcert {
    /// Which concert.
    pub concert_id: ConcertId,
    /// With its schedules.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_schedules: bool,
}

impl CommandData for GetConcert {
    const NAME: CommandName = CommandName::GetConcert;
    type Reply = ConcertView;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        self.concert_id.get().unsigned_abs()
    }
}

/// Read a concert's schedules, by date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListSchedules {
    /// Which concert.
    pub concert_id: ConcertId,
    /// Performances on this day or later.
    #[serde(default, deserialize_with = "some_day", skip_serializing_if = "Option::is_none")]
    pub from_date: Option<NaiveDate>,
    /// Performances on this day or earlier.
    #[serde(default, deserialize_with = "some_day", skip_serializing_if = "Option::is_none")]
    pub to_date: Option<NaiveDate>,
}

impl CommandData for ListSchedules {
    const NAME: CommandName = CommandName::ListSchedules;
    type Reply = Vec<ScheduleView>;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        self.concert_id.get().unsigned_abs()
    }
    fn check(&self) -> Result<(), Rejection> {
        match (self.from_date, self.to_date) {
            (Some(from), Some(to)) if from > to => {
                Err(Rejection::invalid_field("toDate", "must not be before fromDate"))
            }
            _ => Ok(()),
        }
    }
}

/// Which seats [`ListSeats`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SeatFilter {
    /// Those that can be held now.
    #[default]
    Available,
    /// Every seat.
    All,
}

impl<'de> Deserialize<'de> for SeatFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, &["available", "all"], &[Self::Available, Self::All])
    }
}

/// Read a schedule's seats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListSeats {
    /// The concert that the schedule is of, where the client names it; no other concert's schedule is found then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concert_id: Option<ConcertId>,
    /// Which schedule.
    pub schedule_id: ScheduleId,
    /// Which seats.
    #[serde(default)]
    pub status: SeatFilter,
}

impl CommandData for ListSeats {
    const NAME: CommandName = CommandName::ListSeats;
    type Reply = SeatMap;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        self.schedule_id.get().unsigned_abs()
    }
}

/// Read some seats, each with its schedule and concert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetSeats {
    /// Which seats, of any schedules that the caller may see.
    pub seat_ids: SeatIds,
}

impl CommandData for GetSeats {
    const NAME: CommandName = CommandName::GetSeats;
    type Reply = Vec<SeatInContext>;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        self.seat_ids.as_slice().first().map_or(0, |seat| seat.schedule().get().unsigned_abs())
    }
}

/// A seat with its schedule and concert, and with the caller's reservation of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeatInContext {
    /// The seat.
    pub seat: SeatView,
    /// Its schedule.
    pub schedule: PlannedSchedule,
    /// Its concert.
    pub concert: ConcertView,
    /// The caller's reservation of it that is live or paid, if it is the caller's.
    pub yours: Option<YourReservation>,
}

/// The reservation that a caller has of a seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct YourReservation {
    /// Its id.
    pub reservation_id: ReservationId,
    /// When the seat was held.
    pub reserved_at: Time,
    /// When the hold runs out, or would have.
    pub expires_at: Time,
    /// When it was paid; null until then.
    pub paid_at: Option<Time>,
}

/// A concert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConcertView {
    /// Its id.
    pub concert_id: ConcertId,
    /// Its title.
    pub title: String,
    /// The day of its first performance; null when none is planned.
    pub start_date: Option<NaiveDate>,
    /// The day of its last performance; null when none is planned.
    pub end_date: Option<NaiveDate>,
    /// Its venue.
    pub venue_id: i64,
    /// The venue's name.
    pub venue_name: String,
    /// When the organiser announced it.
    pub created_at: Time,
    /// Its schedules by date, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedules: Option<Vec<PlannedSchedule>>,
}

/// A schedule within its concert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedSchedule {
    /// Its id.
    pub schedule_id: ScheduleId,
    /// The day, where the venue is.
    pub performance_date: NaiveDate,
    /// The hour, where the venue is.
    pub performance_time: NaiveTime,
    /// When holds begin.
    pub booking_open_at: Time,
    /// When holds end.
    pub booking_close_at: Time,
    /// All its seats.
    pub seat_count: u64,
    /// Seats that can be held now.
    pub available_seats: u64,
    /// Where the sale stands.
    pub status: ScheduleStatus,
}

/// A page of concerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConcertPage {
    /// By id.
    pub concerts: Vec<ConcertView>,
    /// The `cursor` of the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// Where the sale of a schedule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ScheduleStatus {
    /// Booking has not opened.
    Upcoming,
    /// Seats can be held.
    Open,
    /// The organiser has paused the sale.
    Paused,
    /// Every seat is held or sold.
    SoldOut,
    /// Booking has closed.
    Closed,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleView {
    /// Its id.
    pub schedule_id: ScheduleId,
    /// The concert it is a performance of.
    pub concert_id: ConcertId,
    /// The concert's title.
    pub concert_title: String,
    /// Its venue.
    pub venue_id: i64,
    /// The venue's name.
    pub venue_name: String,
    /// The day, where the venue is.
    pub performance_date: NaiveDate,
    /// The hour, where the venue is.
    pub performance_time: NaiveTime,
    /// When holds begin.
    pub booking_open_at: Time,
    /// When holds end.
    pub booking_close_at: Time,
    /// Seats that can be held now.
    pub available_seats: u64,
    /// Where the sale stands.
    pub status: ScheduleStatus,
}

/// What a seat map says of its schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleInfo {
    /// Its id.
    pub schedule_id: ScheduleId,
    /// The concert's title.
    pub concert_title: String,
    /// The day, where the venue is.
    pub performance_date: NaiveDate,
    /// The hour, where the venue is.
    pub performance_time: NaiveTime,
    /// The venue's name.
    pub venue_name: String,
}

/// Whether a seat can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SeatStatus {
    /// It can be held.
    Available,
    /// Somebody holds it.
    Held,
    /// Somebody paid it.
    Sold,
}

/// A seat of a seat map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeatView {
    /// Its id.
    pub seat_id: SeatId,
    /// Its number within the schedule.
    pub seat_number: i32,
    /// What it costs.
    pub price: Money,
    /// Whether it can be had.
    pub status: SeatStatus,
    /// Its name for people, as in `A1`.
    pub label: String,
    /// The section.
    pub section: String,
    /// The row.
    pub row: String,
}

/// A seat map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeatMap {
    /// The schedule.
    pub schedule_info: ScheduleInfo,
    /// Its seats, by number.
    pub seats: Vec<SeatView>,
}
