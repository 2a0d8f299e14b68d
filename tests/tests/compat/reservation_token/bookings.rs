//! Booking a seat.

use futures_util::future::join_all;
use onsale_tests::{Sale, seat};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Fan, faulty, is_time, keys, refused};

const SOLD: (u16, &str) = (400, "Seat is already booked");
const UNKNOWN: (u16, &str) = (404, "Performance seat not found");
const HAS_ONE: (u16, &str) = (409, "User already has a reservation");
const OTHERS: (u16, &str) = (409, "Other user is booking the seat");

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_is_booked_and_everybody_sees_it_held() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    let booked = fan.book(seat(1, 7)).await;
    assert_eq!(booked.status, 201, "{booked:?}");
    assert_eq!(keys(&booked.body), ["book_attempt_at", "performance_seat_id"]);
    assert_eq!(booked.body["performance_seat_id"], seat(1, 7));
    is_time(&booked.body["book_attempt_at"]);

    let v1 = sale.client.token(2, 1).await;
    let seats = sale.client.get("/api/v1/concerts/1/schedules/1/seats?status=all", &v1).await;
    assert_eq!(seats.data()["seats"][6]["status"], "HELD");
    assert_eq!(sale.client.hold(2, 1, &[seat(1, 7)], &v1).await.said(), (409, "SEAT_TAKEN"));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_passed_over() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    let path = format!("/performance_seats/{}/book", seat(1, 7));
    assert_eq!(fan.post(&path, Some(json!({ "id": 99 }))).await.status, 201);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_is_told_apart() {
    let sale = Sale::start(&[]).await;
    Fan::join(&sale, 1).await.buy(seat(1, 1)).await;
    let (holder, fan) = (Fan::join(&sale, 2).await, Fan::join(&sale, 3).await);
    let v1 = sale.client.token(4, 1).await;
    assert_eq!(sale.client.hold(4, 1, &[seat(1, 3)], &v1).await.status, 201);
    assert_eq!(holder.book(seat(1, 2)).await.status, 201);

    // With nothing of their own under way.
    for (n, (status, message)) in [(1, SOLD), (51, UNKNOWN), (2, OTHERS), (3, OTHERS)] {
        refused(&fan.book(seat(1, n)).await, status, message);
    }
    // With a booking of their own: what is said of the seat alone comes first.
    for (n, (status, message)) in [(1, SOLD), (51, UNKNOWN), (4, HAS_ONE), (2, HAS_ONE), (3, HAS_ONE)] {
        refused(&holder.book(seat(1, n)).await, status, message);
    }
    refused(&holder.book(seat(2, 1)).await, HAS_ONE.0, HAS_ONE.1);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_no_seat_has_are_not_found() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    for action in ["book", "pay"] {
        for id in ["1", "0", "-1", "536870912", "53150220289", "9007199254740991", "9223372036854775807"] {
            let answer = fan.post(&format!("/performance_seats/{id}/{action}"), None).await;
            refused(&answer, UNKNOWN.0, UNKNOWN.1);
        }
        for id in ["x", "1.5", "9223372036854775808", "%00", "%ff", "+1", "1e9"] {
            faulty(&fan.post(&format!("/performance_seats/{id}/{action}"), None).await, "id");
        }
    }
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_books_a_seat() {
    let sale = Sale::start(&[]).await;
    let mut fans = Vec::new();
    for user in 1..=20 {
        fans.push(Fan::join(&sale, user).await);
    }
    let answers = join_all(fans.iter().map(|fan| fan.book(seat(1, 7)))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for lost in answers.iter().filter(|answer| answer.status != 201) {
        refused(lost, OTHERS.0, OTHERS.1);
    }
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_books_one_of_many_seats() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    let seats = (1..=10).flat_map(|n| [seat(1, n), seat(2, n), seat(3, n)]);
    let answers = join_all(seats.map(|seat| fan.book(seat))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for lost in answers.iter().filter(|answer| answer.status != 201) {
        refused(lost, HAS_ONE.0, HAS_ONE.1);
    }
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 1);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_organiser_sees_who_tried() {
    let sale = Sale::start(&[]).await;
    let (first, second) = (Fan::join(&sale, 1).await, Fan::join(&sale, 2).await);
    assert_eq!(first.book(seat(1, 7)).await.status, 201);
    assert_eq!(second.book(seat(1, 7)).await.status, 409);
    assert_eq!(first.book(seat(1, 8)).await.status, 409);
    let log = sale.client.admin(Method::GET, "/api/v1/admin/schedules/1/attempts", Value::Null).await;
    let tries = log.data()["attempts"].as_array().unwrap().clone();
    let tried = |fan: &Fan, n: i64| (json!(seat(1, n)), json!(fan.id), json!(fan.token));
    let seen: Vec<_> = tries.iter().map(|t| (t["seatId"].clone(), t["userId"].clone(), t["token"].clone())).collect();
    assert_eq!(seen, [tried(&first, 8), tried(&second, 7), tried(&first, 7)], "newest first");
    for attempt in &tries {
        let at = chrono::DateTime::parse_from_rfc3339(attempt["attemptedAt"].as_str().unwrap()).unwrap();
        assert!((chrono::Utc::now() - at.to_utc()).num_seconds().abs() < 60, "{attempt}");
    }
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_performance_that_is_not_open_is_not_booked() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    for schedule in [4, 5] {
        refused(&fan.book(seat(schedule, 1)).await, 400, "Booking is not open");
    }
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_performance_opens_no_other() {
    let sale = Sale::start(&[]).await;
    let mut fan = Fan::join(&sale, 1).await;
    fan.token = sale.client.token(1, 1).await;
    refused(&fan.book(seat(2, 1)).await, 403, "Token is for another concert date");
    assert_eq!(fan.book(seat(1, 1)).await.status, 201);
    sale.finish().await;
}
