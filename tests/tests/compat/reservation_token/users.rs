//! Users: charging a balance, and reading it with the seats that were bought.

use onsale_tests::{Sale, seat};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Fan, NO_TOKEN, NOBODY, faulty, is_time, keys, refused, send, uuid_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_is_charged_and_read() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    let read = async || fan.get(&format!("/users/{}", fan.uuid)).await;
    let new = read().await;
    assert_eq!(new.status, 200);
    assert_eq!(new.body, json!({ "id": fan.uuid, "balance": 0.0, "booked_performance_seats": [] }));
    for (amount, balance) in [(json!(100.0), 100.0), (json!(50), 150.0), (json!(1e2), 250.0)] {
        let charged = fan.charge(amount).await;
        assert_eq!((charged.status, &charged.body), (200, &json!({ "result": true })));
        assert_eq!(read().await.body["balance"], json!(balance));
    }
    let v1 = fan.http.token(1, 1).await;
    assert_eq!(fan.http.get("/api/v1/users/1/balance", &v1).await.data()["currentBalance"], 250);
    assert_eq!(fan.http.charge(1, 750, &v1).await.status, 200);
    assert_eq!(read().await.body["balance"], json!(1000.0));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_is_written_as_a_decimal() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    assert_eq!(fan.charge(json!(100)).await.status, 200);
    let url = format!("http://127.0.0.1:{}{}/users/{}", sale.fleet.port("ingress").unwrap(), super::API, fan.uuid);
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    assert!(text.contains("\"balance\":100.0,"), "{text}");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_not_needed_but_must_be_the_users() {
    let sale = Sale::start(&[]).await;
    let (fan, other) = (Fan::join(&sale, 1).await, Fan::join(&sale, 2).await);
    let charge = format!("/users/{}/charge", fan.uuid);
    let read = format!("/users/{}", fan.uuid);
    let both = async |headers: &[(&str, &str)]| {
        let body = Some(json!({ "amount": 10.0 }));
        let charged = send(&sale.client, Method::POST, &charge, headers, body).await;
        (charged, send(&sale.client, Method::GET, &read, headers, None).await)
    };
    let (charged, found) = both(&[]).await;
    assert_eq!((charged.status, &found.body["balance"]), (200, &json!(10.0)));
    for bad in [NO_TOKEN, "nonsense"] {
        let (charged, found) = both(&[("x-reservation-token", bad)]).await;
        refused(&charged, 401, "Token is invalid");
        refused(&found, 401, "Token is invalid");
    }
    let (charged, found) = both(&[("x-reservation-token", &other.token)]).await;
    refused(&charged, 403, "Token belongs to another user");
    refused(&found, 403, "Token belongs to another user");
    assert_eq!(fan.get(&read).await.body["balance"], json!(10.0));
    // What was bought is still to be seen when the token is used up.
    fan.buy(seat(1, 1)).await;
    assert_eq!(fan.get(&read).await.status, 200);
    assert_eq!(fan.charge(json!(1)).await.status, 200);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_nothing() {
    let sale = Sale::start(&[]).await;
    let charge = Some(json!({ "amount": 100.0 }));
    let charged = send(&sale.client, Method::POST, &format!("/users/{NOBODY}/charge"), &[], charge.clone()).await;
    refused(&charged, 404, "User not found");
    let found = send(&sale.client, Method::GET, &format!("/users/{NOBODY}"), &[], None).await;
    refused(&found, 404, "User not found");
    for odd in ["1", "user1", "%00", "%ff", "x-y"] {
        faulty(&send(&sale.client, Method::GET, &format!("/users/{odd}"), &[], None).await, "user_id");
        let charged = send(&sale.client, Method::POST, &format!("/users/{odd}/charge"), &[], charge.clone()).await;
        faulty(&charged, "user_id");
    }
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_are_whole_and_above_zero() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    for odd in [json!(null), json!(true), json!("100.0"), json!(0.5), json!([1]), json!({})] {
        faulty(&fan.charge(odd).await, "amount");
    }
    for odd in [json!(0), json!(0.0), json!(-100.0), json!(1e15), json!(u64::MAX), json!(i64::MIN)] {
        let answer = fan.charge(odd).await;
        assert_eq!((answer.status, keys(&answer.body)), (400, vec!["message"]), "{answer:?}");
    }
    faulty(&fan.post(&format!("/users/{}/charge", fan.uuid), Some(json!({}))).await, "amount");
    assert_eq!(fan.get(&format!("/users/{}", fan.uuid)).await.body["balance"], json!(0.0));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_charges_once() {
    let sale = Sale::start(&[]).await;
    let path = format!("/users/{}/charge", uuid_of(&sale, 1).await);
    let charge = |amount: Value| {
        let headers = [("idempotency-key", "a-1")];
        let (http, path) = (sale.client.clone(), path.clone());
        async move { send(&http, Method::POST, &path, &headers, Some(json!({ "amount": amount }))).await }
    };
    assert_eq!(charge(json!(100.0)).await.status, 200);
    assert_eq!(charge(json!(100)).await.status, 200);
    assert_eq!(charge(json!(200)).await.status, 409);
    assert_eq!(sale.count("SELECT balance FROM accounts WHERE user_id = 1").await, 100);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bought_seats_are_listed_with_their_performance() {
    let sale = Sale::start(&[]).await;
    Fan::join(&sale, 1).await.buy(seat(1, 3)).await;
    let fan = Fan::join(&sale, 1).await;
    fan.buy(seat(2, 9)).await;
    // Neither a hold nor what another bought.
    let fan = Fan::join(&sale, 1).await;
    assert_eq!(fan.book(seat(1, 4)).await.status, 201);
    Fan::join(&sale, 2).await.buy(seat(1, 5)).await;

    let user = fan.get(&format!("/users/{}", fan.uuid)).await.body;
    assert_eq!(keys(&user), ["balance", "booked_performance_seats", "id"]);
    assert_eq!(user["balance"], json!(400_000.0 - 75_000.0 - 60_000.0));
    let seats = user["booked_performance_seats"].as_array().unwrap();
    let bought: Vec<(&Value, &Value)> = seats.iter().map(|seat| (&seat["id"], &seat["seat_number"])).collect();
    assert_eq!(bought, [(&json!(seat(2, 9)), &json!(9)), (&json!(seat(1, 3)), &json!(3))], "the last one first");
    let times: Vec<String> = sqlx::query_scalar(
        "SELECT to_char(performance_date + performance_time, 'YYYY-MM-DD\"T\"HH24:MI:SS') FROM schedules ORDER BY id",
    )
    .fetch_all(&sale.pool)
    .await
    .unwrap();
    for (bought, schedule) in seats.iter().zip([2, 1]) {
        assert_eq!(keys(bought), ["book_success_at", "concert_performance", "id", "seat_number"]);
        is_time(&bought["book_success_at"]);
        let performance = json!({
            "id": schedule,
            "concert": { "id": 1, "name": "First Light" },
            "performance_datetime": times[schedule - 1],
        });
        assert_eq!(bought["concert_performance"], performance);
    }
    sale.finish().await;
}
