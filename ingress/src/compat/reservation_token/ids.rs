//! The numbers by which this design knows things: 64 bits, of which ours use some.

use onsale_common::contract::Rejection;
use onsale_common::ids::MAX_ID;
use serde_json::{Value, json};

/// The schema of such a number.
pub(super) fn long() -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX })
}

/// The id that a parameter says. A number that cannot be one of ours is an id that nothing has: the largest is too high
/// for any concert or schedule, and beyond the last seat of the last schedule.
///
/// # Errors
/// `INVALID_REQUEST` that names the parameter when it is no number of 64 bits.
pub(super) fn id_of<T>(name: &str, text: &str, new: fn(i64) -> T) -> Result<T, Rejection> {
    match text.parse() {
        Ok(id) if !text.starts_with('+') => Ok(new(if (1..=MAX_ID).contains(&id) { id } else { MAX_ID })),
        _ => Err(Rejection::invalid_field(name, "must be a whole number of 64 bits")),
    }
}

#[cfg(test)]
mod tests {
    use onsale_common::ids::SeatId;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_that_are_no_ids_of_ours_are_ids_that_nothing_has() {
        let seat = |text: &str| id_of("id", text, SeatId::new).map(SeatId::get);
        assert_eq!(seat("536870913"), Ok(536_870_913));
        for nothing in ["0", "-1", "-9223372036854775808", "9223372036854775807"] {
            assert_eq!(seat(nothing), Ok(MAX_ID), "{nothing}");
        }
        for bad in ["", "x", "1.5", "+1", " 1", "1e3", "9223372036854775808", "٣"] {
            assert!(seat(bad).unwrap_err().details["fields"]["id"].is_string(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = id_of("id", &text, SeatId::new);
        }
    }
}
