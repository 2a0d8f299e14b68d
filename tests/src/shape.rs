//! Compares an answer with a shape as the API's document writes it: `"number"`, `"string (ISO 8601)"`, or a value itself.

use onsale_common::time::Time;
use serde_json::Value;
use uuid::Uuid;

/// Demands that `value` has the shape, with no field more and none less.
pub fn demand(value: &Value, shape: &Value) {
    let faults = faults(value, shape, "");
    assert!(faults.is_empty(), "{}\nin {value:#}", faults.join("\n"));
}

fn faults(value: &Value, shape: &Value, path: &str) -> Vec<String> {
    match (value, shape) {
        (Value::Object(value), Value::Object(shape)) => {
            let surplus = value.keys().filter(|name| !shape.contains_key(*name));
            let mut found: Vec<String> = surplus.map(|name| format!("{path}.{name} is not in the shape")).collect();
            for (name, shape) in shape {
                match value.get(name) {
                    Some(value) => found.extend(faults(value, shape, &format!("{path}.{name}"))),
                    None => found.push(format!("{path}.{name} is missing")),
                }
            }
            found
        }
        (Value::Array(values), Value::Array(shapes)) if values.is_empty() == shapes.is_empty() => {
            let each = values.iter().enumerate();
            each.flat_map(|(n, value)| faults(value, &shapes[0], &format!("{path}[{n}]"))).collect()
        }
        (value, Value::String(kind)) if is_a(value, kind) => Vec::new(),
        (value, shape) if value == shape => Vec::new(),
        (value, shape) => vec![format!("{path} is {value} and not {shape}")],
    }
}

fn is_a(value: &Value, kind: &str) -> bool {
    let text = value.as_str();
    match kind {
        "number" => value.is_i64() || value.is_u64(),
        "string" => text.is_some_and(|text| !text.is_empty()),
        "string (UUID)" => text.is_some_and(|text| Uuid::try_parse(text).is_ok()),
        "string (YYYY-MM-DD)" => text.is_some_and(|text| text.parse::<chrono::NaiveDate>().is_ok() && text.len() == 10),
        "string (HH:mm:ss)" => text.is_some_and(|text| text.parse::<chrono::NaiveTime>().is_ok() && text.len() == 8),
        "string (ISO 8601)" => {
            text.is_some_and(|text| text.ends_with('Z') && serde_json::from_value::<Time>(value.clone()).is_ok())
        }
        "null or number" => value.is_null() || value.is_i64(),
        "null or string" => value.is_null() || text.is_some(),
        _ => false,
    }
}
