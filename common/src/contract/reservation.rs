//! Commands and replies of the reservation lane: holds.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::Rejection;
use super::command::{CommandData, CommandName};
use super::page::check_page;
use super::payment::check_amount;
use super::reply::Nothing;
use crate::ids::{QueueToken, ReservationId, ScheduleId, SeatId, UserId};
use crate::money::{Amount, Money};
use crate::time::Time;

/// The most seats that one command may name; how many one user may have is the schedule's limit.
pub const SEATS_PER_COMMAND_MAX: usize = 1000;

/// Seats asked for together: at least one, each once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeatIds(Vec<SeatId>);

impl SeatIds {
    /// The seats in the order asked for.
    pub fn as_slice(&self) -> &[SeatId] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for SeatIds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seats = Vec::<SeatId>::deserialize(deserializer)?;
        Self::try_from(seats).map_err(de::Error::custom)
    }
}

/// Seats that cannot be asked for together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSeatIds {
    /// None, or more than one command may name.
    #[error("must name 1 to {SEATS_PER_COMMAND_MAX} seats")]
    Count,
    /// One of them again.
    #[error("names seat {0} twice")]
    Twice(SeatId),
}

impl TryFrom<Vec<SeatId>> for SeatIds {
    type Error = NotSeatIds;

    fn try_from(seats: Vec<SeatId>) -> Result<Self, NotSeatIds> {
        if seats.is_empty() || seats.len() > SEATS_PER_COMMAND_MAX {
            return Err(NotSeatIds::Count);
        }
        let mut sorted = seats.clone();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(twice) => Err(NotSeatIds::Twice(twice[0])),
            None => Ok(Self(seats)),
        }
    }
}

impl JsonSchema for SeatIds {
    fn schema_name() -> Cow<'static, str> {
        "SeatIds".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let seat = generator.subschema_for::<SeatId>();
        let most = SEATS_PER_COMMAND_MAX;
        json_schema!({ "type": "array", "items": seat, "minItems": 1, "maxItems": most, "uniqueItems": true })
    }
    fn inline_schema() -> bool {
        true
    }
}

impl From<SeatId> for SeatIds {
    fn from(seat: SeatId) -> Self {
        Self(vec![seat])
    }
}

/// Hold seats for five minutes, all or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldSeats {
    /// The schedule that the seats are of.
    #[schemars(range(min = 1))]
    pub schedule_id: ScheduleId,
    /// The seats.
    pub seat_ids: SeatIds,
    /// Who holds them: the token's user.
    pub user_id: UserId,
    /// What the client believes they cost together; refused when it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// Refuse when the user has another live hold, of any schedule.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_hold: bool,
}

impl CommandData for HoldSeats {
    const NAME: CommandName = CommandName::HoldSeats;
    type Reply = ReservationView;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        self.schedule_id.get().unsigned_abs()
    }
    fn check(&self) -> Result<(), Rejection> {
        check_amount(self.amount)
    }
}

macro_rules! reservation_command {
    ($(#[$doc:meta])* $name:ident, $reply:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// Which reservation.
            pub reservation_id: ReservationId,
        }

        impl CommandData for $name {
            const NAME: CommandName = CommandName::$name;
            type Reply = $reply;
            fn partition_key(&self, _: Option<QueueToken>) -> u64 {
                self.reservation_id.schedule().get().unsigned_abs()
            }
        }
    };
}

reservation_command!(
    /// Read a reservation.
    GetReservation, ReservationView
);
reservation_command!(
    /// Release a hold.
    ReleaseReservation, Nothing
);

/// Note that a user tries to get a seat, whatever comes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordAttempt {
    /// The seat.
    pub seat_id: SeatId,
}

impl CommandData for RecordAttempt {
    const NAME: CommandName = CommandName::RecordAttempt;
    type Reply = AttemptView;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        self.seat_id.schedule().get().unsigned_abs()
    }
}

/// Organiser: read who tried to get which seat of a schedule, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListAttempts {
    /// Which schedule.
    pub schedule_id: ScheduleId,
    /// How many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl CommandData for ListAttempts {
    const NAME: CommandName = CommandName::ListAttempts;
    type Reply = AttemptPage;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        self.schedule_id.get().unsigned_abs()
    }
    fn check(&self) -> Result<(), Rejection> {
        check_page(self.limit, self.cursor.as_deref())
    }
}

/// An attempt to get a seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptView {
    /// Its id.
    pub attempt_id: i64,
    /// The seat.
    pub seat_id: SeatId,
    /// Who tried.
    pub user_id: UserId,
    /// With which queue token.
    pub token: QueueToken,
    /// When.
    pub attempted_at: Time,
}

/// A page of attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptPage {
    /// Newest first.
    pub attempts: Vec<AttemptView>,
    /// The `cursor` of the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// Life of a reservation: reserved, then paid, cancelled or expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ReservationStatus {
    /// Held, waiting for payment.
    Reserved,
    /// Paid: its seats are sold.
    Paid,
    /// Released by its owner.
    Cancelled,
    /// Ran out of time.
    Expired,
}

/// A seat of a reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservedSeat {
    /// The seat.
    pub seat_id: SeatId,
    /// Its number within the schedule.
    pub seat_number: i32,
    /// What it costs.
    pub price: Money,
}

/// A reservation as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservationView {
    /// Its id.
    pub reservation_id: ReservationId,
    /// Its id for people, as in `R-1-000042`.
    pub reservation_number: String,
    /// Whose it is.
    pub user_id: UserId,
    /// The schedule of its seats.
    pub schedule_id: ScheduleId,
    /// Its seats.
    pub seats: Vec<ReservedSeat>,
    /// What it costs.
    pub total_amount: Money,
    /// Where it stands.
    pub status: ReservationStatus,
    /// When the seats were held.
    pub reserved_at: Time,
    /// When the hold runs out.
    pub expires_at: Time,
}

/// The reservation's id for people.
pub fn reservation_number(id: ReservationId) -> String {
    let schedule = id.schedule();
    format!("R-{schedule}-{:06}", id.get() - schedule.compose(0))
}
