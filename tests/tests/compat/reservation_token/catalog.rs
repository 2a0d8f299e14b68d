//! Concerts, performances that can be booked, and seats.

use onsale_tests::{Sale, seat};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Fan, faulty, is_time, keys, refused};

#[tokio::test(flavor = "multi_thread")]
async fn all_concerts_are_listed() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    let concerts = fan.get("/concerts").await;
    assert_eq!(concerts.status, 200);
    let demo = json!([
        { "id": 1, "name": "First Light" },
        { "id": 2, "name": "The Long Encore" },
        { "id": 3, "name": "Before and After" },
    ]);
    assert_eq!(concerts.body, demo);
    // More than a page of v1.
    for n in 0..100 {
        let concert = json!({ "title": format!("Night {n}"), "venueName": "Olympic Hall" });
        assert_eq!(sale.client.admin(Method::POST, "/api/v1/admin/concerts", concert).await.status, 201);
    }
    let concerts = fan.get("/concerts").await.body;
    assert_eq!(concerts.as_array().unwrap().len(), 103);
    assert_eq!(concerts[102]["name"], "Night 99");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn performances_that_can_be_booked_are_listed() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    let list = async |id: &str| fan.get(&format!("/concert_performances?concert_id={id}")).await;
    let performances = list("1").await;
    assert_eq!(performances.status, 200);
    let rows = performances.body.as_array().unwrap().clone();
    for (row, id) in rows.iter().zip([1, 2]) {
        assert_eq!(keys(row), ["concert_id", "id", "max_seats", "performance_datetime"]);
        assert_eq!((&row["id"], &row["concert_id"], &row["max_seats"]), (&json!(id), &json!(1), &json!(50)));
        is_time(&row["performance_datetime"]);
    }
    assert_eq!(rows.len(), 2);
    assert_eq!(list("2").await.body[0]["max_seats"], 20_000);
    let none = list("3").await;
    assert_eq!((none.status, &none.body), (200, &json!([])), "one is not open yet, the other closed");
    let paused = sale.client.admin(Method::PATCH, "/api/v1/admin/schedules/1", json!({ "paused": true })).await;
    assert_eq!(paused.status, 200);
    assert_eq!(list("1").await.body, json!([rows[1]]));
    for unknown in ["4", "0", "-1", "9007199254740992", "9223372036854775807", "-9223372036854775808"] {
        refused(&list(unknown).await, 404, "Concert not found");
    }
    for odd in ["", "x", "1.5", "9223372036854775808", "%00", "1&concert_id=1"] {
        faulty(&list(odd).await, "concert_id");
    }
    faulty(&fan.get("/concert_performances").await, "concert_id");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_performance_that_is_sold_out_or_has_begun_is_not_listed() {
    let sale = Sale::start(&[]).await;
    let create = async |performance_date: &str| {
        let small = json!({
            "performanceDate": performance_date, "performanceTime": "19:30:00",
            "bookingOpenAt": "2020-01-01T00:00:00Z", "bookingCloseAt": "2039-01-01T00:00:00Z",
            "seats": { "count": 1, "price": 500 },
        });
        let created = sale.client.admin(Method::POST, "/api/v1/admin/concerts/3/schedules", small).await;
        created.data()["scheduleId"].as_i64().unwrap()
    };
    create("2025-01-01").await;
    let id = create("2040-01-01").await;
    let fan = Fan::join(&sale, 1).await;
    let list = async |fan: &Fan| fan.get("/concert_performances?concert_id=3").await.body;
    let row = json!({ "id": id, "concert_id": 3, "max_seats": 1, "performance_datetime": "2040-01-01T19:30:00" });
    assert_eq!(list(&fan).await, json!([row]));
    fan.buy(seat(id, 1)).await;
    assert_eq!(list(&Fan::join(&sale, 1).await).await, json!([]));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_seat_is_listed_and_sold_ones_are_booked() {
    let sale = Sale::start(&[]).await;
    Fan::join(&sale, 1).await.buy(seat(1, 2)).await;
    let fan = Fan::join(&sale, 1).await;
    assert_eq!(fan.book(seat(1, 3)).await.status, 201);
    let v1 = sale.client.token(2, 1).await;
    assert_eq!(sale.client.hold(2, 1, &[seat(1, 4)], &v1).await.status, 201);

    let list = async |id: &str| fan.get(&format!("/performance_seats?concert_date_id={id}")).await;
    let seats = list("1").await;
    assert_eq!(seats.status, 200);
    let row = |n: i64| json!({ "id": seat(1, n), "concert_performance_id": 1, "seat_number": n, "booked": n == 2 });
    assert_eq!(seats.body, Value::Array((1..=50).map(row).collect()), "a seat that is being booked is not booked yet");
    for unknown in ["99", "0", "-1", "16777216", "9223372036854775807"] {
        refused(&list(unknown).await, 404, "Concert date not found");
    }
    for odd in ["", "x", "1.5", "9223372036854775808"] {
        faulty(&list(odd).await, "concert_date_id");
    }
    faulty(&fan.get("/performance_seats").await, "concert_date_id");
    let all = list("3").await.body;
    assert_eq!(all.as_array().unwrap().len(), 20_000);
    sale.finish().await;
}
