//! Reads JSON into the contract's types, and says of what does not fit which field it is and what it should be.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use chrono::NaiveDate;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::Rejection;
use super::command::CommandData;

/// Reads and checks the data of one command, from a message or from an HTTP body.
///
/// # Errors
/// `INVALID_REQUEST` that names the field and what it should be, or what the command's own check says.
pub fn decode_data<T: CommandData>(json: &str) -> Result<T, Rejection> {
    let data: T = parse_object(json)?;
    data.check()?;
    Ok(data)
}

/// Parses JSON into a type whose fields say what they accept; the fault is looked for again, with its path, only when
/// there is one.
///
/// # Errors
/// `INVALID_REQUEST` that names the field and what it should be.
pub fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Rejection> {
    serde_json::from_str(json).map_err(|_| explain::<T>(json))
}

/// The same of an object, which an array of its values in order is not.
///
/// # Errors
/// As [`parse`].
pub fn parse_object<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Rejection> {
    if json.trim_ascii_start().starts_with('{') {
        return parse(json);
    }
    // What it is instead, or where it ends to be JSON.
    Err(parse::<Map<String, Value>>(json)
        .err()
        .unwrap_or_else(|| Rejection::invalid_field("body", "must be an object")))
}

/// Reads one of some words. What serde derives for an enum takes objects too, and calls what is no text bad JSON.
pub(super) fn word<'de, D: Deserializer<'de>, T: Copy>(
    deserializer: D,
    words: &'static [&'static str],
    meanings: &[T],
) -> Result<T, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    let meaning = words.iter().position(|word| *word == text).and_then(|n| meanings.get(n));
    meaning.copied().ok_or_else(|| D::Error::unknown_variant(&text, words))
}

/// Reads an object into a type for which serde would take an array of the same values as well.
pub(super) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(fields))
        }
    }
    deserializer.deserialize_any(Object(PhantomData))
}

/// Reads a day as ISO 8601 writes it; the library takes `2026-1-31` and years of five digits too, some of them beyond
/// those of Postgres.
pub(super) fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    let day = text.parse().ok().filter(|day: &NaiveDate| text.len() == 10 && day.to_string() == text);
    day.ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &"a day as in 2026-01-31"))
}

/// The same where there may be none.
pub(super) fn some_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NaiveDate>, D::Error> {
    #[derive(Deserialize)]
    struct Day(#[serde(deserialize_with = "day")] NaiveDate);
    Ok(Option::<Day>::deserialize(deserializer)?.map(|Day(day)| day))
}

fn explain<'a, T: Deserialize<'a>>(json: &'a str) -> Rejection {
    let mut reader = serde_json::Deserializer::from_str(json);
    let (path, error) = match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => (".".to_owned(), "has something after its end".to_owned()),
        // What is not JSON has no fields that could be named.
        Err(error) if !error.inner().is_data() => (".".to_owned(), error.inner().to_string()),
        Err(error) => (error.path().to_string(), error.inner().to_string()),
    };
    let fault = error.split(" at line ").next().unwrap_or_default();
    let quoted = |prefix: &str| fault.strip_prefix(prefix).and_then(|rest| rest.split('`').next());
    if let Some(field) = quoted("missing field `") {
        let parent = if path == "." { String::new() } else { format!("{path}.") };
        Rejection::invalid_field(&format!("{parent}{field}"), "is required")
    } else if let Some(field) = quoted("unknown field `") {
        Rejection::invalid_field(field, "is not a field of this request")
    } else if let Some(field) = quoted("duplicate field `") {
        Rejection::invalid_field(field, "is given twice")
    } else if path == "." {
        Rejection::invalid_field("body", fault)
    } else {
        Rejection::invalid_field(&path, fault)
    }
}
