//! `/compat/bearer`, as its design's text says.

mod concerts;
mod document;
mod hostile;
mod logins;
mod payments;
mod points;
mod queues;
mod reservations;

use std::collections::BTreeSet;

use onsale_tests::shape::demand;
use onsale_tests::{Answer, Client};
use reqwest::Method;
use serde_json::{Value, json};

/// What the errors of the design say.
const UNKNOWN_CONCERT: (u16, &str, &str) = (404, "NOT_FOUND", "등록되지 않은 콘서트입니다.");
const TOKEN_EXISTS: (u16, &str, &str) = (409, "CONFLICT", "이미 토큰이 존재합니다.");
const SEAT_TAKEN: (u16, &str, &str) = (409, "CONFLICT", "이미 예약된 좌석입니다.");
const WRONG_AMOUNT: (u16, &str, &str) = (400, "BAD_REQUEST", "결제 금액이 일치하지 않습니다.");
const POOR: (u16, &str, &str) = (402, "PAYMENT_REQUIRED", "잔액이 부족합니다.");
const NOT_PAYABLE: (u16, &str, &str) = (409, "CONFLICT", "결제할 수 없는 예약 내역입니다.");
const TOO_LATE: (u16, &str, &str) = (410, "GONE", "임시 예약 시간이 만료되었습니다.");

/// Sends a request; an empty token is none, a null body too.
async fn ask(client: &Client, method: &str, path: &str, token: &str, body: Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let headers = if token.is_empty() { &headers[..0] } else { &headers };
    let body = (!body.is_null()).then(|| body.to_string());
    let method: Method = method.parse().expect("a method");
    client.send(method, &format!("/compat/bearer{path}"), headers, body).await
}

async fn get(client: &Client, path: &str, token: &str) -> Answer {
    ask(client, "GET", path, token, Value::Null).await
}

/// Demands a success of this shape, as JSON.
fn succeeded(answer: &Answer, status: u16, shape: &Value) {
    assert_eq!((answer.status, answer.header("content-type")), (status, "application/json"), "{answer:?}");
    demand(&answer.body, shape);
}

/// Demands this very failure.
fn failed(answer: &Answer, (status, name, message): (u16, &str, &str)) {
    assert_eq!((answer.status, answer.header("content-type")), (status, "application/json"), "{answer:?}");
    assert_eq!(answer.body, json!({ "status": name, "message": message }));
}

/// Demands a failure of this status, in words that the design leaves open, and returns them.
fn refused<'a>(answer: &'a Answer, status: u16, name: &str) -> &'a str {
    assert_eq!((answer.status, answer.header("content-type")), (status, "application/json"), "{answer:?}");
    let fields: BTreeSet<&str> = answer.body.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(fields, ["message", "status"].into(), "{answer:?}");
    assert_eq!(answer.body["status"], name, "{answer:?}");
    let message = answer.body["message"].as_str().expect("a sentence");
    assert!(message.chars().any(|letter| ('가'..='힣').contains(&letter)), "not Korean: {message}");
    message
}

/// Joins the waiting room.
async fn join(client: &Client, user: &str) -> Answer {
    ask(client, "POST", "/queues", "", json!({ "userId": user })).await
}

/// Joins the waiting room, which must take the user in, and returns the token.
async fn token(client: &Client, user: &str) -> String {
    let answer = join(client, user).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["tokenId"].as_str().expect("a token").to_owned()
}

/// Holds a seat of concert 1.
async fn reserve(client: &Client, user: &str, schedule: i64, seat: i64, token: &str) -> Answer {
    let body = json!({ "userId": user, "concertId": 1, "scheduleId": schedule, "seatId": seat });
    ask(client, "POST", "/reservations", token, body).await
}

/// Holds a seat of concert 1 that must be free, and returns the reservation's id.
async fn reserved(client: &Client, user: &str, schedule: i64, seat: i64, token: &str) -> Value {
    let answer = reserve(client, user, schedule, seat, token).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["reserveId"].clone()
}

async fn charge(client: &Client, user: &str, amount: impl Into<Value>) -> Answer {
    ask(client, "PATCH", "/points", "", json!({ "userId": user, "amount": amount.into() })).await
}

async fn pay(client: &Client, user: &str, reservation: &Value, amount: impl Into<Value>, token: &str) -> Answer {
    let body = json!({ "userId": user, "reserveId": reservation, "amount": amount.into() });
    ask(client, "POST", "/payments", token, body).await
}
