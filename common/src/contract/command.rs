//! The closed list of commands, with the lane that each travels on.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::parse::decode_data;
use super::{Example, Rejection};
use super::{account, admission, catalog, payment, reservation};
use crate::ids::QueueToken;

/// Where a kind of command travels: one set of partition queues, consumed by one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Queue tokens, partitioned by schedule.
    Admission,
    /// Holds, partitioned by schedule.
    Reservation,
    /// Payments, partitioned by schedule.
    Payment,
    /// Users and balances, partitioned by user.
    Account,
    /// Concerts, schedules and seats, partitioned by schedule or concert.
    Catalog,
}

impl Lane {
    /// Every lane, in the order of a fan's way through the sale.
    pub const ALL: [Self; 5] = [Self::Admission, Self::Reservation, Self::Payment, Self::Account, Self::Catalog];

    /// The name in routing keys, queue names and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admission => "admission",
            Self::Reservation => "reservation",
            Self::Payment => "payment",
            Self::Account => "account",
            Self::Catalog => "catalog",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the `data` of one command is: its fields, where it travels, and what of it can be checked without a look at any
/// state.
pub trait CommandData: Serialize + DeserializeOwned + JsonSchema + Example + Into<Command> {
    /// What the `data` of its reply is.
    type Reply: Serialize + DeserializeOwned + JsonSchema + Example;

    /// The command's name on the wire.
    const NAME: CommandName;

    /// The number whose remainder picks the partition: the schedule, or the user in `account`.
    fn partition_key(&self, token: Option<QueueToken>) -> u64;

    /// Rules about the fields alone that their types do not express.
    ///
    /// # Errors
    /// The rejection that names the field and the limit.
    fn check(&self) -> Result<(), Rejection> {
        Ok(())
    }

    /// What answers the command's example.
    fn reply_example() -> Self::Reply {
        Self::Reply::example()
    }
}

/// Something to be done with every kind of command, whatever its types are.
pub trait CommandVisitor {
    /// What comes of it.
    type Output;

    /// Does it with one kind.
    fn visit<C: CommandData>(self) -> Self::Output;
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident($data:path) on $lane:ident, $effect:literal;)+) => {
        /// The name of a command on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum CommandName {
            $($(#[$doc])* $name,)+
        }

        impl CommandName {
            /// Every command.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name as it is written in `command`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// The lane that carries it.
            pub const fn lane(self) -> Lane {
                match self { $(Self::$name => Lane::$lane,)+ }
            }

            /// Whether it changes anything; the outcome of such a command is kept under its id.
            pub const fn has_effect(self) -> bool {
                match self { $(Self::$name => $effect,)+ }
            }

            /// Does something with the types of this kind of command.
            pub fn visit<V: CommandVisitor>(self, visitor: V) -> V::Output {
                match self { $(Self::$name => visitor.visit::<$data>(),)+ }
            }

            pub(super) fn parse(name: &str) -> Option<Self> {
                match name { $(stringify!($name) => Some(Self::$name),)+ _ => None }
            }
        }

        /// A decoded command.
        #[derive(Debug, Clone)]
        pub enum Command {
            $($(#[$doc])* $name($data),)+
        }

        impl Command {
            /// Which command it is.
            pub const fn name(&self) -> CommandName {
                match self { $(Self::$name(_) => CommandName::$name,)+ }
            }

            /// The number whose remainder picks the partition.
            pub fn partition_key(&self, token: Option<QueueToken>) -> u64 {
                match self { $(Self::$name(data) => data.partition_key(token),)+ }
            }

            pub(super) fn decode(name: CommandName, data: &str) -> Result<Self, Rejection> {
                match name { $(CommandName::$name => decode_data(data).map(Self::$name),)+ }
            }

            /// The `data` again, in one canonical form whatever the sender's spacing and order of fields was.
            pub fn canonical_data(&self) -> Vec<u8> {
                let data = match self { $(Self::$name(data) => serde_json::to_vec(data),)+ };
                data.expect("command data has string keys only")
            }
        }

        $(impl From<$data> for Command {
            fn from(data: $data) -> Self {
                Self::$name(data)
            }
        })+
    };
}

commands! {
    /// Join a waiting room.
    IssueToken(admission::IssueToken) on Admission, true;
    /// Read a queue token's place and state.
    GetToken(admission::GetToken) on Admission, false;
    /// Give back a place or a slot.
    LeaveQueue(admission::LeaveQueue) on Admission, true;
    /// Hold seats, all or none.
    HoldSeats(reservation::HoldSeats) on Reservation, true;
    /// Read a reservation.
    GetReservation(reservation::GetReservation) on Reservation, false;
    /// Release a hold.
    ReleaseReservation(reservation::ReleaseReservation) on Reservation, true;
    /// Note that a user tries to get a seat.
    RecordAttempt(reservation::RecordAttempt) on Reservation, true;
    /// Organiser: read who tried to get which seat, newest first.
    ListAttempts(reservation::ListAttempts) on Reservation, false;
    /// Pay a reservation from the balance.
    Pay(payment::Pay) on Payment, true;
    /// Read a payment.
    GetPayment(payment::GetPayment) on Payment, false;
    /// Sign up.
    CreateUser(account::CreateUser) on Account, true;
    /// Find a user by any of the names that the user is known by.
    FindUser(account::FindUser) on Account, false;
    /// Exchange email and password for an access token.
    LogIn(account::LogIn) on Account, false;
    /// Add to a balance.
    ChargeBalance(account::ChargeBalance) on Account, true;
    /// Take from a balance.
    UseBalance(account::UseBalance) on Account, true;
    /// Read a balance.
    GetBalance(account::GetBalance) on Account, false;
    /// Read a balance's ledger entries, newest first.
    ListLedger(account::ListLedger) on Account, false;
    /// Read a user's reservations, newest first.
    ListReservations(account::ListReservations) on Account, false;
    /// Read the concerts.
    ListConcerts(catalog::ListConcerts) on Catalog, false;
    /// Read one concert.
    GetConcert(catalog::GetConcert) on Catalog, false;
    /// Read a concert's schedules.
    ListSchedules(catalog::ListSchedules) on Catalog, false;
    /// Read a schedule's seats.
    ListSeats(catalog::ListSeats) on Catalog, false;
    /// Read some seats, each with its schedule and concert.
    GetSeats(catalog::GetSeats) on Catalog, false;
    /// Organiser: create a concert.
    CreateConcert(catalog::CreateConcert) on Catalog, true;
    /// Organiser: create a schedule with its seats and waiting room.
    CreateSchedule(catalog::CreateSchedule) on Catalog, true;
    /// Organiser: change capacity, limits and booking window; pause, resume.
    UpdateSchedule(catalog::UpdateSchedule) on Catalog, true;
}

impl CommandName {
    /// Whether one alone may take a second: it hashes a password, or makes a schedule's seats.
    pub const fn may_take_long(self) -> bool {
        matches!(self, Self::CreateUser | Self::LogIn | Self::CreateSchedule)
    }
}

/// A stable number for a text, to spread over partitions what has no id yet (FNV-1a).
pub(super) fn hash_text(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
