//! The service-wide waiting room, for clients whose queue has no schedule: its token opens every schedule.

use std::time::Duration;

use onsale_tests::producer::{Producer, command};
use onsale_tests::sale::until;
use onsale_tests::{Sale, seat};
use serde_json::{Value, json};

async fn join(producer: &mut Producer, user: i64) -> Value {
    producer.done("admission.0", &command("IssueToken", None, json!({ "userId": user, "scheduleId": 0 }))).await
}

async fn poll(sale: &Sale, token: &Value) -> Value {
    sale.producer().await.done("admission.0", &command("GetToken", None, json!({ "token": token }))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_wide_room_has_its_own_capacity_and_fills_it_in_order() {
    let settings = [("ONSALE_SERVICE_CAPACITY", "2"), ("ONSALE_CAPACITY", "5"), ("ONSALE_ACTIVE_TTL_S", "6")];
    let sale = Sale::start(&settings).await;
    let mut producer = sale.producer().await;
    let mut tokens = Vec::new();
    for user in 1..=6 {
        let joined = join(&mut producer, user).await;
        assert_eq!(joined["queuePosition"], (user - 2).max(0), "{joined}");
        assert_eq!(joined["status"], if user <= 2 { "ACTIVE" } else { "WAITING" });
        tokens.push(joined["token"].clone());
    }
    let again = command("IssueToken", None, json!({ "userId": 6, "scheduleId": 0 }));
    assert_eq!(producer.refused("admission.0", &again).await, "TOKEN_EXISTS");
    for user in 1..=5 {
        assert_eq!(sale.client.join(user, 1).await.data()["status"], "ACTIVE", "a schedule's room is another");
    }
    // One leaves the line, one leaves the room.
    for gone in [3, 0] {
        producer.done("admission.0", &command("LeaveQueue", None, json!({ "token": tokens[gone] }))).await;
    }
    until("the next is admitted", Duration::from_secs(4), async || poll(&sale, &tokens[2]).await["status"] == "ACTIVE")
        .await;
    assert_eq!(poll(&sale, &tokens[4]).await["queuePosition"], 1);
    until("expired slots are filled", Duration::from_secs(12), async || {
        poll(&sale, &tokens[4]).await["status"] == "ACTIVE" && poll(&sale, &tokens[5]).await["status"] == "ACTIVE"
    })
    .await;
    assert_eq!(poll(&sale, &tokens[1]).await["status"], "EXPIRED");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_token_opens_every_schedule_and_is_used_up_by_paying() {
    let sale = Sale::start(&[("ONSALE_SERVICE_CAPACITY", "1")]).await;
    let mut producer = sale.producer().await;
    let joined = join(&mut producer, 1).await;
    let token = joined["token"].as_str().unwrap();
    let next = join(&mut producer, 2).await;
    let charge = json!({ "userId": 1, "amount": 300_000 });
    producer.done("account.1", &command("ChargeBalance", Some(token), charge)).await;
    let mut held = Vec::new();
    for schedule in [1, 2, 3] {
        let lane = schedule % 2;
        let seats = command("ListSeats", Some(token), json!({ "scheduleId": schedule }));
        producer.done(&format!("catalog.{lane}"), &seats).await;
        let attempt = command("RecordAttempt", Some(token), json!({ "seatId": seat(schedule, 1) }));
        producer.done(&format!("reservation.{lane}"), &attempt).await;
        let hold = json!({ "scheduleId": schedule, "seatIds": [seat(schedule, 1)], "userId": 1 });
        held.push((
            lane,
            producer.done(&format!("reservation.{lane}"), &command("HoldSeats", Some(token), hold)).await,
        ));
    }
    let seats = command("GetSeats", Some(token), json!({ "seatIds": [seat(1, 1), seat(2, 1), seat(3, 1)] }));
    let seats = producer.done("catalog.1", &seats).await;
    for (seat, (_, held)) in seats.as_array().unwrap().iter().zip(&held) {
        assert_eq!(seat["yours"]["reservationId"], held["reservationId"]);
        assert_eq!(seat["schedule"]["scheduleId"], held["scheduleId"]);
    }
    let (lane, released) = &held[2];
    let release = json!({ "reservationId": released["reservationId"] });
    producer.done(&format!("reservation.{lane}"), &command("ReleaseReservation", Some(token), release)).await;
    for (n, (lane, held)) in held[..2].iter().enumerate() {
        let pay = json!({ "reservationId": held["reservationId"], "paymentMethod": "BALANCE", "userId": 1 });
        producer.done(&format!("payment.{lane}"), &command("Pay", Some(token), pay)).await;
        let status = if n == 0 { "ACTIVE" } else { "USED" };
        assert_eq!(poll(&sale, &joined["token"]).await["status"], status);
    }
    until("the slot is given on", Duration::from_secs(4), async || {
        poll(&sale, &next["token"]).await["status"] == "ACTIVE"
    })
    .await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organiser_changes_its_capacity_and_pauses_it_and_nothing_else() {
    let sale = Sale::start(&[("ONSALE_SERVICE_CAPACITY", "1")]).await;
    let mut producer = sale.producer().await;
    let change = |mut data: Value| {
        data["scheduleId"] = json!(0);
        command("UpdateSchedule", None, data)
    };
    let (first, second) = (join(&mut producer, 1).await, join(&mut producer, 2).await);
    assert_eq!((&first["status"], &second["status"]), (&json!("ACTIVE"), &json!("WAITING")));
    let changed = producer.done("catalog.0", &change(json!({ "maxConcurrentUsers": 2 }))).await;
    assert_eq!(changed, json!({ "scheduleId": 0, "maxConcurrentUsers": 2, "paused": false }));
    until("there is room for the second", Duration::from_secs(4), async || {
        poll(&sale, &second["token"]).await["status"] == "ACTIVE"
    })
    .await;
    let changed = producer.done("catalog.0", &change(json!({ "maxConcurrentUsers": 9, "paused": true }))).await;
    assert_eq!(changed, json!({ "scheduleId": 0, "maxConcurrentUsers": 9, "paused": true }));
    let third = join(&mut producer, 3).await;
    assert_eq!(third["status"], "WAITING");
    let changed = producer.done("catalog.0", &change(json!({ "paused": false }))).await;
    assert_eq!(changed["maxConcurrentUsers"], 9);
    until("it goes on", Duration::from_secs(4), async || poll(&sale, &third["token"]).await["status"] == "ACTIVE")
        .await;
    let sales = [
        ("seatsPerUser", json!(2)),
        ("bookingOpenAt", json!("2026-01-01T00:00:00Z")),
        ("bookingCloseAt", json!("2039-01-01T00:00:00Z")),
    ];
    for (field, value) in sales {
        let refused = producer.ask("catalog.0", &change(json!({ "paused": true, field: value }))).await;
        assert_eq!(refused["error"]["code"], "INVALID_REQUEST", "{refused}");
        assert!(refused["error"]["details"]["fields"][field].is_string(), "{refused}");
    }
    assert_eq!(sale.count("SELECT count(*) FROM rooms WHERE paused").await, 0);
    sale.finish().await;
}
