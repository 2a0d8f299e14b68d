//! The document says what the code does: every command, reply and event is in it, and every example is as it says.

use serde_json::{Value, json};

use super::document;
use crate::amqp::topology::{COMMANDS_EXCHANGE, EVENTS_EXCHANGE, Topology, routing_key};
use crate::contract::command::CommandName;
use crate::contract::event::EventKind;

fn of_eight() -> Value {
    document(&Topology { partitions: 8, queue_length_max: 10_000 })
}

/// What a reference of the document points at.
fn follow<'a>(document: &'a Value, reference: &Value) -> &'a Value {
    let path = reference["$ref"].as_str().unwrap_or_else(|| panic!("{reference} refers to nothing"));
    document.pointer(&path[1..]).unwrap_or_else(|| panic!("{path} is not there"))
}

fn references(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("$ref") {
                found.push(value.clone());
            }
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = of_eight();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 200);
    for reference in found {
        follow(&document, &reference);
    }
}

#[test]
fn every_command_can_be_sent_and_is_answered() {
    let document = of_eight();
    for name in CommandName::ALL {
        let operation = &document["operations"][name.as_str()];
        assert_eq!(operation["action"], "send", "{name:?}");
        let channel = follow(&document, &operation["channel"]);
        let address = channel["address"].as_str().unwrap().replace("{partition}", "3");
        assert_eq!(address, routing_key(name.lane(), 3));
        assert_eq!(channel["bindings"]["amqp"]["exchange"]["name"], COMMANDS_EXCHANGE);
        for messages in [&operation["messages"], &operation["reply"]["messages"]] {
            let message = follow(&document, follow(&document, &messages[0]));
            assert!(message["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{message}");
        }
    }
}

#[test]
fn every_event_can_be_heard() {
    let document = of_eight();
    for kind in EventKind::ALL {
        let operation = &document["operations"][format!("{kind:?}")];
        assert_eq!(operation["action"], "receive", "{kind:?}");
        let channel = follow(&document, &operation["channel"]);
        assert_eq!(channel["bindings"]["amqp"]["exchange"]["name"], EVENTS_EXCHANGE);
        assert!(channel["parameters"]["type"]["enum"].as_array().unwrap().contains(&json!(kind.as_str())));
    }
}

#[test]
fn every_example_is_as_its_message_says() {
    let document = of_eight();
    let mut count = 0;
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        for example in message["examples"].as_array().unwrap() {
            for part in ["headers", "payload"] {
                let schema = json!({
                    "$schema": "http://json-schema.org/draft-07/schema#",
                    "allOf": [message[part]],
                    "components": document["components"],
                });
                let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
                let faults: Vec<String> =
                    validator.iter_errors(&example[part]).map(|fault| fault.to_string()).collect();
                assert!(faults.is_empty(), "{part} of {name}: {faults:?}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 2 * (3 * CommandName::ALL.len() + EventKind::ALL.len()));
}
