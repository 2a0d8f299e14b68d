//! The events of the sale: every effect once, in one order, whatever happens to relays and brokers.

use std::collections::HashSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use lapin::Consumer;
use lapin::types::{AMQPValue, FieldTable};
use onsale_common::contract::event::{
    BalanceCharged, BalanceUsed, CloudEvent, EVENT_CONTENT_TYPE, EventKind, HoldExpired, PaymentCompleted, SeatsHeld,
    SeatsReleased, TokenAdmitted,
};
use onsale_stack::role::Role;
use onsale_tests::sale::until;
use onsale_tests::{Sale, seat};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);

/// An event whose data nobody has looked at yet.
type Event = CloudEvent<Value>;

/// The next event; its message says what it is.
async fn next(events: &mut Consumer) -> Event {
    let delivery = tokio::time::timeout(LIMIT, events.next()).await.expect("an event in time");
    let delivery = delivery.expect("open").expect("a delivery");
    let event: Event = serde_json::from_slice(&delivery.data).expect("a CloudEvent");
    let properties = &delivery.properties;
    assert_eq!(properties.content_type().as_ref().map(|text| text.as_str()), Some(EVENT_CONTENT_TYPE));
    assert_eq!(properties.message_id().as_ref().map(|text| text.as_str()), Some(event.id.to_string().as_str()));
    assert_eq!(properties.delivery_mode(), &Some(2));
    assert_eq!(delivery.routing_key.as_str(), event.kind.as_str());
    event
}

/// Hears events until all that are stored were heard; each as it came first, and how many came again.
async fn hear_all(sale: &Sale, events: &mut Consumer) -> (Vec<Event>, usize) {
    let stored = sale.count("SELECT count(*) FROM outbox").await as usize;
    let (mut first, mut ids, mut again) = (Vec::new(), HashSet::new(), 0);
    while first.len() < stored {
        let event = next(events).await;
        if ids.insert(event.id) {
            first.push(event);
        } else {
            again += 1;
        }
    }
    (first, again)
}

/// The stored order, by event id.
async fn stored(sale: &Sale) -> Vec<String> {
    let ids = sqlx::query_scalar("SELECT event_id::text FROM outbox ORDER BY id");
    ids.fetch_all(&sale.pool).await.expect("events")
}

async fn assert_in_order(sale: &Sale, heard: &[Event]) {
    assert!(heard.is_sorted_by_key(|event| event.sequence), "out of order");
    let ids: Vec<String> = heard.iter().map(|event| event.id.to_string()).collect();
    assert_eq!(ids, stored(sale).await);
}

/// A gauge of the cron process.
async fn gauge(sale: &Sale, name: &str) -> f64 {
    let url = format!("{}/metrics", sale.fleet.health_url("cron").expect("a cron"));
    let text = reqwest::get(url).await.expect("metrics").text().await.expect("text");
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(-1.0)
}

fn typed<T: serde::de::DeserializeOwned>(event: &Event) -> T {
    serde_json::from_value(event.data.clone()).unwrap_or_else(|error| panic!("{event:?}: {error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_effect_is_told_once_with_its_type_and_in_order() {
    let sale = Sale::start(&[("ONSALE_HOLD_TTL_S", "3")]).await;
    let producer = sale.producer().await;
    let mut events = producer.events().await;
    let fan = &sale.client;
    let token = fan.token(1, 1).await;
    assert_eq!(fan.charge(1, 100_000, &token).await.status, 200);
    assert_eq!(fan.post("/api/v1/users/1/balance/use", &token, json!({ "amount": 10_000 })).await.status, 200);
    let released = fan.hold(1, 1, &[seat(1, 1)], &token).await.data()["reservationId"].clone();
    assert_eq!(fan.delete(&format!("/api/v1/reservations/{released}"), &token).await.status, 204);
    let paid = fan.hold(1, 1, &[seat(1, 2)], &token).await.data()["reservationId"].clone();
    let payment = fan.pay(1, &paid, &token).await;
    assert_eq!(payment.status, 201, "{payment:?}");
    let other = fan.token(2, 1).await;
    let lapsed = fan.hold(2, 1, &[seat(1, 3), seat(1, 4)], &other).await.data()["reservationId"].clone();
    until("the hold is written down as expired", Duration::from_secs(10), async || {
        sale.count("SELECT count(*) FROM reservations WHERE status = 3").await == 1
    })
    .await;
    let (heard, _) = hear_all(&sale, &mut events).await;
    assert_in_order(&sale, &heard).await;
    use EventKind as K;
    let kinds: Vec<EventKind> = heard.iter().map(|event| event.kind).collect();
    let balance = [K::BalanceCharged, K::BalanceUsed];
    let seats = [K::SeatsHeld, K::SeatsReleased, K::SeatsHeld, K::PaymentCompleted];
    let rest = [K::TokenAdmitted, K::SeatsHeld, K::HoldExpired];
    assert_eq!(kinds, [&[K::TokenAdmitted][..], &balance, &seats, &rest].concat());

    assert_eq!(typed::<TokenAdmitted>(&heard[0]).user_id.get(), 1);
    assert_eq!(typed::<BalanceCharged>(&heard[1]).current_balance, 100_000);
    let used: BalanceUsed = typed(&heard[2]);
    assert_eq!((used.amount, used.current_balance), (10_000, 90_000));
    assert_eq!((heard[2].subject.as_str(), heard[2].partitionkey.as_str()), ("users/1", "users/1"));
    assert_eq!(json!(typed::<SeatsHeld>(&heard[3]).reservation_id), released);
    assert_eq!(json!(typed::<SeatsReleased>(&heard[4]).reservation_id), released);
    let completed: PaymentCompleted = typed(&heard[6]);
    assert_eq!((json!(completed.reservation_id), completed.seat_ids[0].get()), (paid, seat(1, 2)));
    assert_eq!(json!(completed.payment_id), payment.data()["paymentId"]);
    assert_eq!(heard[6].partitionkey, "schedules/1");
    let expired: HoldExpired = typed(&heard[9]);
    assert_eq!((json!(expired.reservation_id), expired.seat_ids.len()), (lapsed.clone(), 2));
    assert_eq!(heard[9].subject, format!("reservations/{lapsed}"));
    assert_eq!(sale.count("SELECT count(*) FROM outbox").await, 10, "one for each effect");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_hold_is_told_before_the_next_hold_of_its_seat() {
    let settings = [("ONSALE_HOLD_TTL_S", "1")];
    let sale = Sale::with_roles(&settings, &[Role::Ingress, Role::Admission, Role::Reservation]).await;
    let fan = &sale.client;
    let (first, second) = (fan.token(1, 1).await, fan.token(2, 1).await);
    assert_eq!(fan.hold(1, 1, &[seat(1, 1), seat(1, 2)], &first).await.status, 201);
    // No cron is there to write its end down.
    until("the seat can be held again", Duration::from_secs(5), async || {
        fan.hold(2, 1, &[seat(1, 2)], &second).await.status == 201
    })
    .await;
    let kinds: Vec<String> = sqlx::query_scalar("SELECT kind FROM outbox WHERE kind LIKE 'onsale.seats.%' ORDER BY id")
        .fetch_all(&sale.pool)
        .await
        .expect("kinds");
    assert_eq!(kinds, ["onsale.seats.held", "onsale.seats.expired", "onsale.seats.held"]);
    sale.finish().await;
}

/// Some users join and hold, so that there is something to tell.
async fn crowd(sale: &Sale, users: std::ops::Range<i64>) {
    let walks = users.map(|user| async move {
        let token = sale.client.token(user, 3).await;
        let held = sale.client.hold(user, 3, &[seat(3, user)], &token).await;
        assert_eq!(held.status, 201, "{held:?}");
    });
    join_all(walks).await;
}

fn signal(sale: &Sale, name: &str, signal: &str) {
    let pid = sale.fleet.pid(name).expect("it runs").to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_that_are_killed_or_stopped_repeat_events_but_never_reorder_them() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "5000")]).await;
    let producer = sale.producer().await;
    let mut events = producer.events().await;
    crowd(&sale, 1..100).await;
    let published = async |least: i64| {
        until("events are published", LIMIT, async || {
            sale.count("SELECT count(*) FROM outbox WHERE id <= (SELECT published_to FROM outbox_relay)").await >= least
        })
        .await;
    };
    published(1).await;
    // The only relay is killed at work; its successor waits for the lease.
    let second = sale.add(Role::Cron);
    crowd(&sale, 100..300).await;
    tokio::task::block_in_place(|| sale.fleet.kill("cron")).expect("killed");
    crowd(&sale, 300..400).await;
    published(798).await;
    tokio::task::block_in_place(|| sale.fleet.start("cron")).expect("started");
    sale.wait_ready(&["cron".to_owned()], LIMIT);
    // The successor is stopped at work, overtaken, and goes on where it was, without knowing.
    crowd(&sale, 400..600).await;
    signal(&sale, &second, "-STOP");
    crowd(&sale, 600..700).await;
    published(1398).await;
    signal(&sale, &second, "-CONT");
    crowd(&sale, 700..750).await;
    let (heard, _) = hear_all(&sale, &mut events).await;
    assert_in_order(&sale, &heard).await;
    assert_eq!(heard.len(), 2 * 749);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_makes_events_late_and_loses_none() {
    let settings = [("ONSALE_HOLD_TTL_S", "8"), ("ONSALE_ACTIVE_TTL_S", "8"), ("ONSALE_CAPACITY", "40")];
    let sale = Sale::private(&settings, &Role::ALL).await;
    sale.producer().await.keep_events("kept", FieldTable::default()).await;
    let fan = &sale.client;
    let tokens = join_all((1..=80).map(|user| fan.token(user, 3))).await;
    let holds = tokens
        .iter()
        .zip(1_i64..)
        .map(|(token, user)| async move { fan.hold(user, 3, &[seat(3, user)], token).await.status });
    let held = join_all(holds).await.iter().filter(|status| **status == 201).count();
    assert_eq!(held, 40, "those who were admitted");
    tokio::task::block_in_place(|| sale.server("rabbitmq").stop());
    // Time goes on without the broker: holds run out, and those who wait are admitted.
    until("cron has gone on", LIMIT, async || {
        sale.count("SELECT count(*) FROM outbox WHERE kind = 'onsale.seats.expired'").await == 40
            && sale.count("SELECT count(*) FROM outbox WHERE kind = 'onsale.token.admitted'").await == 80
    })
    .await;
    until("the lag shows", LIMIT, async || {
        let waiting =
            sale.count("SELECT count(*) FROM outbox WHERE id > (SELECT published_to FROM outbox_relay)").await;
        waiting >= 40
            && gauge(&sale, "onsale_outbox_waiting").await == waiting as f64
            && gauge(&sale, "onsale_outbox_lag_seconds").await >= 5.0
    })
    .await;
    tokio::task::block_in_place(|| sale.server("rabbitmq").start()).expect("the broker is back");
    until("the lag is gone", LIMIT, async || {
        gauge(&sale, "onsale_outbox_waiting").await == 0.0 && gauge(&sale, "onsale_outbox_lag_seconds").await == 0.0
    })
    .await;
    let producer = sale.producer().await;
    let mut events = producer.consume("kept").await;
    let (heard, _) = hear_all(&sale, &mut events).await;
    assert_in_order(&sale, &heard).await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_refuses_gets_everything_in_the_end_and_harms_no_other_s_order() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "5000")]).await;
    let producer = sale.producer().await;
    let mut patient = producer.events().await;
    let mut narrow = FieldTable::default();
    narrow.insert("x-max-length".into(), AMQPValue::LongLongInt(5));
    narrow.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    producer.keep_events("narrow", narrow).await;
    crowd(&sale, 1..30).await;
    let log = sale.fleet.log("cron");
    until("an event is refused", LIMIT, async || {
        std::fs::read_to_string(&log).expect("a log").contains("the broker took no more events")
    })
    .await;
    assert!(
        sale.count("SELECT count(*) FROM outbox WHERE id > (SELECT published_to FROM outbox_relay)").await > 0,
        "not all went through"
    );
    let mut late = producer.consume("narrow").await;
    let (heard, _) = hear_all(&sale, &mut late).await;
    assert_eq!(heard.len(), 58);
    let (heard, again) = hear_all(&sale, &mut patient).await;
    assert_in_order(&sale, &heard).await;
    if again == 0 {
        let repeated = next(&mut patient).await;
        assert!(heard.iter().any(|event| event.id == repeated.id), "what one queue refused comes to the other again");
    }
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_consumer_tells_each_event_once() {
    let sale = Sale::start(&[]).await;
    let python = std::env::var("ONSALE_TEST_PYTHON").expect("ONSALE_TEST_PYTHON: run deploy/test");
    let mut consumer = Command::new(python)
        .args([concat!(env!("CARGO_MANIFEST_DIR"), "/examples/python/consumer.py"), "tickets", "4"])
        .env("AMQP_URL", sale.amqp())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    // Declared before anything happens: what was published before a queue is bound never comes to it.
    let mut listening = std::io::BufReader::new(consumer.stderr.take().expect("piped"));
    let mut line = String::new();
    tokio::task::block_in_place(|| std::io::BufRead::read_line(&mut listening, &mut line)).expect("a line");
    assert!(line.starts_with("listening"), "{line}");
    let fan = &sale.client;
    let token = fan.token(1, 1).await;
    assert_eq!(fan.charge(1, 100_000, &token).await.status, 200);
    let released = fan.hold(1, 1, &[seat(1, 1)], &token).await.data()["reservationId"].clone();
    assert_eq!(fan.delete(&format!("/api/v1/reservations/{released}"), &token).await.status, 204);
    let paid = fan.hold(1, 1, &[seat(1, 1)], &token).await.data()["reservationId"].clone();
    assert_eq!(fan.pay(1, &paid, &token).await.status, 201);
    let output = tokio::task::block_in_place(|| consumer.wait_with_output()).expect("it ends");
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let kinds: Vec<&str> = said.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(kinds, ["onsale.seats.held", "onsale.seats.released", "onsale.seats.held", "onsale.payment.completed"]);
    sale.finish().await;
}
