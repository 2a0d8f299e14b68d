//! The parts of a bundle's reply, each to whoever asked.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{CallError, RawReply, Waiting};
use crate::contract::Code;

#[derive(Deserialize)]
struct Part<'a> {
    id: Option<Uuid>,
    ok: bool,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(default, rename = "dataOf")]
    data_of: Option<Uuid>,
}

/// Hands each caller its part of the reply; a reply of another shape answers nobody. Where the bundle `was_repeated`, one
/// worker's word that nothing was done is no answer: another may be at it.
pub(super) fn hand_out(bundle: Vec<Waiting>, body: &Bytes, was_repeated: bool) {
    let parts: Vec<Part<'_>> = match serde_json::from_slice(body) {
        Ok(parts) => parts,
        Err(error) => {
            tracing::error!(%error, "a reply is not what the contract says");
            return;
        }
    };
    // What later parts refer to; most bundles share nothing.
    let shared: HashSet<Uuid> = parts.iter().filter_map(|part| part.data_of).collect();
    let mut data: HashMap<Uuid, Bytes> = HashMap::with_capacity(shared.len());
    for (waiting, part) in bundle.into_iter().zip(parts) {
        if part.id != Some(waiting.id) {
            tracing::error!(command = %waiting.id, "a reply is out of order");
            continue;
        }
        let own = if part.ok { part.data } else { part.error }.map(|json| body.slice_ref(json.get().as_bytes()));
        if let Some(json) = own.or_else(|| data.get(&part.data_of?).cloned()) {
            if shared.contains(&waiting.id) {
                data.insert(waiting.id, json.clone());
            }
            let may_be_under_way = was_repeated && !part.ok && says_that_nothing_was_done(&json);
            let reply = if may_be_under_way { Err(CallError::NoAnswer) } else { Ok(RawReply { ok: part.ok, json }) };
            let _ = waiting.answer.send(reply);
        }
    }
}

fn says_that_nothing_was_done(error: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct OnlyCode {
        code: Code,
    }
    let told: Option<OnlyCode> = serde_json::from_slice(error).ok();
    told.is_some_and(|told| matches!(told.code, Code::Overloaded | Code::DeadlineExceeded))
}
