//! Golden samples of the wire: whatever changes how a command, a reply or a rejection is written fails here.
//!
//! Each line of a file is one message, byte for byte. A sample is changed by hand, and only together with the contract.

use std::collections::HashSet;
use std::path::PathBuf;

use onsale_common::contract::event::{CloudEvent, EventData, EventKind, EventVisitor};
use onsale_common::contract::{
    Code, CommandData, CommandName, CommandVisitor, Envelope, Example, Outcome, Rejection, Reply,
};

fn golden(path: &str) -> Vec<String> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(path);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert!(!lines.is_empty(), "{path} has no sample");
    lines
}

fn written(outcome: &Outcome, reply: &Reply<'_>) -> String {
    let mut json = Vec::new();
    outcome.write_reply(reply.id, &mut json);
    String::from_utf8(json).expect("JSON is UTF-8")
}

/// A reply's data, read as what its command promises and written again.
struct Reread<'a>(&'a str);

impl CommandVisitor for Reread<'_> {
    type Output = Outcome;

    fn visit<C: CommandData>(self) -> Outcome {
        let data = serde_json::from_str::<C::Reply>(self.0);
        Outcome::done(&data.unwrap_or_else(|error| panic!("{}: {error}", self.0)))
    }
}

#[test]
fn every_command_is_read_and_written_as_in_its_samples() {
    for name in CommandName::ALL {
        for sample in golden(&format!("commands/{}.jsonl", name.as_str())) {
            let envelope = Envelope::decode(&sample).unwrap_or_else(|fault| panic!("{sample}: {fault:?}"));
            assert_eq!(envelope.command.name(), *name);
            assert_eq!(String::from_utf8(envelope.encode()).unwrap(), sample);
        }
    }
}

#[test]
fn every_reply_is_read_and_written_as_in_its_samples() {
    for name in CommandName::ALL {
        for sample in golden(&format!("replies/{}.jsonl", name.as_str())) {
            let reply: Reply<'_> = serde_json::from_str(&sample).unwrap();
            assert!(reply.ok, "{sample}");
            let data = reply.data.unwrap_or_else(|| panic!("{sample} has no data")).get();
            assert_eq!(written(&name.visit(Reread(data)), &reply), sample);
        }
    }
}

/// An event, read as what its kind promises and written again.
struct RereadEvent<'a>(&'a str);

impl EventVisitor for RereadEvent<'_> {
    type Output = String;

    fn visit<D: EventData>(self) -> String
    where
        CloudEvent<D>: Example,
    {
        let event = serde_json::from_str::<CloudEvent<D>>(self.0);
        let event = event.unwrap_or_else(|error| panic!("{}: {error}", self.0));
        assert_eq!((event.kind, &event.subject), (D::KIND, &event.data.subject()));
        serde_json::to_string(&event).expect("an event is JSON")
    }
}

#[test]
fn every_event_is_read_and_written_as_in_its_samples() {
    for kind in EventKind::ALL {
        for sample in golden(&format!("events/{}.jsonl", kind.as_str())) {
            assert_eq!(kind.visit(RereadEvent(&sample)), sample);
        }
    }
}

#[test]
fn every_rejection_is_read_and_written_as_in_its_sample() {
    let mut seen = HashSet::new();
    for sample in golden("rejections.jsonl") {
        let reply: Reply<'_> = serde_json::from_str(&sample).unwrap();
        let rejection = reply.error.clone().unwrap_or_else(|| panic!("{sample} has no error"));
        assert_eq!(written(&Outcome::rejected(&rejection), &reply), sample);
        assert_eq!(rejection.message, Rejection::of(rejection.code).message, "the sentence of a code changed");
        seen.insert(rejection.code);
    }
    let missing: Vec<_> = Code::ALL.iter().filter(|code| !seen.contains(code)).collect();
    assert!(missing.is_empty(), "no sample of {missing:?}");
}
