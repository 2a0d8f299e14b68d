//! Input that no honest client sends is refused in the design's own shape, and is never a fault of ours.

use onsale_tests::{Answer, Sale, hostile};
use reqwest::Method;
use serde_json::{Value, json};

use super::{charge, get, refused, reserved, token};

/// Demands a refusal that the client caused.
fn refused_as_such(answer: &Answer, what: &str) {
    assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
    let name = match answer.status {
        400 => "BAD_REQUEST",
        401 => "UNAUTHORIZED",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        413 => "PAYLOAD_TOO_LARGE",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        other => panic!("{what}: {other}, {answer:?}"),
    };
    refused(answer, answer.status, name);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_any_field_is_a_fault_of_ours() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let token = token(fan, "user1").await;
    let reservation = reserved(fan, "user1", 1, 50, &token).await;
    charge(fan, "user1", 1_000_000).await;
    let bearer = format!("Bearer {token}");
    let send = async |method: &Method, path: &str, body: String| {
        let headers: &[(&str, &str)] = if path == "/queues" { &[] } else { &[("authorization", &bearer)] };
        fan.send(method.clone(), &format!("/compat/bearer{path}"), headers, Some(body)).await
    };
    for (method, path, body) in [
        (Method::POST, "/queues", json!({ "userId": "user2" })),
        (Method::POST, "/reservations", json!({ "userId": "user1", "concertId": 1, "scheduleId": 1, "seatId": 1 })),
        (Method::PATCH, "/points", json!({ "userId": "user1", "amount": 1 })),
        (Method::POST, "/payments", json!({ "userId": "user1", "reserveId": reservation, "amount": 75_000 })),
    ] {
        let whole = body.to_string();
        for broken in ["", "null", "[]", "\"user1\"", "{}{}", "{\"userId\"", &whole[..whole.len() - 1]] {
            let answer = send(&method, path, broken.to_owned()).await;
            assert_eq!(answer.status, 400, "{path} {broken}: {answer:?}");
            refused(&answer, 400, "BAD_REQUEST");
        }
        let fields = body.as_object().unwrap();
        for name in fields.keys() {
            for value in hostile::values() {
                let others: String = fields
                    .iter()
                    .filter(|(other, _)| *other != name)
                    .map(|(other, value)| format!("\"{other}\":{value},"))
                    .collect();
                let answer = send(&method, path, format!("{{{others}\"{name}\":{value}}}")).await;
                let shown: String = value.chars().take(40).collect();
                refused_as_such(&answer, &format!("{path} {name}={shown}"));
            }
        }
        let text = send(&method, path, "x".repeat(200_000)).await;
        refused_as_such(&text, path);
        assert_eq!(text.status, 413, "{text:?}");
        let url = format!("/compat/bearer{path}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "text/plain")];
        let plain = fan.send(method.clone(), &url, &headers, Some(whole)).await;
        refused(&plain, 415, "UNSUPPORTED_MEDIA_TYPE");
    }
    // Fields that nobody asked for are passed over.
    let unknown_field = json!({ "userId": "user1", "amount": 1, "vip": true }).to_string();
    assert_eq!(send(&Method::PATCH, "/points", unknown_field).await.status, 200);
    assert_eq!(get(fan, "/points/user1", "").await.body["point"], 1_000_001);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_and_no_header_is_a_fault_of_ours() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let token = token(fan, "user1").await;
    let long = "a".repeat(10_000);
    let names = ["%00", "%ff", "%20", "%0d%0a", "user1%00", "..%2f..", "%F0%9F%98%80", "user1'--", &long];
    for name in names {
        for path in ["/points", "/queues"] {
            let answer = get(fan, &format!("{path}/{name}"), &token).await;
            refused_as_such(&answer, &format!("{path}/{name}"));
        }
    }
    for id in ["0", "-1", "+1", "1.0", "x", "9007199254740992", "9223372036854775808", "%00", "%31x"] {
        refused(&get(fan, &format!("/concerts/{id}"), "").await, 400, "BAD_REQUEST");
        refused(&get(fan, &format!("/concerts/{id}/schedules"), &token).await, 400, "BAD_REQUEST");
        refused(&get(fan, &format!("/concerts/schedules/{id}/seats"), &token).await, 400, "BAD_REQUEST");
    }
    for id in ["9007199254740991", "16777216"] {
        refused(&get(fan, &format!("/concerts/{id}"), "").await, 404, "NOT_FOUND");
        refused(&get(fan, &format!("/concerts/schedules/{id}/seats"), &token).await, 404, "NOT_FOUND");
    }
    for path in ["", "/", "/concert", "/concerts/1/seats", "/points", "/queues", "/reservations/1"] {
        let answer = get(fan, path, "").await;
        let name = if answer.status == 405 { "METHOD_NOT_ALLOWED" } else { "NOT_FOUND" };
        refused(&answer, answer.status, name);
    }
    let put = fan.send(Method::PUT, "/compat/bearer/points", &[], None).await;
    refused(&put, 405, "METHOD_NOT_ALLOWED");
    assert!(put.header("allow").contains("PATCH"), "{put:?}");
    // A query that nobody asked for is passed over.
    assert_eq!(get(fan, "/concerts?page=1&size=2&size=3", "").await.status, 200);

    for wrong in ["Bearer", "Basic dXNlcjpwdw==", "Bearer a b", "Bearer \"\"", &token] {
        let headers = [("authorization", wrong)];
        let answer = fan.send(Method::GET, "/compat/bearer/queues/user1", &headers, None).await;
        refused(&answer, 401, "UNAUTHORIZED");
    }
    let lower = format!("bearer {token}");
    let answer = fan.send(Method::GET, "/compat/bearer/queues/user1", &[("authorization", &lower)], None).await;
    assert_eq!((answer.status, &answer.body["tokenId"]), (200, &Value::String(token)), "{answer:?}");
    sale.finish().await;
}
