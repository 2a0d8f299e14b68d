//! Balances.

use onsale_tests::Sale;
use serde_json::{Value, json};

use super::{ask, charge, get, refused, succeeded, token};

#[tokio::test(flavor = "multi_thread")]
async fn points_are_charged_and_read_without_a_token() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    succeeded(&charge(fan, "user1", 50_000).await, 200, &json!({ "userId": "user1", "point": 50_000 }));
    succeeded(&get(fan, "/points/user1", "").await, 200, &json!({ "userId": "user1", "point": 50_000 }));
    succeeded(&charge(fan, "user1", 1).await, 200, &json!({ "userId": "user1", "point": 50_001 }));
    succeeded(&get(fan, "/points/user2", "").await, 200, &json!({ "userId": "user2", "point": 0 }));

    // It is the balance of every other dialect.
    let mine = token(fan, "user1").await;
    let canonical = fan.get("/api/v1/users/1/balance", &mine).await;
    assert_eq!(canonical.data()["currentBalance"], 50_001, "{canonical:?}");
    assert_eq!(fan.charge(1, 9, &mine).await.status, 200);
    assert_eq!(get(fan, "/points/user1", &mine).await.body, json!({ "userId": "user1", "point": 50_010 }));

    for amount in [json!(0), json!(-1), json!(0.5), json!(10_000_001), json!(i64::MAX), json!(u64::MAX)] {
        refused(&charge(fan, "user1", amount).await, 400, "BAD_REQUEST");
    }
    for amount in [json!("50000"), json!(true), json!([1]), json!({}), Value::Null] {
        assert!(refused(&charge(fan, "user1", amount).await, 400, "BAD_REQUEST").contains("amount"));
    }
    let without = ask(fan, "PATCH", "/points", "", json!({ "amount": 1 })).await;
    assert!(refused(&without, 400, "BAD_REQUEST").contains("userId"));
    refused(&charge(fan, "nobody", 1).await, 404, "NOT_FOUND");
    refused(&get(fan, "/points/nobody", "").await, 404, "NOT_FOUND");
    // A token that is given is somebody's.
    refused(&get(fan, "/points/user2", &mine).await, 403, "FORBIDDEN");
    refused(&ask(fan, "PATCH", "/points", &mine, json!({ "userId": "user2", "amount": 1 })).await, 403, "FORBIDDEN");
    assert_eq!(get(fan, "/points/user1", "").await.body["point"], 50_010);
    assert_eq!(get(fan, "/points/user2", "").await.body["point"], 0);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn charges_at_once_all_count_and_one_key_counts_once() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let charges = (0..20).map(async |_| charge(fan, "user1", 1000).await.status);
    assert!(futures_util::future::join_all(charges).await.iter().all(|status| *status == 200));
    assert_eq!(get(fan, "/points/user1", "").await.body["point"], 20_000);

    let body = json!({ "userId": "user1", "amount": 500 }).to_string();
    let headers = [("idempotency-key", "7f9c24e8-3b1a-4c57-9d0e-5a1b2c3d4e5f")];
    for _ in 0..2 {
        let again = fan.send(reqwest::Method::PATCH, "/compat/bearer/points", &headers, Some(body.clone())).await;
        succeeded(&again, 200, &json!({ "userId": "user1", "point": 20_500 }));
    }
    assert_eq!(get(fan, "/points/user1", "").await.body["point"], 20_500);
    sale.finish().await;
}
