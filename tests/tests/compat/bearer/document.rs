//! The design's errors, as its document shows them.

use onsale_tests::Sale;
use reqwest::Method;
use serde_json::{Value, json};

use super::{NOT_PAYABLE, POOR, SEAT_TAKEN, TOKEN_EXISTS, TOO_LATE, UNKNOWN_CONCERT, WRONG_AMOUNT};

#[tokio::test(flavor = "multi_thread")]
async fn the_errors_of_the_design_are_in_the_document() {
    let sale = Sale::start(&[]).await;
    let document = sale.client.send(Method::GET, "/openapi/bearer.json", &[], None).await.body;
    assert_eq!(document["servers"][0]["url"], "/compat/bearer");
    let payment = [WRONG_AMOUNT, POOR, NOT_PAYABLE, TOO_LATE].as_slice();
    for (path, method, errors) in [
        ("/concerts/{concertId}", "get", [UNKNOWN_CONCERT].as_slice()),
        ("/queues", "post", &[TOKEN_EXISTS]),
        ("/reservations", "post", &[SEAT_TAKEN]),
        ("/payments", "post", payment),
        ("/paytments", "post", payment),
    ] {
        for (status, name, message) in errors {
            let response = &document["paths"][path][method]["responses"][status.to_string()];
            let examples = response["content"]["application/json"]["examples"].as_object();
            let expected = json!({ "value": { "status": name, "message": message } });
            let shown = examples.is_some_and(|examples| examples.values().any(|example| *example == expected));
            assert!(shown, "{method} {path} {status}: {response:#}");
        }
    }
    // Each success is documented with the status that the design gives it.
    for (path, method, status) in [
        ("/concerts", "get", "200"),
        ("/queues", "post", "201"),
        ("/queues/{userId}", "get", "200"),
        ("/concerts/{concertId}/schedules", "get", "200"),
        ("/concerts/schedules/{scheduleId}/seats", "get", "200"),
        ("/reservations", "post", "201"),
        ("/points", "patch", "200"),
        ("/points/{userId}", "get", "200"),
        ("/payments", "post", "201"),
    ] {
        let example = &document["paths"][path][method]["responses"][status]["content"]["application/json"]["example"];
        assert_ne!(*example, Value::Null, "{method} {path}");
    }
    sale.finish().await;
}
