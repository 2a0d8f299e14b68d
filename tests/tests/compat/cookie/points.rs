//! Taking points.

use futures_util::future::join_all;
use onsale_tests::Sale;
use serde_json::json;
use uuid::Uuid;

use super::{cookie, hold, post, refused, spend, wanted};

#[tokio::test(flavor = "multi_thread")]
async fn points_are_taken_from_the_balance() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "1")]).await;
    let fan = cookie(&sale, 1, 1).await;
    assert_eq!(sale.client.charge(1, 200_000, &fan[8..]).await.status, 200);
    let used = spend(&sale, &fan, 1, json!(150_000)).await;
    assert_eq!((used.status, &used.body), (200, &json!({ "userId": 1, "balance": 50_000 })));
    assert_eq!(used.header("content-type"), "application/json");
    let balance = sale.client.get("/api/v1/users/1/balance", &fan[8..]).await;
    assert_eq!(balance.data()["currentBalance"], 50_000, "v1 sees it too");
    refused(&spend(&sale, &fan, 1, json!(50_001)).await, 402, "INSUFFICIENT_BALANCE");
    assert_eq!(spend(&sale, &fan, 1, json!(50_000)).await.body["balance"], 0);

    // Who waits may spend as well.
    let waiting = cookie(&sale, 2, 1).await;
    assert_eq!(sale.client.status(&waiting[8..]).await, "WAITING");
    assert_eq!(sale.client.charge(2, 10, &waiting[8..]).await.status, 200);
    assert_eq!(spend(&sale, &waiting, 2, json!(10)).await.body, json!({ "userId": 2, "balance": 0 }));

    refused(&spend(&sale, &fan, 2, json!(1)).await, 403, "FORBIDDEN");
    refused(&spend(&sale, &fan, 999_999, json!(1)).await, 404, "USER_NOT_FOUND");
    refused(&post(&sale, "/api/users/1/point/use", &[], Some(json!({ "amount": 1 }))).await, 401, "TOKEN_MISSING");
    for amount in [json!(0), json!(-1), json!(1.5), json!(1e300)] {
        refused(&spend(&sale, &fan, 1, amount).await, 400, "INVALID_AMOUNT");
    }
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_taken_once_for_a_key_and_never_beyond_the_balance() {
    let sale = Sale::start(&[]).await;
    sale.add(onsale_stack::role::Role::Account);
    let fan = cookie(&sale, 1, 1).await;
    sale.client.charge(1, 1_000, &fan[8..]).await;
    let key = Uuid::new_v4().to_string();
    let headers = [("cookie", fan.as_str()), ("idempotency-key", key.as_str())];
    let once = || post(&sale, "/api/users/1/point/use", &headers, Some(json!({ "amount": 100 })));
    let answers = join_all((0..10).map(|_| once())).await;
    assert!(answers.iter().all(|answer| answer.body == json!({ "userId": 1, "balance": 900 })), "{answers:?}");
    let other = post(&sale, "/api/users/1/point/use", &headers, Some(json!({ "amount": 1 }))).await;
    refused(&other, 422, "IDEMPOTENCY_KEY_REUSED");
    let answers = join_all((0..20).map(|_| spend(&sale, &fan, 1, json!(100)))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 9, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 402)), "{answers:?}");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_held_here_is_paid_in_v1() {
    let sale = Sale::start(&[]).await;
    let fan = cookie(&sale, 1, 1).await;
    sale.client.charge(1, 100_000, &fan[8..]).await;
    let held = hold(&sale, &fan, wanted(1, 3)).await;
    let id: i64 = held.body["reservationId"].as_str().unwrap()["TSID-".len()..].parse().unwrap();
    assert_eq!(sale.client.pay(1, &json!(id), &fan[8..]).await.status, 201);
    // The payment used the token up; another one opens the balance again.
    refused(&spend(&sale, &fan, 1, json!(1)).await, 401, "TOKEN_EXPIRED");
    let again = cookie(&sale, 1, 1).await;
    assert_eq!(spend(&sale, &again, 1, json!(25_000)).await.body["balance"], 0);
    sale.finish().await;
}
