//! Concerts, schedules and seats.

use onsale_tests::{Sale, seat};
use serde_json::{Value, json};

use super::{UNKNOWN_CONCERT, failed, get, refused, reserved, succeeded, token};

fn concert() -> Value {
    json!({
        "id": "number", "title": "string",
        "startDate": "string (YYYY-MM-DD)", "endDate": "string (YYYY-MM-DD)",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn concerts_are_read_without_a_token() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let all = get(fan, "/concerts", "").await;
    succeeded(&all, 200, &json!([concert()]));
    assert_eq!(all.body.as_array().unwrap().len(), 3);
    let one = get(fan, "/concerts/1", "").await;
    succeeded(&one, 200, &concert());
    assert_eq!((&one.body["id"], &one.body), (&json!(1), &all.body[0]));
    assert!(one.body["startDate"].as_str() < one.body["endDate"].as_str(), "{one:?}");
    failed(&get(fan, "/concerts/99", "").await, UNKNOWN_CONCERT);

    // One without schedules has no days yet; and there may be more than fit a page of the workers.
    for _ in 0..100 {
        let concert = json!({ "title": "밤", "venueName": "Hall" });
        assert_eq!(fan.admin(reqwest::Method::POST, "/api/v1/admin/concerts", concert).await.status, 201);
    }
    let all = get(fan, "/concerts", "").await;
    let ids: Vec<i64> = all.body.as_array().unwrap().iter().map(|concert| concert["id"].as_i64().unwrap()).collect();
    assert!(ids.len() == 103 && ids.is_sorted(), "{ids:?}");
    assert_eq!(all.body[102], json!({ "id": ids[102], "title": "밤", "startDate": null, "endDate": null }));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_and_seats_are_read_with_a_token() {
    let sale = Sale::start(&[("ONSALE_SERVICE_CAPACITY", "1")]).await;
    let fan = &sale.client;
    let active = token(fan, "user1").await;
    // Who waits may look around.
    let waiting = token(fan, "user2").await;
    let schedules = get(fan, "/concerts/1/schedules", &waiting).await;
    let shape = json!({ "concertId": 1, "schedules": [{ "scheduleId": "number", "date": "string (YYYY-MM-DD)" }] });
    succeeded(&schedules, 200, &shape);
    let ids: Vec<&Value> = schedules.body["schedules"].as_array().unwrap().iter().map(|s| &s["scheduleId"]).collect();
    assert_eq!(ids, [&json!(1), &json!(2)]);
    let nothing_to_book = get(fan, "/concerts/3/schedules", &waiting).await;
    assert_eq!(nothing_to_book.body, json!({ "concertId": 3, "schedules": [] }));
    failed(&get(fan, "/concerts/99/schedules", &waiting).await, UNKNOWN_CONCERT);

    let seats = get(fan, "/concerts/schedules/2/seats", &waiting).await;
    let shape = json!({ "scheduleId": 2, "seats": [{ "seatId": "number", "seatNumber": "string", "price": 60_000 }] });
    succeeded(&seats, 200, &shape);
    let seats = seats.body["seats"].as_array().unwrap();
    assert_eq!(seats.len(), 50);
    assert_eq!(seats[0], json!({ "seatId": seat(2, 1), "seatNumber": "A1", "price": 60_000 }));
    assert_eq!(seats[49], json!({ "seatId": seat(2, 50), "seatNumber": "E10", "price": 60_000 }));
    refused(&get(fan, "/concerts/schedules/99/seats", &waiting).await, 404, "NOT_FOUND");

    // Only seats that can be held are shown.
    reserved(fan, "user1", 2, seat(2, 1), &active).await;
    let left = get(fan, "/concerts/schedules/2/seats", &waiting).await;
    assert_eq!(left.body["seats"].as_array().unwrap()[..], seats[1..]);

    for path in ["/concerts/1/schedules", "/concerts/schedules/1/seats"] {
        for wrong in ["", "nonsense", "15e859ae-9bf2-4f08-ae68-465e9dcd54bf", "00000000-0000-8000-8000-000000000000"] {
            let answer = get(fan, path, wrong).await;
            refused(&answer, 401, "UNAUTHORIZED");
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{answer:?}");
        }
    }
    sale.finish().await;
}
