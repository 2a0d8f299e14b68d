//! `/compat/login`: its document names the paths and the tables, and what travels are rows of those tables.

mod balance;
mod hostile;
mod payment;
mod queue;
mod reservation;
mod seats;
mod story;

use onsale_tests::{Answer, Sale, shape};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

const MOUNT: &str = "/compat/login";

/// A demo user who logged in.
struct Fan<'s> {
    sale: &'s Sale,
    id: Value,
    login: String,
    /// The queue token, once there is one.
    token: String,
}

impl<'s> Fan<'s> {
    /// Logs in the `n`th demo user.
    async fn log_in(sale: &'s Sale, n: i64) -> Self {
        let credentials = json!({ "email": format!("user{n}@example.com"), "password": "onsale-demo" });
        let answer = call(sale, Method::POST, "/auth/login", &[], Some(credentials)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let login = format!("Bearer {}", text(&answer.body["token"]));
        Self { sale, id: answer.body["user_id"].clone(), login, token: String::new() }
    }

    /// Logs in, and joins the queue of a concert that has room.
    async fn at(sale: &'s Sale, n: i64, schedule: i64) -> Self {
        let mut fan = Self::log_in(sale, n).await;
        let entry = fan.join(schedule).await;
        assert_eq!((entry.status, &entry.body["queue_position"]), (201, &json!(0)), "{entry:?}");
        fan.token = text(&entry.body["token"]).to_owned();
        fan
    }

    async fn get(&self, path: &str) -> Answer {
        call(self.sale, Method::GET, path, &self.headers(), None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        call(self.sale, Method::POST, path, &self.headers(), Some(body)).await
    }

    async fn post_keyed(&self, path: &str, key: &str, body: Value) -> Answer {
        let mut headers = self.headers();
        headers.push(("idempotency-key", key));
        call(self.sale, Method::POST, path, &headers, Some(body)).await
    }

    async fn join(&self, schedule: i64) -> Answer {
        self.post("/queue/token", json!({ "concert_id": concert(schedule) })).await
    }

    /// Reserves the `n`th seat of a concert.
    async fn reserve(&self, schedule: i64, n: usize) -> Answer {
        let body = json!({ "concert_id": concert(schedule), "seat_id": self.seat(schedule, n).await });
        self.post("/reservation", body).await
    }

    /// Reserves a seat that must be free, and returns the reservation's id.
    async fn reserved(&self, schedule: i64, n: usize) -> Value {
        let answer = self.reserve(schedule, n).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body["id"].clone()
    }

    async fn charge(&self, amount: i64) {
        let answer = self.post("/balance", json!({ "amount": amount })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    async fn pay(&self, reservation: &Value) -> Answer {
        self.post("/payment", json!({ "reservation_id": reservation, "payment_method": "credit_card" })).await
    }

    /// The id of the `n`th seat of a concert.
    async fn seat(&self, schedule: i64, n: usize) -> Value {
        self.seats(schedule).await[n - 1]["id"].clone()
    }

    /// How the `n`th seat of a concert stands.
    async fn standing(&self, schedule: i64, n: usize) -> Value {
        self.seats(schedule).await[n - 1]["status"].clone()
    }

    async fn seats(&self, schedule: i64) -> Vec<Value> {
        let answer = self.get(&format!("/concerts/{}/seats", concert(schedule))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body.as_array().expect("seats").clone()
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        let mut headers = vec![("authorization", self.login.as_str())];
        headers.extend((!self.token.is_empty()).then_some(("queue-token", self.token.as_str())));
        headers
    }
}

/// Sends a request; whatever is answered is JSON.
async fn call(sale: &Sale, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
    let body = body.map(|body| body.to_string());
    let answer = sale.client.send(method, &format!("{MOUNT}{path}"), headers, body).await;
    assert_eq!(answer.header("content-type"), "application/json", "{answer:?}");
    answer
}

/// The UUID of the concert that is our schedule: the schedule's number in a fixed layout.
fn concert(schedule: i64) -> String {
    format!("00000000-0001-8000-8000-{schedule:012x}")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// Demands a refusal with this status and code: `{code, message}`, and nothing else.
#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{answer:?}");
    shape::demand(&answer.body, &json!({ "code": code, "message": "string" }));
}

/// A UUID that names nothing.
fn nobody() -> String {
    Uuid::new_v4().to_string()
}
