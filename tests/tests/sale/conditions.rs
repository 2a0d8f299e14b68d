//! Conditions that a client may put on its hold, and what it is told when a hold has run out.

use std::time::Duration;

use onsale_tests::producer::command;
use onsale_tests::sale::until;
use onsale_tests::{Sale, seat};
use serde_json::{Value, json};

fn hold(token: &str, n: i64, condition: Value) -> Value {
    let mut data = json!({ "scheduleId": 1, "seatIds": [seat(1, n)], "userId": 1 });
    for (name, value) in condition.as_object().expect("a condition") {
        data[name] = value.clone();
    }
    command("HoldSeats", Some(token), data)
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_held_at_the_price_that_was_said_or_not_at_all() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let token = sale.client.token(1, 1).await;
    let refused = producer.ask("reservation.1", &hold(&token, 1, json!({ "amount": 74_999 }))).await;
    assert_eq!(refused["error"]["code"], "AMOUNT_MISMATCH");
    assert_eq!(refused["error"]["details"]["totalAmount"], 75_000);
    for amount in [json!(0), json!(-75_000), json!(1.5)] {
        let refused = producer.refused("reservation.1", &hold(&token, 1, json!({ "amount": amount }))).await;
        assert_eq!(refused, "INVALID_AMOUNT", "{amount}");
    }
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 0);
    let held = producer.done("reservation.1", &hold(&token, 1, json!({ "amount": 75_000 }))).await;
    assert_eq!(held["totalAmount"], 75_000);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_holds_a_seat_is_told_so_before_anything_about_who_has_the_seat() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let (token, other) = (sale.client.token(1, 1).await, sale.client.token(2, 1).await);
    let only = |n: i64| hold(&token, n, json!({ "onlyHold": true }));
    let held = producer.done("reservation.1", &only(1)).await;
    assert_eq!(producer.refused("reservation.1", &only(2)).await, "HOLD_EXISTS");
    assert_eq!(producer.refused("reservation.1", &only(1)).await, "HOLD_EXISTS", "the user's own seat");
    let theirs = json!({ "scheduleId": 1, "seatIds": [seat(1, 1)], "userId": 2, "onlyHold": true });
    assert_eq!(producer.refused("reservation.1", &command("HoldSeats", Some(&other), theirs)).await, "SEAT_TAKEN");
    let release = json!({ "reservationId": held["reservationId"] });
    producer.done("reservation.1", &command("ReleaseReservation", Some(&token), release)).await;
    // Two in one batch are decided one after the other.
    let replies = producer.ask("reservation.1", &json!([only(3), only(4), hold(&token, 5, json!({}))])).await;
    assert_eq!((&replies[0]["ok"], &replies[1]["error"]["code"]), (&json!(true), &json!("HOLD_EXISTS")), "{replies}");
    assert_eq!(replies[2]["ok"], true, "who does not ask for it may hold more: {replies}");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_payer_is_told_that_the_hold_ran_out_although_the_token_did_too() {
    let sale = Sale::start(&[("ONSALE_HOLD_TTL_S", "3"), ("ONSALE_ACTIVE_TTL_S", "3")]).await;
    let mut producer = sale.producer().await;
    let fan = &sale.client;
    let token = fan.token(1, 1).await;
    let held = producer.done("reservation.1", &hold(&token, 1, json!({}))).await;
    until("the token is over", Duration::from_secs(6), async || fan.status(&token).await == "EXPIRED").await;
    let pay = |user: i64, token: &str| {
        let data = json!({ "reservationId": held["reservationId"], "paymentMethod": "BALANCE", "userId": user });
        command("Pay", Some(token), data)
    };
    assert_eq!(producer.refused("payment.1", &pay(1, &token)).await, "RESERVATION_EXPIRED");
    let other = fan.token(2, 1).await;
    assert_eq!(producer.refused("payment.1", &pay(2, &other)).await, "FORBIDDEN");
    assert_eq!(producer.refused("payment.1", &pay(2, &token)).await, "FORBIDDEN");
    sale.finish().await;
}
