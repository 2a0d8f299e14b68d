//! Processes and servers are killed, stopped and emptied. The effects are there once, and everything works again.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use onsale_stack::role::Role;
use onsale_tests::producer::command;
use onsale_tests::sale::until;
use onsale_tests::{Sale, seat};
use serde_json::{Value, json};

/// A whole walk through the sale works: a user joins, charges, holds and pays.
async fn works(sale: &Sale, user: i64) -> bool {
    let fan = &sale.client;
    let joined = fan.join(user, 3).await;
    let token = match joined.status {
        200 => joined.data()["token"].clone(),
        409 => joined.body["error"]["details"]["token"].clone(),
        _ => return false,
    };
    let token = token.as_str().expect("a token");
    let charged = fan.charge(user, 200_000, token).await.status == 200;
    let held = fan.hold(user, 3, &[seat(3, user)], token).await;
    let seats = fan.get("/api/v1/concerts/1/schedules", token).await.status == 200;
    charged && seats && held.status == 201 && fan.pay(user, &held.data()["reservationId"], token).await.status == 201
}

async fn works_within(sale: &Sale, limit: Duration, first_user: i64) {
    let mut user = first_user;
    until("everything works again", limit, async || {
        user += 1;
        works(sale, user).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_workers_leave_nothing_undone_and_nothing_twice() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "5000")]).await;
    let fan = &sale.client;
    let tokens = join_all((1..=300).map(|user| fan.token(user, 3))).await;
    let holds = tokens.iter().zip(1_i64..).map(|(token, user)| async move {
        let body = json!({ "scheduleId": 3, "seatIds": [seat(3, user)], "userId": user });
        let key = format!("hold-{user}");
        // As a client would: an unknown outcome is asked for again under the same key.
        for _ in 0..10 {
            let answer = fan.post_keyed("/api/v1/reservations", token, &key, body.clone()).await;
            if !matches!(answer.status, 503 | 504) {
                return answer.status;
            }
        }
        0
    });
    let killer = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(15)).await;
            tokio::task::block_in_place(|| {
                sale.fleet.kill("reservation").expect("killed");
                sale.fleet.start("reservation").expect("started");
            });
        }
    };
    let (statuses, ()) = tokio::join!(join_all(holds), killer);
    assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 300);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_hangs_keeps_nobody_from_being_served_by_its_sibling() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "5000")]).await;
    sale.add(Role::Reservation);
    let fan = &sale.client;
    let hold = async |user: i64, seats: &[i64]| {
        let token = fan.token(user, 3).await;
        let asked = Instant::now();
        let answer = fan.hold(user, 3, seats, &token).await;
        (answer.status, asked.elapsed())
    };
    // It hangs in the midst of batches, whose rows it has locked.
    let crowd = join_all((1..=100).map(|user| async move { hold(user, &[seat(3, user)]).await.0 }));
    let hang = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        sale.fleet.hang("reservation").expect("it hangs");
    };
    let (crowd, ()) = tokio::join!(crowd, hang);
    assert!(crowd.iter().all(|status| *status == 201), "{crowd:?}");
    // The broker does not know yet, and gives it every second bundle.
    for user in 101..=108 {
        let (status, took) = hold(user, &[seat(3, user)]).await;
        assert!(status == 201 && took < Duration::from_secs(4), "user {user}: {status} after {took:?}");
    }
    sale.fleet.go_on("reservation").expect("it goes on");
    works_within(&sale, Duration::from_secs(20), 200).await;
    // What it was given is done by now, and what it does once more changes nothing.
    assert_eq!(sale.count("SELECT count(*) FROM reservations WHERE user_id <= 108").await, 108);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_somebody_keeps_locked_holds_up_nobody_else() {
    let sale = Sale::start(&[]).await;
    let (fan, mut producer) = (&sale.client, sale.producer().await);
    let tokens = join_all((1..=20).map(|user| fan.token(user, 3))).await;
    let hold = |user: usize, n: i64| {
        let data = json!({ "scheduleId": 3, "seatIds": [seat(3, n)], "userId": user });
        command("HoldSeats", Some(&tokens[user - 1]), data)
    };
    let earlier = hold(20, 20);
    let held = producer.ask("reservation.1", &earlier).await;
    assert_eq!(held["ok"], true, "{held}");
    let mut somebody = sale.pool.begin().await.expect("a transaction");
    let locked = [seat(3, 7), seat(3, 8), seat(3, 20)];
    let lock = sqlx::query("SELECT id FROM seats WHERE id = ANY($1) FOR UPDATE").bind(&locked[..]);
    assert_eq!(lock.fetch_all(&mut *somebody).await.expect("the locks").len(), 3);

    // Of one message, those who want the seats are told to come again; the others have theirs in time.
    let mut bundle: Vec<_> = (1..=18).map(|n| hold(n, n as i64)).chain([earlier.clone()]).collect();
    bundle[7]["idempotencyKey"] = json!("mine");
    let asked = Instant::now();
    assert!(producer.publish("reservation.1", json!(bundle).to_string().as_bytes(), true).await);
    // Whoever comes next does not wait for that, nor for others who want these seats.
    for n in 0..4 {
        assert!(producer.publish("reservation.1", hold(10 + n, 7).to_string().as_bytes(), false).await);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(fan.hold(19, 3, &[seat(3, 19)], &tokens[18]).await.status, 201);
    assert!(asked.elapsed() < Duration::from_millis(2500), "{:?}", asked.elapsed());
    let replies: Value = serde_json::from_slice(&producer.reply().await).expect("JSON");
    assert!(asked.elapsed() < Duration::from_millis(4500), "{:?}", asked.elapsed());
    for (n, reply) in replies.as_array().expect("an array").iter().enumerate() {
        match n + 1 {
            7 => assert_eq!(reply["error"]["code"], "OVERLOADED", "{reply}"),
            8 => assert_eq!(reply["error"]["code"], "IDEMPOTENCY_IN_PROGRESS", "{reply}"),
            // What was done before is told, although its seat is locked.
            19 => assert_eq!(*reply, held),
            _ => assert_eq!(reply["ok"], true, "{n}: {reply}"),
        }
    }
    // A command that nobody hears of is for the operator.
    assert!(producer.publish("reservation.1", hold(9, 7).to_string().as_bytes(), false).await);
    until("it is a dead letter", Duration::from_secs(10), async || {
        producer.take("onsale.dead").await.is_some_and(|(_, body)| body["data"]["userId"] == 9)
    })
    .await;

    somebody.rollback().await.expect("let go");
    let replies = producer.ask("reservation.1", &json!([bundle[6], bundle[7]])).await;
    assert_eq!((&replies[0]["ok"], &replies[1]["ok"]), (&json!(true), &json!(true)), "{replies}");
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 20);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_somebody_keeps_locked_keeps_no_other_hold_from_ending() {
    let sale = Sale::start(&[("ONSALE_HOLD_TTL_S", "2")]).await;
    let fan = &sale.client;
    for user in 1..=3 {
        let token = fan.token(user, 1).await;
        assert_eq!(fan.hold(user, 1, &[seat(1, 2 * user), seat(1, 2 * user + 1)], &token).await.status, 201);
    }
    let mut somebody = sale.pool.begin().await.expect("a transaction");
    let lock = sqlx::query("SELECT id FROM seats WHERE id = $1 FOR UPDATE").bind(seat(1, 3));
    lock.execute(&mut *somebody).await.expect("the lock");
    let expired = async || sale.count("SELECT count(*) FROM reservations WHERE status = 3").await;
    until("the other holds end", Duration::from_secs(5), async || expired().await == 2).await;
    let free = async || sale.count("SELECT count(*) FROM seats WHERE status = 0 AND id >> 29 = 1").await;
    assert_eq!((expired().await, free().await), (2, 48));
    somebody.rollback().await.expect("let go");
    until("the last hold ends", Duration::from_secs(5), async || expired().await == 3).await;
    assert_eq!(free().await, 50);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_somebody_keeps_locked_stops_nobody_behind_it() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "1")]).await;
    let fan = &sale.client;
    let active = fan.token(1, 1).await;
    let (first, second) = (fan.token(2, 1).await, fan.token(3, 1).await);
    let mut somebody = sale.pool.begin().await.expect("a transaction");
    let lock = sqlx::query("SELECT token FROM queue_tokens WHERE token = $1::uuid FOR UPDATE").bind(first.clone());
    lock.execute(&mut *somebody).await.expect("the lock");
    assert_eq!(fan.delete(&format!("/api/v1/queue/tokens/{active}"), &active).await.status, 204);
    until("the next is admitted", Duration::from_secs(10), async || fan.status(&second).await == "ACTIVE").await;
    assert_eq!(fan.status(&first).await, "WAITING");
    somebody.rollback().await.expect("let go");
    assert_eq!(fan.delete(&format!("/api/v1/queue/tokens/{second}"), &second).await.status, 204);
    until("the first is admitted", Duration::from_secs(10), async || fan.status(&first).await == "ACTIVE").await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_end_does_although_its_batch_does_not() {
    let sale = Sale::start(&[("ONSALE_DRAIN_MS", "1000")]).await;
    let token = sale.client.token(1, 1).await;
    // Whoever holds this lock hangs for longer than the worker may take to end.
    let mut freezer = sale.pool.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE reservations").execute(&mut *freezer).await.expect("the lock");
    let producer = sale.producer().await;
    let mut hold = command("HoldSeats", Some(&token), json!({ "scheduleId": 1, "seatIds": [seat(1, 1)], "userId": 1 }));
    hold["deadline"] = json!("2040-01-01T00:00:00Z");
    assert!(producer.publish("reservation.1", hold.to_string().as_bytes(), true).await);
    until("the hold waits", Duration::from_secs(10), async || {
        sale.count("SELECT count(*) FROM pg_locks WHERE NOT granted").await > 0
    })
    .await;
    let told = Instant::now();
    tokio::task::block_in_place(|| sale.fleet.term("reservation")).expect("it ended");
    assert!(told.elapsed() < Duration::from_secs(8), "it took {:?}", told.elapsed());
    freezer.rollback().await.expect("let go");
    // Nothing was lost: its successor holds the seat.
    tokio::task::block_in_place(|| sale.fleet.start("reservation")).expect("started");
    until("the seat is held", Duration::from_secs(20), async || {
        sale.count("SELECT count(*) FROM reservations").await == 1
    })
    .await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_role_its_requests_are_refused_in_time_and_the_rest_works() {
    let sale = Sale::start(&[("ONSALE_QUEUE_LENGTH_MAX", "20"), ("ONSALE_REPLY_TIMEOUT_MS", "2000")]).await;
    let fan = &sale.client;
    let token = fan.token(1, 1).await;
    tokio::task::block_in_place(|| sale.fleet.kill("reservation")).expect("killed");
    let asked = Instant::now();
    let answer = fan.hold(1, 1, &[seat(1, 1)], &token).await;
    assert!(matches!(answer.status, 503 | 504), "{answer:?}");
    assert!(asked.elapsed() < Duration::from_secs(4));
    assert_eq!(fan.get("/api/v1/users/1/balance", &token).await.status, 200);
    // A backlog longer than the bound is refused at once.
    let producer = sale.producer().await;
    let hold = command("HoldSeats", Some(&token), json!({ "scheduleId": 1, "seatIds": [seat(1, 1)], "userId": 1 }));
    let body = hold.to_string();
    let mut accepted = 0;
    while producer.publish("reservation.1", body.as_bytes(), false).await {
        accepted += 1;
        assert!(accepted < 200, "the queue takes more than its bound");
    }
    let asked = Instant::now();
    let answer = fan.hold(1, 1, &[seat(1, 1)], &token).await;
    assert_eq!((answer.said(), answer.header("retry-after")), ((503, "OVERLOADED"), "1"));
    assert!(asked.elapsed() < Duration::from_secs(1));
    tokio::task::block_in_place(|| sale.fleet.start("reservation")).expect("started");
    until("holds work again", Duration::from_secs(10), async || {
        matches!(fan.hold(1, 1, &[seat(1, 2)], &token).await.status, 201 | 409)
    })
    .await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_reconnects_when_a_server_is_back() {
    let sale = Sale::private(&[("ONSALE_REPLY_TIMEOUT_MS", "2000"), ("ONSALE_CAPACITY", "5000")], &Role::ALL).await;
    assert!(works(&sale, 1).await);
    for (n, (name, kill)) in [
        ("redis", false),
        ("postgres", false),
        ("rabbitmq", false),
        ("redis", true),
        ("postgres", true),
        ("rabbitmq", true),
    ]
    .into_iter()
    .enumerate()
    {
        tokio::task::block_in_place(|| {
            let server = sale.server(name);
            if kill { server.kill() } else { server.stop() }
        });
        if name == "redis" {
            works_within(&sale, Duration::from_secs(10), 100 * n as i64 + 100).await;
        } else {
            let answer = sale.client.join(90, 3).await;
            assert!(matches!(answer.status, 503 | 504), "{name} is away: {answer:?}");
        }
        tokio::task::block_in_place(|| sale.server(name).start()).expect("the server is back");
        works_within(&sale, Duration::from_secs(5), 100 * n as i64 + 150).await;
    }
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_redis_sells_nothing_twice_and_keeps_every_place() {
    let sale = Sale::private(&[("ONSALE_CAPACITY", "2")], &Role::ALL).await;
    let fan = &sale.client;
    let mut tokens = Vec::new();
    for user in 1..=12 {
        tokens.push(fan.token(user, 1).await);
    }
    assert_eq!(fan.hold(1, 1, &[seat(1, 1)], &tokens[0]).await.status, 201);
    let redis = deadpool_redis::redis::Client::open(sale.server("redis").url()).expect("a URL");
    let mut connection = redis.get_multiplexed_async_connection().await.expect("redis");
    deadpool_redis::redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.expect("emptied");
    assert_eq!(fan.hold(2, 1, &[seat(1, 1)], &tokens[1]).await.said(), (409, "SEAT_TAKEN"));
    let late = fan.join(13, 1).await;
    assert_eq!(late.data()["queuePosition"], 11, "{late:?}");
    for (n, token) in tokens.iter().enumerate() {
        let view = fan.get(&format!("/api/v1/queue/tokens/{token}"), token).await;
        assert_eq!(view.data()["queuePosition"], n.saturating_sub(1), "{view:?}");
    }
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_loses_one_of_its_connections_makes_both_again() {
    let (sale, proxy) = Sale::behind_proxy(&[("ONSALE_REPLY_TIMEOUT_MS", "2000"), ("ONSALE_CAPACITY", "5000")]).await;
    assert!(works(&sale, 1).await);
    for (n, lost) in ["account: replies", "reservation: replies", "account: commands"].into_iter().enumerate() {
        assert_eq!(proxy.cut(lost), 1, "{lost}");
        works_within(&sale, Duration::from_secs(8), 100 * n as i64 + 100).await;
    }
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_polite_end_under_load_loses_nothing() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "5000")]).await;
    sale.add(Role::Reservation);
    let fan = &sale.client;
    let tokens = join_all((1..=400).map(|user| fan.token(user, 3))).await;
    let holds = tokens.iter().zip(1_i64..).map(|(token, user)| async move {
        tokio::time::sleep(Duration::from_millis(user as u64)).await;
        fan.hold(user, 3, &[seat(3, user)], token).await.status
    });
    let ender = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        tokio::task::block_in_place(|| sale.fleet.term("reservation")).expect("it ends in time");
    };
    let (statuses, ()) = tokio::join!(join_all(holds), ender);
    assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 400);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_comes_before_its_tables_waits_for_them() {
    let before_holds: Vec<Role> = Role::ALL.into_iter().filter(|role| *role != Role::Reservation).collect();
    let sale = Sale::with_roles(&[], &before_holds).await;
    let fan = sale.client.clone();
    let token = fan.token(1, 1).await;
    let rename = async |statement: &'static str| {
        sqlx::query(statement).execute(&sale.pool).await.expect("renamed");
    };
    rename("ALTER TABLE reservations RENAME TO not_there_yet").await;
    sale.add(Role::Reservation);
    let held = tokio::spawn(async move { fan.hold(1, 1, &[seat(1, 1)], &token).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!held.is_finished(), "nobody can hold yet");
    rename("ALTER TABLE not_there_yet RENAME TO reservations").await;
    assert_eq!(held.await.expect("no panic").status, 201);
    sale.finish().await;
}
