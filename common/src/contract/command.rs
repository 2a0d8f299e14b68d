//! The command envelope, and the closed list of commands with the lane that each travels on.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Code, Example, Rejection};
use super::{account, admission, catalog, payment, reservation};
use crate::ids::{QueueToken, UserId};
use crate::time::Time;

/// Longest `idempotencyKey`, in bytes.
pub const IDEMPOTENCY_KEY_MAX_BYTES: usize = 255;

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

            fn parse(name: &str) -> Option<Self> {
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

            fn decode(name: CommandName, data: &str) -> Result<Self, Rejection> {
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

/// One command with all that travels beside its data.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The deduplication key: the same id again gets the first outcome again, for 24 hours.
    pub id: Uuid,
    /// Past this time the command is not executed.
    pub deadline: Time,
    /// Who asks.
    pub token: Option<QueueToken>,
    /// Who asks, where the sender knows it from something else than a queue token, such as a login.
    pub caller: Option<UserId>,
    /// The client's own key for at most one effect.
    pub idempotency_key: Option<String>,
    /// What is asked.
    pub command: Command,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire<'a> {
    /// The deduplication key: the same id again gets the first outcome again, for 24 hours.
    id: Uuid,
    /// What is asked.
    #[serde(borrow)]
    command: Cow<'a, str>,
    /// Past this time the command is not executed, and answered `DEADLINE_EXCEEDED`.
    deadline: Time,
    /// Who asks: a queue token.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<QueueToken>")]
    token: Option<Cow<'a, str>>,
    /// Who asks, where the sender knows it from something else than a queue token, such as a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    caller: Option<UserId>,
    /// The client's own key for at most one effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = IDEMPOTENCY_KEY_MAX_BYTES))]
    idempotency_key: Option<Cow<'a, str>>,
    /// The command's own fields.
    #[serde(borrow, default)]
    #[schemars(with = "serde_json::Value")]
    data: Option<&'a RawValue>,
}

/// A command that could not be decoded: the id to answer to, where it had one, and why.
#[derive(Debug)]
pub struct Undecodable {
    /// The command's id, where one could be read.
    pub id: Option<Uuid>,
    /// What is wrong with it.
    pub rejection: Rejection,
}

impl Envelope {
    /// Writes the command as it travels. `data` comes from [`Command::canonical_data`] or straight from a client.
    pub fn encode(&self) -> Vec<u8> {
        let data = self.command.canonical_data();
        let mut json = Vec::with_capacity(data.len() + 200);
        json.extend_from_slice(b"{\"id\":\"");
        json.extend_from_slice(self.id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
        json.extend_from_slice(b"\",\"command\":\"");
        json.extend_from_slice(self.command.name().as_str().as_bytes());
        json.extend_from_slice(b"\",\"deadline\":\"");
        json.extend_from_slice(self.deadline.to_string().as_bytes());
        json.push(b'"');
        if let Some(token) = self.token {
            json.extend_from_slice(b",\"token\":\"");
            json.extend_from_slice(token.uuid().as_hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
            json.push(b'"');
        }
        if let Some(caller) = self.caller {
            json.extend_from_slice(b",\"caller\":");
            json.extend_from_slice(caller.to_string().as_bytes());
        }
        if let Some(key) = &self.idempotency_key {
            json.extend_from_slice(b",\"idempotencyKey\":");
            serde_json::to_writer(&mut json, key).expect("a string is JSON");
        }
        json.extend_from_slice(b",\"data\":");
        json.extend_from_slice(&data);
        json.push(b'}');
        json
    }

    /// The schema of a command as it travels, whichever it is: `command` and `data` are for the caller to narrow.
    pub fn schema(generator: &mut SchemaGenerator) -> Schema {
        Wire::json_schema(generator)
    }

    /// Reads one command.
    ///
    /// # Errors
    /// What is wrong with it, as the rejection to answer, with the id where one could be read.
    pub fn decode(json: &str) -> Result<Self, Undecodable> {
        let wire: Wire<'_> = parse(json).map_err(|rejection| Undecodable { id: find_id(json), rejection })?;
        let id = wire.id;
        Self::from_wire(wire).map_err(|rejection| Undecodable { id: Some(id), rejection })
    }

    fn from_wire(wire: Wire<'_>) -> Result<Self, Rejection> {
        let name = CommandName::parse(&wire.command)
            .ok_or_else(|| Rejection::invalid_field("command", "is not a command this system knows"))?;
        let token = match wire.token {
            Some(token) => Some(token.parse().map_err(|_| Rejection::of(Code::TokenInvalid))?),
            None => None,
        };
        if let Some(key) = &wire.idempotency_key {
            check_idempotency_key(key)?;
        }
        Ok(Self {
            id: wire.id,
            deadline: wire.deadline,
            token,
            caller: wire.caller,
            idempotency_key: wire.idempotency_key.map(Cow::into_owned),
            command: Command::decode(name, wire.data.map_or("{}", RawValue::get))?,
        })
    }
}

/// Checks a client's idempotency key.
///
/// # Errors
/// `INVALID_REQUEST` when it is empty, too long, or has characters other than visible ASCII.
pub fn check_idempotency_key(key: &str) -> Result<(), Rejection> {
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_MAX_BYTES || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Rejection::invalid_field(
            "idempotencyKey",
            &format!("must be 1 to {IDEMPOTENCY_KEY_MAX_BYTES} visible ASCII characters"),
        ));
    }
    Ok(())
}

/// Reads and checks the data of one command, from a message or from an HTTP body.
///
/// # Errors
/// `INVALID_REQUEST` that names the field and what it should be, or what the command's own check says.
pub fn decode_data<T: CommandData>(json: &str) -> Result<T, Rejection> {
    let data: T = parse(json)?;
    data.check()?;
    Ok(data)
}

/// Parses JSON into a type whose fields say what they accept; the fault is looked for again, with its path, only when
/// there is one.
///
/// # Errors
/// `INVALID_REQUEST` that names the field and what it should be.
pub fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Rejection> {
    serde_json::from_str(json).map_err(|_| explain::<T>(json))
}

fn explain<'a, T: Deserialize<'a>>(json: &'a str) -> Rejection {
    let mut reader = serde_json::Deserializer::from_str(json);
    let (path, error) = match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => (".".to_owned(), "has something after its end".to_owned()),
        // What is not JSON has no fields that could be named.
        Err(error) if !error.inner().is_data() => (".".to_owned(), error.inner().to_string()),
        Err(error) => (error.path().to_string(), error.inner().to_string()),
    };
    let fault = error.split(" at line ").next().unwrap_or_default();
    let quoted = |prefix: &str| fault.strip_prefix(prefix).and_then(|rest| rest.split('`').next());
    if let Some(field) = quoted("missing field `") {
        let parent = if path == "." { String::new() } else { format!("{path}.") };
        Rejection::invalid_field(&format!("{parent}{field}"), "is required")
    } else if let Some(field) = quoted("unknown field `") {
        Rejection::invalid_field(field, "is not a field of this request")
    } else if let Some(field) = quoted("duplicate field `") {
        Rejection::invalid_field(field, "is given twice")
    } else if path == "." {
        Rejection::invalid_field("body", fault)
    } else {
        Rejection::invalid_field(&path, fault)
    }
}

/// The id of a command that is otherwise wrong, so that its sender can be answered.
fn find_id(json: &str) -> Option<Uuid> {
    #[derive(Deserialize)]
    struct OnlyId {
        id: Uuid,
    }
    serde_json::from_str::<OnlyId>(json).ok().map(|command| command.id)
}

/// A stable number for a text, to spread over partitions what has no id yet (FNV-1a).
pub(super) fn hash_text(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
