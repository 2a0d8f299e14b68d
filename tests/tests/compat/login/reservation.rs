//! Reserving a seat.

use onsale_tests::{Sale, seat};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Fan, call, concert, nobody, refused, text};

#[tokio::test(flavor = "multi_thread")]
async fn reserving_needs_a_login_and_the_same_users_turn() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "1")]).await;
    let fan = Fan::at(&sale, 1, 1).await;
    let body = json!({ "concert_id": concert(1), "seat_id": fan.seat(1, 1).await });
    let reserve =
        async |headers: &[(&str, &str)]| call(&sale, Method::POST, "/reservation", headers, Some(body.clone())).await;
    let [login, token] = [("authorization", fan.login.as_str()), ("queue-token", fan.token.as_str())];
    refused(&reserve(&[]).await, 401, "TOKEN_MISSING");
    refused(&reserve(&[login]).await, 401, "TOKEN_MISSING");
    refused(&reserve(&[token]).await, 401, "LOGIN_REQUIRED");
    refused(&reserve(&[token, ("authorization", "Bearer nonsense")]).await, 401, "LOGIN_REQUIRED");
    refused(&reserve(&[login, ("queue-token", "nonsense")]).await, 401, "TOKEN_INVALID");
    refused(&reserve(&[login, ("queue-token", &nobody())]).await, 401, "TOKEN_INVALID");

    let mut waiting = Fan::log_in(&sale, 2).await;
    refused(&reserve(&[("authorization", &waiting.login), token]).await, 403, "FORBIDDEN");
    waiting.token = text(&waiting.join(1).await.body["token"]).to_owned();
    refused(&reserve(&waiting.headers()).await, 401, "TOKEN_NOT_ACTIVE");
    let elsewhere = Fan::at(&sale, 1, 2).await;
    refused(&reserve(&elsewhere.headers()).await, 403, "WRONG_SCHEDULE");
    let mut for_another = body.clone();
    for_another["user_id"] = waiting.id.clone();
    refused(&fan.post("/reservation", for_another).await, 403, "FORBIDDEN");

    assert_eq!(reserve(&[login, token]).await.status, 201);
    assert_eq!(sale.client.delete(&format!("/api/v1/queue/tokens/{}", fan.token), &fan.token).await.status, 204);
    refused(&reserve(&[login, token]).await, 401, "TOKEN_EXPIRED");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_is_reserved_once() {
    let sale = Sale::start(&[("ONSALE_SEATS_PER_USER", "2")]).await;
    let (first, second) = (Fan::at(&sale, 1, 1).await, Fan::at(&sale, 2, 1).await);
    let reserved = first.reserve(1, 1).await;
    assert_eq!(reserved.status, 201);
    refused(&second.reserve(1, 1).await, 409, "SEAT_TAKEN");
    refused(&first.reserve(1, 1).await, 409, "SEAT_TAKEN");
    assert_eq!(first.reserve(1, 2).await.status, 201);
    refused(&first.reserve(1, 3).await, 422, "SEAT_LIMIT_EXCEEDED");
    assert_eq!(second.standing(1, 3).await, "available");
    // The same key is the same reservation, and never another one.
    let body = json!({ "concert_id": concert(1), "seat_id": second.seat(1, 4).await });
    let once = second.post_keyed("/reservation", "once", body.clone()).await;
    let again = second.post_keyed("/reservation", "once", body.clone()).await;
    assert_eq!((once.status, again.status, &once.body), (201, 201, &again.body));
    let another = json!({ "concert_id": body["concert_id"], "seat_id": second.seat(1, 5).await });
    refused(&second.post_keyed("/reservation", "once", another).await, 422, "IDEMPOTENCY_KEY_REUSED");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_seats_of_an_open_concert_can_be_reserved() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::at(&sale, 1, 1).await;
    let ours = concert(1);
    let mine = fan.seat(1, 1).await;
    let name = |seat: i64| format!("00000000-0002-8000-8000-{seat:012x}");
    let cases: [(Value, Value, u16, &str); 6] = [
        (json!(ours), json!(nobody()), 404, "SEAT_NOT_FOUND"),
        (json!(ours), json!(name(seat(1, 51))), 404, "SEAT_NOT_FOUND"),
        // A seat of another concert, and something that is no seat.
        (json!(ours), json!(name(seat(2, 1))), 404, "SEAT_NOT_FOUND"),
        (json!(ours), json!(ours), 404, "SEAT_NOT_FOUND"),
        (json!(nobody()), mine.clone(), 404, "CONCERT_NOT_FOUND"),
        (json!("00000000-0001-8000-8000-000000000099"), mine.clone(), 404, "CONCERT_NOT_FOUND"),
    ];
    for (concert_id, seat_id, status, code) in cases {
        let answer = fan.post("/reservation", json!({ "concert_id": concert_id, "seat_id": seat_id })).await;
        refused(&answer, status, code);
    }
    for (schedule, seat_n) in [(4, 1), (5, 1)] {
        let fan = Fan::at(&sale, 2, schedule).await;
        refused(&fan.reserve(schedule, seat_n).await, 422, "BOOKING_CLOSED");
    }
    for (field, value) in [("concert_id", json!("x")), ("seat_id", json!(1)), ("seat_id", json!([mine.clone()]))] {
        let mut body = json!({ "concert_id": ours, "seat_id": mine });
        body[field] = value;
        let answer = fan.post("/reservation", body.clone()).await;
        refused(&answer, 400, "INVALID_REQUEST");
        assert!(text(&answer.body["message"]).contains(field), "{answer:?}");
        body.as_object_mut().unwrap().remove(field);
        let answer = fan.post("/reservation", body).await;
        refused(&answer, 400, "INVALID_REQUEST");
        assert!(text(&answer.body["message"]).contains(field), "{answer:?}");
    }
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_is_not_paid_in_time_is_free_again() {
    let sale = Sale::start(&[("ONSALE_HOLD_TTL_S", "1")]).await;
    let (first, second) = (Fan::at(&sale, 1, 1).await, Fan::at(&sale, 2, 1).await);
    first.charge(75_000).await;
    let reservation = first.reserved(1, 1).await;
    onsale_tests::sale::until("the seat is free again", std::time::Duration::from_secs(10), async || {
        first.standing(1, 1).await == "available"
    })
    .await;
    refused(&first.pay(&reservation).await, 409, "RESERVATION_EXPIRED");
    assert_eq!(first.get("/balance").await.body["balance"], 75_000);
    assert_eq!(second.reserve(1, 1).await.status, 201);
    sale.finish().await;
}
