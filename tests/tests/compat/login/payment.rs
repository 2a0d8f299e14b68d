//! Paying a reservation.

use onsale_tests::Sale;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Fan, call, nobody, refused, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_is_paid_once_from_its_users_balance() {
    let sale = Sale::start(&[]).await;
    let (fan, other) = (Fan::at(&sale, 1, 1).await, Fan::at(&sale, 2, 1).await);
    let reservation = fan.reserved(1, 1).await;
    refused(&fan.pay(&reservation).await, 402, "INSUFFICIENT_BALANCE");
    fan.charge(74_999).await;
    refused(&fan.pay(&reservation).await, 402, "INSUFFICIENT_BALANCE");
    fan.charge(100_000).await;
    other.charge(100_000).await;
    refused(&other.pay(&reservation).await, 403, "FORBIDDEN");
    let body = |more: Value| {
        let mut body = json!({ "reservation_id": reservation, "payment_method": "credit_card" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    refused(&fan.post("/payment", body(json!({ "amount": 74_999 }))).await, 400, "AMOUNT_MISMATCH");
    refused(&fan.post("/payment", body(json!({ "amount": 0 }))).await, 400, "INVALID_AMOUNT");
    refused(&fan.post("/payment", body(json!({ "user_id": other.id }))).await, 403, "FORBIDDEN");
    let exact = body(json!({ "amount": 75_000.00, "user_id": fan.id }));
    let paid = fan.post_keyed("/payment", "pay-1", exact.clone()).await;
    assert_eq!(paid.status, 201, "{paid:?}");
    assert_eq!(fan.post_keyed("/payment", "pay-1", exact).await.body, paid.body);
    refused(&fan.pay(&reservation).await, 409, "ALREADY_PAID");
    assert_eq!(fan.get("/balance").await.body["balance"], 99_999);
    assert_eq!(other.get("/balance").await.body["balance"], 100_000);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_needs_a_login_a_token_a_reservation_and_a_method() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::at(&sale, 1, 1).await;
    let other = Fan::at(&sale, 2, 1).await;
    let reservation = fan.reserved(1, 1).await;
    let body = json!({ "reservation_id": reservation, "payment_method": "credit_card" });
    let pay = async |headers: &[(&str, &str)]| call(&sale, Method::POST, "/payment", headers, Some(body.clone())).await;
    let [login, token] = [("authorization", fan.login.as_str()), ("queue-token", fan.token.as_str())];
    refused(&pay(&[login]).await, 401, "TOKEN_MISSING");
    refused(&pay(&[token]).await, 401, "LOGIN_REQUIRED");
    refused(&pay(&[token, ("authorization", &other.login)]).await, 403, "FORBIDDEN");
    for unknown in [json!(nobody()), json!("00000000-0003-8000-8000-000020000099"), fan.seat(1, 1).await] {
        refused(&fan.pay(&unknown).await, 404, "RESERVATION_NOT_FOUND");
    }
    let long = "페".repeat(51);
    let bad = [
        ("reservation_id", json!("1")),
        ("reservation_id", json!(536_870_913)),
        ("payment_method", json!("")),
        ("payment_method", json!(long)),
        ("payment_method", json!(1)),
        ("payment_method", Value::Null),
        ("amount", json!("75000")),
        ("amount", json!(75_000.5)),
        ("user_id", json!("user1")),
    ];
    for (field, value) in bad {
        let mut body = body.clone();
        body[field] = value;
        let answer = fan.post("/payment", body).await;
        refused(&answer, 400, "INVALID_REQUEST");
        assert!(text(&answer.body["message"]).contains(field), "{answer:?}");
    }
    for field in ["reservation_id", "payment_method"] {
        let mut body = body.clone();
        body.as_object_mut().unwrap().remove(field);
        let answer = fan.post("/payment", body).await;
        refused(&answer, 400, "INVALID_REQUEST");
        assert!(text(&answer.body["message"]).contains(field), "{answer:?}");
    }
    fan.charge(75_000).await;
    let fifty = json!({ "reservation_id": reservation, "payment_method": "페".repeat(50) });
    assert_eq!(fan.post("/payment", fifty).await.status, 201);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_reservation_cannot_be_paid() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::at(&sale, 1, 1).await;
    fan.charge(75_000).await;
    let reservation = fan.reserved(1, 1).await;
    let mine = sale.client.get("/api/v1/users/1/reservations", &fan.token).await;
    let number = &mine.data()["reservations"][0]["reservationId"];
    assert_eq!(sale.client.delete(&format!("/api/v1/reservations/{number}"), &fan.token).await.status, 204);
    refused(&fan.pay(&reservation).await, 409, "RESERVATION_CANCELLED");
    assert_eq!(fan.standing(1, 1).await, "available");
    sale.finish().await;
}
