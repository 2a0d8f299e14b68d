//! Holds.

use std::time::Duration;

use onsale_common::time::Time;
use onsale_tests::{Sale, seat};
use reqwest::Method;
use serde_json::{Value, json};

use super::{SEAT_TAKEN, ask, charge, failed, get, pay, refused, reserve, reserved, succeeded, token};

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_is_held_for_five_minutes_and_for_one_user() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let mine = token(fan, "user1").await;
    let held = reserve(fan, "user1", 1, 1, &mine).await;
    let concert = get(fan, "/concerts/1", "").await.body;
    let schedules = get(fan, "/concerts/1/schedules", &mine).await.body;
    let shape = json!({
        "reserveId": "number", "schedule": schedules["schedules"][0]["date"], "seatNumber": "A1",
        "concert": {
            "concertId": 1, "title": concert["title"],
            "startDate": concert["startDate"], "endDate": concert["endDate"],
        },
        "price": 75_000, "status": "TEMP",
        "createdAt": "string (ISO 8601)", "expiredAt": "string (ISO 8601)",
    });
    succeeded(&held, 201, &shape);
    let time = |name: &str| -> Time { serde_json::from_value(held.body[name].clone()).unwrap() };
    assert_eq!(time("expiredAt"), time("createdAt").plus(Duration::from_secs(300)));
    assert_eq!(held.body["createdAt"].as_str().unwrap().len(), "2025-01-30T12:00:00.000Z".len());

    // By its number or by its id: it is one seat, and taken for everybody.
    let theirs = token(fan, "user2").await;
    for named in [1, seat(1, 1)] {
        failed(&reserve(fan, "user2", 1, named, &theirs).await, SEAT_TAKEN);
        failed(&reserve(fan, "user1", 1, named, &mine).await, SEAT_TAKEN);
    }
    let next = reserve(fan, "user2", 2, seat(2, 12), &theirs).await;
    assert_eq!((next.status, &next.body["seatNumber"], &next.body["price"]), (201, &json!("B2"), &json!(60_000)));

    // The other dialects see it too.
    let canonical = fan.get("/api/v1/concerts/1/schedules/1/seats?status=all", &mine).await;
    assert_eq!(canonical.data()["seats"][0]["status"], "HELD", "{canonical:?}");
    let seen = fan.get(&format!("/api/v1/reservations/{}", held.body["reserveId"]), &mine).await;
    assert_eq!((&seen.data()["userId"], &seen.data()["status"]), (&json!(1), &json!("RESERVED")), "{seen:?}");
    let theirs_in_v1 = fan.token(3, 1).await;
    assert_eq!(fan.hold(3, 1, &[seat(1, 2)], &theirs_in_v1).await.status, 201);
    failed(&reserve(fan, "user1", 1, 2, &mine).await, SEAT_TAKEN);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_allowed_is_not_held() {
    let sale = Sale::start(&[("ONSALE_SERVICE_CAPACITY", "1")]).await;
    let fan = &sale.client;
    let mine = token(fan, "user1").await;
    let waiting = token(fan, "user2").await;
    let body = |user: &str, concert: i64, schedule: i64, seat: i64| json!({ "userId": user, "concertId": concert, "scheduleId": schedule, "seatId": seat });
    let ask = async |token: &str, body: Value| ask(fan, "POST", "/reservations", token, body).await;
    refused(&ask("", body("user1", 1, 1, 1)).await, 401, "UNAUTHORIZED");
    refused(&ask("nonsense", body("user1", 1, 1, 1)).await, 401, "UNAUTHORIZED");
    refused(&ask(&waiting, body("user2", 1, 1, 1)).await, 401, "UNAUTHORIZED");
    refused(&ask(&mine, body("user2", 1, 1, 1)).await, 403, "FORBIDDEN");
    for (unknown, what) in [
        (body("nobody", 1, 1, 1), "user"),
        (body("user1", 99, 1, 1), "concert"),
        (body("user1", 2, 1, 1), "schedule of this concert"),
        (body("user1", 1, 99, 1), "schedule"),
        (body("user1", 1, (1 << 35) + 1, 1), "schedule, whose number runs over into another's"),
        (body("user1", 1, 1, 51), "seat"),
        (body("user1", 1, 1, seat(1, 51)), "seat"),
        (body("user1", 1, 1, seat(2, 1)), "seat of this schedule"),
    ] {
        let answer = ask(&mine, unknown).await;
        assert_eq!(answer.status, 404, "no such {what}: {answer:?}");
        refused(&answer, 404, "NOT_FOUND");
    }
    // Booking opens in a year, or is over.
    refused(&ask(&mine, body("user1", 3, 4, 1)).await, 422, "UNPROCESSABLE_ENTITY");
    refused(&ask(&mine, body("user1", 3, 5, 1)).await, 422, "UNPROCESSABLE_ENTITY");
    for number in 1..=4 {
        reserved(fan, "user1", 1, number, &mine).await;
    }
    refused(&ask(&mine, body("user1", 1, 1, 5)).await, 422, "UNPROCESSABLE_ENTITY");
    let left = get(fan, "/concerts/schedules/1/seats", &mine).await;
    assert_eq!(left.body["seats"].as_array().unwrap().len(), 46);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_want_a_seat_one_gets_it() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let race = (1..=20).map(async |user: i64| {
        let user = format!("user{user}");
        let token = token(fan, &user).await;
        reserve(fan, &user, 1, 7, &token).await
    });
    let answers = futures_util::future::join_all(race).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!(won.len(), 1);
    lost.into_iter().for_each(|answer| failed(answer, SEAT_TAKEN));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_repeats_a_hold_after_it_was_paid() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let mine = token(fan, "user1").await;
    let bearer = format!("Bearer {mine}");
    let hold = async |number: i64, key: &str| {
        let body = json!({ "userId": "user1", "concertId": 1, "scheduleId": 1, "seatId": number }).to_string();
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
        fan.send(Method::POST, "/compat/bearer/reservations", &headers, Some(body)).await
    };
    let held = hold(1, "first").await;
    assert_eq!(held.status, 201, "{held:?}");
    charge(fan, "user1", 75_000).await;
    assert_eq!(pay(fan, "user1", &held.body["reserveId"], 75_000, &mine).await.status, 201);

    let again = hold(1, "first").await;
    assert_eq!((again.status, &again.body), (201, &held.body), "{again:?}");
    // What was not done before is not done with a token that is over, and the seats of a map stay hidden.
    for number in [2, 51] {
        refused(&hold(number, "second").await, 401, "UNAUTHORIZED");
    }
    sale.finish().await;
}
