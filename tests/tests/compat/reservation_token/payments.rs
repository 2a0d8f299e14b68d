//! Paying a booking.

use std::time::Duration;

use onsale_tests::sale::until;
use onsale_tests::{Sale, seat};
use serde_json::json;

use super::{Fan, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_paid() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    assert_eq!(fan.charge(json!(75_000.0)).await.status, 200);
    assert_eq!(fan.book(seat(1, 7)).await.status, 201);
    let paid = fan.pay(seat(1, 7)).await;
    let sold = json!({
        "id": seat(1, 7), "concert_performance_id": 1, "seat_number": 7, "user_id": fan.uuid, "booked": true,
    });
    assert_eq!((paid.status, &paid.body), (200, &sold));

    let v1 = sale.client.token(1, 1).await;
    assert_eq!(sale.client.get("/api/v1/users/1/balance", &v1).await.data()["currentBalance"], 0);
    let seats = sale.client.get("/api/v1/concerts/1/schedules/1/seats?status=all", &v1).await;
    assert_eq!(seats.data()["seats"][6]["status"], "SOLD");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_balance_pays_nothing() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    assert_eq!(fan.book(seat(1, 7)).await.status, 201);
    refused(&fan.pay(seat(1, 7)).await, 403, "Insufficient balance");
    assert_eq!(fan.charge(json!(74_999)).await.status, 200);
    refused(&fan.pay(seat(1, 7)).await, 403, "Insufficient balance");
    assert_eq!(fan.charge(json!(1)).await.status, 200);
    assert_eq!(fan.pay(seat(1, 7)).await.status, 200, "the booking is still there");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_runs_out() {
    // In one sale the token lives on, in the other it ends with its booking.
    for active_ttl_s in ["60", "3"] {
        let sale = Sale::start(&[("ONSALE_HOLD_TTL_S", "5"), ("ONSALE_ACTIVE_TTL_S", active_ttl_s)]).await;
        let fan = Fan::join(&sale, 1).await;
        assert_eq!(fan.charge(json!(100_000)).await.status, 200);
        assert_eq!(fan.book(seat(1, 7)).await.status, 201);
        let booked = fan.info().await["performance_seat_book_info"].clone();
        until("the seat is free", Duration::from_secs(20), async || {
            let other = Fan::join(&sale, 2).await;
            let held = sale.count("SELECT count(*) FROM seats WHERE status = 1 AND held_until > now()").await;
            held == 0 && other.get("/concerts").await.status == 200
        })
        .await;
        refused(&fan.pay(seat(1, 7)).await, 400, "Queue expired");
        let over = fan.info().await;
        assert_eq!(over["status"], if active_ttl_s == "3" { "EXPIRED" } else { "IN_PROGRESS" });
        assert_eq!(over["performance_seat_book_info"], booked, "it was tried and had no success");
        Fan::join(&sale, 2).await.buy(seat(1, 7)).await;
        refused(&fan.pay(seat(1, 7)).await, 400, "Queue expired");
        assert_eq!(sale.count("SELECT balance FROM accounts WHERE user_id = 1").await, 100_000);
        sale.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_one_has_booked_is_paid() {
    let sale = Sale::start(&[]).await;
    Fan::join(&sale, 1).await.buy(seat(1, 1)).await;
    let (holder, fan) = (Fan::join(&sale, 2).await, Fan::join(&sale, 3).await);
    assert_eq!(holder.book(seat(1, 2)).await.status, 201);
    assert_eq!(fan.charge(json!(100_000)).await.status, 200);
    refused(&fan.pay(seat(1, 1)).await, 400, "Seat is already booked");
    refused(&fan.pay(seat(1, 2)).await, 404, "Reservation not found");
    refused(&fan.pay(seat(1, 3)).await, 404, "Reservation not found");
    refused(&fan.pay(seat(1, 51)).await, 404, "Performance seat not found");

    assert_eq!(fan.book(seat(1, 3)).await.status, 201);
    let id = fan.info().await["performance_seat_book_info"]["id"].clone();
    assert_eq!(sale.client.delete(&format!("/api/v1/reservations/{id}"), &fan.token).await.status, 204);
    refused(&fan.pay(seat(1, 3)).await, 404, "Reservation not found");
    assert_eq!(sale.count("SELECT count(*) FROM payments").await, 1);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_paid_once() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    fan.buy(seat(1, 7)).await;
    refused(&fan.pay(seat(1, 7)).await, 400, "Seat is already booked");
    refused(&fan.pay(seat(1, 8)).await, 401, "Token is invalid");
    let again = Fan::join(&sale, 1).await;
    refused(&again.pay(seat(1, 7)).await, 400, "Seat is already booked");
    refused(&again.book(seat(1, 7)).await, 400, "Seat is already booked");
    assert_eq!(sale.count("SELECT balance FROM accounts WHERE user_id = 1").await, 125_000);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_of_several_seats_is_paid_as_a_whole() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    let (seats, token) = ([seat(1, 7), seat(1, 8)], &fan.token);
    assert_eq!(sale.client.hold(1, 1, &seats, token).await.status, 201, "held through v1, with this token");
    assert_eq!(fan.info().await["performance_seat_book_info"]["performance_seat_id"], seat(1, 7));
    assert_eq!(fan.charge(json!(150_000)).await.status, 200);
    let paid = fan.pay(seat(1, 8)).await;
    assert_eq!((paid.status, &paid.body["seat_number"]), (200, &json!(8)));
    let user = fan.get(&format!("/users/{}", fan.uuid)).await.body;
    assert_eq!((&user["balance"], user["booked_performance_seats"].as_array().unwrap().len()), (&json!(0.0), 2));
    sale.finish().await;
}
