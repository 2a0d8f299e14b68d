//! Events: what the world is told of committed effects, each a CloudEvent (specification 1.0, JSON format, structured
//! mode) on a topic exchange, with its type as the routing key.
//!
//! What is promised: every effect of these kinds has exactly one event; it is published at least once; a queue that refuses
//! nothing sees each event for the first time in the order of `sequence`; whatever comes again comes with the same id
//! and sequence. Of two effects on the same seat, token, reservation or balance the later has the larger sequence.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use super::Example;
use crate::ids::{PaymentId, ReservationId, ScheduleId, SeatId, UserId};
use crate::money::Money;
use crate::time::Time;

/// The media type of an event's message.
pub const EVENT_CONTENT_TYPE: &str = "application/cloudevents+json";
/// The `source` of every event.
pub const EVENT_SOURCE: &str = "/onsale";

/// What the `data` of one kind of event is.
pub trait EventData: Serialize + DeserializeOwned + JsonSchema + Example {
    /// The kind.
    const KIND: EventKind;

    /// What the event is about, as in `reservations/536870913`.
    fn subject(&self) -> String;

    /// The schedule that it belongs to; none when it is of a user alone.
    fn schedule(&self) -> Option<ScheduleId>;
}

/// Something to be done with every kind of event, whatever its type is.
pub trait EventVisitor {
    /// What comes of it.
    type Output;

    /// Does it with one kind.
    fn visit<D: EventData>(self) -> Self::Output
    where
        CloudEvent<D>: Example;
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $wire:literal;)+) => {
        /// A kind of effect, in the past tense.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum EventKind {
            $($(#[$doc])* #[serde(rename = $wire)] $name,)+
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The `type` of the event, and its routing key.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire,)+ }
            }

            /// Does something with the type of this kind of event.
            pub fn visit<V: EventVisitor>(self, visitor: V) -> V::Output {
                match self { $(Self::$name => visitor.visit::<$name>(),)+ }
            }
        }
    };
}

events! {
    /// A user may hold and pay.
    TokenAdmitted = "onsale.token.admitted";
    /// Seats are held.
    SeatsHeld = "onsale.seats.held";
    /// A hold was released by its owner.
    SeatsReleased = "onsale.seats.released";
    /// A hold ran out.
    HoldExpired = "onsale.seats.expired";
    /// A balance grew.
    BalanceCharged = "onsale.balance.charged";
    /// A balance was used by its owner.
    BalanceUsed = "onsale.balance.used";
    /// A reservation was paid from its owner's balance.
    PaymentCompleted = "onsale.payment.completed";
}

/// The version of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SpecVersion {
    /// CloudEvents 1.0.
    #[serde(rename = "1.0")]
    V1,
}

/// The media type of `data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DataContentType {
    /// JSON.
    #[serde(rename = "application/json")]
    Json,
}

/// The place of an event in the order of all events, from 1 upwards with gaps. It is written with nineteen digits, so
/// that texts and numbers sort alike, as the `sequence` extension of CloudEvents wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence(pub i64);

/// What is not a sequence.
const NOT_A_SEQUENCE: &str = "nineteen digits";

impl Serialize for Sequence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:019}", self.0))
    }
}

impl<'de> Deserialize<'de> for Sequence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let digits = text.len() == 19 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { None };
        number.map(Self).ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&text), &NOT_A_SEQUENCE))
    }
}

impl JsonSchema for Sequence {
    fn schema_name() -> Cow<'static, str> {
        "Sequence".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{19}$" })
    }
    fn inline_schema() -> bool {
        true
    }
}

/// An event as it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{D}Event")]
pub struct CloudEvent<D> {
    /// The version of CloudEvents.
    pub specversion: SpecVersion,
    /// The event's id: the same whenever it comes again.
    pub id: Uuid,
    /// Where it comes from: `/onsale`.
    pub source: Cow<'static, str>,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// What it happened to.
    pub subject: String,
    /// When it happened.
    pub time: Time,
    /// What `data` is.
    pub datacontenttype: DataContentType,
    /// Its place in the order of all events.
    pub sequence: Sequence,
    /// The schedule, or the user where there is no schedule, to spread events by without losing their order.
    pub partitionkey: String,
    /// What is to be known of it.
    pub data: D,
}

impl<D> CloudEvent<D> {
    /// An event with what is the same in all of them.
    pub fn new(id: Uuid, sequence: Sequence, kind: EventKind, about: About, time: Time, data: D) -> Self {
        Self {
            specversion: SpecVersion::V1,
            id,
            source: EVENT_SOURCE.into(),
            kind,
            partitionkey: about.schedule.map_or_else(|| about.subject.clone(), |id| format!("schedules/{id}")),
            subject: about.subject,
            time,
            datacontenttype: DataContentType::Json,
            sequence,
            data,
        }
    }
}

/// What an event is about.
#[derive(Debug, Clone)]
pub struct About {
    /// As in `reservations/536870913`.
    pub subject: String,
    /// The schedule, if it belongs to one.
    pub schedule: Option<ScheduleId>,
}

/// A user may hold and pay. The token itself is its user's secret and is not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenAdmitted {
    /// To which schedule; 0 is the service-wide room.
    pub schedule_id: ScheduleId,
    /// Who.
    pub user_id: UserId,
    /// Until when, unless a hold prolongs it.
    pub expires_at: Time,
}

impl EventData for TokenAdmitted {
    const KIND: EventKind = EventKind::TokenAdmitted;
    fn subject(&self) -> String {
        format!("users/{}", self.user_id)
    }
    fn schedule(&self) -> Option<ScheduleId> {
        Some(self.schedule_id)
    }
}

macro_rules! seats_event {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// The reservation.
            pub reservation_id: ReservationId,
            /// The schedule of its seats.
            pub schedule_id: ScheduleId,
            /// Whose it is.
            pub user_id: UserId,
            /// Its seats.
            pub seat_ids: Vec<SeatId>,
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl EventData for $name {
            const KIND: EventKind = EventKind::$name;
            fn subject(&self) -> String {
                format!("reservations/{}", self.reservation_id)
            }
            fn schedule(&self) -> Option<ScheduleId> {
                Some(self.schedule_id)
            }
        }
    };
}

seats_event!(
    /// Seats are held.
    SeatsHeld {
        /// What they cost.
        total_amount: Money,
        /// When the hold runs out.
        expires_at: Time,
    }
);
seats_event!(
    /// A hold was released by its owner.
    SeatsReleased {
        /// What they would have cost.
        total_amount: Money,
    }
);
seats_event!(
    /// A hold ran out.
    HoldExpired {}
);

macro_rules! balance_event {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// Whose balance.
            pub user_id: UserId,
            /// How much, above zero.
            pub amount: Money,
            /// The balance after it.
            pub current_balance: Money,
            /// The ledger entry.
            pub transaction_id: i64,
        }

        impl EventData for $name {
            const KIND: EventKind = EventKind::$name;
            fn subject(&self) -> String {
                format!("users/{}", self.user_id)
            }
            fn schedule(&self) -> Option<ScheduleId> {
                None
            }
        }
    };
}

balance_event!(
    /// A balance grew.
    BalanceCharged
);
balance_event!(
    /// A balance was used by its owner.
    BalanceUsed
);

/// A reservation was paid from its owner's balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentCompleted {
    /// The payment.
    pub payment_id: PaymentId,
    /// What was paid.
    pub reservation_id: ReservationId,
    /// The schedule of its seats.
    pub schedule_id: ScheduleId,
    /// Who paid.
    pub user_id: UserId,
    /// The seats that are sold.
    pub seat_ids: Vec<SeatId>,
    /// How much.
    pub amount: Money,
}

impl EventData for PaymentCompleted {
    const KIND: EventKind = EventKind::PaymentCompleted;
    fn subject(&self) -> String {
        format!("payments/{}", self.payment_id)
    }
    fn schedule(&self) -> Option<ScheduleId> {
        Some(self.schedule_id)
    }
}
