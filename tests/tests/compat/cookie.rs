//! The design whose queue token travels in a cookie.

mod caller;
mod hostile;
mod points;
mod queue;
mod reservations;

use onsale_tests::{Answer, Sale};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// A moment as this design writes it: in UTC, without the zone.
fn moment(value: &Value) -> chrono::NaiveDateTime {
    let text = value.as_str().expect("a text");
    let moment = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").expect("a moment");
    assert_eq!(text.len(), 19, "{text}");
    moment
}

/// Demands a failure as this design words it, in Korean, and returns its message.
#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) -> String {
    assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(keys(&answer.body), ["code", "message"]);
    let message = answer.body["message"].as_str().expect("a text").to_owned();
    assert!(message.chars().any(|c| ('가'..='힣').contains(&c)), "{message}");
    message
}

/// The names of an object's fields, sorted.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Sends a POST of this design.
async fn post(sale: &Sale, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
    let body = body.map(|body| body.to_string());
    sale.client.send(Method::POST, &format!("/compat/cookie{path}"), headers, body).await
}

/// Joins a waiting room, with or without a body.
async fn join(sale: &Sale, user: i64, schedule: i64) -> Answer {
    post(sale, &format!("/api/queue/tokens?userId={user}&scheduleId={schedule}"), &[], None).await
}

/// The token in the cookie that an answer sets.
#[track_caller]
fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let cookie = answer.header("set-cookie");
    let (pair, _) = cookie.split_once(';').expect("attributes");
    pair.strip_prefix("tokenId=").expect("the cookie's name").to_owned()
}

/// Joins a waiting room that must take the user in; the `Cookie` header that comes of it.
async fn cookie(sale: &Sale, user: i64, schedule: i64) -> String {
    format!("tokenId={}", token(&join(sale, user, schedule).await))
}

/// Asks for a seat under a key.
async fn hold_keyed(sale: &Sale, cookie: &str, key: &str, body: Value) -> Answer {
    post(sale, "/api/reservations", &[("cookie", cookie), ("idempotency-key", key)], Some(body)).await
}

/// Asks for a seat under a key of its own.
async fn hold(sale: &Sale, cookie: &str, body: Value) -> Answer {
    hold_keyed(sale, cookie, &Uuid::new_v4().to_string(), body).await
}

/// A seat of the first schedule, whose seats cost 75,000.
fn wanted(user: i64, seat: i64) -> Value {
    json!({ "userId": user, "concertScheduleId": 1, "seatId": seat, "price": 75_000 })
}

/// Takes points.
async fn spend(sale: &Sale, cookie: &str, user: i64, amount: Value) -> Answer {
    post(sale, &format!("/api/users/{user}/point/use"), &[("cookie", cookie)], Some(json!({ "amount": amount }))).await
}
