//! The parts of a bundle's reply, each to whoever asked.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{RawReply, Waiting};

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

/// Hands each caller its part of the reply; a reply of another shape answers nobody.
pub(super) fn hand_out(bundle: Vec<Waiting>, body: &Bytes) {
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
            let _ = waiting.answer.send(Ok(RawReply { ok: part.ok, json }));
        }
    }
}
