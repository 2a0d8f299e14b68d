//! Payments.

use std::time::Duration;

use onsale_tests::Sale;
use onsale_tests::sale::until;
use serde_json::{Value, json};

use super::{
    NOT_PAYABLE, POOR, TOO_LATE, WRONG_AMOUNT, ask, charge, failed, get, pay, refused, reserved, succeeded, token,
};

fn paid(user: &str, reservation: &Value, price: i64) -> Value {
    json!({
        "paymentId": "number", "reserveId": reservation, "userId": user, "price": price, "status": "SUCCESS",
        "createdAt": "string (ISO 8601)",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_is_paid_once() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let mine = token(fan, "user1").await;
    let reservation = reserved(fan, "user1", 1, 1, &mine).await;
    for amount in [json!(74_999), json!(75_001), json!(1), json!(0), json!(-75_000), json!(75_000.5)] {
        failed(&pay(fan, "user1", &reservation, amount, &mine).await, WRONG_AMOUNT);
    }
    failed(&pay(fan, "user1", &reservation, 75_000, &mine).await, POOR);
    charge(fan, "user1", 100_000).await;
    let payment = pay(fan, "user1", &reservation, 75_000, &mine).await;
    succeeded(&payment, 201, &paid("user1", &reservation, 75_000));
    assert_eq!(get(fan, "/points/user1", "").await.body["point"], 25_000);

    // The payment used up the token; that it is paid is said with the old one and with a new one.
    failed(&pay(fan, "user1", &reservation, 75_000, &mine).await, NOT_PAYABLE);
    let again = token(fan, "user1").await;
    failed(&pay(fan, "user1", &reservation, 75_000, &again).await, NOT_PAYABLE);
    assert_eq!(get(fan, "/points/user1", "").await.body["point"], 25_000);

    let canonical = fan.get("/api/v1/concerts/1/schedules/1/seats?status=all", &again).await;
    assert_eq!(canonical.data()["seats"][0]["status"], "SOLD", "{canonical:?}");
    let seen = fan.get(&format!("/api/v1/payments/{}", payment.body["paymentId"]), &again).await;
    assert_eq!(seen.data()["amount"], 75_000, "{seen:?}");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_of_the_designs_example_pays_too() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let mine = token(fan, "user1").await;
    let reservation = reserved(fan, "user1", 2, 1, &mine).await;
    charge(fan, "user1", 60_000).await;
    let body = json!({ "userId": "user1", "reserveId": reservation, "amount": 60_000 });
    let payment = ask(fan, "POST", "/paytments", &mine, body).await;
    succeeded(&payment, 201, &paid("user1", &reservation, 60_000));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_that_was_given_back_or_is_somebody_elses_is_not_paid() {
    let sale = Sale::start(&[("ONSALE_SERVICE_CAPACITY", "2")]).await;
    let fan = &sale.client;
    let (mine, theirs) = (token(fan, "user1").await, token(fan, "user2").await);
    charge(fan, "user1", 200_000).await;
    charge(fan, "user2", 200_000).await;
    let cancelled = reserved(fan, "user1", 1, 1, &mine).await;
    let left = fan.delete(&format!("/api/v1/reservations/{cancelled}"), &mine).await;
    assert_eq!(left.status, 204, "{left:?}");
    failed(&pay(fan, "user1", &cancelled, 75_000, &mine).await, NOT_PAYABLE);

    let reservation = reserved(fan, "user1", 1, 1, &mine).await;
    refused(&pay(fan, "user2", &reservation, 75_000, &theirs).await, 403, "FORBIDDEN");
    refused(&pay(fan, "user1", &reservation, 75_000, &theirs).await, 403, "FORBIDDEN");
    refused(&pay(fan, "user2", &reservation, 75_000, &mine).await, 403, "FORBIDDEN");
    refused(&pay(fan, "user1", &reservation, 75_000, "").await, 401, "UNAUTHORIZED");
    refused(&pay(fan, "user1", &reservation, 75_000, "nonsense").await, 401, "UNAUTHORIZED");
    let waiting = token(fan, "user3").await;
    refused(&pay(fan, "user3", &reservation, 75_000, &waiting).await, 401, "UNAUTHORIZED");
    refused(&pay(fan, "nobody", &reservation, 75_000, &mine).await, 404, "NOT_FOUND");
    for unknown in [json!(1), json!(536_999_999), json!((1_i64 << 53) - 1)] {
        refused(&pay(fan, "user1", &unknown, 75_000, &mine).await, 404, "NOT_FOUND");
    }
    for name in ["userId", "reserveId", "amount"] {
        let mut body = json!({ "userId": "user1", "reserveId": reservation, "amount": 75_000 });
        body.as_object_mut().unwrap().remove(name);
        assert!(refused(&ask(fan, "POST", "/payments", &mine, body).await, 400, "BAD_REQUEST").contains(name));
    }
    assert_eq!(get(fan, "/points/user1", "").await.body["point"], 200_000);
    assert_eq!(get(fan, "/points/user2", "").await.body["point"], 200_000);
    succeeded(&pay(fan, "user1", &reservation, 75_000, &mine).await, 201, &paid("user1", &reservation, 75_000));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_ran_out_is_gone() {
    // The token ends with the hold here; that does not hide why the payment comes too late.
    let sale = Sale::start(&[("ONSALE_HOLD_TTL_S", "4"), ("ONSALE_ACTIVE_TTL_S", "4")]).await;
    let fan = &sale.client;
    let mine = token(fan, "user1").await;
    let reservation = reserved(fan, "user1", 1, 1, &mine).await;
    // Without points nothing is paid before.
    until("the hold has run out", Duration::from_secs(20), async || {
        pay(fan, "user1", &reservation, 75_000, &mine).await.status != 402
    })
    .await;
    failed(&pay(fan, "user1", &reservation, 75_000, &mine).await, TOO_LATE);
    charge(fan, "user1", 75_000).await;
    let again = token(fan, "user1").await;
    failed(&pay(fan, "user1", &reservation, 75_000, &again).await, TOO_LATE);
    assert_eq!(get(fan, "/points/user1", "").await.body["point"], 75_000);
    let anew = reserved(fan, "user1", 1, 1, &again).await;
    succeeded(&pay(fan, "user1", &anew, 75_000, &again).await, 201, &paid("user1", &anew, 75_000));
    sale.finish().await;
}
