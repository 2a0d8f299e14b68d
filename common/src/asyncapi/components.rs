//! The messages of the document and the schemas that they share.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::amqp::topology::{COMMAND_TYPE, REPLY_TYPE};
use crate::contract::event::{CloudEvent, EVENT_CONTENT_TYPE, EventData, EventKind, EventVisitor};
use crate::contract::example::{self, Example};
use crate::contract::{CommandData, CommandName, CommandVisitor, Envelope, Lane};
use crate::contract::{Outcome, Rejection};

/// Where schemas refer to each other.
const SCHEMAS: &str = "/components/schemas";

/// The reply to a command.
pub(super) fn reply_name(name: CommandName) -> String {
    format!("{}Reply", name.as_str())
}

/// Several commands of a lane in one message.
pub(super) fn bundle_name(lane: Lane) -> String {
    format!("{lane:?}Bundle")
}

/// The replies to them.
pub(super) fn bundle_reply_name(lane: Lane) -> String {
    format!("{lane:?}BundleReply")
}

/// What everything else refers to.
pub(super) struct Components {
    messages: Map<String, Value>,
    schemas: Map<String, Value>,
    /// Of what is read here and what is written here: a default makes a field optional only for who writes it.
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Components {
    /// All commands, replies and events.
    pub(super) fn of_contract() -> Self {
        let settings = || SchemaSettings::draft07().with(|settings| settings.definitions_path = SCHEMAS.into());
        let mut components = Self {
            messages: Map::new(),
            schemas: Map::new(),
            read: settings().into_generator(),
            written: settings().for_serialize().into_generator(),
        };
        for name in CommandName::ALL {
            name.visit(&mut components);
        }
        for lane in Lane::ALL {
            components.add_bundle(lane);
        }
        for kind in EventKind::ALL {
            kind.visit(&mut components);
        }
        let error = components.written.subschema_for::<Rejection>();
        components.schemas.insert("Refusal".to_owned(), reply_schema(false, "error", error.to_value()));
        components
    }

    /// The object `components` of the document.
    pub(super) fn into_json(mut self) -> Value {
        for mut generator in [self.read, self.written] {
            for (name, schema) in generator.take_definitions(true) {
                let other = self.schemas.insert(name.clone(), schema.clone());
                debug_assert!(other.is_none_or(|other| other == schema), "two schemas are called {name}");
            }
        }
        json!({ "messages": self.messages, "schemas": self.schemas })
    }

    fn add_message(&mut self, name: &str, message: Value, schema: Value) {
        self.schemas.insert(name.to_owned(), schema);
        let mut message = message;
        message["name"] = name.into();
        message["payload"] = schema_reference(name);
        self.messages.insert(name.to_owned(), message);
    }

    fn add_bundle(&mut self, lane: Lane) {
        let of_lane = || CommandName::ALL.iter().filter(|name| name.lane() == lane);
        let commands: Vec<Value> = of_lane().map(|name| schema_reference(&command_schema_name(*name))).collect();
        let replies: Vec<Value> = of_lane().map(|name| schema_reference(&reply_name(*name))).collect();
        let array = |of: Vec<Value>| json!({ "type": "array", "minItems": 1, "items": { "anyOf": of } });
        let about = format!("Several commands of the {lane} lane; each has its own outcome.");
        self.add_message(&bundle_name(lane), command_message(&about, Vec::new()), array(commands));
        let about = "What became of each, in the order of the commands.";
        self.add_message(&bundle_reply_name(lane), reply_message(about, Vec::new()), array(replies));
    }
}

impl CommandVisitor for &mut Components {
    type Output = ();

    fn visit<C: CommandData>(self) {
        let envelope = example::envelope::<C>();
        let schema = Envelope::schema(&mut self.read);
        let mut schema = finished(schema, &mut self.read);
        let about = C::json_schema(&mut self.read);
        let about = description(&about);
        narrow(&mut schema, "command", json!({ "const": C::NAME.as_str() }));
        narrow(&mut schema, "data", self.read.subschema_for::<C>().to_value());
        schema["title"] = C::NAME.as_str().into();
        schema["description"] = about.as_str().into();
        let payload = json_of(&envelope.encode());
        let example = json!({ "headers": asked_headers(), "payload": payload });
        self.schemas.insert(command_schema_name(C::NAME), schema);
        let mut message = command_message(&about, vec![example]);
        message["name"] = C::NAME.as_str().into();
        message["payload"] = schema_reference(&command_schema_name(C::NAME));
        self.messages.insert(C::NAME.as_str().to_owned(), message);

        let done = reply_schema(true, "data", self.written.subschema_for::<C::Reply>().to_value());
        let schema = json!({ "anyOf": [done, schema_reference("Refusal")] });
        let examples = [Outcome::done(&C::reply_example()), Outcome::rejected(&Rejection::example())];
        let examples = examples.map(|outcome| {
            let mut reply = Vec::new();
            outcome.write_reply(Some(envelope.id), &mut reply);
            json!({ "headers": { "correlationId": CORRELATION_ID }, "payload": json_of(&reply) })
        });
        let about = format!("What became of {}.", C::NAME.as_str());
        self.add_message(&reply_name(C::NAME), reply_message(&about, examples.into()), schema);
    }
}

impl EventVisitor for &mut Components {
    type Output = ();

    fn visit<D: EventData>(self)
    where
        CloudEvent<D>: Example,
    {
        let schema = CloudEvent::<D>::json_schema(&mut self.written);
        let mut schema = finished(schema, &mut self.written);
        let about = D::json_schema(&mut self.written);
        let about = description(&about);
        narrow(&mut schema, "type", json!({ "const": D::KIND.as_str() }));
        schema["description"] = about.as_str().into();
        let event = CloudEvent::<D>::example();
        let headers = json!({ "messageId": event.id, "type": D::KIND.as_str() });
        let payload = serde_json::to_value(&event).unwrap_or_default();
        let name = format!("{:?}", D::KIND);
        let schema_name = format!("{name}Event");
        self.schemas.insert(schema_name.clone(), schema);
        let message = json!({
            "name": name,
            "title": D::KIND.as_str(),
            "summary": about,
            "contentType": EVENT_CONTENT_TYPE,
            "headers": {
                "type": "object",
                "description": "Of the AMQP properties.",
                "properties": {
                    "messageId": { "type": "string", "description": "The event's id." },
                    "type": { "const": D::KIND.as_str() },
                },
            },
            "payload": schema_reference(&schema_name),
            "bindings": { "amqp": { "messageType": D::KIND.as_str(), "bindingVersion": "0.3.0" } },
            "examples": [{ "headers": headers, "payload": payload }],
        });
        self.messages.insert(name, message);
    }
}

const CORRELATION_ID: &str = "7d1f3b52-0c7e-4f0a-9b1d-2f6c8a4e5b60";

/// The whole command: its `data` alone has the command's own name.
fn command_schema_name(name: CommandName) -> String {
    format!("{}Command", name.as_str())
}

fn schema_reference(name: &str) -> Value {
    json!({ "$ref": format!("#{SCHEMAS}/{name}") })
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}

/// A schema as it stands in a document of the generator's dialect.
fn finished(mut schema: Schema, generator: &mut SchemaGenerator) -> Value {
    for transform in generator.transforms_mut() {
        transform.transform(&mut schema);
    }
    schema.to_value()
}

fn description(schema: &Schema) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Gives a property of an object another type and leaves its description.
fn narrow(schema: &mut Value, property: &str, to: Value) {
    let property = &mut schema["properties"][property];
    let about = property["description"].take();
    // A reference takes no siblings.
    *property = if to.get("$ref").is_some() { json!({ "allOf": [to] }) } else { to };
    property["description"] = about;
}

fn reply_schema(ok: bool, part: &str, schema: Value) -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": {
                "type": ["string", "null"],
                "format": "uuid",
                "description": "Of the command that it answers; null where that could not be read.",
            },
            "ok": { "const": ok },
            part: schema,
        },
        "required": ["id", "ok", part],
    })
}

fn asked_headers() -> Value {
    json!({ "correlationId": CORRELATION_ID, "messageId": CORRELATION_ID, "replyTo": "amq.rabbitmq.reply-to" })
}

fn command_message(about: &str, examples: Vec<Value>) -> Value {
    json!({
        "summary": about,
        "contentType": "application/json",
        "correlationId": { "location": "$message.header#/correlationId" },
        "headers": {
            "type": "object",
            "description": "Of the AMQP properties; `traceparent` and `x-onsale-shares` are of their table of headers.",
            "properties": {
                "replyTo": { "type": "string", "description": "The queue of the reply. Without it nobody is answered." },
                "correlationId": { "type": "string", "description": "Comes back with the reply." },
                "messageId": { "type": "string", "description": "Comes back with the reply and the dead letter." },
                "expiration": { "type": "string", "pattern": "^[0-9]+$", "description": "Milliseconds in the queue." },
                "traceparent": { "type": "string", "description": "W3C trace context." },
                "x-onsale-shares": {
                    "type": "boolean",
                    "description": "True: of an array's replies with the same data, those after the first may say `dataOf`, the first one's id, instead of `data`.",
                },
            },
        },
        "bindings": { "amqp": { "messageType": COMMAND_TYPE, "bindingVersion": "0.3.0" } },
        "examples": examples,
    })
}

fn reply_message(about: &str, examples: Vec<Value>) -> Value {
    json!({
        "summary": about,
        "contentType": "application/json",
        "correlationId": { "location": "$message.header#/correlationId" },
        "headers": {
            "type": "object",
            "description": "Of the AMQP properties.",
            "properties": {
                "correlationId": { "type": "string", "description": "The command's." },
                "messageId": { "type": "string", "description": "The command's." },
            },
        },
        "bindings": { "amqp": { "messageType": REPLY_TYPE, "bindingVersion": "0.3.0" } },
        "examples": examples,
    })
}
