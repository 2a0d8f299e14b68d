//! Holds: each seat once, all or none, and free again when their time is over.

use std::time::Duration;

use futures_util::future::join_all;
use onsale_stack::role::Role;
use onsale_tests::sale::until;
use onsale_tests::{Answer, Sale, seat};
use serde_json::json;

/// Everybody joins, at most a hundred at a time.
async fn tokens(sale: &Sale, users: std::ops::RangeInclusive<i64>, schedule: i64) -> Vec<(i64, String)> {
    let mut tokens = Vec::new();
    for crowd in users.collect::<Vec<_>>().chunks(100) {
        let joined = join_all(crowd.iter().map(|user| sale.client.token(*user, schedule))).await;
        tokens.extend(crowd.iter().copied().zip(joined));
    }
    tokens
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_for_fifty_seats_and_two_thousand_for_one() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "5000")]).await;
    sale.add(Role::Reservation);
    let fans = tokens(&sale, 1..=1000, 1).await;
    let holds = fans[..500].iter().map(|(user, token)| {
        let (seats, fan) = ([seat(1, 1 + user % 50)], &sale.client);
        async move { fan.hold(*user, 1, &seats, token).await }
    });
    let answers = join_all(holds).await;
    assert_eq!((count(&answers, 201), count(&answers, 409)), (50, 450));
    assert!(answers.iter().filter(|answer| answer.status == 409).all(|answer| answer.code() == "SEAT_TAKEN"));
    assert_eq!(sale.count("SELECT count(*) FROM seats WHERE status = 1").await, 50);

    let others = tokens(&sale, 1..=1000, 2).await;
    let one = [seat(2, 7)];
    let twice = others.iter().chain(&others);
    let answers = join_all(twice.map(|(user, token)| sale.client.hold(*user, 2, &one, token))).await;
    assert_eq!((count(&answers, 201), count(&answers, 409)), (1, 1999));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_hold_frees_its_seats_at_once_without_cron() {
    let all_but_cron = [Role::Ingress, Role::Admission, Role::Reservation, Role::Payment, Role::Account, Role::Catalog];
    let sale = Sale::with_roles(&[("ONSALE_HOLD_TTL_S", "2")], &all_but_cron).await;
    let fan = &sale.client;
    let (first, second) = (fan.token(1, 1).await, fan.token(2, 1).await);
    let seats = [seat(1, 1), seat(1, 2)];
    let held = fan.hold(1, 1, &seats, &first).await;
    assert_eq!(held.status, 201);
    let taken = fan.hold(2, 1, &[seat(1, 2), seat(1, 3)], &second).await;
    assert_eq!(taken.said(), (409, "SEAT_TAKEN"));
    assert_eq!(taken.body["error"]["details"]["seatIds"], json!([seat(1, 2)]), "all or none, and says which");
    until("the seats are free", Duration::from_secs(4), async || fan.hold(2, 1, &seats, &second).await.status == 201)
        .await;
    fan.charge(1, 500_000, &first).await;
    assert_eq!(fan.pay(1, &held.data()["reservationId"], &first).await.said(), (409, "RESERVATION_EXPIRED"));
    // Written down once cron runs, which must leave the second hold's seats alone; only then are all events there.
    sale.add(Role::Cron);
    until("the first hold is written off", Duration::from_secs(5), async || {
        sale.count("SELECT count(*) FROM reservations WHERE status = 3").await >= 1
    })
    .await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_frees_and_a_second_release_is_fine() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let (first, second) = (fan.token(1, 1).await, fan.token(2, 1).await);
    let held = fan.hold(1, 1, &[seat(1, 1)], &first).await;
    let path = format!("/api/v1/reservations/{}", held.data()["reservationId"]);
    assert_eq!(fan.delete(&path, &second).await.said(), (403, "FORBIDDEN"));
    assert_eq!(fan.delete(&path, &first).await.status, 204);
    assert_eq!(fan.delete(&path, &first).await.status, 204);
    assert_eq!(fan.hold(2, 1, &[seat(1, 1)], &second).await.status, 201);
    let pay = fan.pay(1, &held.data()["reservationId"], &first).await;
    assert_eq!(pay.said(), (409, "RESERVATION_CANCELLED"));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_one_effect_however_often_it_is_sent() {
    let sale = Sale::start(&[]).await;
    sale.add(Role::Account);
    sale.add(Role::Reservation);
    let fan = &sale.client;
    let token = fan.token(1, 1).await;
    let charge = || fan.post_keyed("/api/v1/users/1/balance/charge", &token, "charge-1", json!({ "amount": 1000 }));
    let answers = join_all((0..20).map(|_| charge())).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body), "{answers:?}");
    let other = fan.post_keyed("/api/v1/users/1/balance/charge", &token, "charge-1", json!({ "amount": 2 })).await;
    assert_eq!(other.said(), (422, "IDEMPOTENCY_KEY_REUSED"));
    let balance = fan.get("/api/v1/users/1/balance", &token).await;
    assert_eq!(balance.data()["currentBalance"], 1000);
    let hold = json!({ "scheduleId": 1, "seatIds": [seat(1, 5)], "userId": 1 });
    let holds = join_all((0..10).map(|_| fan.post_keyed("/api/v1/reservations", &token, "hold-1", hold.clone()))).await;
    assert!(holds.iter().all(|answer| answer.status == 201 && answer.body == holds[0].body), "{holds:?}");
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 1);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_grow_with_the_load() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let metrics = async || {
        fan.send(reqwest::Method::GET, "/metrics", &[], None).await.body.as_str().unwrap_or_default().to_owned()
    };
    let mean = |text: &str, before: (f64, f64)| {
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(name) && line.contains("lane=\"catalog\""));
            line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok()).unwrap_or(0.0)
        };
        let now = (value("onsale_bundle_commands_sum"), value("onsale_bundle_commands_count"));
        (now, (now.0 - before.0) / (now.1 - before.1))
    };
    for _ in 0..10 {
        fan.get("/api/v1/concerts/1", "").await;
    }
    let (before, alone) = mean(&metrics().await, (0.0, 0.0));
    assert!((alone - 1.0).abs() < 0.01, "one client travels alone: {alone}");
    join_all((0..256).map(|_| async {
        for _ in 0..10 {
            fan.get("/api/v1/concerts/1", "").await;
        }
    }))
    .await;
    let (_, crowd) = mean(&metrics().await, before);
    assert!(crowd > 4.0, "a crowd shares bundles: {crowd}");
    sale.finish().await;
}
