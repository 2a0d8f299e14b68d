//! The organiser's commands: concerts, schedules with their seats, and the sale's controls.

use chrono::{NaiveDate, NaiveTime, Timelike};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConcertView, ScheduleView};
use crate::contract::command::{CommandData, CommandName};
use crate::contract::parse::{day, object};
use crate::contract::{Example, Rejection};
use crate::ids::{ConcertId, QueueToken, ScheduleId};
use crate::money::Money;
use crate::time::Time;

/// Seats of one schedule at most.
pub const SEATS_PER_SCHEDULE_MAX: usize = 200_000;
/// The largest capacity a waiting room can be given.
pub const CAPACITY_MAX: u32 = 1_000_000;

const NAME_MAX_CHARS: usize = 200;
/// No control characters, and not only spaces.
const PRINTABLE: &str = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$";
const PRICE_MAX: Money = 1_000_000_000;
const SEATS_PER_USER_MAX: u32 = 1000;

/// Organiser: create a concert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateConcert {
    /// 1 to 200 characters.
    #[schemars(length(min = 1, max = NAME_MAX_CHARS), regex(pattern = PRINTABLE))]
    pub title: String,
    /// 1 to 200 characters; a venue of this name is used where there is one.
    #[schemars(length(min = 1, max = NAME_MAX_CHARS), regex(pattern = PRINTABLE))]
    pub venue_name: String,
}

impl CommandData for CreateConcert {
    const NAME: CommandName = CommandName::CreateConcert;
    type Reply = ConcertView;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        0
    }
    fn check(&self) -> Result<(), Rejection> {
        check_name("title", &self.title)?;
        check_name("venueName", &self.venue_name)
    }
    fn reply_example() -> ConcertView {
        // Nothing is planned of it yet.
        ConcertView { start_date: None, end_date: None, ..Example::example() }
    }
}

fn check_name(field: &str, name: &str) -> Result<(), Rejection> {
    let length = name.chars().count();
    if !(1..=NAME_MAX_CHARS).contains(&length) || name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err(Rejection::invalid_field(field, "must be 1 to 200 printable characters"));
    }
    Ok(())
}

/// A row of seats of a new schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRow {
    /// The row's name, as in `A`.
    #[schemars(length(min = 1, max = NAME_MAX_CHARS), regex(pattern = PRINTABLE))]
    pub row: String,
    /// How many seats it has.
    #[schemars(range(min = 1, max = SEATS_PER_SCHEDULE_MAX))]
    pub seats: u32,
}

/// A section of a new schedule: rows at one price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSection {
    /// The section's name.
    #[schemars(length(min = 1, max = NAME_MAX_CHARS), regex(pattern = PRINTABLE))]
    pub name: String,
    /// What each of its seats costs.
    #[schemars(range(min = 0, max = PRICE_MAX))]
    pub price: Money,
    /// Its rows.
    #[schemars(length(min = 1))]
    pub rows: Vec<NewRow>,
}

/// The seats of a new schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
// Not `oneOf`: generators of clients make types of its parts, and these are none.
#[schemars(extend(
    "if" = { "required": ["sections"], "properties": { "sections": { "type": "array" } } },
    "then" = { "properties": { "count": { "type": "null" }, "price": { "type": "null" } } },
    "else" = { "required": ["count", "price"],
               "properties": { "count": { "type": "integer" }, "price": { "type": "integer" } } },
))]
pub struct NewSeats {
    /// So many seats, in rows of ten, at one `price`. Not together with `sections`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = SEATS_PER_SCHEDULE_MAX))]
    pub count: Option<u32>,
    /// The price that goes with `count`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = PRICE_MAX))]
    pub price: Option<Money>,
    /// Sections with rows and prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub sections: Option<Vec<NewSection>>,
}

impl NewSeats {
    /// The sections, whichever way they were given: a count stands for rows of ten named A, B, … AA.
    pub fn sections(&self) -> Vec<NewSection> {
        if let Some(sections) = &self.sections {
            return sections.clone();
        }
        let count = self.count.unwrap_or(0);
        let rows = (0..count.div_ceil(10))
            .map(|row| NewRow { row: row_name(row), seats: (count - row * 10).min(10) })
            .collect();
        vec![NewSection { name: "Floor".to_owned(), price: self.price.unwrap_or(0), rows }]
    }

    fn check(&self) -> Result<(), Rejection> {
        match (self.count, self.price, &self.sections) {
            (Some(_), Some(_), None) | (None, None, Some(_)) => {}
            _ => return Err(Rejection::invalid_field("seats", "needs either count and price, or sections")),
        }
        if self.count.is_some_and(|count| count == 0 || count as usize > SEATS_PER_SCHEDULE_MAX) {
            return Err(Rejection::invalid_field("seats.count", &format!("must be 1 to {SEATS_PER_SCHEDULE_MAX}")));
        }
        let sections = self.sections();
        let mut seats = 0_u64;
        for section in &sections {
            check_name("seats.sections.name", &section.name)?;
            if !(0..=PRICE_MAX).contains(&section.price) {
                return Err(Rejection::invalid_field("seats.price", &format!("must be 0 to {PRICE_MAX}")));
            }
            if section.rows.is_empty() {
                return Err(Rejection::invalid_field("seats.sections.rows", "must name a row at least"));
            }
            for row in &section.rows {
                check_name("seats.sections.rows.row", &row.row)?;
                if row.seats == 0 {
                    return Err(Rejection::invalid_field("seats.sections.rows.seats", "must be 1 or more"));
                }
                seats += u64::from(row.seats);
            }
        }
        if seats == 0 || seats > SEATS_PER_SCHEDULE_MAX as u64 {
            return Err(Rejection::invalid_field("seats", &format!("must be 1 to {SEATS_PER_SCHEDULE_MAX} in all")));
        }
        Ok(())
    }
}

/// The name of a row, counted from 0: A, B, … Z, AA, AB, …
pub fn row_name(mut row: u32) -> String {
    let mut name = Vec::new();
    loop {
        name.push(b'A' + (row % 26) as u8);
        if row < 26 {
            break;
        }
        row = row / 26 - 1;
    }
    name.reverse();
    name.into_iter().map(char::from).collect()
}

/// Organiser: create a schedule with its seats and waiting room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateSchedule {
    /// The concert it is a performance of.
    pub concert_id: ConcertId,
    /// The day, where the venue is.
    #[serde(deserialize_with = "day")]
    pub performance_date: NaiveDate,
    /// The hour, where the venue is.
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$"))]
    pub performance_time: NaiveTime,
    /// When holds begin.
    pub booking_open_at: Time,
    /// When holds end.
    pub booking_close_at: Time,
    /// Its seats.
    #[serde(deserialize_with = "object")]
    pub seats: NewSeats,
    /// Active users at once; the service's default when absent.
    #[serde(default, alias = "capacity", skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = CAPACITY_MAX))]
    pub max_concurrent_users: Option<u32>,
    /// Seats of the schedule one user may have; the service's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = SEATS_PER_USER_MAX))]
    pub seats_per_user: Option<u32>,
}

impl CommandData for CreateSchedule {
    const NAME: CommandName = CommandName::CreateSchedule;
    type Reply = ManagedScheduleView;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        self.concert_id.get().unsigned_abs()
    }
    fn check(&self) -> Result<(), Rejection> {
        // A leap second is a fraction too, of the second before it.
        if self.performance_time.nanosecond() != 0 {
            return Err(Rejection::invalid_field("performanceTime", "must be a time as in 19:30:00"));
        }
        check_window(Some(self.booking_open_at), Some(self.booking_close_at))?;
        check_limits(self.max_concurrent_users, self.seats_per_user)?;
        self.seats.check()
    }
}

fn check_window(open: Option<Time>, close: Option<Time>) -> Result<(), Rejection> {
    match (open, close) {
        (Some(open), Some(close)) if open >= close => {
            Err(Rejection::invalid_field("bookingCloseAt", "must be after bookingOpenAt"))
        }
        _ => Ok(()),
    }
}

fn check_limits(capacity: Option<u32>, seats_per_user: Option<u32>) -> Result<(), Rejection> {
    if capacity.is_some_and(|capacity| capacity > CAPACITY_MAX) {
        return Err(Rejection::invalid_field("maxConcurrentUsers", &format!("must be 0 to {CAPACITY_MAX}")));
    }
    if seats_per_user.is_some_and(|seats| !(1..=SEATS_PER_USER_MAX).contains(&seats)) {
        return Err(Rejection::invalid_field("seatsPerUser", &format!("must be 1 to {SEATS_PER_USER_MAX}")));
    }
    Ok(())
}

/// Organiser: change what is given, leave the rest. Schedule 0, the service-wide waiting room, has a capacity and can be
/// paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateSchedule {
    /// Which schedule.
    pub schedule_id: ScheduleId,
    /// Active users at once. Lowering it sends nobody away: the room shrinks as users leave.
    #[serde(default, alias = "capacity", skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = CAPACITY_MAX))]
    pub max_concurrent_users: Option<u32>,
    /// Seats of the schedule one user may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = SEATS_PER_USER_MAX))]
    pub seats_per_user: Option<u32>,
    /// true: nobody is admitted and nothing is held until it is false again; holds that exist can be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// When holds begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking_open_at: Option<Time>,
    /// When holds end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking_close_at: Option<Time>,
}

impl CommandData for UpdateSchedule {
    const NAME: CommandName = CommandName::UpdateSchedule;
    type Reply = Managed;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        self.schedule_id.get().unsigned_abs()
    }
    fn check(&self) -> Result<(), Rejection> {
        if self.schedule_id == ScheduleId::SERVICE_WIDE {
            let of_sales = [
                ("seatsPerUser", self.seats_per_user.is_some()),
                ("bookingOpenAt", self.booking_open_at.is_some()),
                ("bookingCloseAt", self.booking_close_at.is_some()),
            ];
            if let Some((field, _)) = of_sales.into_iter().find(|(_, given)| *given) {
                return Err(Rejection::invalid_field(field, "is not a property of the service-wide waiting room"));
            }
        }
        check_window(self.booking_open_at, self.booking_close_at)?;
        check_limits(self.max_concurrent_users, self.seats_per_user)
    }
}

/// A schedule as its organiser sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedScheduleView {
    /// What fans see.
    #[serde(flatten)]
    pub schedule: ScheduleView,
    /// All its seats.
    pub seat_count: u64,
    /// Active users at once.
    pub max_concurrent_users: u32,
    /// Seats one user may have.
    pub seats_per_user: u32,
    /// Whether the organiser has paused the sale.
    pub paused: bool,
}

/// The service-wide waiting room as an organiser sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRoomView {
    /// 0.
    pub schedule_id: ScheduleId,
    /// Active users at once.
    pub max_concurrent_users: u32,
    /// Whether nobody is admitted.
    pub paused: bool,
}

/// What an organiser has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Managed {
    /// A schedule.
    Schedule(Box<ManagedScheduleView>),
    /// The waiting room of all of them.
    ServiceRoom(ServiceRoomView),
}
