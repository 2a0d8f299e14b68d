//! Amounts in designs that write money with decimals.

use std::borrow::Cow;
use std::fmt;

use onsale_common::ids::MAX_ID;
use onsale_common::money::{Amount, Money};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount as a client wrote it, to whom `1000` and `1000.00` are the same. A fraction of the won is no amount, and is
/// refused as such and not as a malformed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal(pub(super) Amount);

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Money;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_i64<E>(self, amount: i64) -> Result<Money, E> {
                Ok(amount)
            }
            fn visit_u64<E>(self, amount: u64) -> Result<Money, E> {
                Ok(i64::try_from(amount).unwrap_or(NO_AMOUNT))
            }
            fn visit_f64<E>(self, amount: f64) -> Result<Money, E> {
                let exact = amount.fract() == 0.0 && amount.abs() <= MAX_ID as f64;
                Ok(if exact { amount as Money } else { NO_AMOUNT })
            }
        }
        deserializer.deserialize_any(Visitor).map(|amount| Self(Amount::new(amount)))
    }
}

/// What nobody can charge or pay.
const NO_AMOUNT: Money = -1;

impl JsonSchema for Decimal {
    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "multipleOf": 1, "minimum": 1 })
    }
    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_amount_may_have_decimals() {
        let read = |json: &str| serde_json::from_str::<Decimal>(json).map(|decimal| decimal.0.positive());
        for whole in ["1000", "1000.00", "1e3"] {
            assert_eq!(read(whole).unwrap(), Some(1000), "{whole}");
        }
        for none in ["0", "-1", "-1000.00", "0.5", "1000.01", "1e300", "-1e300", "18446744073709551615"] {
            assert_eq!(read(none).unwrap(), None, "{none}");
        }
        for other in ["\"1000\"", "null", "true", "[1]", "{}"] {
            assert!(read(other).is_err(), "{other}");
        }
    }
}
