//! Input that no honest client sends, and what the document promises.

use onsale_tests::{Sale, hostile};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{cookie, keys, post, refused, wanted};

#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_any_field_is_a_fault_of_ours() {
    let sale = Sale::start(&[]).await;
    let fan = cookie(&sale, 1, 1).await;
    let key = Uuid::new_v4().to_string();
    let headers = [("cookie", fan.as_str()), ("idempotency-key", key.as_str())];
    for (path, body) in [("/api/reservations", wanted(1, 1)), ("/api/users/1/point/use", json!({ "amount": 1 }))] {
        let path = format!("/compat/cookie{path}");
        let send = async |body: String| sale.client.send(Method::POST, &path, &headers, Some(body)).await;
        let whole = body.to_string();
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            refused(&send(whole[..length].to_owned()).await, 400, "INVALID_REQUEST");
        }
        for text in ["null", "[]", "1", "\"text\"", "{} {}", "\u{feff}{}", "{\"\\u0000\":1}"] {
            refused(&send(text.to_owned()).await, 400, "INVALID_REQUEST");
        }
        for name in body.as_object().unwrap().keys() {
            let mut lacking = body.clone();
            lacking.as_object_mut().unwrap().remove(name);
            assert!(refused(&send(lacking.to_string()).await, 400, "INVALID_REQUEST").contains(name), "{name}");
            for value in hostile::values() {
                let others = body.as_object().unwrap().iter().filter(|(other, _)| *other != name);
                let others: String = others.map(|(name, value)| format!(",\"{name}\":{value}")).collect();
                let answer = send(format!("{{\"{name}\":{value}{others}}}")).await;
                let shown: String = value.chars().take(40).collect();
                assert!((400..500).contains(&answer.status), "{path} {name}={shown}: {answer:?}");
                assert_eq!(keys(&answer.body), ["code", "message"], "{path} {name}={shown}");
                // What is no JSON has no fields that could be named.
                let is_json = serde_json::from_str::<Value>(&value).is_ok();
                if answer.body["code"] == "INVALID_REQUEST" && is_json {
                    let message = answer.body["message"].as_str().unwrap();
                    assert!(message.contains(name), "{name}={shown}: {message}");
                }
            }
        }
        let typed = [headers.as_slice(), &[("content-type", "text/plain")]].concat();
        let answer = sale.client.send(Method::POST, &path, &typed, Some(whole.clone())).await;
        refused(&answer, 415, "UNSUPPORTED_MEDIA_TYPE");
        let large = format!("{{\"x\":\"{}\"}}", "x".repeat(70_000));
        refused(&send(large).await, 413, "BODY_TOO_LARGE");
        refused(&sale.client.send(Method::GET, &path, &headers, None).await, 405, "METHOD_NOT_ALLOWED");
    }
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 0);
    // Fields that nobody knows are passed over.
    let mut body = wanted(1, 1);
    body["memo"] = json!("창가 쪽으로");
    assert_eq!(post(&sale, "/api/reservations", &headers, Some(body)).await.status, 200);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_or_header_is_a_fault_of_ours() {
    let sale = Sale::start(&[]).await;
    let fan = cookie(&sale, 1, 1).await;
    let headers = [("cookie", fan.as_str())];
    for id in ["0", "-1", "9007199254740992", "1.5", "%00", "%ff", "x", "1%2F2", "+1", "%20", "٣", "..%2f1"] {
        let answer = post(&sale, &format!("/api/users/{id}/point/use"), &headers, Some(json!({ "amount": 1 }))).await;
        assert!(refused(&answer, 400, "INVALID_REQUEST").contains("userId"), "{id}");
    }
    for path in
        ["", "/", "/api", "/api/reservations/", "/api/users/point/use", "/api/queue/tokens/1", "//api/reservations"]
    {
        refused(&post(&sale, path, &headers, Some(json!({}))).await, 404, "NOT_FOUND");
    }
    let long = format!("tokenId={}", "a".repeat(20_000));
    let answer = post(&sale, "/api/reservations", &[("cookie", &long)], Some(wanted(1, 1))).await;
    assert_eq!(answer.status, 431, "{answer:?}");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_shows_what_is_answered() {
    let sale = Sale::start(&[]).await;
    let document = sale.client.send(Method::GET, "/openapi/cookie.json", &[], None).await.body;
    let operation = |path: &str| document["paths"][path]["post"].clone();
    let error = |path: &str, status: &str, code: &str| {
        operation(path)["responses"][status]["content"]["application/json"]["examples"][code]["value"].clone()
    };
    let fan = cookie(&sale, 1, 1).await;
    let taken = cookie(&sale, 2, 1).await;
    super::hold(&sale, &taken, wanted(2, 2)).await;
    let mut wrong_price = wanted(1, 1);
    wrong_price["price"] = json!(1);
    let shown = [
        ("/api/reservations", super::hold(&sale, "", wanted(1, 1)).await),
        ("/api/reservations", super::hold(&sale, &fan, wanted(1, 2)).await),
        ("/api/reservations", super::hold(&sale, &fan, wanted(1, 51)).await),
        ("/api/reservations", super::hold(&sale, &fan, wrong_price).await),
        ("/api/reservations", super::hold(&sale, &fan, wanted(3, 1)).await),
        ("/api/users/{userId}/point/use", super::spend(&sale, &fan, 1, json!(1)).await),
        ("/api/users/{userId}/point/use", super::spend(&sale, &fan, 1, json!(0)).await),
        ("/api/queue/tokens", super::join(&sale, 999_999, 1).await),
        ("/api/queue/tokens", super::join(&sale, 1, 999).await),
    ];
    for (path, answer) in shown {
        let code = answer.body["code"].as_str().unwrap();
        assert_eq!(answer.body, error(path, &answer.status.to_string(), code), "{path}");
    }
    // The examples of the requests are requests that are served.
    let body = operation("/api/reservations")["requestBody"]["content"]["application/json"]["example"].clone();
    let key = operation("/api/reservations")["parameters"][0].clone();
    assert_eq!((&key["name"], &key["required"]), (&json!("Idempotency-Key"), &Value::Bool(true)));
    let headers = [("cookie", fan.as_str()), ("idempotency-key", key["example"].as_str().unwrap())];
    let held = post(&sale, "/api/reservations", &headers, Some(body)).await;
    assert_eq!(held.status, 200, "{held:?}");
    let example = &operation("/api/reservations")["responses"]["200"]["content"]["application/json"]["example"];
    assert_eq!(keys(example), keys(&held.body));
    assert_eq!((&example["status"], &example["seatNumber"]), (&held.body["status"], &held.body["seatNumber"]));
    sale.finish().await;
}
