//! Redis may be lost, empty or never there: slower, never wrong.

use std::time::Duration;

use deadpool_redis::redis;
use futures_util::future::join_all;
use onsale_common::time::Time;
use onsale_stack::role::Role;
use onsale_tests::producer::command;
use onsale_tests::sale::until;
use onsale_tests::{Sale, seat};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_without_redis_is_slower_and_never_wrong() {
    // Nothing listens on port 1.
    let sale = Sale::start(&[("ONSALE_REDIS_URL", "redis://127.0.0.1:1/0"), ("ONSALE_CAPACITY", "100")]).await;
    sale.add(Role::Reservation);
    let fan = &sale.client;
    let joined = join_all((1..=105).map(|user| fan.join(user, 1))).await;
    let mut places: Vec<i64> =
        joined.iter().map(|answer| answer.data()["queuePosition"].as_i64().expect("a place")).collect();
    places.sort_unstable();
    assert_eq!(places[..100], [0; 100]);
    let active: Vec<(i64, &str)> = joined
        .iter()
        .zip(1..)
        .filter(|(answer, _)| answer.data()["status"] == "ACTIVE")
        .map(|(answer, user)| (user, answer.data()["token"].as_str().unwrap()))
        .collect();
    assert_eq!(active.len(), 100);
    let seats: Vec<[i64; 1]> = (1..=10).map(|n| [seat(1, n)]).collect();
    let holds = active.iter().map(|(user, token)| fan.hold(*user, 1, &seats[*user as usize % 10], token));
    let held = join_all(holds).await;
    let count = |status: u16| held.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(409)), (10, 90), "{held:?}");
    let (_, leaver) = active[0];
    assert_eq!(fan.delete(&format!("/api/v1/queue/tokens/{leaver}"), "").await.status, 204);
    until("somebody takes the freed slot", Duration::from_millis(2500), async || {
        sale.count("SELECT count(*) FROM queue_tokens WHERE status = 1").await == 100
    })
    .await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_comes_too_late_because_redis_hangs_is_not_done() {
    let sale = Sale::private(&[], &Role::ALL).await;
    let token = sale.client.token(1, 1).await;
    let mut producer = sale.producer().await;
    let client = redis::Client::open(sale.redis()).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("redis");
    let mut hold = command("HoldSeats", Some(&token), json!({ "scheduleId": 1, "seatIds": [seat(1, 1)], "userId": 1 }));
    redis::cmd("CLIENT").arg("PAUSE").arg(1_000).query_async::<()>(&mut connection).await.expect("it pauses");
    hold["deadline"] = json!(Time::now().plus(Duration::from_millis(150)));
    assert_eq!(producer.refused("reservation.1", &hold).await, "DEADLINE_EXCEEDED");
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 0);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_emptied_again_and_again_sells_no_seat_twice_and_keeps_the_line() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "200")]).await;
    for role in [Role::Reservation, Role::Admission] {
        sale.add(role);
    }
    let fan = &sale.client;
    let tokens = join_all((1..=200).map(|user| fan.token(user, 1))).await;
    let mut line = Vec::new();
    for user in 201..=220 {
        line.push(fan.token(user, 1).await);
    }
    let client = redis::Client::open(sale.redis()).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("redis");
    let fight = async {
        let seats: Vec<[i64; 1]> = (1..=50).map(|n| [seat(1, n)]).collect();
        let mut sold = 0;
        for round in 0..4_usize {
            let holds = tokens
                .iter()
                .zip(1_i64..)
                .map(|(token, user)| fan.hold(user, 1, &seats[(user as usize * 7 + round * 13) % 50], token));
            let answers = join_all(holds).await;
            assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 409 | 422)), "{answers:?}");
            sold += answers.iter().filter(|answer| answer.status == 201).count();
        }
        sold
    };
    let fight_is_over = std::sync::atomic::AtomicBool::new(false);
    let emptier = async {
        let mut times = 0;
        while !fight_is_over.load(std::sync::atomic::Ordering::Relaxed) {
            redis::cmd("FLUSHDB").query_async::<()>(&mut connection).await.expect("emptied");
            times += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        times
    };
    let fight = async {
        let sold = fight.await;
        fight_is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        sold
    };
    let (sold, times) = tokio::join!(fight, emptier);
    assert_eq!(sold, 50, "each seat once, although Redis was emptied {times} times");
    assert!(times > 10);
    for (token, place) in line.iter().zip(1_u64..) {
        let view = fan.get(&format!("/api/v1/queue/tokens/{token}"), token).await;
        assert_eq!(view.data()["queuePosition"], place, "{view:?}");
    }
    // Room for three: the first three of the line, although Redis forgot everybody.
    for token in &tokens[100..103] {
        redis::cmd("FLUSHDB").query_async::<()>(&mut connection).await.expect("emptied");
        assert_eq!(fan.delete(&format!("/api/v1/queue/tokens/{token}"), "").await.status, 204);
    }
    until("the first of the line are admitted", Duration::from_secs(5), async || {
        fan.status(&line[2]).await == "ACTIVE"
    })
    .await;
    for (n, token) in line.iter().enumerate() {
        assert_eq!(fan.status(token).await, if n < 3 { "ACTIVE" } else { "WAITING" }, "number {n}");
    }
    sale.finish().await;
}
