//! The waiting room.

use std::time::Duration;

use onsale_common::time::Time;
use onsale_tests::Sale;
use onsale_tests::sale::until;
use serde_json::{Value, json};

use super::{TOKEN_EXISTS, ask, failed, get, join, refused, succeeded, token};

fn waiting(user: &str, priority: u64) -> Value {
    json!({
        "tokenId": "string (UUID)", "userId": user, "priority": priority, "status": "WAIT",
        "tokenIssuedAt": "string (ISO 8601)", "activeAt": null, "expireAt": null,
    })
}

fn active(user: &str) -> Value {
    json!({
        "tokenId": "string (UUID)", "userId": user, "priority": 0, "status": "ACTIVE",
        "tokenIssuedAt": "string (ISO 8601)", "activeAt": "string (ISO 8601)", "expireAt": "string (ISO 8601)",
    })
}

fn time(value: &Value) -> Time {
    serde_json::from_value(value.clone()).expect("a time")
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_wait_their_turn_and_are_good_for_five_minutes_then() {
    let sale = Sale::start(&[("ONSALE_SERVICE_CAPACITY", "1")]).await;
    let fan = &sale.client;
    let first = join(fan, "user1").await;
    succeeded(&first, 201, &active("user1"));
    assert_eq!(time(&first.body["expireAt"]), time(&first.body["activeAt"]).plus(Duration::from_secs(300)));
    let second = join(fan, "user2").await;
    succeeded(&second, 201, &waiting("user2", 1));
    let third = join(fan, "user3").await;
    succeeded(&third, 201, &waiting("user3", 2));
    failed(&join(fan, "user1").await, TOKEN_EXISTS);
    failed(&join(fan, "user3").await, TOKEN_EXISTS);
    refused(&join(fan, "nobody").await, 404, "NOT_FOUND");
    for body in [json!({}), json!({ "userId": null }), json!({ "userId": 1 }), json!({ "userId": "" })] {
        let answer = ask(fan, "POST", "/queues", "", body).await;
        assert!(refused(&answer, 400, "BAD_REQUEST").contains("userId"), "{answer:?}");
    }

    let [first, second, third] = [first, second, third].map(|token| token.body);
    let [one, two, three] = [&first, &second, &third].map(|token| token["tokenId"].as_str().unwrap());
    assert_eq!(get(fan, "/queues/user1", one).await.body, first);
    assert_eq!(get(fan, "/queues/user2", two).await.body, second);
    let left = fan.delete(&format!("/api/v1/queue/tokens/{one}"), "").await;
    assert_eq!(left.status, 204, "{left:?}");
    until("the second is let in", Duration::from_secs(10), async || {
        get(fan, "/queues/user2", two).await.body["status"] == "ACTIVE"
    })
    .await;
    let admitted = get(fan, "/queues/user2", two).await;
    succeeded(&admitted, 200, &active("user2"));
    assert_eq!(
        (&admitted.body["tokenId"], &admitted.body["tokenIssuedAt"]),
        (&second["tokenId"], &second["tokenIssuedAt"])
    );
    assert_eq!(time(&admitted.body["expireAt"]), time(&admitted.body["activeAt"]).plus(Duration::from_secs(300)));
    succeeded(&get(fan, "/queues/user3", three).await, 200, &waiting("user3", 1));
    // What was given back is over, and its user may join again.
    refused(&get(fan, "/queues/user1", one).await, 401, "UNAUTHORIZED");
    succeeded(&join(fan, "user1").await, 201, &waiting("user1", 2));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_to_its_user_alone() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let token = token(fan, "user1").await;
    refused(&get(fan, "/queues/user2", &token).await, 403, "FORBIDDEN");
    refused(&get(fan, "/queues/nobody", &token).await, 404, "NOT_FOUND");
    for wrong in ["", "nonsense", "15e859ae-9bf2-4f08-ae68-465e9dcd54bf", "00000000-0000-8000-8000-000000000000"] {
        refused(&get(fan, "/queues/user1", wrong).await, 401, "UNAUTHORIZED");
    }
    // The token of one schedule is no token of this room, but it is its user's.
    let of_a_schedule = fan.token(2, 1).await;
    refused(&get(fan, "/queues/user1", &of_a_schedule).await, 403, "FORBIDDEN");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_opens_nothing() {
    let sale = Sale::start(&[("ONSALE_ACTIVE_TTL_S", "1")]).await;
    let fan = &sale.client;
    let token = token(fan, "user1").await;
    until("the token has run out", Duration::from_secs(10), async || {
        get(fan, "/queues/user1", &token).await.status == 401
    })
    .await;
    refused(&get(fan, "/queues/user1", &token).await, 401, "UNAUTHORIZED");
    refused(&get(fan, "/concerts/1/schedules", &token).await, 401, "UNAUTHORIZED");
    refused(&get(fan, "/concerts/schedules/1/seats", &token).await, 401, "UNAUTHORIZED");
    let body = json!({ "userId": "user1", "concertId": 1, "scheduleId": 1, "seatId": 1 });
    refused(&ask(fan, "POST", "/reservations", &token, body).await, 401, "UNAUTHORIZED");
    assert_eq!(join(fan, "user1").await.status, 201);
    sale.finish().await;
}
