//! Replies: what became of a command, in the shape of the request (an object for an object, an array for an array).

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::Rejection;

/// The data of a reply that has nothing to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nothing {}

/// What became of a command, already written as JSON: kept under the command's id, and passed through unparsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it was done.
    pub ok: bool,
    /// `data` when it was done, `error` when not. Shared: many may have asked the same.
    pub json: Arc<str>,
}

impl Outcome {
    /// It was done.
    pub fn done<T: Serialize>(data: &T) -> Self {
        Self { ok: true, json: serde_json::to_string(data).expect("replies have string keys only").into() }
    }

    /// It was not.
    pub fn rejected(rejection: &Rejection) -> Self {
        Self { ok: false, json: serde_json::to_string(rejection).expect("rejections have string keys only").into() }
    }

    /// Appends the reply to the command `id`.
    pub fn write_reply(&self, id: Option<Uuid>, json: &mut Vec<u8>) {
        json.extend_from_slice(b"{\"id\":");
        match id {
            Some(id) => write_id(id, json),
            None => json.extend_from_slice(b"null"),
        }
        json.extend_from_slice(if self.ok { b",\"ok\":true,\"data\":" } else { b",\"ok\":false,\"error\":" });
        json.extend_from_slice(self.json.as_bytes());
        json.push(b'}');
    }

    /// Appends a reply to the command `id` that was done and has the data of an earlier reply of the same message, for
    /// senders who say that they understand it ([`SHARES_HEADER`]).
    pub fn write_shared_reply(id: Uuid, data_of: Uuid, json: &mut Vec<u8>) {
        json.extend_from_slice(b"{\"id\":");
        write_id(id, json);
        json.extend_from_slice(b",\"ok\":true,\"dataOf\":");
        write_id(data_of, json);
        json.push(b'}');
    }
}

fn write_id(id: Uuid, json: &mut Vec<u8>) {
    json.push(b'"');
    json.extend_from_slice(id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
    json.push(b'"');
}

/// The header, true, of a message whose sender understands `dataOf`: the id of an earlier command of its array, whose
/// reply has the same data. A thousand who look at one seat map are then sent one map.
pub const SHARES_HEADER: &str = "x-onsale-shares";

impl From<Result<Outcome, Rejection>> for Outcome {
    fn from(result: Result<Outcome, Rejection>) -> Self {
        result.unwrap_or_else(|rejection| Self::rejected(&rejection))
    }
}

/// One reply as it is read; `data` stays as the worker wrote it.
#[derive(Debug, Deserialize)]
pub struct Reply<'a> {
    /// The command that it answers; none when the command's id could not be read.
    pub id: Option<Uuid>,
    /// Whether it was done.
    pub ok: bool,
    /// What HTTP v1 puts under `data`.
    #[serde(borrow, default)]
    pub data: Option<&'a RawValue>,
    /// Why it was not done.
    #[serde(default)]
    pub error: Option<Rejection>,
}
