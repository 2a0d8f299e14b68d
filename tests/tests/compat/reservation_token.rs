//! `/compat/reservation-token`.

mod bookings;
mod catalog;
mod documents;
mod hostile;
mod logins;
mod payments;
mod queue;
mod users;

use onsale_tests::client::Client;
use onsale_tests::{Answer, Sale};
use reqwest::Method;
use serde_json::{Value, json};

const API: &str = "/compat/reservation-token";
/// No user of ours.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
/// No token of ours, though it could be one of the service's queue.
const NO_TOKEN: &str = "00000000-7c1a-8d2b-9f3c-4a5b6c7d8e9f";

/// A client of the design, who has a token.
struct Fan {
    http: Client,
    /// The number by which v1 knows the user.
    id: i64,
    uuid: String,
    token: String,
}

impl Fan {
    /// A user who has joined the queue.
    async fn join(sale: &Sale, id: i64) -> Self {
        let uuid = uuid_of(sale, id).await;
        let joined =
            send(&sale.client, Method::POST, "/user_queue_tokens", &[], Some(json!({ "user_id": uuid }))).await;
        assert_eq!((joined.status, keys(&joined.body)), (201, vec!["token"]), "{joined:?}");
        let token = joined.body["token"].as_str().expect("a text").to_owned();
        Self { http: sale.client.clone(), id, uuid, token }
    }

    async fn get(&self, path: &str) -> Answer {
        send(&self.http, Method::GET, path, &[("x-reservation-token", &self.token)], None).await
    }

    async fn post(&self, path: &str, body: Option<Value>) -> Answer {
        send(&self.http, Method::POST, path, &[("x-reservation-token", &self.token)], body).await
    }

    async fn charge(&self, amount: Value) -> Answer {
        self.post(&format!("/users/{}/charge", self.uuid), Some(json!({ "amount": amount }))).await
    }

    async fn book(&self, seat: i64) -> Answer {
        self.post(&format!("/performance_seats/{seat}/book"), None).await
    }

    async fn pay(&self, seat: i64) -> Answer {
        self.post(&format!("/performance_seats/{seat}/pay"), None).await
    }

    async fn info(&self) -> Value {
        let answer = self.get("/user_queue_tokens/token_info").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// Books and pays a seat, which must succeed.
    async fn buy(&self, seat: i64) {
        let answer = self.charge(json!(200_000.0)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = self.book(seat).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let answer = self.pay(seat).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// Sends a request, whose answer must be JSON.
async fn send(http: &Client, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
    let answer = http.send(method, &format!("{API}{path}"), headers, body.map(|body| body.to_string())).await;
    assert_eq!(answer.header("content-type"), "application/json", "{path}: {answer:?}");
    answer
}

/// Whether an answer is a failure with exactly this body.
#[track_caller]
fn refused(answer: &Answer, status: u16, message: &str) {
    assert_eq!((answer.status, &answer.body), (status, &json!({ "message": message })), "{answer:?}");
}

/// Whether an answer says that a request is at fault, naming what.
#[track_caller]
fn faulty(answer: &Answer, name: &str) {
    assert_eq!((answer.status, keys(&answer.body)), (400, vec!["message"]), "{answer:?}");
    assert!(answer.body["message"].as_str().is_some_and(|message| message.contains(name)), "{name}: {answer:?}");
}

/// Whether a value is a time without a zone, as in `2024-04-01T00:00:00`.
#[track_caller]
fn is_time(value: &Value) {
    let text = value.as_str().unwrap_or_default();
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00", "{value}");
}

/// The names of an object's fields, sorted.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> =
        value.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default();
    keys.sort_unstable();
    keys
}

async fn uuid_of(sale: &Sale, id: i64) -> String {
    let found = sqlx::query_scalar("SELECT uuid::text FROM users WHERE id = $1").bind(id).fetch_one(&sale.pool);
    found.await.expect("a user")
}

/// Every request that needs a token.
fn guarded() -> Vec<(Method, String)> {
    let seat = onsale_tests::seat(1, 1);
    vec![
        (Method::GET, "/user_queue_tokens/token_info".to_owned()),
        (Method::GET, "/concerts".to_owned()),
        (Method::GET, "/concert_performances?concert_id=1".to_owned()),
        (Method::GET, "/performance_seats?concert_date_id=1".to_owned()),
        (Method::POST, format!("/performance_seats/{seat}/book")),
        (Method::POST, format!("/performance_seats/{seat}/pay")),
    ]
}
