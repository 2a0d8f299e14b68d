//! An HTTP client that speaks `/api/v1`.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

/// An answer: its status, headers of interest, and body.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// The body; null where there is none.
    pub body: Value,
}

impl Answer {
    /// A header's value; an empty text where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What is under `data`.
    pub fn data(&self) -> &Value {
        &self.body["data"]
    }

    /// The error's code, or an empty text.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    /// Status and code together, as the tests compare them.
    pub fn said(&self) -> (u16, &str) {
        (self.status, self.code())
    }
}

/// A client of one sale. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    admin_key: String,
}

impl Client {
    /// A client of the ingress at `base`.
    pub fn new(base: &str, admin_key: &str) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).no_proxy().build();
        Self { http: http.expect("a client without TLS"), base: base.to_owned(), admin_key: admin_key.to_owned() }
    }

    /// Sends a request; anything but an HTTP answer is a failed test.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Answer {
        self.try_send(method, path, headers, body).await.expect("an answer")
    }

    /// Sends a request to an ingress that may be going away.
    ///
    /// # Errors
    /// When there is no whole HTTP answer.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> reqwest::Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            if !headers.iter().any(|(name, _)| *name == "content-type") {
                request = request.header("content-type", "application/json");
            }
            request = request.body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body =
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
        Ok(Answer { status, headers, body })
    }

    /// GET with a queue token.
    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(Method::GET, path, &[("queue-token", token)], None).await
    }

    /// DELETE with a queue token.
    pub async fn delete(&self, path: &str, token: &str) -> Answer {
        self.send(Method::DELETE, path, &[("queue-token", token)], None).await
    }

    /// POST with a queue token.
    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[("queue-token", token)], Some(body.to_string())).await
    }

    /// POST with a queue token and an idempotency key.
    pub async fn post_keyed(&self, path: &str, token: &str, key: &str, body: Value) -> Answer {
        let headers = [("queue-token", token), ("idempotency-key", key)];
        self.send(Method::POST, path, &headers, Some(body.to_string())).await
    }

    /// A request of the organiser.
    pub async fn admin(&self, method: Method, path: &str, body: Value) -> Answer {
        let key = format!("Bearer {}", self.admin_key);
        self.send(method, path, &[("authorization", &key)], Some(body.to_string())).await
    }

    /// Joins a waiting room.
    pub async fn join(&self, user: i64, schedule: i64) -> Answer {
        let body = json!({ "userId": user, "scheduleId": schedule }).to_string();
        self.send(Method::POST, "/api/v1/queue/tokens", &[], Some(body)).await
    }

    /// Joins a waiting room that must take the user in, and returns the token.
    pub async fn token(&self, user: i64, schedule: i64) -> String {
        let answer = self.join(user, schedule).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.data()["token"].as_str().expect("a token").to_owned()
    }

    /// How a token stands.
    pub async fn status(&self, token: &str) -> String {
        let answer = self.get(&format!("/api/v1/queue/tokens/{token}"), token).await;
        answer.data()["status"].as_str().unwrap_or_default().to_owned()
    }

    /// Holds seats.
    pub async fn hold(&self, user: i64, schedule: i64, seats: &[i64], token: &str) -> Answer {
        let body = json!({ "scheduleId": schedule, "seatIds": seats, "userId": user });
        self.post("/api/v1/reservations", token, body).await
    }

    /// Charges a balance.
    pub async fn charge(&self, user: i64, amount: i64, token: &str) -> Answer {
        self.post(&format!("/api/v1/users/{user}/balance/charge"), token, json!({ "amount": amount })).await
    }

    /// Pays a reservation.
    pub async fn pay(&self, user: i64, reservation: &Value, token: &str) -> Answer {
        let body = json!({ "reservationId": reservation, "paymentMethod": "BALANCE", "userId": user });
        self.post("/api/v1/payments", token, body).await
    }
}
