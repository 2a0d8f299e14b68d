//! Every row of `/api/v1` answers in the shape that its document writes down, field for field.

use onsale_tests::shape::demand;
use onsale_tests::{Sale, seat};
use reqwest::Method;
use serde_json::{Value, json};

fn token_shape(status: &str) -> Value {
    json!({
        "token": "string (UUID)", "queuePosition": "number", "estimatedWaitTimeMinutes": "number", "status": status,
        "issuedAt": "string (ISO 8601)", "expiresAt": "string (ISO 8601)",
        "activeAt": if status == "WAITING" { Value::Null } else { json!("string (ISO 8601)") },
    })
}

fn reservation_shape(status: &str) -> Value {
    json!({
        "reservationId": "number", "reservationNumber": "string", "userId": "number", "scheduleId": "number",
        "seats": [{ "seatId": "number", "seatNumber": "number", "price": "number" }],
        "totalAmount": "number", "status": status,
        "reservedAt": "string (ISO 8601)", "expiresAt": "string (ISO 8601)",
    })
}

fn concert_shape() -> Value {
    json!({
        "concertId": "number", "title": "string", "venueId": "number", "venueName": "string", "createdAt": "string (ISO 8601)",
        "startDate": "string (YYYY-MM-DD)", "endDate": "string (YYYY-MM-DD)",
    })
}

fn seats_shape() -> Value {
    json!({
        "scheduleInfo": {
            "scheduleId": "number", "concertTitle": "string", "performanceDate": "string (YYYY-MM-DD)",
            "performanceTime": "string (HH:mm:ss)", "venueName": "string",
        },
        "seats": [{
            "seatId": "number", "seatNumber": "number", "price": "number", "status": "AVAILABLE",
            "label": "string", "section": "string", "row": "string",
        }],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_answers_in_its_shape() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "1")]).await;
    let fan = &sale.client;
    let enveloped = |answer: &onsale_tests::Answer, status: u16, data: &Value| {
        assert_eq!((answer.status, answer.header("content-type")), (status, "application/json"), "{answer:?}");
        assert!(!answer.header("x-request-id").is_empty());
        demand(&answer.body, &json!({ "success": true, "data": data }));
    };

    let joined = fan.join(1, 1).await;
    enveloped(&joined, 200, &token_shape("ACTIVE"));
    let token = joined.data()["token"].as_str().unwrap();
    let waiting = fan.join(2, 1).await;
    enveloped(&waiting, 200, &token_shape("WAITING"));
    assert_eq!(waiting.data()["queuePosition"], 1);
    assert!(waiting.data()["estimatedWaitTimeMinutes"].as_u64() >= Some(1), "{waiting:?}");
    let waiter = waiting.data()["token"].as_str().unwrap();
    enveloped(&fan.get(&format!("/api/v1/queue/tokens/{waiter}"), "").await, 200, &token_shape("WAITING"));

    let concerts = fan.get("/api/v1/concerts", "").await;
    enveloped(&concerts, 200, &json!({ "concerts": [concert_shape()], "nextCursor": null }));
    assert_eq!(concerts.data()["concerts"].as_array().unwrap().len(), 3);
    enveloped(&fan.get("/api/v1/concerts/2", "").await, 200, &concert_shape());
    let schedules = fan.get("/api/v1/concerts/1/schedules", waiter).await;
    let schedule = json!({
        "scheduleId": "number", "concertId": 1, "concertTitle": "string", "venueId": "number", "venueName": "string",
        "performanceDate": "string (YYYY-MM-DD)", "performanceTime": "string (HH:mm:ss)",
        "bookingOpenAt": "string (ISO 8601)", "bookingCloseAt": "string (ISO 8601)",
        "availableSeats": "number", "status": "OPEN",
    });
    enveloped(&schedules, 200, &json!([schedule]));
    enveloped(&fan.get("/api/v1/concerts/1/schedules/1/seats", waiter).await, 200, &seats_shape());

    let charged = fan.charge(1, 300_000, token).await;
    let charge = json!({
        "userId": 1, "chargedAmount": 300_000, "currentBalance": 300_000, "transactionId": "number",
        "chargedAt": "string (ISO 8601)",
    });
    enveloped(&charged, 200, &charge);
    let used = fan.post("/api/v1/users/1/balance/use", token, json!({ "amount": 500 })).await;
    let usage = json!({
        "userId": 1, "usedAmount": 500, "currentBalance": 299_500, "transactionId": "number",
        "usedAt": "string (ISO 8601)",
    });
    enveloped(&used, 200, &usage);
    let too_much = fan.post("/api/v1/users/1/balance/use", token, json!({ "amount": 299_501 })).await;
    assert_eq!(too_much.said(), (402, "INSUFFICIENT_BALANCE"));
    let balance = json!({
        "userId": 1, "currentBalance": 299_500, "totalCharged": 300_000, "totalUsed": 500,
        "lastUpdated": "string (ISO 8601)",
    });
    enveloped(&fan.get("/api/v1/users/1/balance", token).await, 200, &balance);

    let held = fan.hold(1, 1, &[seat(1, 1), seat(1, 2)], token).await;
    enveloped(&held, 201, &reservation_shape("RESERVED"));
    let reservation = &held.data()["reservationId"];
    enveloped(
        &fan.get(&format!("/api/v1/reservations/{reservation}"), token).await,
        200,
        &reservation_shape("RESERVED"),
    );
    let second = fan.hold(1, 1, &[seat(1, 3)], token).await;
    let released = fan.delete(&format!("/api/v1/reservations/{}", second.data()["reservationId"]), token).await;
    assert_eq!((released.status, &released.body), (204, &Value::Null));
    let paid = fan.pay(1, reservation, token).await;
    let payment = json!({
        "paymentId": "number", "reservationId": reservation, "userId": 1, "amount": 150_000,
        "paymentMethod": "BALANCE", "status": "COMPLETED", "paidAt": "string (ISO 8601)",
        "reservation": {
            "reservationNumber": held.data()["reservationNumber"],
            "seats": [{ "seatNumber": "number", "price": 75_000 }],
        },
    });
    enveloped(&paid, 201, &payment);

    // The place of the one who paid is the next one's; a fresh token reads what the used one did.
    let fresh = fan.token(1, 1).await;
    enveloped(&fan.get(&format!("/api/v1/payments/{}", paid.data()["paymentId"]), &fresh).await, 200, &payment);
    let page = fan.get("/api/v1/users/1/reservations?limit=1", &fresh).await;
    enveloped(&page, 200, &json!({ "reservations": [reservation_shape("CANCELLED")], "nextCursor": "string" }));
    let cursor = page.data()["nextCursor"].as_str().unwrap();
    let rest = fan.get(&format!("/api/v1/users/1/reservations?limit=1&cursor={cursor}"), &fresh).await;
    enveloped(&rest, 200, &json!({ "reservations": [reservation_shape("PAID")], "nextCursor": null }));
    let entries = fan.get("/api/v1/users/1/balance/entries", &fresh).await;
    let entry = json!({
        "transactionId": "number", "type": "string", "amount": "number", "balanceAfter": "number",
        "paymentId": "null or number", "createdAt": "string (ISO 8601)",
    });
    enveloped(&entries, 200, &json!({ "entries": [entry], "nextCursor": null }));
    let amounts: Vec<i64> =
        entries.data()["entries"].as_array().unwrap().iter().map(|entry| entry["amount"].as_i64().unwrap()).collect();
    assert_eq!(amounts, [-150_000, -500, 300_000], "newest first");
    let left = fan.delete(&format!("/api/v1/queue/tokens/{fresh}"), "").await;
    assert_eq!((left.status, &left.body), (204, &Value::Null));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_paged_without_gaps() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let mut seen = Vec::new();
    let mut path = "/api/v1/concerts?limit=2".to_owned();
    loop {
        let page = fan.get(&path, "").await;
        seen.extend(page.data()["concerts"].as_array().unwrap().iter().map(|concert| concert["concertId"].clone()));
        let Some(cursor) = page.data()["nextCursor"].as_str() else { break };
        path = format!("/api/v1/concerts?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, [1, 2, 3]);

    let token = fan.token(1, 1).await;
    let all = fan.get("/api/v1/concerts/1/schedules", &token).await;
    let dates: Vec<String> = all
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(|schedule| schedule["performanceDate"].as_str().unwrap().to_owned())
        .collect();
    assert!(dates.is_sorted(), "{dates:?}");
    let on = async |query: String| {
        let found = fan.get(&format!("/api/v1/concerts/1/schedules?{query}"), &token).await;
        found.data().as_array().unwrap().len()
    };
    let (first, last) = (&dates[0], &dates[1]);
    assert_eq!(on(format!("fromDate={first}&toDate={last}")).await, 2, "both days count");
    assert_eq!(on(format!("toDate={first}")).await, dates.iter().filter(|date| *date == first).count());
    assert_eq!(on("fromDate=2999-01-01".to_owned()).await, 0);
    for bad in ["limit=0", "limit=101", "limit=x", "cursor=x", "limit=1&limit=2", "sort=title"] {
        let answer = fan.get(&format!("/api/v1/concerts?{bad}"), "").await;
        let field = bad.split('=').next().unwrap();
        assert_eq!(answer.said(), (400, "INVALID_REQUEST"), "{bad}");
        assert!(answer.body["error"]["details"]["fields"][field].is_string(), "{bad}: {answer:?}");
    }
    for bad in ["fromDate=2026-13-01", "fromDate=today", "toDate=2026-1-1", "fromDate=2026-02-02&toDate=2026-02-01"] {
        let answer = fan.get(&format!("/api/v1/concerts/1/schedules?{bad}"), &token).await;
        assert_eq!(answer.said(), (400, "INVALID_REQUEST"), "{bad}");
    }
    let bad_filter = fan.get("/api/v1/concerts/1/schedules/1/seats?status=sold", &token).await;
    assert_eq!(bad_filter.said(), (400, "INVALID_REQUEST"));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_one_envelope_and_say_what_helps() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let failure = json!({ "success": false, "error": { "code": "string", "message": "string", "details": {} } });
    let missing = fan.send(Method::GET, "/api/v1/users/1/balance", &[("x-request-id", "mine-1")], None).await;
    assert_eq!((missing.said(), missing.header("x-request-id")), ((401, "TOKEN_MISSING"), "mine-1"));
    demand(&missing.body, &failure);
    let other_method = fan.send(Method::PUT, "/api/v1/queue/tokens/x", &[], None).await;
    assert_eq!(other_method.said(), (405, "METHOD_NOT_ALLOWED"));
    for method in ["GET", "DELETE"] {
        assert!(other_method.header("allow").contains(method), "{other_method:?}");
    }
    demand(&other_method.body, &failure);
    for media in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let body = Some(json!({ "userId": 1, "scheduleId": 1 }).to_string());
        let answer = fan.send(Method::POST, "/api/v1/queue/tokens", &[("content-type", media)], body).await;
        assert_eq!(answer.said(), (415, "UNSUPPORTED_MEDIA_TYPE"), "{media}");
        demand(&answer.body, &failure);
    }
    let nowhere = fan.send(Method::GET, "/nowhere", &[], None).await;
    assert_eq!(nowhere.said(), (404, "NOT_FOUND"));
    demand(&nowhere.body, &failure);
    for path in ["/health/live", "/health/ready", "/metrics"] {
        assert_eq!(fan.send(Method::GET, path, &[], None).await.status, 200, "{path}");
    }
    sale.finish().await;
}
