//! Users as this design's requests name them.

use std::borrow::Cow;

use onsale_common::contract::Example;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::EXAMPLE_USER;

/// The name of a user. Whether there is such a user, only a worker knows.
#[derive(Serialize)]
pub(super) struct Username(String);

impl Username {
    /// The name itself.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Example for Username {
    fn example() -> Self {
        Self(EXAMPLE_USER.to_owned())
    }
}

impl<'de> Deserialize<'de> for Username {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name.is_empty() { Err(de::Error::custom("must not be empty")) } else { Ok(Self(name)) }
    }
}

impl JsonSchema for Username {
    fn schema_name() -> Cow<'static, str> {
        "Username".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
    fn inline_schema() -> bool {
        true
    }
}
