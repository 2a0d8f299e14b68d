//! The document shows what the design says.

use onsale_tests::Sale;
use reqwest::Method;
use serde_json::Value;

/// Every failure that the design names: where, the status, and the sentence.
const FAILURES: [(&str, &str, &str, &str); 16] = [
    ("post", "/user_queue_tokens", "400", "User not found"),
    ("post", "/users/{user_id}/charge", "404", "User not found"),
    ("get", "/users/{user_id}", "404", "User not found"),
    ("get", "/user_queue_tokens/token_info", "401", "Token is invalid"),
    ("get", "/concerts", "401", "Token is invalid"),
    ("get", "/concert_performances", "404", "Concert not found"),
    ("get", "/performance_seats", "404", "Concert date not found"),
    ("post", "/performance_seats/{id}/book", "401", "Token is invalid"),
    ("post", "/performance_seats/{id}/book", "400", "Seat is already booked"),
    ("post", "/performance_seats/{id}/book", "404", "Performance seat not found"),
    ("post", "/performance_seats/{id}/book", "409", "User already has a reservation"),
    ("post", "/performance_seats/{id}/book", "409", "Other user is booking the seat"),
    ("post", "/performance_seats/{id}/pay", "401", "Token is invalid"),
    ("post", "/performance_seats/{id}/pay", "400", "Queue expired"),
    ("post", "/performance_seats/{id}/pay", "403", "Insufficient balance"),
    ("post", "/performance_seats/{id}/pay", "404", "Performance seat not found"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_of_the_design_is_in_the_document() {
    let sale = Sale::start(&[]).await;
    let document = sale.client.send(Method::GET, "/openapi/reservation-token.json", &[], None).await.body;
    for (method, path, status, message) in FAILURES {
        let examples = &document["paths"][path][method]["responses"][status]["content"]["application/json"]["examples"];
        let shown = examples.as_object().into_iter().flatten();
        let shown: Vec<&Value> = shown.map(|(_, example)| &example["value"]).collect();
        assert!(shown.contains(&&serde_json::json!({ "message": message })), "{method} {path} {status}: {shown:?}");
    }
    assert_eq!(document["paths"].as_object().unwrap().len(), 9);
    assert_eq!(document["paths"]["/user_queue_tokens"]["post"]["responses"]["201"]["description"], "Done.");
    sale.finish().await;
}
