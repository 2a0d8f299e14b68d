//! Two workers inside one decision at the same time: Postgres alone decides, once.
//!
//! The meeting is arranged, not hoped for: the test holds a lock under which both workers can read and neither can write,
//! until both wait. There is no Redis, which would turn the second away before it gets that far.

use std::time::Duration;

use onsale_stack::role::Role;
use onsale_tests::producer::{Producer, command};
use onsale_tests::sale::until;
use onsale_tests::{Sale, seat};
use serde_json::{Value, json};

const NO_REDIS: (&str, &str) = ("ONSALE_REDIS_URL", "redis://127.0.0.1:1/0");

/// Two workers of some roles, and nobody else who would wait for a lock.
async fn sale(settings: &[(&str, &str)], twice: &[Role]) -> Sale {
    let everybody = [Role::Ingress, Role::Admission, Role::Reservation, Role::Payment, Role::Account, Role::Catalog];
    let sale = Sale::with_roles(&[&[NO_REDIS], settings].concat(), &everybody).await;
    for role in twice {
        sale.add(*role);
    }
    sale
}

/// Gives each worker one of two commands, and lets them write only when both have read what they decide over. The codes
/// of the rejections, in no order; an empty text for what was done.
async fn at_once(sale: &Sale, freeze: &'static str, commands: [(&str, &Value); 2]) -> Vec<String> {
    let mut producer = sale.producer().await;
    let mut replies = at_once_raw(sale, &mut producer, freeze, commands).await;
    replies.sort_by_key(|reply| reply["ok"] != true);
    replies.iter().map(|reply| reply["error"]["code"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn at_once_raw(
    sale: &Sale,
    producer: &mut Producer,
    freeze: &'static str,
    commands: [(&str, &Value); 2],
) -> Vec<Value> {
    let mut freezer = sale.pool.begin().await.expect("a transaction");
    sqlx::query(freeze).execute(&mut *freezer).await.expect("the lock");
    for (routing_key, command) in commands {
        // Consumers of a queue take turns: each of the two workers gets one.
        assert!(producer.publish(routing_key, command.to_string().as_bytes(), true).await);
    }
    until("both workers wait", Duration::from_secs(2), async || {
        sale.count(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .await
            == 2
    })
    .await;
    freezer.rollback().await.expect("let go");
    let mut replies = Vec::new();
    for _ in commands {
        replies.push(serde_json::from_slice(&producer.reply().await).expect("JSON"));
    }
    replies
}

fn hold(token: &str, user: i64, n: i64) -> Value {
    command("HoldSeats", Some(token), json!({ "scheduleId": 1, "seatIds": [seat(1, n)], "userId": user }))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_holds_at_once_sell_a_seat_once_and_keep_the_users_limit() {
    let sale = sale(&[("ONSALE_SEATS_PER_USER", "1")], &[Role::Reservation]).await;
    let (first, second) = (sale.client.token(1, 1).await, sale.client.token(2, 1).await);
    let freeze = "LOCK TABLE reservations IN SHARE MODE";
    let rivals = [hold(&first, 1, 1), hold(&second, 2, 1)];
    let codes = at_once(&sale, freeze, rivals.each_ref().map(|hold| ("reservation.1", hold))).await;
    assert_eq!(codes, ["", "SEAT_TAKEN"]);
    let third = sale.client.token(3, 1).await;
    let greedy = [hold(&third, 3, 10), hold(&third, 3, 11)];
    let codes = at_once(&sale, freeze, greedy.each_ref().map(|hold| ("reservation.1", hold))).await;
    assert_eq!(codes, ["", "SEAT_LIMIT_EXCEEDED"]);
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 2);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_two_tokens_at_once_keeps_the_limit_and_the_only_hold() {
    let sale = sale(&[("ONSALE_SEATS_PER_USER", "1")], &[Role::Reservation]).await;
    let freeze = "LOCK TABLE reservations IN SHARE MODE";
    let mut producer = sale.producer().await;
    let mut tokens = Vec::new();
    for (user, schedule) in [(1, 1), (1, 0), (2, 0), (2, 1)] {
        let join = command("IssueToken", None, json!({ "userId": user, "scheduleId": schedule }));
        let joined = producer.done(&format!("admission.{schedule}"), &join).await;
        tokens.push(joined["token"].as_str().unwrap().to_owned());
    }
    let greedy = [hold(&tokens[0], 1, 1), hold(&tokens[1], 1, 2)];
    let codes = at_once(&sale, freeze, greedy.each_ref().map(|hold| ("reservation.1", hold))).await;
    assert_eq!(codes, ["", "SEAT_LIMIT_EXCEEDED"]);
    let mut only = [hold(&tokens[2], 2, 3), hold(&tokens[3], 2, 4)];
    for hold in &mut only {
        hold["data"]["onlyHold"] = json!(true);
    }
    let codes = at_once(&sale, freeze, only.each_ref().map(|hold| ("reservation.1", hold))).await;
    assert_eq!(codes, ["", "HOLD_EXISTS"]);
    // The only hold is that of all schedules, whose tokens and partitions are others.
    let (first, second) = (sale.client.token(3, 1).await, sale.client.token(3, 2).await);
    let mut only = [hold(&first, 3, 5), hold(&second, 3, 5)];
    only[1]["data"] = json!({ "scheduleId": 2, "seatIds": [seat(2, 5)], "userId": 3 });
    for hold in &mut only {
        hold["data"]["onlyHold"] = json!(true);
    }
    let codes = at_once(&sale, freeze, [("reservation.1", &only[0]), ("reservation.0", &only[1])]).await;
    assert_eq!(codes, ["", "HOLD_EXISTS"]);
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 3);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_with_two_workers_at_once_has_one_outcome() {
    let sale = sale(&[], &[Role::Reservation, Role::Account]).await;
    let token = sale.client.token(1, 1).await;
    let mut producer = sale.producer().await;
    let freeze = "LOCK TABLE command_outcomes IN SHARE MODE";
    let once = hold(&token, 1, 1);
    let replies = at_once_raw(&sale, &mut producer, freeze, [("reservation.1", &once), ("reservation.1", &once)]).await;
    assert_eq!((&replies[0]["ok"], &replies[0]), (&json!(true), &replies[1]));
    let raw = producer.ask_raw("reservation.1", once.to_string().as_bytes()).await;
    assert_eq!(producer.ask_raw("reservation.1", once.to_string().as_bytes()).await, raw, "byte for byte");
    // Two commands with one key are one request.
    let charge = || {
        let mut charge = command("ChargeBalance", Some(&token), json!({ "userId": 1, "amount": 1000 }));
        charge["idempotencyKey"] = json!("one");
        charge
    };
    let charges = [charge(), charge()];
    let replies = at_once_raw(&sale, &mut producer, freeze, charges.each_ref().map(|one| ("account.1", one))).await;
    assert_eq!((&replies[0]["ok"], &replies[0]["data"]), (&json!(true), &replies[1]["data"]));
    assert_eq!(sale.count("SELECT balance FROM accounts WHERE user_id = 1").await, 1000);
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 1);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_leaves_a_balance_once() {
    let sale = sale(&[], &[Role::Payment, Role::Account]).await;
    let fan = &sale.client;
    let token = fan.token(1, 1).await;
    fan.charge(1, 100_000, &token).await;
    let held = fan.hold(1, 1, &[seat(1, 1)], &token).await;
    let reservation = &held.data()["reservationId"];
    let pay = || {
        let data = json!({ "reservationId": reservation, "paymentMethod": "BALANCE", "userId": 1 });
        command("Pay", Some(&token), data)
    };
    let take = || command("UseBalance", Some(&token), json!({ "userId": 1, "amount": 60_000 }));
    let freeze = "LOCK TABLE ledger_entries IN SHARE MODE";
    // Whichever is first leaves too little for the other.
    let codes = at_once(&sale, freeze, [("payment.1", &pay()), ("account.1", &take())]).await;
    assert_eq!(codes, ["", "INSUFFICIENT_BALANCE"]);
    let left = sale.count("SELECT balance FROM accounts WHERE user_id = 1").await;
    assert!(left == 25_000 || left == 40_000, "{left}");

    let other = fan.token(3, 1).await;
    fan.charge(3, 100_000, &other).await;
    let take = || command("UseBalance", Some(&other), json!({ "userId": 3, "amount": 60_000 }));
    let codes = at_once(&sale, freeze, [("account.1", &take()), ("account.1", &take())]).await;
    assert_eq!(codes, ["", "INSUFFICIENT_BALANCE"]);
    let held = fan.hold(3, 1, &[seat(1, 3)], &other).await;
    fan.charge(3, 500_000, &other).await;
    let data = json!({ "reservationId": held.data()["reservationId"], "paymentMethod": "BALANCE", "userId": 3 });
    let pay = || command("Pay", Some(&other), data.clone());
    let codes =
        at_once(&sale, "LOCK TABLE payments IN SHARE MODE", [("payment.1", &pay()), ("payment.1", &pay())]).await;
    assert_eq!(codes, ["", "ALREADY_PAID"]);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_joins_at_once_never_exceed_the_capacity() {
    let sale = sale(&[("ONSALE_CAPACITY", "1")], &[Role::Admission]).await;
    let join = |user: i64| command("IssueToken", None, json!({ "userId": user, "scheduleId": 1 }));
    let freeze = "LOCK TABLE queue_tokens IN SHARE MODE";
    let codes = at_once(&sale, freeze, [("admission.1", &join(1)), ("admission.1", &join(2))]).await;
    assert_eq!(codes, ["", ""]);
    assert_eq!(sale.count("SELECT count(*) FROM queue_tokens WHERE status = 1").await, 1);
    assert_eq!(sale.count("SELECT count(*) FROM queue_tokens WHERE status = 0").await, 1);
    let codes = at_once(&sale, freeze, [("admission.1", &join(3)), ("admission.1", &join(3))]).await;
    assert_eq!(codes, ["", "TOKEN_EXISTS"]);
    sale.finish().await;
}
