//! The AsyncAPI document (version 3.0) of the AMQP contract: what a client sends, what it is answered, and which events it
//! can hear. It is made from the contract's types and the topology's names, so that it cannot say anything else.

mod components;

use serde_json::{Map, Value, json};

use crate::amqp::topology::{
    COMMANDS_EXCHANGE, EVENTS_EXCHANGE, Topology, UNROUTABLE_EXCHANGE, queue_name, routing_key,
};
use crate::contract::event::EventKind;
use crate::contract::{CommandName, Lane};
use components::{Components, bundle_name, bundle_reply_name, reply_name};

const ABOUT: &str = "\
A client sends commands, one in a message or an array of them, and is answered in the same shape and order at its \
`reply_to`; without one nobody is answered. Publish with confirms: a queue that is full refuses at once.

The routing key of a command is `<lane>.<partition>`; the partition is a key modulo the number of partitions. A command \
keeps its first outcome under its `id` for 24 hours: whoever sends it again, or is redelivered, gets that. One that comes \
after its `deadline` is not executed.

Events are published at least once. A queue that refuses nothing gets each event for the first time in the order of \
`sequence`; what comes again has the id and sequence of before, so that whoever has seen a sequence can skip all up to it. \
Bind a durable queue of your own: an event that no queue is bound for is nobody's.";

/// The document of a system whose queues are made like this.
pub fn document(topology: &Topology) -> Value {
    let components = Components::of_contract();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Onsale",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT", "url": "https://opensource.org/license/mit" },
            "tags": Lane::ALL.map(|lane| json!({ "name": lane.name() })),
        },
        "id": "urn:onsale",
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "{host}:{port}",
                "protocol": "amqp",
                "protocolVersion": "0.9.1",
                "description": "The RabbitMQ of the system; user and password come from its operator.",
                "variables": { "host": { "default": "localhost" }, "port": { "default": "5672" } },
            },
        },
        "channels": channels(topology),
        "operations": operations(),
        "components": components.into_json(),
    })
}

fn reference(path: &[&str]) -> Value {
    json!({ "$ref": format!("#/{}", path.join("/")) })
}

fn messages(names: impl IntoIterator<Item = String>) -> Map<String, Value> {
    names.into_iter().map(|name| (name.clone(), reference(&["components", "messages", &name]))).collect()
}

/// What the commands of a lane are spread by.
const fn key_of(lane: Lane) -> &'static str {
    match lane {
        Lane::Admission | Lane::Reservation | Lane::Payment => "the schedule's id, which every id of it carries",
        Lane::Account => "the user's id, or any number where a user goes by a name",
        Lane::Catalog => "the schedule's id, or the concert's where there is none, or 0",
    }
}

fn commands_of(lane: Lane) -> impl Iterator<Item = CommandName> {
    CommandName::ALL.iter().copied().filter(move |name| name.lane() == lane)
}

/// Makes a template of a name that ends with a partition.
fn template(of_partition_0: &str) -> String {
    format!("{}{{partition}}", of_partition_0.strip_suffix('0').unwrap_or(of_partition_0))
}

fn channels(topology: &Topology) -> Value {
    let mut channels = Map::new();
    let partitions: Vec<String> = (0..topology.partitions).map(|partition| partition.to_string()).collect();
    for lane in Lane::ALL {
        let names = commands_of(lane).map(|name| name.as_str().to_owned()).chain([bundle_name(lane)]);
        let channel = json!({
            "address": template(&routing_key(lane, 0)),
            "title": format!("Commands of the {lane} lane"),
            "description": format!(
                "Routed to the quorum queue `{}`, which refuses what is more than {} messages. What no queue takes comes \
                 to `{UNROUTABLE_EXCHANGE}` and is answered `UNROUTABLE`.",
                template(&queue_name(lane, 0)), topology.queue_length_max,
            ),
            "parameters": {
                "partition": {
                    "description": format!("{}, modulo {}", key_of(lane), topology.partitions),
                    "enum": partitions,
                },
            },
            "messages": messages(names),
            "tags": [{ "name": lane.name() }],
            "bindings": exchange(COMMANDS_EXCHANGE, "direct"),
        });
        channels.insert(lane.name().to_owned(), channel);
    }
    let replies = CommandName::ALL.iter().map(|name| reply_name(*name)).chain(Lane::ALL.map(bundle_reply_name));
    channels.insert(
        "replies".to_owned(),
        json!({
            "address": null,
            "title": "Replies",
            "description": "The queue that `reply_to` names: one of the client's own, or `amq.rabbitmq.reply-to`.",
            "messages": messages(replies),
            "bindings": {
                "amqp": {
                    "is": "queue",
                    "queue": { "name": "", "durable": false, "exclusive": true, "autoDelete": true, "vhost": "/" },
                    "bindingVersion": "0.3.0",
                },
            },
        }),
    );
    let kinds: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    channels.insert(
        "events".to_owned(),
        json!({
            "address": "{type}",
            "title": "Events",
            "description": "Bind a queue with one of the types, or with a pattern such as `onsale.seats.*` or `#`.",
            "parameters": { "type": { "description": "The type of the event", "enum": kinds } },
            "messages": messages(EventKind::ALL.iter().map(|kind| format!("{kind:?}"))),
            "bindings": exchange(EVENTS_EXCHANGE, "topic"),
        }),
    );
    Value::Object(channels)
}

fn exchange(name: &str, kind: &str) -> Value {
    json!({
        "amqp": {
            "is": "routingKey",
            "exchange": { "name": name, "type": kind, "durable": true, "autoDelete": false, "vhost": "/" },
            "bindingVersion": "0.3.0",
        },
    })
}

fn operations() -> Value {
    let mut operations = Map::new();
    for name in CommandName::ALL {
        let operation = asking(name.lane(), name.as_str(), &reply_name(*name));
        operations.insert(name.as_str().to_owned(), operation);
    }
    for lane in Lane::ALL {
        let name = bundle_name(lane);
        operations.insert(name.clone(), asking(lane, &name, &bundle_reply_name(lane)));
    }
    for kind in EventKind::ALL {
        let name = format!("{kind:?}");
        operations.insert(
            name.clone(),
            json!({
                "action": "receive",
                "channel": reference(&["channels", "events"]),
                "messages": [reference(&["channels", "events", "messages", &name])],
                "bindings": { "amqp": { "ack": true, "bindingVersion": "0.3.0" } },
            }),
        );
    }
    Value::Object(operations)
}

fn asking(lane: Lane, message: &str, reply: &str) -> Value {
    json!({
        "action": "send",
        "channel": reference(&["channels", lane.name()]),
        "messages": [reference(&["channels", lane.name(), "messages", message])],
        "tags": [{ "name": lane.name() }],
        "bindings": { "amqp": { "deliveryMode": 2, "mandatory": false, "bindingVersion": "0.3.0" } },
        "reply": {
            "address": { "location": "$message.header#/replyTo" },
            "channel": reference(&["channels", "replies"]),
            "messages": [reference(&["channels", "replies", "messages", reply])],
        },
    })
}

#[cfg(test)]
mod tests;
