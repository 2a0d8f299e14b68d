//! Times in designs that write them without a zone and in whole seconds.

use std::borrow::Cow;

use onsale_common::time::Time;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// A point in time as `2026-01-31T09:00:00`, which is in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Zoneless(pub(super) Time);

impl From<Time> for Zoneless {
    fn from(time: Time) -> Self {
        Self(time)
    }
}

impl Serialize for Zoneless {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.0.format("%Y-%m-%dT%H:%M:%S"))
    }
}

impl JsonSchema for Zoneless {
    fn schema_name() -> Cow<'static, str> {
        "Zoneless".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$",
            "description": "A time in UTC, without its zone.",
        })
    }
    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_whole_and_the_zone_is_left_out() {
        let time: Time = serde_json::from_str("\"2026-01-31T09:00:00.999Z\"").unwrap();
        assert_eq!(serde_json::to_string(&Zoneless(time)).unwrap(), "\"2026-01-31T09:00:00\"");
    }
}
