//! Amounts in designs that write them as decimals.

use std::borrow::Cow;

use onsale_common::ids::MAX_ID;
use onsale_common::money::{Amount, Money};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

/// The largest amount that a decimal of a JSON reader says exactly.
const EXACT_MAX: f64 = MAX_ID as f64;

/// A sum, written as `100.0`: with a fraction even where it is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal(pub(super) Money);

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // No sum comes near what a double cannot say: the largest balance is a limit.
        serializer.serialize_f64(self.0 as f64)
    }
}

impl JsonSchema for Decimal {
    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number" })
    }
    fn inline_schema() -> bool {
        true
    }
}

/// An amount as a client writes it: `100`, `100.0` or `1e2`. The currency has nothing below its unit, so that a fraction
/// is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DecimalAmount(pub(super) Amount);

impl Serialize for DecimalAmount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Decimal(self.0.positive().unwrap_or(0)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for DecimalAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // From the text: serde_json reads long decimals as a neighbour of what they say.
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let whole = |decimal: &f64| decimal.fract() == 0.0 && decimal.abs() <= EXACT_MAX;
        let decimal = json.get().parse::<f64>().ok().filter(whole);
        let decimal = decimal.ok_or_else(|| de::Error::custom("must be a number without a fraction"))?;
        Ok(Self(Amount::new(decimal as Money)))
    }
}

impl JsonSchema for DecimalAmount {
    fn schema_name() -> Cow<'static, str> {
        "DecimalAmount".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 1, "maximum": MAX_ID, "multipleOf": 1 })
    }
    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Option<Money> {
        serde_json::from_str::<DecimalAmount>(json).ok().and_then(|amount| amount.0.positive())
    }

    #[test]
    fn an_amount_is_a_whole_number_however_it_is_written() {
        for json in ["100", "100.0", "1e2", "1E+2", "100.000", "10000e-2"] {
            assert_eq!(read(json), Some(100), "{json}");
        }
        for json in ["100.5", "1e-1", "1e300", "-100.0", "0.0", "-0.0", "true", "\"100.0\"", "null", "[100]", "{}"] {
            assert_eq!(read(json), None, "{json}");
        }
    }

    proptest! {
        #[test]
        fn sums_are_written_as_decimals_and_read_again(sum in 1..=MAX_ID) {
            let json = serde_json::to_string(&Decimal(sum)).unwrap();
            prop_assert!(json.contains(['.', 'e']), "{}", json);
            prop_assert_eq!(read(&json), Some(sum));
        }
    }
}
