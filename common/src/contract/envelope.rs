//! The command envelope: one command with all that travels beside its data.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::command::{Command, CommandName};
use super::parse::parse_object;
use super::{Code, Rejection};
use crate::ids::{QueueToken, UserId};
use crate::time::Time;

/// Longest `idempotencyKey`, in bytes.
pub const IDEMPOTENCY_KEY_MAX_BYTES: usize = 255;

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
    /// Writes the command as it travels.
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
        let wire: Wire<'_> = parse_object(json).map_err(|rejection| Undecodable { id: find_id(json), rejection })?;
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
            check_idempotency_key("idempotencyKey", key)?;
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

/// Checks a client's idempotency key, which came in a field or header of this name.
///
/// # Errors
/// `INVALID_REQUEST` when it is empty, too long, or has characters other than visible ASCII.
pub fn check_idempotency_key(name: &str, key: &str) -> Result<(), Rejection> {
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_MAX_BYTES || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Rejection::invalid_field(
            name,
            &format!("must be 1 to {IDEMPOTENCY_KEY_MAX_BYTES} visible ASCII characters"),
        ));
    }
    Ok(())
}

/// The id of a command that is otherwise wrong, so that its sender can be answered.
pub(crate) fn find_id(json: &str) -> Option<Uuid> {
    #[derive(Deserialize)]
    struct OnlyId {
        id: Uuid,
    }
    serde_json::from_str::<OnlyId>(json).ok().map(|command| command.id)
}
