//! Money: whole numbers of the currency's minor unit (the won, by default, has none below it).

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount that is owed, paid or owned, in the currency's minor unit.
pub type Money = i64;

/// Numbers with a decimal point are exact below this.
const WHOLE_MAX: f64 = (1_u64 << 53) as f64;

/// An amount as a client wrote it: any JSON number. Whether it can be charged is a rule, not a type, so that a
/// fraction or a number beyond 64 bits is answered `INVALID_AMOUNT` and not as a malformed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(Option<Money>);

impl Amount {
    /// A whole amount.
    pub const fn new(amount: Money) -> Self {
        Self(Some(amount))
    }

    /// The amount where it is a whole number, zero included: what a gift costs.
    pub fn cost(self) -> Option<Money> {
        self.0.filter(|amount| *amount >= 0)
    }

    /// The amount where it is a whole number above zero.
    pub fn positive(self) -> Option<Money> {
        self.0.filter(|amount| *amount > 0)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0.unwrap_or(0))
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Amount;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number in the currency's minor unit")
            }
            fn visit_i64<E>(self, amount: i64) -> Result<Amount, E> {
                Ok(Amount(Some(amount)))
            }
            fn visit_u64<E>(self, amount: u64) -> Result<Amount, E> {
                Ok(Amount(i64::try_from(amount).ok()))
            }
            fn visit_f64<E>(self, amount: f64) -> Result<Amount, E> {
                // 75000.0 is a whole number, as some clients write it.
                let is_whole = amount.fract() == 0.0 && amount.abs() < WHOLE_MAX;
                Ok(Amount(is_whole.then_some(amount as i64)))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "format": "int64", "minimum": 0 })
    }
    fn inline_schema() -> bool {
        true
    }
}
