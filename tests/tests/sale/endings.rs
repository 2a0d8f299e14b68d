//! Processes that end, politely or not, while there is work: what was answered is there, and nothing is there twice.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use onsale_stack::role::Role;
use onsale_tests::sale::until;
use onsale_tests::{Client, Sale, seat};
use reqwest::Method;
use serde_json::{Value, json};

/// Asks under one key until there is an answer that says what became of it.
async fn keyed(fan: &Client, path: &str, token: &str, key: &str, body: &Value) -> Value {
    for _ in 0..20 {
        let answer = fan.post_keyed(path, token, key, body.clone()).await;
        match answer.status {
            200 | 201 => return answer.data().clone(),
            // Unknown outcomes, refusals, and another attempt still at work: asked again.
            503 | 504 => {}
            409 if answer.code() == "IDEMPOTENCY_IN_PROGRESS" => {}
            _ => panic!("{path}: {answer:?}"),
        }
    }
    panic!("{path}: no answer after twenty attempts");
}

/// A whole way through the sale by a client that asks again: every step has its effect once.
async fn walk(fan: &Client, user: i64) {
    let token = loop {
        let joined = fan.join(user, 3).await;
        let found = match joined.status {
            200 => &joined.data()["token"],
            409 => &joined.body["error"]["details"]["token"],
            _ => continue,
        };
        break found.as_str().expect("a token").to_owned();
    };
    let charge = json!({ "amount": 200_000 });
    keyed(fan, &format!("/api/v1/users/{user}/balance/charge"), &token, "charge", &charge).await;
    let hold = json!({ "scheduleId": 3, "seatIds": [seat(3, user)], "userId": user });
    let held = keyed(fan, "/api/v1/reservations", &token, "hold", &hold).await;
    let pay = json!({ "reservationId": held["reservationId"], "paymentMethod": "BALANCE", "userId": user });
    keyed(fan, "/api/v1/payments", &token, "pay", &pay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_killed_one_after_another_do_each_step_of_every_walk_once() {
    let sale = Sale::start(&[("ONSALE_REPLY_TIMEOUT_MS", "2000"), ("ONSALE_CAPACITY", "5000")]).await;
    let roles = [Role::Reservation, Role::Payment, Role::Account, Role::Admission];
    let spare = sale.add(Role::Reservation);
    let (fan, walked) = (&sale.client, AtomicUsize::new(0));
    let walkers = (0..16_i64).map(|n| {
        let walked = &walked;
        async move {
            for user in (1..=20).map(|step| n * 20 + step) {
                walk(fan, user).await;
                walked.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let killer = async {
        let mut kills = 0;
        for name in roles.iter().map(|role| role.to_string()).chain([spare]).cycle() {
            let before = walked.load(Ordering::Relaxed);
            if before >= 280 {
                break;
            }
            tokio::task::block_in_place(|| {
                sale.fleet.kill(&name).expect("killed");
                sale.fleet.start(&name).expect("started");
            });
            kills += 1;
            // The next one dies only when the sale has gone on.
            until("walks go on", Duration::from_secs(30), async || walked.load(Ordering::Relaxed) > before).await;
        }
        kills
    };
    let (_, kills) = tokio::join!(join_all(walkers), killer);
    assert!(kills >= 5, "only {kills} kills");
    assert_eq!(sale.count("SELECT count(*) FROM payments").await, 320);
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 320);
    assert_eq!(sale.count("SELECT count(*) FROM ledger_entries WHERE kind = 0").await, 320);
    assert_eq!(sale.count("SELECT count(*) FROM queue_tokens").await, 320);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingress_that_ends_answers_what_it_took() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "5000")]).await;
    let second = sale.add(Role::Ingress);
    let fan = &sale.client;
    let tokens = join_all((1..=300).map(|user| fan.token(user, 3))).await;
    let leaving = Client::new(&sale.fleet.health_url(&second).expect("an ingress"), "");
    let answered = AtomicUsize::new(0);
    let holds = tokens.iter().zip(1_i64..).map(|(token, user)| {
        let (answered, leaving) = (&answered, &leaving);
        async move {
            let body = json!({ "scheduleId": 3, "seatIds": [seat(3, user)], "userId": user }).to_string();
            let headers = [("queue-token", token.as_str())];
            // Spread over some time, so that the end comes in the middle.
            tokio::time::sleep(Duration::from_millis(2 * user as u64)).await;
            let answer = leaving.try_send(Method::POST, "/api/v1/reservations", &headers, Some(body)).await;
            answered.fetch_add(1, Ordering::Relaxed);
            answer.map(|answer| answer.status)
        }
    });
    let ender = async {
        until("it is at work", Duration::from_secs(10), async || answered.load(Ordering::Relaxed) >= 50).await;
        tokio::task::block_in_place(|| sale.fleet.term(&second)).expect("asked to end");
    };
    let (answers, ()) = tokio::join!(join_all(holds), ender);
    assert!(sale.fleet.exit_status(&second).is_some_and(|status| status.success()), "it ended by itself");
    let held = answers.iter().filter(|answer| matches!(answer, Ok(201))).count();
    let refused = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(held + refused, 300, "{answers:?}");
    assert!(held >= 50 && refused > 0, "the end came in the middle: {held} held, {refused} refused");
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, held as i64, "each effect was answered");
    assert_eq!(fan.hold(299, 3, &[seat(3, 1000)], &tokens[298]).await.status, 201, "the other ingress goes on");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_crons_expire_admit_and_publish_as_one_even_when_one_is_killed() {
    let settings = [("ONSALE_HOLD_TTL_S", "2"), ("ONSALE_ACTIVE_TTL_S", "2"), ("ONSALE_CAPACITY", "30")];
    let sale = Sale::start(&settings).await;
    let second = sale.add(Role::Cron);
    let producer = sale.producer().await;
    let mut events = producer.events().await;
    let fan = &sale.client;
    let tokens = join_all((1..=60).map(|user| fan.token(user, 3))).await;
    let holds = tokens
        .iter()
        .zip(1_i64..)
        .map(|(token, user)| async move { fan.hold(user, 3, &[seat(3, user)], token).await.status });
    let held = join_all(holds).await.iter().filter(|status| **status == 201).count() as i64;
    assert_eq!(held, 30, "those who were admitted");
    tokio::task::block_in_place(|| sale.fleet.kill(&second)).expect("killed");
    until("every hold and every token has run out", Duration::from_secs(20), async || {
        sale.count("SELECT count(*) FROM reservations WHERE status = 0").await == 0
            && sale.count("SELECT count(*) FROM queue_tokens WHERE status < 2").await == 0
    })
    .await;
    assert_eq!(sale.count("SELECT count(*) FROM outbox WHERE kind = 'onsale.seats.expired'").await, held, "once each");
    assert_eq!(sale.count("SELECT count(*) FROM outbox WHERE kind = 'onsale.token.admitted'").await, 60, "once each");
    assert_eq!(sale.count("SELECT count(*) FROM seats WHERE status <> 0").await, 0);
    let stored: Vec<String> =
        sqlx::query_scalar("SELECT event_id::text FROM outbox").fetch_all(&sale.pool).await.expect("events");
    let mut missing: BTreeSet<String> = stored.into_iter().collect();
    while !missing.is_empty() {
        let event = tokio::time::timeout(Duration::from_secs(15), events.next()).await;
        let event = event.unwrap_or_else(|_| panic!("never published: {missing:?}")).expect("open").expect("an event");
        let body: Value = serde_json::from_slice(&event.data).expect("JSON");
        assert_eq!((&body["specversion"], &body["type"]), (&json!("1.0"), &json!(event.routing_key.as_str())));
        missing.remove(body["id"].as_str().expect("an id"));
    }
    sale.finish().await;
}
