//! The log of attempts: who tried to get which seat, whatever came of it.

use std::time::Duration;

use onsale_tests::producer::command;
use onsale_tests::sale::until;
use onsale_tests::{Sale, seat};
use serde_json::{Value, json};

fn attempt(token: Option<&str>, seat: i64) -> Value {
    command("RecordAttempt", token, json!({ "seatId": seat }))
}

fn list(data: Value) -> Value {
    command("ListAttempts", None, data)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_is_kept_and_read_newest_first() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let (first, second) = (sale.client.token(1, 1).await, sale.client.token(2, 1).await);
    let mut made = Vec::new();
    made.push(producer.done("reservation.1", &attempt(Some(&first), seat(1, 1))).await);
    sale.client.hold(1, 1, &[seat(1, 1)], &first).await;
    // Once the seat is held there is still somebody who tries.
    let late = attempt(Some(&second), seat(1, 1));
    made.push(producer.done("reservation.1", &late).await);
    assert_eq!(producer.done("reservation.1", &late).await, made[1], "one command, one attempt");
    let several = json!([attempt(Some(&second), seat(1, 2)), attempt(Some(&second), seat(1, 3))]);
    let several = producer.ask("reservation.1", &several).await;
    made.extend(several.as_array().unwrap().iter().map(|reply| reply["data"].clone()));
    assert_eq!(
        (&made[1]["userId"], &made[1]["token"], &made[1]["seatId"]),
        (&json!(2), &json!(second), &json!(seat(1, 1)))
    );

    made.reverse();
    let all = producer.done("reservation.1", &list(json!({ "scheduleId": 1 }))).await;
    assert_eq!(all, json!({ "attempts": made, "nextCursor": null }));
    let page = producer.done("reservation.1", &list(json!({ "scheduleId": 1, "limit": 3 }))).await;
    assert_eq!(page["attempts"], json!(made[..3]));
    let rest = producer.done("reservation.1", &list(json!({ "scheduleId": 1, "cursor": page["nextCursor"] }))).await;
    assert_eq!(rest, json!({ "attempts": made[3..], "nextCursor": null }));
    let none = producer.done("reservation.0", &list(json!({ "scheduleId": 2 }))).await;
    assert_eq!(none, json!({ "attempts": [], "nextCursor": null }));
    assert_eq!(producer.refused("reservation.1", &list(json!({ "scheduleId": 99 }))).await, "SCHEDULE_NOT_FOUND");
    let faulty = list(json!({ "scheduleId": 1, "cursor": "x" }));
    assert_eq!(producer.refused("reservation.1", &faulty).await, "INVALID_REQUEST");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_hold_may_try() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "1")]).await;
    let mut producer = sale.producer().await;
    let (active, waiting) = (sale.client.token(1, 1).await, sale.client.token(2, 1).await);
    assert_eq!(producer.refused("reservation.1", &attempt(None, seat(1, 1))).await, "TOKEN_MISSING");
    assert_eq!(producer.refused("reservation.1", &attempt(Some(&waiting), seat(1, 1))).await, "TOKEN_NOT_ACTIVE");
    assert_eq!(producer.refused("reservation.1", &attempt(Some(&active), seat(1, 51))).await, "SEAT_NOT_FOUND");
    assert_eq!(producer.refused("reservation.0", &attempt(Some(&active), seat(2, 1))).await, "WRONG_SCHEDULE");
    sale.client.delete(&format!("/api/v1/queue/tokens/{active}"), &active).await;
    assert_eq!(producer.refused("reservation.1", &attempt(Some(&active), seat(1, 1))).await, "TOKEN_EXPIRED");
    assert_eq!(sale.count("SELECT count(*) FROM seat_attempts").await, 0);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_attempts_are_purged() {
    let sale = Sale::start(&[("ONSALE_CRON_PURGE", "* * * * * *"), ("ONSALE_ATTEMPTS_KEEP_D", "2")]).await;
    let mut producer = sale.producer().await;
    let token = sale.client.token(1, 1).await;
    let fresh = producer.done("reservation.1", &attempt(Some(&token), seat(1, 1))).await;
    let aged = "INSERT INTO seat_attempts (schedule_id, seat_id, user_id, token, attempted_at)
                SELECT schedule_id, seat_id, user_id, token, now() - days * interval '1 day'
                FROM seat_attempts, unnest(ARRAY[1, 3]) AS days";
    sqlx::query(aged).execute(&sale.pool).await.expect("older attempts");
    until("the oldest is gone", Duration::from_secs(10), async || {
        sale.count("SELECT count(*) FROM seat_attempts").await == 2
    })
    .await;
    let left = producer.done("reservation.1", &list(json!({ "scheduleId": 1 }))).await;
    assert_eq!(left["attempts"][1], fresh, "{left}");
    sale.finish().await;
}
