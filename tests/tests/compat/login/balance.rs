//! A user's balance.

use onsale_tests::Sale;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Fan, MOUNT, call, refused, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_is_its_users_alone() {
    for auth in ["open", "jwt"] {
        let sale = Sale::start(&[("ONSALE_AUTH", auth)]).await;
        let (fan, other) = (Fan::at(&sale, 1, 1).await, Fan::log_in(&sale, 2).await);
        fan.charge(5_000).await;
        assert_eq!(fan.get("/balance").await.body["balance"], 5_000);
        assert_eq!(other.get("/balance").await.body["balance"], 0);
        refused(&fan.post("/balance", json!({ "amount": 1, "user_id": other.id })).await, 403, "FORBIDDEN");
        for headers in [&[][..], &[("queue-token", fan.token.as_str())], &[("authorization", "Bearer x")]] {
            refused(&call(&sale, Method::GET, "/balance", headers, None).await, 401, "LOGIN_REQUIRED");
            let charge = Some(json!({ "amount": 1 }));
            refused(&call(&sale, Method::POST, "/balance", headers, charge).await, 401, "LOGIN_REQUIRED");
        }
        sale.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_amounts_are_charged_with_decimals_or_without() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::log_in(&sale, 1).await;
    let post = async |amount: &str| {
        let body = Some(format!("{{\"amount\": {amount}}}"));
        sale.client.send(Method::POST, &format!("{MOUNT}/balance"), &fan.headers(), body).await
    };
    for (amount, balance) in [("1000", 1_000), ("1000.00", 2_000), ("1e3", 3_000), ("10000000", 10_003_000)] {
        let charged = post(amount).await;
        assert_eq!((charged.status, &charged.body["balance"]), (200, &json!(balance)), "{amount}");
    }
    for amount in ["0", "-1", "-1000.00", "10000001", "1e15"] {
        refused(&post(amount).await, 400, "INVALID_AMOUNT");
    }
    for amount in ["0.01", "1000.50", "1e300", "9223372036854775808", "\"1000\"", "null", "true", "[1]", "{}", "1,"] {
        let answer = post(amount).await;
        refused(&answer, 400, "INVALID_REQUEST");
        let named = text(&answer.body["message"]).contains("amount");
        assert!(named || amount == "1,", "{answer:?}");
    }
    refused(&fan.post("/balance", json!({})).await, 400, "INVALID_REQUEST");
    assert_eq!(fan.get("/balance").await.body["balance"], 10_003_000);
    // The same key charges once.
    let charge = async |amount: i64| fan.post_keyed("/balance", "once", json!({ "amount": amount })).await;
    let charged: Vec<Value> = vec![charge(500).await.body, charge(500).await.body];
    assert_eq!((&charged[0], &charged[0]["balance"]), (&charged[1], &json!(10_003_500)));
    refused(&charge(501).await, 422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(fan.get("/balance").await.body["balance"], 10_003_500);
    sale.finish().await;
}
