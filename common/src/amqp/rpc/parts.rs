//! The parts of a bundle: how they are put together, and what becomes of it, told to each who asked for one.

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

/// Always an array, however few commands it holds.
pub(super) fn bundle_body(bundle: &[Waiting]) -> Vec<u8> {
    let mut body = Vec::with_capacity(bundle.iter().map(|waiting| waiting.json.len() + 1).sum::<usize>() + 1);
    body.push(b'[');
    for (n, waiting) in bundle.iter().enumerate() {
        if n > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&waiting.json);
    }
    body.push(b']');
    body
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

/// Tells each caller that the bundle was not taken.
pub(super) fn refuse(bundle: Vec<Waiting>) {
    for waiting in bundle {
        let _ = waiting.answer.send(Err(CallError::Refused));
    }
}

fn says_that_nothing_was_done(error: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct OnlyCode {
        code: Code,
    }
    let told: Option<OnlyCode> = serde_json::from_slice(error).ok();
    told.is_some_and(|told| matches!(told.code, Code::Overloaded | Code::DeadlineExceeded | Code::Internal))
}
