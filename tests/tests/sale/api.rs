//! Each row of `/api/v1`, and each refusal that a client can provoke.

use onsale_tests::{Sale, seat};
use reqwest::Method;
use serde_json::{Value, json};

/// The names of an object's fields.
fn fields(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_joins_holds_charges_and_pays() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let joined = fan.join(1, 1).await;
    assert_eq!(joined.status, 200, "{joined:?}");
    let expected =
        ["activeAt", "estimatedWaitTimeMinutes", "expiresAt", "issuedAt", "queuePosition", "status", "token"];
    assert_eq!(fields(joined.data()), expected);
    assert_eq!((&joined.data()["status"], &joined.data()["queuePosition"]), (&json!("ACTIVE"), &json!(0)));
    let token = joined.data()["token"].as_str().unwrap().to_owned();
    assert_eq!(fan.get(&format!("/api/v1/queue/tokens/{token}"), &token).await.data(), joined.data());

    let schedules = fan.get("/api/v1/concerts/1/schedules?fromDate=2020-01-01", &token).await;
    assert_eq!((schedules.status, schedules.data().as_array().unwrap().len()), (200, 2));
    assert_eq!((&schedules.data()[0]["availableSeats"], &schedules.data()[0]["status"]), (&json!(50), &json!("OPEN")));
    let seats = fan.get("/api/v1/concerts/1/schedules/1/seats", &token).await;
    let first = &seats.data()["seats"][0];
    assert_eq!(seats.data()["seats"].as_array().unwrap().len(), 50);
    assert_eq!(fields(first), ["label", "price", "row", "seatId", "seatNumber", "section", "status"]);
    assert_eq!((&first["seatId"], &first["label"], &first["price"]), (&json!(seat(1, 1)), &json!("A1"), &json!(75000)));

    let held = fan.hold(1, 1, &[seat(1, 1), seat(1, 2)], &token).await;
    assert_eq!(held.status, 201, "{held:?}");
    assert_eq!((&held.data()["totalAmount"], &held.data()["status"]), (&json!(150_000), &json!("RESERVED")));
    let reservation = held.data()["reservationId"].clone();
    assert_eq!(fan.get(&format!("/api/v1/reservations/{reservation}"), &token).await.data(), held.data());
    let left = fan.get("/api/v1/concerts/1/schedules/1/seats", &token).await;
    assert_eq!(left.data()["seats"].as_array().unwrap().len(), 48);
    let all = fan.get("/api/v1/concerts/1/schedules/1/seats?status=all", &token).await;
    assert_eq!(
        (&all.data()["seats"][0]["status"], &all.data()["seats"][2]["status"]),
        (&json!("HELD"), &json!("AVAILABLE"))
    );

    assert_eq!(fan.pay(1, &reservation, &token).await.said(), (402, "INSUFFICIENT_BALANCE"));
    let charged = fan.charge(1, 200_000, &token).await;
    assert_eq!(fields(charged.data()), ["chargedAmount", "chargedAt", "currentBalance", "transactionId", "userId"]);
    let mismatch = json!({ "reservationId": reservation, "paymentMethod": "BALANCE", "userId": 1, "amount": 1 });
    assert_eq!(fan.post("/api/v1/payments", &token, mismatch).await.said(), (400, "AMOUNT_MISMATCH"));
    let paid = fan.pay(1, &reservation, &token).await;
    assert_eq!((paid.status, &paid.data()["amount"]), (201, &json!(150_000)), "{paid:?}");
    assert_eq!(fan.pay(1, &reservation, &token).await.said(), (409, "ALREADY_PAID"));
    let release = format!("/api/v1/reservations/{reservation}");
    assert_eq!(fan.delete(&release, &token).await.said(), (409, "ALREADY_PAID"), "although it used the token up");
    assert_eq!(fan.status(&token).await, "USED");

    let again = fan.token(1, 1).await;
    let payment = format!("/api/v1/payments/{}", paid.data()["paymentId"]);
    assert_eq!(fan.get(&payment, &again).await.data(), paid.data());
    assert_eq!(fan.delete(&format!("/api/v1/reservations/{reservation}"), &again).await.said(), (409, "ALREADY_PAID"));
    let balance = fan.get("/api/v1/users/1/balance", &again).await;
    assert_eq!((&balance.data()["currentBalance"], &balance.data()["totalUsed"]), (&json!(50_000), &json!(150_000)));
    let entries = fan.get("/api/v1/users/1/balance/entries?limit=1", &again).await;
    assert_eq!(entries.data()["entries"][0]["type"], "PAYMENT");
    let next = entries.data()["nextCursor"].as_str().unwrap();
    let rest = fan.get(&format!("/api/v1/users/1/balance/entries?cursor={next}"), &again).await;
    assert_eq!((&rest.data()["entries"][0]["type"], &rest.data()["nextCursor"]), (&json!("CHARGE"), &Value::Null));
    let reservations = fan.get("/api/v1/users/1/reservations", &again).await;
    assert_eq!(reservations.data()["reservations"][0]["status"], "PAID");

    let other = fan.token(2, 1).await;
    assert_eq!(fan.get(&payment, &other).await.said(), (403, "FORBIDDEN"));
    assert_eq!(fan.get("/api/v1/users/1/balance", &other).await.said(), (403, "FORBIDDEN"));
    assert_eq!(fan.get(&format!("/api/v1/reservations/{reservation}"), &other).await.said(), (403, "FORBIDDEN"));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_status_and_code() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let token = fan.token(10, 1).await;
    let get = async |path: &str| fan.get(path, &token).await;
    for (path, said) in [
        ("/api/v1/concerts/99", (404, "CONCERT_NOT_FOUND")),
        ("/api/v1/concerts/x", (400, "INVALID_REQUEST")),
        ("/api/v1/concerts/99/schedules", (404, "CONCERT_NOT_FOUND")),
        ("/api/v1/concerts/1/schedules?fromDate=2024-02-31", (400, "INVALID_REQUEST")),
        ("/api/v1/concerts/1/schedules/99/seats", (404, "SCHEDULE_NOT_FOUND")),
        ("/api/v1/concerts/1/schedules/2/seats", (403, "WRONG_SCHEDULE")),
        ("/api/v1/reservations/536999999", (404, "RESERVATION_NOT_FOUND")),
        ("/api/v1/payments/536999999", (404, "PAYMENT_NOT_FOUND")),
        ("/api/v1/users/999999/balance", (404, "USER_NOT_FOUND")),
        ("/api/v1/users/11/balance", (403, "FORBIDDEN")),
        ("/api/v1/queue/tokens/00000100-0000-8000-8000-000000000000", (404, "TOKEN_NOT_FOUND")),
        ("/api/v1/nothing", (404, "NOT_FOUND")),
    ] {
        assert_eq!(get(path).await.said(), said, "{path}");
    }
    for (body, field) in [
        ("{", "body"),
        ("[]", "body"),
        (r#"{"userId":"x","scheduleId":1}"#, "userId"),
        (r#"{"userId":1}"#, "scheduleId"),
        (r#"{"userId":1,"scheduleId":1,"vip":true}"#, "vip"),
        (r#"{"userId":123456789012345678901234567890,"scheduleId":1}"#, "userId"),
        (r#"{"userId":1.5,"scheduleId":1}"#, "userId"),
        (r#"{"userId":1,"scheduleId":0}"#, "scheduleId"),
    ] {
        let answer = fan.send(Method::POST, "/api/v1/queue/tokens", &[], Some(body.to_owned())).await;
        assert_eq!(answer.said(), (400, "INVALID_REQUEST"), "{body}");
        assert!(answer.body["error"]["details"]["fields"][field].is_string(), "{body}: {answer:?}");
    }
    for seats in [json!([]), json!([seat(1, 1), seat(1, 1)]), json!("1"), json!([-1])] {
        let body = json!({ "scheduleId": 1, "seatIds": seats, "userId": 10 });
        let answer = fan.post("/api/v1/reservations", &token, body).await;
        assert_eq!(answer.said(), (400, "INVALID_REQUEST"), "{seats}");
    }
    for amount in [json!(0), json!(-1), json!(1.5), json!(10_000_001), json!(1e30)] {
        let answer = fan.post("/api/v1/users/10/balance/charge", &token, json!({ "amount": amount })).await;
        assert_eq!(answer.said(), (400, "INVALID_AMOUNT"), "{amount}");
    }
    assert_eq!(fan.join(10, 1).await.said(), (409, "TOKEN_EXISTS"));
    assert_eq!(fan.join(10, 1).await.body["error"]["details"]["token"], json!(token));
    assert_eq!(fan.join(999_999, 1).await.said(), (404, "USER_NOT_FOUND"));
    assert_eq!(fan.join(1, 999).await.said(), (404, "SCHEDULE_NOT_FOUND"));
    assert_eq!(fan.hold(10, 99, &[seat(99, 1)], &token).await.said(), (404, "SCHEDULE_NOT_FOUND"));
    assert_eq!(fan.hold(10, 2, &[seat(2, 1)], &token).await.said(), (403, "WRONG_SCHEDULE"));
    assert_eq!(fan.hold(11, 1, &[seat(1, 1)], &token).await.said(), (403, "FORBIDDEN"));
    assert_eq!(fan.hold(10, 1, &[seat(1, 51)], &token).await.said(), (404, "SEAT_NOT_FOUND"));
    let five: Vec<i64> = (1..=5).map(|n| seat(1, n)).collect();
    assert_eq!(fan.hold(10, 1, &five, &token).await.said(), (422, "SEAT_LIMIT_EXCEEDED"));
    assert_eq!(fan.hold(10, 1, &five[..3], &token).await.status, 201);
    assert_eq!(fan.hold(10, 1, &[seat(1, 10), seat(1, 11)], &token).await.said(), (422, "SEAT_LIMIT_EXCEEDED"));
    for schedule in [4, 5] {
        let token = fan.token(10, schedule).await;
        assert_eq!(fan.hold(10, schedule, &[seat(schedule, 1)], &token).await.said(), (422, "BOOKING_CLOSED"));
    }
    assert_eq!(fan.send(Method::GET, "/api/v1/reservations/1", &[], None).await.said(), (401, "TOKEN_MISSING"));
    assert_eq!(fan.get("/api/v1/reservations/1", "nonsense").await.said(), (401, "TOKEN_INVALID"));
    let stranger = "00000100-0000-8000-8000-000000000000";
    assert_eq!(fan.get("/api/v1/reservations/536870913", stranger).await.said(), (401, "TOKEN_INVALID"));
    assert_eq!(fan.send(Method::PUT, "/api/v1/reservations", &[], None).await.said(), (405, "METHOD_NOT_ALLOWED"));
    let big = "x".repeat(100_000);
    let answer = fan.send(Method::POST, "/api/v1/queue/tokens", &[], Some(big.clone())).await;
    assert_eq!(answer.said(), (413, "BODY_TOO_LARGE"));
    assert_eq!(
        fan.send(Method::GET, "/api/v1/concerts", &[("x-big", &big)], None).await.said(),
        (431, "HEADERS_TOO_LARGE")
    );
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_sign_up_log_in_and_organisers_sell() {
    let sale = Sale::start(&[("ONSALE_AUTH", "jwt")]).await;
    let fan = &sale.client;
    let post = async |path: &str, body: Value| fan.send(Method::POST, path, &[], Some(body.to_string())).await;
    let new = json!({ "username": "kim", "email": "kim@example.com", "password": "long enough" });
    let signed_up = post("/api/v1/users", new.clone()).await;
    assert_eq!((signed_up.status, signed_up.data()["userId"].as_i64() > Some(1000)), (201, true), "{signed_up:?}");
    assert_eq!(fields(signed_up.data()), ["createdAt", "email", "userId", "username", "uuid"]);
    assert_eq!(post("/api/v1/users", new).await.said(), (409, "USERNAME_TAKEN"));
    let same_email = json!({ "username": "lee", "email": "KIM@example.com", "password": "long enough" });
    assert_eq!(post("/api/v1/users", same_email).await.said(), (409, "EMAIL_TAKEN"));
    let accented =
        |name: &str| json!({ "username": name, "email": format!("{name}@example.com"), "password": "long enough" });
    assert_eq!(post("/api/v1/users", accented("\u{e9}lan")).await.status, 201);
    assert_eq!(post("/api/v1/users", accented("\u{c9}LAN")).await.said(), (409, "USERNAME_TAKEN"));
    let login = json!({ "email": "kim@example.com", "password": "long enough" });
    let login = post("/api/v1/auth/login", login).await;
    assert_eq!((login.status, &login.data()["tokenType"]), (200, &json!("Bearer")));
    let wrong = json!({ "email": "kim@example.com", "password": "wrong" });
    assert_eq!(post("/api/v1/auth/login", wrong).await.said(), (401, "LOGIN_FAILED"));

    let user = signed_up.data()["userId"].as_i64().unwrap();
    assert_eq!(fan.join(user, 1).await.said(), (401, "LOGIN_REQUIRED"));
    let bearer = format!("Bearer {}", login.data()["accessToken"].as_str().unwrap());
    let join = async |user: i64| {
        let body = json!({ "userId": user, "scheduleId": 1 }).to_string();
        fan.send(Method::POST, "/api/v1/queue/tokens", &[("authorization", &bearer)], Some(body)).await
    };
    assert_eq!(join(1).await.said(), (403, "FORBIDDEN"));
    assert_eq!(join(user).await.status, 200);

    let concert = json!({ "title": "Night", "venueName": "Hall" });
    assert_eq!(post("/api/v1/admin/concerts", concert.clone()).await.said(), (401, "LOGIN_REQUIRED"));
    let concert = fan.admin(Method::POST, "/api/v1/admin/concerts", concert).await;
    assert_eq!(concert.status, 201, "{concert:?}");
    let schedules = format!("/api/v1/admin/concerts/{}/schedules", concert.data()["concertId"]);
    let schedule = json!({
        "performanceDate": "2040-01-01", "performanceTime": "19:00:00",
        "bookingOpenAt": "2026-01-01T00:00:00Z", "bookingCloseAt": "2039-01-01T00:00:00Z",
        "seats": { "sections": [{ "name": "Front", "price": 500, "rows": [{ "row": "A", "seats": 3 }] }] },
        "maxConcurrentUsers": 1, "seatsPerUser": 2,
    });
    let schedule = fan.admin(Method::POST, &schedules, schedule).await;
    assert_eq!((schedule.status, &schedule.data()["seatCount"]), (201, &json!(3)), "{schedule:?}");
    let path = format!("/api/v1/admin/schedules/{}", schedule.data()["scheduleId"]);
    let changed = fan.admin(Method::PATCH, &path, json!({ "maxConcurrentUsers": 5, "paused": true })).await;
    assert_eq!((changed.status, &changed.data()["status"]), (200, &json!("PAUSED")), "{changed:?}");
    sale.finish().await;
}
