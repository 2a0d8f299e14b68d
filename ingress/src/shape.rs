//! Shapes for the documents: what travels, as JSON Schema, each with an example made by the code that writes the real one.

use onsale_common::contract::Example;
use onsale_common::ids::MAX_ID;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Value, json};

/// The schema and the example of one type.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Its schema, or a reference to it among the generator's definitions.
    pub(crate) schema: fn(&mut SchemaGenerator) -> Schema,
    /// Its example, as it travels.
    pub(crate) example: fn() -> Value,
}

impl Shape {
    /// The shape of a type.
    pub(crate) const fn of<T: JsonSchema + Serialize + Example>() -> Self {
        Self { schema: schema::<T>, example: example::<T> }
    }
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn example<T: Serialize + Example>() -> Value {
    serde_json::to_value(T::example()).expect("what travels has string keys only")
}

/// A parameter of a path or a query.
#[derive(Clone, Copy)]
pub(crate) struct Param {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it says.
    pub(crate) about: &'static str,
    /// Whether a request needs it.
    pub(crate) required: bool,
    /// Its schema, without references.
    pub(crate) schema: fn() -> Value,
    /// An example, as JSON.
    pub(crate) example: &'static str,
}

impl Param {
    /// An optional parameter, whose schema is `schema`.
    pub(crate) const fn new(
        name: &'static str,
        about: &'static str,
        schema: fn() -> Value,
        example: &'static str,
    ) -> Self {
        Self { name, about, required: false, schema, example }
    }

    /// A parameter that is written as `T`, which has an inline schema.
    pub(crate) const fn of<T: JsonSchema>(name: &'static str, about: &'static str, example: &'static str) -> Self {
        Self::new(name, about, inline_schema::<T>, example)
    }

    /// The same, and a request needs it.
    pub(crate) const fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

fn inline_schema<T: JsonSchema>() -> Value {
    T::json_schema(&mut SchemaGenerator::default()).to_value()
}

/// The id of a schedule; 0 is none, but the service-wide waiting room.
pub(crate) const SCHEDULE_ID: Param = Param::new(
    "scheduleId",
    "The schedule: one performance of a concert.",
    || json!({ "type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_ID }),
    "1",
);
