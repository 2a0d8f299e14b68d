//! Ids that carry their schedule, so that every request names its partition without a look-up.
//!
//! `seatId`, `reservationId` and `paymentId` are `schedule * 2^29 + n`, below 2^53 and therefore exact in any JSON
//! reader. A queue token is a UUIDv8 whose first three bytes are its schedule; 98 of its bits are random.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

/// Bits of an id below its schedule: each schedule has 2^29 seats, reservations and payments at most.
pub const IDS_PER_SCHEDULE_BITS: u32 = 29;

/// The largest number a JSON reader that uses doubles reads exactly (2^53 - 1).
pub const MAX_ID: i64 = (1 << 53) - 1;

/// The largest schedule id that still fits into the ids derived from it (2^24 - 1).
pub const MAX_SCHEDULE_ID: i64 = (1 << (53 - IDS_PER_SCHEDULE_BITS)) - 1;

macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident, $min:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(i64);

        impl $name {
            /// Takes a number that is already known to be in range, such as one read from the database.
            pub const fn new(id: i64) -> Self {
                Self(id)
            }

            /// The number itself.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdOutOfRange;

            fn from_str(text: &str) -> Result<Self, IdOutOfRange> {
                match text.parse::<i64>() {
                    Ok(id) if ($min..=MAX_ID).contains(&id) && !text.starts_with('+') => Ok(Self(id)),
                    _ => Err(IdOutOfRange { min: $min }),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_i64(self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = i64;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "{}", IdOutOfRange { min: $min })
                    }
                    fn visit_i64<E: de::Error>(self, id: i64) -> Result<i64, E> {
                        if ($min..=MAX_ID).contains(&id) {
                            Ok(id)
                        } else {
                            Err(E::invalid_value(de::Unexpected::Signed(id), &self))
                        }
                    }
                    fn visit_u64<E: de::Error>(self, id: u64) -> Result<i64, E> {
                        match i64::try_from(id) {
                            Ok(id) => self.visit_i64(id),
                            Err(_) => Err(E::invalid_value(de::Unexpected::Unsigned(id), &self)),
                        }
                    }
                }
                deserializer.deserialize_i64(Visitor).map(Self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "integer", "format": "int64", "minimum": $min, "maximum": MAX_ID })
            }
            fn inline_schema() -> bool {
                true
            }
        }
    };
}

/// An id that is not a whole number within its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a whole number from {min} to {max}", max = MAX_ID)]
pub struct IdOutOfRange {
    min: i64,
}

numeric_id!(
    /// A fan. Assigned by Postgres at sign-up.
    UserId, 1
);
numeric_id!(
    /// A concert, which has one or more schedules.
    ConcertId, 1
);
numeric_id!(
    /// One performance of a concert: what seats are sold for. 0 is the service-wide waiting room.
    ScheduleId, 0
);
numeric_id!(
    /// A seat of one schedule.
    SeatId, 1
);
numeric_id!(
    /// A hold and what became of it.
    ReservationId, 1
);
numeric_id!(
    /// A completed payment.
    PaymentId, 1
);

impl ScheduleId {
    /// The waiting room for clients whose queue has no schedule: its token is good for every schedule.
    pub const SERVICE_WIDE: Self = Self(0);

    /// Composes the id of this schedule's `n`th seat, reservation or payment.
    pub const fn compose(self, n: i64) -> i64 {
        (self.0 << IDS_PER_SCHEDULE_BITS) | n
    }
}

macro_rules! carries_schedule {
    ($($name:ident),+) => {$(
        impl $name {
            /// The schedule that this id belongs to.
            pub const fn schedule(self) -> ScheduleId {
                ScheduleId(self.0 >> IDS_PER_SCHEDULE_BITS)
            }
        }
    )+};
}
carries_schedule!(SeatId, ReservationId, PaymentId);

/// A place in a waiting room and, once active, the right to hold and pay. It is a bearer secret: never logged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueToken(Uuid);

impl QueueToken {
    /// Draws a token for a schedule: 24 bits of schedule, 98 random bits from the operating system.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn draw(schedule: ScheduleId) -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        let id = schedule.0.to_be_bytes();
        bytes[..3].copy_from_slice(&id[5..]);
        Ok(Self(uuid::Builder::from_custom_bytes(bytes).into_uuid()))
    }

    /// Takes a token read from the database.
    pub const fn from_uuid(token: Uuid) -> Self {
        Self(token)
    }

    /// The token as the UUID that Postgres keeps.
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// The schedule whose waiting room issued it.
    pub fn schedule(self) -> ScheduleId {
        let bytes = self.0.as_bytes();
        ScheduleId(i64::from(u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]])))
    }
}

impl fmt::Debug for QueueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueueToken(schedule {}, …)", self.schedule())
    }
}

/// A text that cannot be one of our queue tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a queue token: a token is a UUID of version 8, as POST /queue/tokens returned it")]
pub struct NotAToken;

impl FromStr for QueueToken {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        match Uuid::try_parse(text) {
            Ok(uuid) if uuid.get_version_num() == 8 && text.len() == 36 => Ok(Self(uuid)),
            _ => Err(NotAToken),
        }
    }
}

impl Serialize for QueueToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for QueueToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let uuid = Uuid::deserialize(deserializer)?;
        if uuid.get_version_num() == 8 { Ok(Self(uuid)) } else { Err(de::Error::custom(NotAToken)) }
    }
}

impl JsonSchema for QueueToken {
    fn schema_name() -> Cow<'static, str> {
        "QueueToken".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "uuid" })
    }
    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn derived_ids_name_their_schedule(schedule in 0..=MAX_SCHEDULE_ID, n in 0..(1i64 << IDS_PER_SCHEDULE_BITS)) {
            let id = ScheduleId(schedule).compose(n);
            prop_assert!(id <= MAX_ID);
            prop_assert_eq!(SeatId(id).schedule(), ScheduleId(schedule));
        }

        #[test]
        fn tokens_name_their_schedule_and_survive_text(schedule in 0..=MAX_SCHEDULE_ID) {
            let token = QueueToken::draw(ScheduleId(schedule)).unwrap();
            prop_assert_eq!(token.schedule(), ScheduleId(schedule));
            prop_assert_eq!(token.uuid().to_string().parse::<QueueToken>(), Ok(token));
        }

        #[test]
        fn id_texts_never_panic(text in ".*") {
            let _ = text.parse::<SeatId>();
            let _ = text.parse::<QueueToken>();
        }
    }

    #[test]
    fn ids_out_of_range_are_refused() {
        for json in ["0", "-1", "1.5", "9007199254740992", "1e300", "\"1\"", "null", "true"] {
            assert!(serde_json::from_str::<SeatId>(json).is_err(), "{json}");
        }
        assert_eq!(serde_json::from_str::<SeatId>("9007199254740991").unwrap().get(), MAX_ID);
    }

    #[test]
    fn tokens_are_not_printed() {
        let token = QueueToken::draw(ScheduleId(1)).unwrap();
        assert_eq!(format!("{token:?}"), "QueueToken(schedule 1, …)");
    }
}
