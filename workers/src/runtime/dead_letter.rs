//! What dead letters tell, and what they do not.

use onsale_common::contract::{Lane, Rejection};
use serde_json::{Map, Value};

/// A reason is part of a header, and a header must fit into one frame (128 KB).
const REASON_CHARS_MAX: usize = 2_000;

/// A command and the reason as operators may read them: without the token that its sender proved itself with, and nothing
/// at all of what may hold a password.
pub(super) fn without_secrets(lane: Lane, body: &str, reason: &str) -> (Vec<u8>, String) {
    let parsed: Option<Map<String, Value>> = serde_json::from_str(body).ok();
    // Values in order have no names by which a token could be told.
    let may_hold_token = parsed.is_none() && (body.contains("token") || body.trim_start().starts_with('['));
    if lane == Lane::Account || body.contains("password") || may_hold_token {
        let code = serde_json::from_str::<Rejection>(reason).map_or("INTERNAL", |rejection| rejection.code.as_str());
        return (b"withheld: it may hold a secret".to_vec(), format!("{code} (the rest is withheld with the body)"));
    }
    let body = parsed.map_or_else(
        || body.as_bytes().to_vec(),
        |mut command| {
            command.remove("token");
            if let Some(Value::Object(data)) = command.get_mut("data") {
                data.remove("token");
            }
            Value::Object(command).to_string().into_bytes()
        },
    );
    (body, reason.chars().take(REASON_CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_tell_no_secret() {
        let told = |lane, body: &str| {
            let reason = serde_json::to_string(&Rejection::invalid_field("userId", "is 'topsecret'")).unwrap();
            let (body, reason) = without_secrets(lane, body, &reason);
            (String::from_utf8(body).unwrap(), reason)
        };
        let (body, reason) = told(Lane::Admission, r#"{"id":1,"token":"mine","data":{"userId":"one","token":"mine"}}"#);
        assert!(body.contains("one") && !body.contains("mine") && reason.contains("userId"), "{body} {reason}");
        for (lane, body) in [
            (Lane::Account, "{}"),
            (Lane::Catalog, r#"{"command":"CreateUser","data":{"password":"topsecret"}}"#),
            (Lane::Admission, r#"{"token":"topsecret""#),
            (Lane::Admission, r#"["topsecret"]"#),
        ] {
            let (body, reason) = told(lane, body);
            assert!(!body.contains("topsecret") && !reason.contains("topsecret"), "{body} {reason}");
            assert!(reason.starts_with("INVALID_REQUEST"), "{reason}");
        }
        let (_, reason) = without_secrets(Lane::Admission, "{}", &"x".repeat(200_000));
        assert_eq!(reason.len(), REASON_CHARS_MAX);
    }
}
