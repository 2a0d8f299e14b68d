//! Holding a seat.

use std::time::Duration;

use futures_util::future::join_all;
use onsale_tests::sale::until;
use onsale_tests::{Sale, seat};
use serde_json::json;
use uuid::Uuid;

use super::{cookie, hold, hold_keyed, keys, moment, post, refused, wanted};

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_is_held_for_five_minutes() {
    let sale = Sale::start(&[]).await;
    let fan = cookie(&sale, 1, 1).await;
    let held = hold(&sale, &fan, wanted(1, 25)).await;
    assert_eq!(held.status, 200, "{held:?}");
    assert_eq!(held.header("content-type"), "application/json");
    assert_eq!(keys(&held.body), ["expiredAt", "reservationId", "seatNumber", "status"]);
    assert_eq!((&held.body["status"], &held.body["seatNumber"]), (&json!("PREEMPTED"), &json!(25)));
    let left = moment(&held.body["expiredAt"]) - chrono::Utc::now().naive_utc();
    assert!((290..=300).contains(&left.num_seconds()), "{held:?}");
    let id = held.body["reservationId"].as_str().unwrap().strip_prefix("TSID-").expect("a TSID");

    // v1 sees the same reservation, and the seat as held.
    let reservation = sale.client.get(&format!("/api/v1/reservations/{id}"), &fan[8..]).await;
    assert_eq!(reservation.data()["seats"][0]["seatId"], seat(1, 25), "{reservation:?}");
    assert_eq!(reservation.data()["userId"], 1);
    let seats = sale.client.get("/api/v1/concerts/1/schedules/1/seats?status=all", &fan[8..]).await;
    let seen = seats.data()["seats"].as_array().unwrap().iter().find(|seen| seen["seatNumber"] == 25);
    assert_eq!(seen.unwrap()["status"], "HELD");
    // What v1 holds is taken here, and the seat goes by its canonical id as well.
    let other = sale.client.token(2, 1).await;
    assert_eq!(sale.client.hold(2, 1, &[seat(1, 26)], &other).await.status, 201);
    refused(&hold(&sale, &fan, wanted(1, 26)).await, 409, "SEAT_TAKEN");
    assert_eq!(hold(&sale, &fan, wanted(1, seat(1, 27))).await.body["seatNumber"], 27);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_holds_once_however_often_it_is_sent() {
    let sale = Sale::start(&[]).await;
    let (fan, key) = (cookie(&sale, 1, 1).await, Uuid::new_v4().to_string());
    let answers = join_all((0..10).map(|_| hold_keyed(&sale, &fan, &key, wanted(1, 1)))).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body), "{answers:?}");
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 1);
    refused(&hold_keyed(&sale, &fan, &key, wanted(1, 2)).await, 422, "IDEMPOTENCY_KEY_REUSED");

    let cookies = [("cookie", fan.as_str())];
    let without = post(&sale, "/api/reservations", &cookies, Some(wanted(1, 3))).await;
    assert!(refused(&without, 400, "INVALID_REQUEST").contains("Idempotency-Key"));
    for bad in ["", "key-1", "not a uuid", "7f9c24e8-3b1a-4c57-9d0e", &"7".repeat(300)] {
        let answer = hold_keyed(&sale, &fan, bad, wanted(1, 3)).await;
        assert!(refused(&answer, 400, "INVALID_REQUEST").contains("Idempotency-Key"), "{bad}");
    }
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 1);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_held_is_said() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "2"), ("ONSALE_SEATS_PER_USER", "2")]).await;
    let (fan, _, waiting) = (cookie(&sale, 1, 1).await, cookie(&sale, 2, 1).await, cookie(&sale, 3, 1).await);
    refused(&hold(&sale, &waiting, wanted(3, 1)).await, 401, "TOKEN_NOT_ACTIVE");
    refused(&hold(&sale, &fan, wanted(2, 1)).await, 403, "FORBIDDEN");
    refused(&hold(&sale, &fan, wanted(999_999, 1)).await, 404, "USER_NOT_FOUND");
    refused(&hold(&sale, &fan, wanted(1, 51)).await, 404, "SEAT_NOT_FOUND");
    refused(&hold(&sale, &fan, wanted(1, seat(2, 1))).await, 404, "SEAT_NOT_FOUND");
    let with = |name: &str, value: i64| {
        let mut body = wanted(1, 1);
        body[name] = json!(value);
        body
    };
    refused(&hold(&sale, &fan, with("concertScheduleId", 2)).await, 403, "WRONG_SCHEDULE");
    refused(&hold(&sale, &fan, with("price", 74_999)).await, 400, "AMOUNT_MISMATCH");
    for price in [0, -1] {
        refused(&hold(&sale, &fan, with("price", price)).await, 400, "INVALID_AMOUNT");
    }
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 0, "nothing is held by what was refused");
    assert_eq!(hold(&sale, &fan, wanted(1, 1)).await.status, 200);
    refused(&hold(&sale, &fan, wanted(1, 1)).await, 409, "SEAT_TAKEN");
    assert_eq!(hold(&sale, &fan, wanted(1, 2)).await.status, 200);
    refused(&hold(&sale, &fan, wanted(1, 3)).await, 422, "SEAT_LIMIT_EXCEEDED");
    let early = cookie(&sale, 1, 4).await;
    let prices = sale.client.get("/api/v1/concerts/3/schedules/4/seats?status=all", &early[8..]).await;
    let price = &prices.data()["seats"][0]["price"];
    let body = json!({ "userId": 1, "concertScheduleId": 4, "seatId": 1, "price": price });
    refused(&hold(&sale, &early, body).await, 422, "BOOKING_CLOSED");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_gets_the_seat_and_an_expired_hold_frees_it() {
    let sale = Sale::start(&[("ONSALE_HOLD_TTL_S", "2")]).await;
    let fans = join_all((1..=30).map(|user| cookie(&sale, user, 1))).await;
    let answers = join_all((1..).zip(&fans).map(|(user, fan)| hold(&sale, fan, wanted(user, 7)))).await;
    let held = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(held, 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        refused(answer, 409, "SEAT_TAKEN");
    }
    until("the hold ends", Duration::from_secs(5), async || hold(&sale, &fans[0], wanted(1, 7)).await.status == 200)
        .await;
    sale.finish().await;
}
