//! Reads JSON into the contract's types, and says of what does not fit which field it is and what it should be.

use serde::Deserialize;

use super::Rejection;
use super::command::CommandData;

/// Reads and checks the data of one command, from a message or from an HTTP body.
///
/// # Errors
/// `INVALID_REQUEST` that names the field and what it should be, or what the command's own check says.
pub fn decode_data<T: CommandData>(json: &str) -> Result<T, Rejection> {
    let data: T = parse(json)?;
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
