//! The waiting room: never more than its capacity, first come, first served.

use std::time::Duration;

use futures_util::future::join_all;
use onsale_tests::sale::until;
use onsale_tests::{Sale, seat};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_are_admitted_in_order_as_slots_free() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "3"), ("ONSALE_ACTIVE_TTL_S", "4")]).await;
    let fan = &sale.client;
    let mut tokens = Vec::new();
    for user in 1..=8 {
        let joined = fan.join(user, 1).await;
        let place = if user <= 3 { 0 } else { user - 3 };
        assert_eq!(joined.data()["queuePosition"], json!(place), "{joined:?}");
        assert_eq!(joined.data()["status"], if user <= 3 { "ACTIVE" } else { "WAITING" });
        tokens.push(joined.data()["token"].as_str().unwrap().to_owned());
    }
    assert_eq!(fan.hold(4, 1, &[seat(1, 1)], &tokens[3]).await.said(), (401, "TOKEN_NOT_ACTIVE"));
    // The second in line leaves: the others move up.
    assert_eq!(fan.delete(&format!("/api/v1/queue/tokens/{}", tokens[4]), &tokens[4]).await.status, 204);
    let sixth = fan.get(&format!("/api/v1/queue/tokens/{}", tokens[5]), &tokens[5]).await;
    assert_eq!(sixth.data()["queuePosition"], 2, "{sixth:?}");
    // One leaves, one pays: two slots free, for the fourth and the sixth.
    let held = fan.hold(2, 1, &[seat(1, 2)], &tokens[1]).await;
    fan.charge(2, 100_000, &tokens[1]).await;
    assert_eq!(fan.pay(2, &held.data()["reservationId"], &tokens[1]).await.status, 201);
    assert_eq!(fan.delete(&format!("/api/v1/queue/tokens/{}", tokens[0]), &tokens[0]).await.status, 204);
    until("the next two are admitted", Duration::from_millis(2500), async || {
        fan.status(&tokens[3]).await == "ACTIVE" && fan.status(&tokens[5]).await == "ACTIVE"
    })
    .await;
    // Nobody does anything: active tokens expire, and the rest are admitted.
    until("expired slots are filled", Duration::from_secs(8), async || {
        fan.status(&tokens[6]).await == "ACTIVE" && fan.status(&tokens[7]).await == "ACTIVE"
    })
    .await;
    assert_eq!(fan.status(&tokens[2]).await, "EXPIRED");
    assert_eq!(fan.hold(3, 1, &[seat(1, 3)], &tokens[2]).await.said(), (401, "TOKEN_EXPIRED"));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_never_exceeds_the_capacity_and_stands_in_one_line() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "20")]).await;
    sale.add(onsale_stack::role::Role::Admission);
    sale.add(onsale_stack::role::Role::Cron);
    let fan = &sale.client;
    let joined = join_all((1..=200).map(|user| fan.join(user, 3))).await;
    let active = joined.iter().filter(|answer| answer.data()["status"] == "ACTIVE").count();
    assert_eq!(active, 20);
    until("everybody has a place of their own", Duration::from_secs(10), async || {
        let tokens = joined.iter().map(|answer| answer.data()["token"].as_str().unwrap());
        let paths: Vec<_> = tokens.map(|token| (format!("/api/v1/queue/tokens/{token}"), token)).collect();
        let views = join_all(paths.iter().map(|(path, token)| fan.get(path, token))).await;
        let mut places: Vec<i64> = views.iter().map(|view| view.data()["queuePosition"].as_i64().unwrap()).collect();
        places.sort_unstable();
        places == (0..20).map(|_| 0).chain(1..=180).collect::<Vec<_>>()
    })
    .await;
    assert_eq!(sale.count("SELECT count(*) FROM queue_tokens WHERE status = 1").await, 20);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_hold_keeps_its_token_alive() {
    let sale = Sale::start(&[("ONSALE_ACTIVE_TTL_S", "2"), ("ONSALE_HOLD_TTL_S", "30")]).await;
    let fan = &sale.client;
    let (holder, idler) = (fan.token(1, 1).await, fan.token(2, 1).await);
    let held = fan.hold(1, 1, &[seat(1, 1)], &holder).await;
    until("the idle token expires", Duration::from_secs(6), async || fan.status(&idler).await == "EXPIRED").await;
    assert_eq!(fan.status(&holder).await, "ACTIVE");
    fan.charge(1, 75_000, &holder).await;
    assert_eq!(fan.pay(1, &held.data()["reservationId"], &holder).await.status, 201);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_ended_long_ago_are_purged() {
    let sale = Sale::start(&[("ONSALE_CRON_PURGE", "* * * * * *")]).await;
    let (gone, ended, live) =
        (sale.client.token(1, 1).await, sale.client.token(2, 1).await, sale.client.token(3, 1).await);
    for token in [&gone, &ended] {
        sale.client.delete(&format!("/api/v1/queue/tokens/{token}"), token).await;
    }
    let aged = "UPDATE queue_tokens SET issued_at = issued_at - interval '2 days',
                       expires_at = CASE WHEN user_id = 1 THEN expires_at - interval '2 days' ELSE expires_at END";
    sqlx::query(aged).execute(&sale.pool).await.expect("older tokens");
    until("the oldest is gone", Duration::from_secs(10), async || {
        sale.count("SELECT count(*) FROM queue_tokens").await == 2
    })
    .await;
    assert_eq!(sale.client.get(&format!("/api/v1/queue/tokens/{gone}"), &gone).await.status, 404);
    for token in [&ended, &live] {
        assert_eq!(sale.client.get(&format!("/api/v1/queue/tokens/{token}"), token).await.status, 200);
    }
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_statistics_do_not_know_of_is_admitted() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "1")]).await;
    // Yesterday's tokens are over, and Postgres believes that so are all; then a hundred thousand wait.
    for statement in [
        "INSERT INTO queue_tokens (token, schedule_id, user_id, status, issued_at, expires_at)
         SELECT ('00000180-0000-8000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, 1, 1 + n % 1000, 2, now(), now()
         FROM generate_series(1, 5000) n",
        "ANALYZE queue_tokens",
        "INSERT INTO users (id, username, email, password_hash)
         SELECT n, 'fan' || n, 'fan' || n || '@example.com', '-' FROM generate_series(1001, 101000) n",
        "INSERT INTO accounts (user_id) SELECT n FROM generate_series(1001, 101000) n",
        "INSERT INTO queue_tokens (token, schedule_id, user_id, status, issued_at, expires_at)
         SELECT ('00000180-0000-8000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 1, n, 0, now(), now() + interval '1 hour'
         FROM generate_series(1001, 101000) n",
    ] {
        sqlx::query(statement).execute(&sale.pool).await.expect("stored");
    }
    let opened = sale
        .client
        .admin(reqwest::Method::PATCH, "/api/v1/admin/schedules/1", json!({ "maxConcurrentUsers": 5000 }))
        .await;
    assert_eq!(opened.status, 200, "{opened:?}");
    // Well before Postgres counts again by itself, a minute later.
    until("a room of five thousand is full", Duration::from_secs(20), async || {
        sale.count("SELECT count(*) FROM queue_tokens WHERE status = 1").await == 5000
    })
    .await;
    sale.finish().await;
}
