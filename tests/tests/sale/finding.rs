//! Finding users by any of their names, and seats and concerts with what is around them.

use std::time::Duration;

use onsale_stack::role::Role;
use onsale_tests::producer::{command, vouched_for};
use onsale_tests::sale::until;
use onsale_tests::{Sale, seat};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_found_by_any_name() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let find = |data: Value| command("FindUser", None, data);
    let user = producer.done("account.1", &find(json!({ "userId": 7 }))).await;
    assert_eq!((&user["userId"], &user["username"]), (&json!(7), &json!("user7")));
    for by in [json!({ "uuid": user["uuid"] }), json!({ "username": "USER7" }), json!({ "email": "User7@example.com" })]
    {
        assert_eq!(producer.done("account.0", &find(by)).await, user);
    }
    assert_eq!(producer.done("account.0", &vouched_for(7, find(json!({})))).await, user);
    // Many at once are found each in its place.
    let found = producer
        .ask(
            "account.0",
            &json!([
                find(json!({ "username": "user9" })),
                find(json!({ "userId": 7 })),
                find(json!({ "username": "x" }))
            ]),
        )
        .await;
    assert_eq!((&found[0]["data"]["userId"], &found[1]["data"]), (&json!(9), &user), "{found}");
    assert_eq!(found[2]["error"]["code"], "USER_NOT_FOUND");

    let nobody = [
        json!({ "userId": 999_999 }),
        json!({ "uuid": "00000000-0000-4000-8000-000000000000" }),
        json!({ "username": "nobody" }),
        json!({ "email": "not an address" }),
        json!({ "username": "a\u{0}b" }),
    ];
    for by in nobody {
        assert_eq!(producer.refused("account.0", &find(by.clone())).await, "USER_NOT_FOUND", "{by}");
    }
    let both = find(json!({ "userId": 7, "username": "user7" }));
    assert_eq!(producer.refused("account.0", &both).await, "INVALID_REQUEST");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tokens_owner_is_found_whatever_the_state_of_the_token() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "1")]).await;
    let mut producer = sale.producer().await;
    let find = |token: Option<&str>| command("FindUser", token, json!({}));
    let (active, waiting) = (sale.client.token(1, 1).await, sale.client.token(2, 1).await);
    assert_eq!(producer.done("account.0", &find(Some(&active))).await["userId"], 1);
    assert_eq!(producer.done("account.0", &find(Some(&waiting))).await["userId"], 2);
    sale.client.delete(&format!("/api/v1/queue/tokens/{active}"), &active).await;
    assert_eq!(producer.done("account.0", &find(Some(&active))).await["userId"], 1, "although it is over");
    assert_eq!(producer.refused("account.0", &find(None)).await, "TOKEN_MISSING");
    let unknown = "00000180-0000-8abc-9def-0123456789ab";
    assert_eq!(producer.refused("account.0", &find(Some(unknown))).await, "TOKEN_INVALID");
    let contradiction = vouched_for(2, find(Some(&active)));
    assert_eq!(producer.refused("account.0", &contradiction).await, "FORBIDDEN");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concerts_come_with_their_schedules_where_that_is_asked_for() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let token = sale.client.token(1, 1).await;
    sale.client.hold(1, 1, &[seat(1, 1), seat(1, 2)], &token).await;
    let get = |data: Value| command("GetConcert", None, data);
    let plain = producer.done("catalog.1", &get(json!({ "concertId": 1 }))).await;
    assert!(plain.get("schedules").is_none() && plain["createdAt"].is_string(), "{plain}");
    let planned = producer.done("catalog.1", &get(json!({ "concertId": 1, "withSchedules": true }))).await;
    let schedules = planned["schedules"].as_array().unwrap();
    let told: Vec<_> =
        schedules.iter().map(|one| (&one["scheduleId"], &one["seatCount"], &one["availableSeats"])).collect();
    assert_eq!(told, [(&json!(1), &json!(50), &json!(48)), (&json!(2), &json!(50), &json!(50))]);
    assert_eq!(schedules[0]["status"], "OPEN");
    // In one batch, each gets what it asked for.
    let list = |data: Value| command("ListConcerts", None, data);
    let both = json!([list(json!({ "withSchedules": true, "limit": 2 })), list(json!({ "limit": 2 }))]);
    let both = producer.ask("catalog.0", &both).await;
    assert_eq!(both[0]["data"]["concerts"][0], planned);
    assert_eq!(both[0]["data"]["concerts"][1]["schedules"][0]["scheduleId"], 3);
    assert_eq!(both[0]["data"]["nextCursor"], both[1]["data"]["nextCursor"]);
    assert_eq!(both[1]["data"]["concerts"][0], plain);
    let rest = list(json!({ "withSchedules": true, "cursor": both[0]["data"]["nextCursor"] }));
    let rest = producer.done("catalog.0", &rest).await;
    let statuses = rest["concerts"][0]["schedules"].as_array().unwrap().iter().map(|one| &one["status"]);
    assert_eq!(statuses.collect::<std::collections::HashSet<_>>().len(), 2, "one to come and one closed: {rest}");
    let unknown = get(json!({ "concertId": 99, "withSchedules": true }));
    assert_eq!(producer.refused("catalog.1", &unknown).await, "CONCERT_NOT_FOUND");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_listed_without_naming_the_concert() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let token = sale.client.token(1, 2).await;
    let list = |data: Value| command("ListSeats", Some(&token), data);
    let named = producer.done("catalog.0", &list(json!({ "concertId": 1, "scheduleId": 2 }))).await;
    assert_eq!(producer.done("catalog.0", &list(json!({ "scheduleId": 2 }))).await, named);
    assert_eq!(
        producer.refused("catalog.0", &list(json!({ "concertId": 2, "scheduleId": 2 }))).await,
        "SCHEDULE_NOT_FOUND"
    );
    assert_eq!(producer.refused("catalog.1", &list(json!({ "scheduleId": 99 }))).await, "SCHEDULE_NOT_FOUND");
    assert_eq!(producer.refused("catalog.1", &list(json!({ "scheduleId": 1 }))).await, "WRONG_SCHEDULE");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_read_with_all_that_is_around_them() {
    let sale = Sale::start(&[("ONSALE_HOLD_TTL_S", "5")]).await;
    let mut producer = sale.producer().await;
    let fan = &sale.client;
    let (token, other) = (fan.token(1, 1).await, fan.token(2, 1).await);
    let get = |token: &str, seats: &[i64]| command("GetSeats", Some(token), json!({ "seatIds": seats }));
    fan.charge(1, 100_000, &token).await;
    let sold = fan.hold(1, 1, &[seat(1, 1)], &token).await;
    let held = fan.hold(1, 1, &[seat(1, 2)], &token).await;
    let paid = fan.pay(1, &sold.data()["reservationId"], &token).await;
    assert_eq!((held.status, paid.status), (201, 201));

    let seats = producer.done("catalog.1", &get(&token, &[seat(1, 3), seat(1, 2), seat(1, 1)])).await;
    let ids: Vec<_> = seats.as_array().unwrap().iter().map(|one| one["seat"]["seatId"].as_i64().unwrap()).collect();
    assert_eq!(ids, [seat(1, 3), seat(1, 2), seat(1, 1)], "as they were asked for");
    let statuses: Vec<_> = seats.as_array().unwrap().iter().map(|one| &one["seat"]["status"]).collect();
    assert_eq!(statuses, ["AVAILABLE", "HELD", "SOLD"]);
    assert_eq!(seats[0]["yours"], Value::Null);
    assert_eq!(seats[1]["yours"]["reservationId"], held.data()["reservationId"]);
    assert_eq!(
        (&seats[1]["yours"]["reservedAt"], &seats[1]["yours"]["paidAt"]),
        (&held.data()["reservedAt"], &Value::Null)
    );
    assert_eq!((&seats[2]["yours"]["paidAt"], &seats[2]["seat"]["label"]), (&paid.data()["paidAt"], &json!("A1")));
    for around in seats.as_array().unwrap() {
        assert_eq!((&around["schedule"]["scheduleId"], &around["schedule"]["seatCount"]), (&json!(1), &json!(50)));
        assert_eq!((&around["concert"]["concertId"], &around["schedule"]["availableSeats"]), (&json!(1), &json!(48)));
    }
    let theirs = producer.done("catalog.1", &get(&other, &[seat(1, 1), seat(1, 2)])).await;
    assert!(theirs.as_array().unwrap().iter().all(|one| one["yours"].is_null()), "{theirs}");
    // A hold that runs out is nobody's any more.
    until("the hold has run out", Duration::from_secs(10), async || {
        let seat = &sale.producer().await.done("catalog.1", &get(&other, &[seat(1, 2)])).await[0];
        seat["seat"]["status"] == "AVAILABLE"
    })
    .await;
    let free = producer
        .done("catalog.1", &vouched_for(1, command("GetSeats", None, json!({ "seatIds": [seat(1, 2)] }))))
        .await;
    assert_eq!(free[0]["yours"], Value::Null);

    let refused = producer.ask("catalog.1", &get(&other, &[seat(1, 1), seat(1, 51), seat(99, 1)])).await;
    assert_eq!(refused["error"]["code"], "SEAT_NOT_FOUND");
    assert_eq!(refused["error"]["details"]["seatIds"], json!([seat(1, 51), seat(99, 1)]));
    assert_eq!(producer.refused("catalog.1", &get(&other, &[seat(1, 1), seat(2, 1)])).await, "WRONG_SCHEDULE");
    let unasked = command("GetSeats", None, json!({ "seatIds": [seat(1, 1)] }));
    assert_eq!(producer.refused("catalog.1", &unasked).await, "TOKEN_MISSING");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reservations_are_found_by_their_seat() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let token = sale.client.token(1, 1).await;
    let mut held = Vec::new();
    for seats in [vec![seat(1, 1), seat(1, 2)], vec![seat(1, 3)]] {
        held.push(sale.client.hold(1, 1, &seats, &token).await.data()["reservationId"].clone());
    }
    let list = |seat: i64| command("ListReservations", Some(&token), json!({ "userId": 1, "seatId": seat }));
    for (n, expected) in [(1, vec![&held[0]]), (2, vec![&held[0]]), (3, vec![&held[1]]), (4, Vec::new())] {
        let found = producer.done("account.1", &list(seat(1, n))).await;
        let ids: Vec<_> = found["reservations"].as_array().unwrap().iter().map(|one| &one["reservationId"]).collect();
        assert_eq!(ids, expected, "seat {n}");
    }
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_ask_for_a_map_together_get_it_each() {
    let before_catalog: Vec<Role> = Role::ALL.into_iter().filter(|role| *role != Role::Catalog).collect();
    let sale = Sale::with_roles(&[], &before_catalog).await;
    let tokens = [sale.client.token(1, 1).await, sale.client.token(2, 1).await];
    sale.client.hold(1, 1, &[seat(1, 7)], &tokens[0]).await;
    // Nobody answers yet: all but the first few gather, and leave in one bundle.
    let asked: Vec<_> = (0..40)
        .map(|n| {
            let (fan, token) = (sale.client.clone(), tokens[n % 2].clone());
            let schedule = if n % 5 == 4 { 99 } else { 1 };
            let path = format!("/api/v1/concerts/1/schedules/{schedule}/seats");
            tokio::spawn(async move { fan.get(&path, &token).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    sale.add(Role::Catalog);
    let map = sale.client.get("/api/v1/concerts/1/schedules/1/seats", &tokens[0]).await;
    assert_eq!(map.data()["seats"].as_array().map(Vec::len), Some(49), "{:?}", map.body);
    for (n, asked) in asked.into_iter().enumerate() {
        let answer = asked.await.expect("no panic");
        if n % 5 == 4 {
            assert_eq!(answer.said(), (404, "SCHEDULE_NOT_FOUND"));
        } else {
            assert_eq!((answer.status, answer.data()), (200, map.data()), "asker {n}");
        }
    }
    sale.finish().await;
}
