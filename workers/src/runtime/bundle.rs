//! One delivery: its commands as they were decoded, and its reply in the same shape.

use std::collections::HashMap;
use std::sync::Arc;

use onsale_common::contract::{Code, Envelope, Lane, Outcome, Rejection};
use serde_json::value::RawValue;
use uuid::Uuid;

/// Commands in one message at most.
const COMMANDS_MAX: usize = 4096;
/// Bytes of one reply at most, about: a broker carries no larger message. What does not fit is to be asked for again.
const REPLY_BYTES_MAX: usize = 64 << 20;
/// Data that is shorter is written as often as it is asked for.
const SHARED_BYTES_MIN: usize = 256;

/// One command of a delivery.
#[derive(Debug)]
pub(super) enum Entry {
    /// To be settled by the lane.
    Command(Arc<Envelope>),
    /// Answered already: it could not be decoded.
    Refused { id: Option<Uuid>, outcome: Outcome, json: String },
}

/// The commands of one delivery.
#[derive(Debug)]
pub(super) struct Bundle {
    pub(super) entries: Vec<Entry>,
    is_array: bool,
}

impl Bundle {
    /// Reads a message body. One bad command is answered in its place and harms no other.
    pub(super) fn decode(body: &[u8], lane: Lane) -> Self {
        let text = match std::str::from_utf8(body) {
            Ok(text) => text,
            Err(_) => return Self::refused(String::from_utf8_lossy(body), "is not UTF-8", false),
        };
        if !text.trim_start().starts_with('[') {
            return Self { entries: vec![decode_one(text, lane)], is_array: false };
        }
        match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(commands) if commands.len() > COMMANDS_MAX => {
                let fault = format!("holds {} commands; send {COMMANDS_MAX} at most in one message", commands.len());
                Self::refused(text.chars().take(1000).collect::<String>(), &fault, true)
            }
            Ok(commands) => {
                let entries = commands.into_iter().map(|command| decode_one(command.get(), lane)).collect();
                Self { entries, is_array: true }
            }
            Err(error) => Self::refused(text, &format!("is not valid JSON: {error}"), false),
        }
    }

    fn refused(text: impl Into<String>, fault: &str, is_array: bool) -> Self {
        let outcome = Outcome::rejected(&Rejection::invalid_field("body", fault));
        Self { entries: vec![Entry::Refused { id: None, outcome, json: text.into() }], is_array }
    }

    /// The commands for the lane.
    pub(super) fn commands(&self) -> impl Iterator<Item = &Arc<Envelope>> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Command(envelope) => Some(envelope),
            Entry::Refused { .. } => None,
        })
    }

    /// Writes the reply, taking the next outcome for each command that went to the lane. Where the sender `shares`, data
    /// that several commands were answered with is written once.
    pub(super) fn reply(&self, outcomes: &mut impl Iterator<Item = Outcome>, shares: bool) -> Vec<u8> {
        let mut json = Vec::with_capacity(self.entries.len() * 400);
        // By identity: lanes hand out the same text where they were asked the same.
        let mut written: HashMap<*const u8, Uuid> = HashMap::new();
        // Kept for as long as their addresses mean something.
        let mut kept = Vec::new();
        if self.is_array {
            json.push(b'[');
        }
        for (n, entry) in self.entries.iter().enumerate() {
            if n > 0 {
                json.push(b',');
            }
            match entry {
                Entry::Command(envelope) => {
                    let outcome = outcomes.next().expect("the lane gives one outcome for each command");
                    let share = shares && outcome.ok && outcome.json.len() >= SHARED_BYTES_MIN;
                    match written.get(&outcome.json.as_ptr()).filter(|_| share) {
                        Some(first) => Outcome::write_shared_reply(envelope.id, *first, &mut json),
                        None if json.len() + outcome.json.len() > REPLY_BYTES_MAX => {
                            Outcome::rejected(&Rejection::of(Code::Overloaded))
                                .write_reply(Some(envelope.id), &mut json);
                        }
                        None => {
                            outcome.write_reply(Some(envelope.id), &mut json);
                            if share {
                                written.insert(outcome.json.as_ptr(), envelope.id);
                                kept.push(outcome);
                            }
                        }
                    }
                }
                Entry::Refused { id, outcome, .. } => outcome.write_reply(*id, &mut json),
            }
        }
        if self.is_array {
            json.push(b']');
        }
        json
    }
}

fn decode_one(json: &str, lane: Lane) -> Entry {
    let (id, rejection) = match Envelope::decode(json) {
        Ok(envelope) if envelope.command.name().lane() == lane => return Entry::Command(Arc::new(envelope)),
        Ok(envelope) => {
            let name = envelope.command.name();
            let fault = format!("{} travels on the {} lane, this is {lane}", name.as_str(), name.lane());
            (Some(envelope.id), Rejection::invalid_field("command", &fault))
        }
        Err(undecodable) => (undecodable.id, undecodable.rejection),
    };
    Entry::Refused { id, outcome: Outcome::rejected(&rejection), json: json.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get_token(id: Uuid) -> String {
        format!(r#"{{"id":"{id}","command":"GetToken","deadline":"2030-01-01T00:00:00Z"}}"#)
    }

    #[test]
    fn a_bad_command_is_answered_in_its_place() {
        let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
        let body = format!(
            r#"[{},{{"id":"{second}","command":"Nonsense","deadline":"2030-01-01T00:00:00Z"}}]"#,
            get_token(first)
        );
        let bundle = Bundle::decode(body.as_bytes(), Lane::Admission);
        assert_eq!(bundle.commands().count(), 1);
        let done = Outcome::done(&serde_json::json!({}));
        let reply: serde_json::Value = serde_json::from_slice(&bundle.reply(&mut [done].into_iter(), false)).unwrap();
        assert_eq!(reply[0]["id"], first.to_string());
        assert_eq!(reply[0]["ok"], true);
        assert_eq!(reply[1]["id"], second.to_string());
        assert_eq!(reply[1]["error"]["code"], "INVALID_REQUEST");
    }

    #[test]
    fn who_shares_gets_the_same_data_once_and_no_reply_outgrows_a_message() {
        let ids: [Uuid; 4] = std::array::from_fn(|_| Uuid::now_v7());
        let bundle = Bundle::decode(format!("[{}]", ids.map(get_token).join(",")).as_bytes(), Lane::Admission);
        let (map, other) = (Outcome::done(&"m".repeat(300)), Outcome::done(&"m".repeat(300)));
        let outcomes = || [map.clone(), other.clone(), map.clone(), other.clone()].into_iter();
        let reply: serde_json::Value = serde_json::from_slice(&bundle.reply(&mut outcomes(), true)).unwrap();
        assert_eq!(reply[1]["data"].as_str().unwrap().len(), 300, "another text, though equal");
        assert_eq!((&reply[2]["dataOf"], &reply[3]["dataOf"]), (&reply[0]["id"], &reply[1]["id"]));
        let reply: serde_json::Value = serde_json::from_slice(&bundle.reply(&mut outcomes(), false)).unwrap();
        assert!(reply.as_array().unwrap().iter().all(|part| part["data"].is_string()), "nobody asked for it");

        let huge = Outcome::done(&"m".repeat(REPLY_BYTES_MAX / 3));
        let mut outcomes = std::iter::repeat_n(huge, 4);
        let reply: serde_json::Value = serde_json::from_slice(&bundle.reply(&mut outcomes, false)).unwrap();
        assert_eq!((&reply[1]["ok"], &reply[2]["error"]["code"]), (&true.into(), &"OVERLOADED".into()));
    }

    #[test]
    fn an_object_is_answered_as_an_object_and_a_wrong_lane_is_named() {
        let bundle = Bundle::decode(get_token(Uuid::now_v7()).as_bytes(), Lane::Payment);
        let reply: serde_json::Value = serde_json::from_slice(&bundle.reply(&mut std::iter::empty(), false)).unwrap();
        assert!(reply["error"]["details"]["fields"]["command"].as_str().unwrap().contains("admission"), "{reply}");
    }

    #[test]
    fn what_is_no_json_is_answered_once() {
        for body in [&b"[1,"[..], b"\xff\xfe", b"", b"nonsense", b"[{}"] {
            let bundle = Bundle::decode(body, Lane::Account);
            let reply: serde_json::Value =
                serde_json::from_slice(&bundle.reply(&mut std::iter::empty(), false)).unwrap();
            assert_eq!(reply["ok"], false, "{body:?}");
            assert_eq!(reply["id"], serde_json::Value::Null);
        }
    }
}
