//! What nobody should send is answered as the document's errors are, and never breaks anything.

use onsale_tests::{Answer, Sale, shape};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Fan, MOUNT, concert, refused};

/// The actions of the document, each with a body that would be taken.
async fn actions(fan: &Fan<'_>) -> Vec<(&'static str, Value)> {
    let (concert, seat) = (concert(1), fan.seat(1, 1).await);
    vec![
        ("/auth/login", json!({ "email": "user1@example.com", "password": "onsale-demo" })),
        ("/queue/token", json!({ "concert_id": concert })),
        ("/reservation", json!({ "concert_id": concert, "seat_id": seat })),
        ("/balance", json!({ "amount": 1000 })),
        ("/payment", json!({ "reservation_id": seat, "payment_method": "credit_card" })),
    ]
}

#[track_caller]
fn is_a_refusal(answer: &Answer) {
    assert!((400..500).contains(&answer.status), "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json", "{answer:?}");
    shape::demand(&answer.body, &json!({ "code": "string", "message": "string" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_not_what_is_asked_are_refused() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::at(&sale, 1, 1).await;
    let send = async |path: &str, body: &str| {
        sale.client.send(Method::POST, &format!("{MOUNT}{path}"), &fan.headers(), Some(body.to_owned())).await
    };
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_field = format!("{{\"amount\":{deep}}}");
    let not_objects =
        ["", "null", "[]", "1", "\"x\"", "{", "{}", "{\"a\":}", "[{}]", "{} {}", "\u{0}", &deep, &deep_field];
    let values = [
        Value::Null,
        json!(true),
        json!([]),
        json!({}),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!("\u{0}"),
        json!("😀\u{202e}'; DROP TABLE users; --"),
        json!("x".repeat(10_000)),
    ];
    for (path, good) in actions(&fan).await {
        for body in not_objects {
            let answer = send(path, body).await;
            is_a_refusal(&answer);
            assert_eq!((answer.status, &answer.body["code"]), (400, &json!("INVALID_REQUEST")), "{path} {body}");
        }
        for field in good.as_object().unwrap().keys() {
            for value in &values {
                let mut body = good.clone();
                body[field] = value.clone();
                is_a_refusal(&send(path, &body.to_string()).await);
            }
            let twice = good.to_string().replacen('{', &format!("{{\"{field}\":{},", good[field]), 1);
            refused(&send(path, &twice).await, 400, "INVALID_REQUEST");
        }
        let large = json!({ "padding": "x".repeat(2 << 20) }).to_string();
        refused(&send(path, &large).await, 413, "BODY_TOO_LARGE");
        let mut headers = fan.headers();
        headers.push(("content-type", "text/plain"));
        let text = sale.client.send(Method::POST, &format!("{MOUNT}{path}"), &headers, Some(good.to_string())).await;
        refused(&text, 415, "UNSUPPORTED_MEDIA_TYPE");
    }
    // Nothing of it had an effect.
    assert_eq!(fan.get("/balance").await.body["balance"], 0);
    assert_eq!(fan.standing(1, 1).await, "available");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_methods_and_fields() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::at(&sale, 1, 1).await;
    for path in ["", "/", "/users", "/concerts/", "/reservation/1", "/health/live", "/balance/x"] {
        refused(&fan.get(path).await, 404, "NOT_FOUND");
    }
    for (method, path) in [(Method::PUT, "/balance"), (Method::DELETE, "/reservation"), (Method::POST, "/concerts")] {
        let answer = sale.client.send(method, &format!("{MOUNT}{path}"), &fan.headers(), Some("{}".to_owned())).await;
        refused(&answer, 405, "METHOD_NOT_ALLOWED");
        assert!(!answer.header("allow").is_empty());
    }
    // What the document does not name is passed over.
    for (path, mut body) in actions(&fan).await {
        body["surplus"] = json!({ "deep": [1, 2, 3] });
        let answer = fan.post(&format!("{path}?surplus=1"), body).await;
        // There is nothing to be paid yet.
        let done = if path == "/payment" { answer.status == 404 } else { answer.status < 300 };
        assert!(done, "{path}: {answer:?}");
    }
    assert_eq!(fan.get("/concerts?limit=x&page=%FF").await.status, 200);
    // A key that cannot be one.
    let answer = fan.post_keyed("/balance", "two words", json!({ "amount": 1000 })).await;
    refused(&answer, 400, "INVALID_REQUEST");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_document_says_who_may_ask_and_how_failures_look() {
    let sale = Sale::start(&[]).await;
    let document = sale.client.send(Method::GET, "/openapi/login.json", &[], None).await;
    assert_eq!(document.status, 200);
    let paths = document.body["paths"].as_object().expect("paths");
    let mut named: Vec<String> = Vec::new();
    for (path, verbs) in paths {
        named.extend(verbs.as_object().unwrap().keys().map(|verb| format!("{} {path}", verb.to_uppercase())));
    }
    named.sort_unstable();
    let summary = [
        "GET /balance",
        "GET /concerts",
        "GET /concerts/{id}/seats",
        "GET /health",
        "POST /auth/login",
        "POST /balance",
        "POST /payment",
        "POST /queue/token",
        "POST /reservation",
    ];
    assert_eq!(named, summary);
    let security = |path: &str, verb: &str| paths[path][verb]["security"].clone();
    assert_eq!(security("/concerts", "get"), json!([{}]));
    assert_eq!(security("/queue/token", "post"), json!([{ "login": [] }]));
    assert_eq!(security("/concerts/{id}/seats", "get"), json!([{ "queueToken": [] }, { "login": [] }]));
    for path in ["/reservation", "/payment"] {
        assert_eq!(security(path, "post"), json!([{ "queueToken": [], "login": [] }]));
    }
    // A failure is documented as it is answered.
    let fan = Fan::at(&sale, 1, 1).await;
    let shown = |path: &str, status: &str, code: &str| {
        paths[path]["post"]["responses"][status]["content"]["application/json"]["examples"][code]["value"].clone()
    };
    let reservation = fan.reserved(1, 1).await;
    assert_eq!(fan.pay(&reservation).await.body, shown("/payment", "402", "INSUFFICIENT_BALANCE"));
    assert_eq!(fan.reserve(1, 1).await.body, shown("/reservation", "409", "SEAT_TAKEN"));
    assert_eq!(fan.post("/reservation", json!({})).await.body, shown("/reservation", "400", "INVALID_REQUEST"));
    let paying = &paths["/payment"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    let schemas = &document.body["components"]["schemas"];
    let paying = paying["$ref"].as_str().map_or(paying, |path| &schemas[path.rsplit('/').next().unwrap()]);
    let method = &paying["properties"]["payment_method"];
    assert_eq!((&method["minLength"], &method["maxLength"]), (&json!(1), &json!(50)), "{paying}");
    let health = &paths["/health"]["get"]["responses"];
    assert_eq!(health["503"]["content"]["application/json"]["example"], json!({ "status": "ERROR" }));
    sale.finish().await;
}
