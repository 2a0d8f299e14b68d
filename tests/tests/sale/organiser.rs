//! The organiser's controls take effect, and logins open what they should and nothing else.

use std::time::Duration;

use onsale_tests::producer::{command, vouched_for};
use onsale_tests::sale::until;
use onsale_tests::shape::demand;
use onsale_tests::{Answer, Sale, seat};
use reqwest::Method;
use serde_json::{Value, json};

async fn create(sale: &Sale, changes: Value) -> (i64, Answer) {
    let mut body = json!({
        "performanceDate": "2040-01-01", "performanceTime": "19:00:00",
        "bookingOpenAt": "2026-01-01T00:00:00Z", "bookingCloseAt": "2039-01-01T00:00:00Z",
        "seats": { "count": 25, "price": 500 },
    });
    for (name, value) in changes.as_object().expect("changes") {
        body[name] = value.clone();
    }
    let created = sale.client.admin(Method::POST, "/api/v1/admin/concerts/1/schedules", body).await;
    assert_eq!(created.status, 201, "{created:?}");
    (created.data()["scheduleId"].as_i64().expect("an id"), created)
}

async fn change(sale: &Sale, schedule: i64, changes: Value) -> Answer {
    let changed = sale.client.admin(Method::PATCH, &format!("/api/v1/admin/schedules/{schedule}"), changes).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    changed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_schedule_is_sold_as_its_organiser_says() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let concert =
        fan.admin(Method::POST, "/api/v1/admin/concerts", json!({ "title": "Night", "venueName": "Hall" })).await;
    let shape = json!({
        "concertId": "number", "title": "Night", "venueId": "number", "venueName": "Hall",
        "createdAt": "string (ISO 8601)",
        "startDate": null, "endDate": null,
    });
    demand(concert.data(), &shape);
    assert_eq!(concert.status, 201);
    let sections = json!({ "sections": [
        { "name": "Front", "price": 900, "rows": [{ "row": "A", "seats": 2 }, { "row": "B", "seats": 1 }] },
        { "name": "Back", "price": 400, "rows": [{ "row": "C", "seats": 3 }] },
    ] });
    let (schedule, created) = create(&sale, json!({ "seats": sections, "seatsPerUser": 2 })).await;
    let shape = json!({
        "scheduleId": schedule, "concertId": 1, "concertTitle": "string", "venueId": "number", "venueName": "string",
        "performanceDate": "2040-01-01", "performanceTime": "19:00:00",
        "bookingOpenAt": "2026-01-01T00:00:00.000Z", "bookingCloseAt": "2039-01-01T00:00:00.000Z",
        "availableSeats": 6, "status": "OPEN",
        "seatCount": 6, "maxConcurrentUsers": 1000, "seatsPerUser": 2, "paused": false,
    });
    demand(created.data(), &shape);
    let token = fan.token(1, schedule).await;
    let seats = fan.get(&format!("/api/v1/concerts/1/schedules/{schedule}/seats"), &token).await;
    let seats = seats.data()["seats"].as_array().unwrap().clone();
    let numbers: Vec<_> = seats.iter().map(|seat| seat["seatNumber"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        (&seats[3]["section"], &seats[3]["row"], &seats[3]["price"]),
        (&json!("Back"), &json!("C"), &json!(400))
    );
    let three: Vec<i64> = (1..=3).map(|n| seat(schedule, n)).collect();
    assert_eq!(fan.hold(1, schedule, &three, &token).await.said(), (422, "SEAT_LIMIT_EXCEEDED"));
    assert_eq!(fan.hold(1, schedule, &three[..2], &token).await.data()["totalAmount"], 1800);
    // The window moves: what was open is closed.
    change(&sale, schedule, json!({ "bookingCloseAt": "2026-01-02T00:00:00Z" })).await;
    let other = fan.token(2, schedule).await;
    assert_eq!(fan.hold(2, schedule, &three[2..], &other).await.said(), (422, "BOOKING_CLOSED"));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_sale_admits_and_holds_nothing_until_it_resumes() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let (schedule, _) = create(&sale, json!({ "maxConcurrentUsers": 2 })).await;
    let first = fan.token(1, schedule).await;
    fan.charge(1, 10_000, &first).await;
    let held = fan.hold(1, schedule, &[seat(schedule, 1)], &first).await;
    assert_eq!(change(&sale, schedule, json!({ "paused": true })).await.data()["status"], "PAUSED");
    assert_eq!(fan.hold(1, schedule, &[seat(schedule, 2)], &first).await.said(), (422, "BOOKING_CLOSED"));
    let mut waiting = Vec::new();
    for user in 2..=5 {
        let joined = fan.join(user, schedule).await;
        assert_eq!(joined.data()["status"], "WAITING", "there is room, but the sale is paused: {joined:?}");
        waiting.push(joined.data()["token"].as_str().unwrap().to_owned());
    }
    let paid = fan.pay(1, &held.data()["reservationId"], &first).await;
    assert_eq!(paid.status, 201, "holds that exist can be paid");
    change(&sale, schedule, json!({ "paused": false })).await;
    until("two are admitted", Duration::from_millis(2500), async || fan.status(&waiting[1]).await == "ACTIVE").await;
    assert_eq!(fan.status(&waiting[0]).await, "ACTIVE");
    assert_eq!(fan.status(&waiting[2]).await, "WAITING", "the room is full");
    change(&sale, schedule, json!({ "maxConcurrentUsers": 3 })).await;
    until("a larger room takes one more", Duration::from_millis(2500), async || {
        fan.status(&waiting[2]).await == "ACTIVE"
    })
    .await;
    // A smaller room sends nobody away, and takes nobody in until it is below its capacity.
    change(&sale, schedule, json!({ "maxConcurrentUsers": 1 })).await;
    for token in &waiting[..2] {
        assert_eq!(fan.delete(&format!("/api/v1/queue/tokens/{token}"), "").await.status, 204);
        assert_eq!(fan.status(&waiting[2]).await, "ACTIVE");
        assert_eq!(fan.status(&waiting[3]).await, "WAITING");
    }
    assert_eq!(fan.delete(&format!("/api/v1/queue/tokens/{}", waiting[2]), "").await.status, 204);
    until("the last is admitted", Duration::from_millis(2500), async || fan.status(&waiting[3]).await == "ACTIVE")
        .await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_key_nobody_is_the_organiser() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let body = || Some(json!({ "title": "Mine", "venueName": "Mine" }).to_string());
    let ask = async |headers: &[(&str, &str)]| fan.send(Method::POST, "/api/v1/admin/concerts", headers, body()).await;
    assert_eq!(ask(&[]).await.said(), (401, "LOGIN_REQUIRED"));
    assert_eq!(ask(&[("authorization", "Bearer the-organiseR")]).await.said(), (403, "FORBIDDEN"));
    assert_eq!(ask(&[("authorization", "Basic the-organiser")]).await.said(), (401, "LOGIN_REQUIRED"));
    let token = fan.token(1, 1).await;
    assert_eq!(ask(&[("queue-token", &token)]).await.said(), (401, "LOGIN_REQUIRED"));
    assert_eq!(sale.count("SELECT count(*) FROM concerts").await, 3);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_opens_the_room_for_its_user_while_it_lasts() {
    let sale = Sale::start(&[("ONSALE_AUTH", "jwt"), ("ONSALE_LOGIN_TTL_S", "3")]).await;
    let fan = &sale.client;
    let log_in = async |email: &str, password: &str| {
        let body = json!({ "email": email, "password": password }).to_string();
        fan.send(Method::POST, "/api/v1/auth/login", &[], Some(body)).await
    };
    let login = log_in("user1@example.com", "onsale-demo").await;
    demand(login.data(), &json!({ "accessToken": "string", "tokenType": "Bearer", "expiresIn": 3, "userId": 1 }));
    assert_eq!(log_in("USER1@example.com", "onsale-demo").await.status, 200, "addresses have no case");
    for (email, password) in [
        ("user1@example.com", "onsale-demO"),
        ("user1@example.com", ""),
        ("nobody@example.com", "onsale-demo"),
        ("user1@example.com\u{0}", "onsale-demo"),
        ("' OR 1=1 --", "onsale-demo"),
    ] {
        let refused = log_in(email, password).await;
        assert_eq!(refused.said(), (401, "LOGIN_FAILED"), "{email:?} {password:?}: {refused:?}");
    }
    let access = login.data()["accessToken"].as_str().unwrap().to_owned();
    let join = async |access: &str, user: i64| {
        let bearer = format!("Bearer {access}");
        let body = json!({ "userId": user, "scheduleId": 1 }).to_string();
        fan.send(Method::POST, "/api/v1/queue/tokens", &[("authorization", &bearer)], Some(body)).await
    };
    let parts: Vec<&str> = access.split('.').collect();
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", parts[1]);
    let resigned = format!("{}.{}.{}", parts[0], parts[1], parts[2].chars().rev().collect::<String>());
    for forged in [unsigned.as_str(), &resigned, parts[1], "x", ""] {
        assert_eq!(join(forged, 1).await.said(), (401, "LOGIN_REQUIRED"), "{forged}");
    }
    assert_eq!(join(&access, 2).await.said(), (403, "FORBIDDEN"));
    let joined = join(&access, 1).await;
    assert_eq!(joined.status, 200, "{joined:?}");
    let again = join(&access, 1).await;
    assert_eq!(again.said(), (409, "TOKEN_EXISTS"));
    assert_eq!(again.body["error"]["details"]["token"], joined.data()["token"]);
    // A direct producer that vouches for nobody is not told whose token it is.
    let mut producer = sale.producer().await;
    let ask = command("IssueToken", None, json!({ "userId": 1, "scheduleId": 1 }));
    let stranger = producer.ask("admission.1", &ask).await;
    assert_eq!((&stranger["error"]["code"], &stranger["error"]["details"]), (&json!("TOKEN_EXISTS"), &json!({})));
    let ask = vouched_for(1, command("IssueToken", None, json!({ "userId": 1, "scheduleId": 1 })));
    let owner = producer.ask("admission.1", &ask).await;
    assert_eq!(owner["error"]["details"]["token"], joined.data()["token"], "{owner}");
    until("the login expires", Duration::from_secs(6), async || {
        join(&access, 1).await.said() == (401, "LOGIN_REQUIRED")
    })
    .await;
    let token = joined.data()["token"].as_str().unwrap();
    assert_eq!(fan.get("/api/v1/users/1/balance", token).await.status, 200, "the queue token lives on");
    sale.finish().await;
}
