//! A fan's way through every path of the document, each answer with exactly the columns of its table.

use chrono::NaiveDate;
use onsale_common::time::Time;
use onsale_tests::{Sale, seat, shape};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Fan, call, concert as concert_of, text};

fn time(value: &Value) -> Time {
    serde_json::from_value(value.clone()).expect("a time")
}

/// The whole way: log in, join, look, reserve, charge, pay.
async fn walk(sale: &Sale) {
    let credentials = json!({ "email": "user7@example.com", "password": "onsale-demo" });
    let login = call(sale, Method::POST, "/auth/login", &[], Some(credentials)).await;
    assert_eq!(login.status, 200, "{login:?}");
    let shape = json!({
        "token": "string", "access_token": "string", "token_type": "Bearer", "expires_in": "number",
        "user_id": "string (UUID)",
    });
    shape::demand(&login.body, &shape);
    assert_eq!(login.body["token"], login.body["access_token"]);
    assert_eq!(text(&login.body["token"]).split('.').count(), 3, "a JWT");
    let mut fan = Fan::log_in(sale, 7).await;
    assert_eq!(fan.id, login.body["user_id"]);

    let concerts = call(sale, Method::GET, "/concerts", &[], None).await;
    assert_eq!(concerts.status, 200, "{concerts:?}");
    let shape = json!([{
        "id": "string (UUID)", "name": "string", "venue": "string", "concert_date": "string (YYYY-MM-DD)",
        "created_at": "string (ISO 8601)", "updated_at": "string (ISO 8601)",
    }]);
    shape::demand(&concerts.body, &shape);
    let concert = concerts.body[0]["id"].clone();
    assert_eq!(concert, concert_of(1), "ids are the same for ever");

    let entry = fan.post("/queue/token", json!({ "concert_id": concert })).await;
    assert_eq!(entry.status, 201, "{entry:?}");
    let shape = json!({
        "id": "string (UUID)", "user_id": fan.id, "concert_id": concert, "queue_position": 0, "wait_time": "0분",
        "token": "string (UUID)", "created_at": "string (ISO 8601)", "updated_at": "string (ISO 8601)",
    });
    shape::demand(&entry.body, &shape);
    fan.token = text(&entry.body["token"]).to_owned();

    let seats = fan.get(&format!("/concerts/{}/seats", text(&concert))).await;
    assert_eq!((seats.status, seats.body.as_array().map(Vec::len)), (200, Some(50)));
    let shape = json!([{
        "id": "string (UUID)", "concert_id": concert, "seat_number": "number", "status": "available",
    }]);
    shape::demand(&seats.body, &shape);
    let numbers: Vec<i64> =
        seats.body.as_array().expect("seats").iter().filter_map(|s| s["seat_number"].as_i64()).collect();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    let seat = seats.body[0]["id"].clone();

    let reserved = fan.post("/reservation", json!({ "concert_id": concert, "seat_id": seat })).await;
    assert_eq!(reserved.status, 201, "{reserved:?}");
    let shape = json!({
        "id": "string (UUID)", "user_id": fan.id, "concert_id": concert, "seat_id": seat, "status": "pending",
        "amount": 75_000, "reserved_at": "string (ISO 8601)", "payment_deadline": "string (ISO 8601)",
        "completed_at": null, "created_at": "string (ISO 8601)", "updated_at": "string (ISO 8601)",
    });
    shape::demand(&reserved.body, &shape);
    let held_for = time(&reserved.body["payment_deadline"]).since(time(&reserved.body["reserved_at"]));
    assert_eq!(held_for.as_secs(), 300);
    assert_eq!(fan.standing(1, 1).await, "reserved_temp");

    let balance = fan.get("/balance").await;
    assert_eq!(balance.status, 200, "{balance:?}");
    let shape = |balance: i64| {
        json!({
            "id": fan.id, "user_id": fan.id, "username": "user7", "email": "user7@example.com", "balance": balance,
            "created_at": "string (ISO 8601)", "updated_at": "string (ISO 8601)",
        })
    };
    shape::demand(&balance.body, &shape(0));
    let charged = fan.post("/balance", json!({ "amount": 100_000 })).await;
    assert_eq!(charged.status, 200, "{charged:?}");
    shape::demand(&charged.body, &shape(100_000));
    assert_eq!(fan.get("/balance").await.body, charged.body);

    let paying = json!({ "reservation_id": reserved.body["id"], "payment_method": "카카오페이" });
    let paid = fan.post("/payment", paying).await;
    assert_eq!(paid.status, 201, "{paid:?}");
    let shape = json!({
        "id": "string (UUID)", "reservation_id": reserved.body["id"], "user_id": fan.id, "amount": 75_000,
        "payment_status": "success", "payment_method": "카카오페이", "created_at": "string (ISO 8601)",
        "updated_at": "string (ISO 8601)",
    });
    shape::demand(&paid.body, &shape);
    assert_eq!(fan.get("/balance").await.body["balance"], 25_000);
    // The login is enough for a look, although the payment used up the queue token.
    assert_eq!(fan.standing(1, 1).await, "reserved_final");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_goes_from_login_to_payment() {
    let sale = Sale::start(&[]).await;
    walk(&sale).await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_way_where_logins_are_demanded() {
    let sale = Sale::start(&[("ONSALE_AUTH", "jwt")]).await;
    walk(&sale).await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_speaks_it_too() {
    let sale = Sale::start(&[("ONSALE_ROOT_API", "login")]).await;
    let fan = Fan::log_in(&sale, 1).await;
    for path in ["/health", "/concerts", "/balance"] {
        let at_root = sale.client.send(Method::GET, path, &fan.headers(), None).await;
        assert_eq!((at_root.status, &at_root.body), (200, &fan.get(path).await.body), "{path}");
    }
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_service_says_ok() {
    let sale = Sale::start(&[]).await;
    let health = call(&sale, Method::GET, "/health", &[], None).await;
    assert_eq!((health.status, &health.body), (200, &json!({ "status": "OK" })));
    sale.finish().await;
}

/// Our schedules that can be booked are its concerts: not those that open later, have closed, or are sold out.
#[tokio::test(flavor = "multi_thread")]
async fn concerts_are_the_performances_that_can_be_booked() {
    let sale = Sale::start(&[]).await;
    let dates = async || -> Vec<(String, NaiveDate)> {
        let concerts = call(&sale, Method::GET, "/concerts", &[], None).await;
        let row = |row: &Value| (text(&row["name"]).to_owned(), text(&row["concert_date"]).parse().unwrap());
        concerts.body.as_array().unwrap().iter().map(row).collect()
    };
    let mut expected = Vec::new();
    for concert in [1, 2] {
        let token = sale.client.token(1, [1, 3][concert - 1]).await;
        let schedules = sale.client.get(&format!("/api/v1/concerts/{concert}/schedules"), &token).await;
        for schedule in schedules.data().as_array().unwrap() {
            let date = text(&schedule["performanceDate"]).parse().unwrap();
            expected.push((text(&schedule["concertTitle"]).to_owned(), date));
        }
    }
    assert_eq!(expected.len(), 3);
    assert_eq!(dates().await, expected);

    let new = json!({
        "performanceDate": "2040-01-01", "performanceTime": "19:30:00", "bookingOpenAt": "2020-01-01T00:00:00Z",
        "bookingCloseAt": "2040-01-01T00:00:00Z", "seats": { "count": 1, "price": 1000 },
    });
    let created = sale.client.admin(Method::POST, "/api/v1/admin/concerts/1/schedules", new).await;
    let schedule = created.data()["scheduleId"].as_i64().expect("a schedule");
    assert_eq!(dates().await.len(), 4);
    let token = sale.client.token(1, schedule).await;
    assert_eq!(sale.client.hold(1, schedule, &[seat(schedule, 1)], &token).await.status, 201);
    assert_eq!(dates().await, expected);
    sale.finish().await;
}

/// What is done here is seen by the canonical API, and the other way round.
#[tokio::test(flavor = "multi_thread")]
async fn both_apis_tell_of_one_sale() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::at(&sale, 1, 1).await;
    let reservation = fan.reserved(1, 5).await;
    fan.charge(80_000).await;
    // Its queue token is one of ours.
    let map = sale.client.get("/api/v1/concerts/1/schedules/1/seats?status=all", &fan.token).await;
    assert_eq!(map.data()["seats"][4]["status"], "HELD");
    let balance = sale.client.get("/api/v1/users/1/balance", &fan.token).await;
    assert_eq!(balance.data()["currentBalance"], 80_000);
    let mine = sale.client.get("/api/v1/users/1/reservations", &fan.token).await;
    let number = mine.data()["reservations"][0]["reservationId"].as_i64().unwrap();
    let hex = text(&reservation).replace('-', "");
    assert_eq!(i64::from_str_radix(&hex[hex.len() - 14..], 16).unwrap(), number);

    let other = sale.client.token(2, 1).await;
    assert_eq!(sale.client.hold(2, 1, &[seat(1, 6)], &other).await.status, 201);
    assert_eq!(fan.standing(1, 6).await, "reserved_temp");
    assert_eq!(sale.client.charge(1, 1_000, &fan.token).await.status, 200);
    assert_eq!(fan.get("/balance").await.body["balance"], 81_000);
    assert_eq!(sale.client.pay(1, &json!(number), &fan.token).await.status, 201);
    assert_eq!(fan.standing(1, 5).await, "reserved_final");
    sale.finish().await;
}
