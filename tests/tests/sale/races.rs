//! Requests that meet: each race is decided once, whichever workers run it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use onsale_stack::role::Role;
use onsale_tests::{Answer, Client, Sale, seat};
use reqwest::Method;
use serde_json::json;

fn count(answers: &[Answer], said: (u16, &str)) -> usize {
    answers.iter().filter(|answer| answer.said() == said).count()
}

/// A sale with two workers of every role that decides something.
async fn crowded(settings: &[(&str, &str)]) -> Sale {
    let sale = Sale::start(settings).await;
    for role in [Role::Admission, Role::Reservation, Role::Payment, Role::Account] {
        sale.add(role);
    }
    sale
}

#[tokio::test(flavor = "multi_thread")]
async fn one_users_requests_at_once_keep_the_users_limits() {
    let sale = crowded(&[("ONSALE_SEATS_PER_USER", "4")]).await;
    let fan = &sale.client;
    let joined = join_all((0..50).map(|_| fan.join(1, 1))).await;
    assert_eq!((count(&joined, (200, "")), count(&joined, (409, "TOKEN_EXISTS"))), (1, 49), "one live token");
    let token = joined.iter().find(|answer| answer.status == 200).unwrap().data()["token"].as_str().unwrap();
    for refused in joined.iter().filter(|answer| answer.status == 409) {
        assert_eq!(refused.body["error"]["details"]["token"], token);
    }
    let seats: Vec<[i64; 1]> = (1..=30).map(|n| [seat(1, n)]).collect();
    let held = join_all(seats.iter().map(|seats| fan.hold(1, 1, seats, token))).await;
    assert_eq!((count(&held, (201, "")), count(&held, (422, "SEAT_LIMIT_EXCEEDED"))), (4, 26));

    assert_eq!(fan.charge(1, 1000, token).await.status, 200);
    let take = || fan.post("/api/v1/users/1/balance/use", token, json!({ "amount": 100 }));
    let used = join_all((0..30).map(|_| take())).await;
    assert_eq!((count(&used, (200, "")), count(&used, (402, "INSUFFICIENT_BALANCE"))), (10, 20));
    let balance = fan.get("/api/v1/users/1/balance", token).await;
    assert_eq!((&balance.data()["currentBalance"], &balance.data()["totalUsed"]), (&json!(0), &json!(1000)));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_is_paid_or_released_once() {
    let sale = crowded(&[]).await;
    let fan = &sale.client;
    let token = fan.token(1, 1).await;
    fan.charge(1, 1_000_000, &token).await;
    let held = fan.hold(1, 1, &[seat(1, 1)], &token).await;
    let reservation = &held.data()["reservationId"];
    let paid = join_all((0..20).map(|_| fan.pay(1, reservation, &token))).await;
    assert_eq!((count(&paid, (201, "")), count(&paid, (409, "ALREADY_PAID"))), (1, 19), "{paid:?}");

    for user in 2..=21 {
        let token = fan.token(user, 1).await;
        fan.charge(user, 75_000, &token).await;
        let held = fan.hold(user, 1, &[seat(1, user)], &token).await;
        let reservation = &held.data()["reservationId"];
        let path = format!("/api/v1/reservations/{reservation}");
        let (paid, released) = tokio::join!(fan.pay(user, reservation, &token), fan.delete(&path, &token));
        match (paid.said(), released.said()) {
            ((201, ""), (409, "ALREADY_PAID")) | ((409, "RESERVATION_CANCELLED"), (204, "")) => {}
            other => panic!("{other:?}"),
        }
    }
    sale.finish().await;
}

/// Holds a seat, then pays so long after the last second of the hold began, while a rival tries for the seat:
/// `(paid, rival held)`.
async fn last_moment(fan: &Client, user: i64, delay: Duration) -> (Answer, Answer) {
    let (token, rivals) = (fan.token(user, 3).await, fan.token(user + 500, 3).await);
    assert_eq!(fan.charge(user, 200_000, &token).await.status, 200);
    let seats = [seat(3, user)];
    let held = fan.hold(user, 3, &seats, &token).await;
    assert_eq!(held.status, 201, "{held:?}");
    let expires: chrono::DateTime<chrono::Utc> =
        held.data()["expiresAt"].as_str().and_then(|time| time.parse().ok()).expect("a time");
    let left = (expires - chrono::Utc::now()).to_std().unwrap_or_default();
    let moment = tokio::time::Instant::now() + (left + delay).saturating_sub(Duration::from_secs(1));
    tokio::time::sleep_until(moment).await;
    let rival = async {
        // Tried as the hold ends and a little after: the last answer is the one that counts.
        let until = moment - delay + Duration::from_millis(2100);
        loop {
            let answer = fan.hold(user + 500, 3, &seats, &rivals).await;
            if answer.status == 201 || tokio::time::Instant::now() > until {
                return answer;
            }
        }
    };
    tokio::join!(fan.pay(user, &held.data()["reservationId"], &token), rival)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_as_the_hold_expires_is_decided_once() {
    let sale = crowded(&[("ONSALE_HOLD_TTL_S", "2")]).await;
    let fan = &sale.client;
    // Some in time even where the machine is slow, the others around the end.
    let delay_ms = |user: i64| if user <= 6 { 20 * user } else { 900 + 3 * user };
    let pay = |user| last_moment(fan, user, Duration::from_millis(delay_ms(user).unsigned_abs()));
    let outcomes = join_all((1..=60).map(pay)).await;
    let mut paid = 0;
    for (payment, rival) in &outcomes {
        match (payment.said(), rival.said()) {
            ((201, ""), (409, "SEAT_TAKEN")) => paid += 1,
            ((409, "RESERVATION_EXPIRED"), (201, "")) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!((1..outcomes.len()).contains(&paid), "both ends of the race were seen: {paid} paid");
    assert_eq!(sale.count("SELECT count(*) FROM payments").await, paid as i64);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_of_overlapping_seats_are_all_or_none() {
    let sale = crowded(&[]).await;
    let fan = &sale.client;
    let tokens = join_all((1..=100).map(|user| fan.token(user, 1))).await;
    // Sets of four that overlap their neighbours by two, asked for in any order.
    let holds = tokens.iter().zip(1_i64..).map(|(token, user)| async move {
        let first = (user * 2) % 48 + 1;
        let mut seats: Vec<i64> = (first..first + 4).map(|n| seat(1, (n - 1) % 50 + 1)).collect();
        seats.rotate_left(user as usize % 4);
        (seats.clone(), fan.hold(user, 1, &seats, token).await)
    });
    let answers = join_all(holds).await;
    let mut sold: Vec<i64> = Vec::new();
    for (seats, answer) in &answers {
        match answer.said() {
            (201, "") => sold.extend(seats),
            (409, "SEAT_TAKEN") => {
                let taken = answer.body["error"]["details"]["seatIds"].as_array().unwrap();
                assert!(!taken.is_empty() && taken.iter().all(|seat| seats.contains(&seat.as_i64().unwrap())));
            }
            other => panic!("{other:?}"),
        }
    }
    sold.sort_unstable();
    assert!(sold.windows(2).all(|pair| pair[0] != pair[1]), "{sold:?}");
    assert!(!sold.is_empty());
    assert_eq!(sale.count("SELECT count(*) FROM seats WHERE status = 1").await, sold.len() as i64);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_its_user_and_its_request() {
    let sale = crowded(&[]).await;
    let fan = &sale.client;
    let (first, second) = (fan.token(1, 1).await, fan.token(2, 1).await);
    let body = json!({ "amount": 1000 });
    let mine = fan.post_keyed("/api/v1/users/1/balance/charge", &first, "same", body.clone()).await;
    let theirs = fan.post_keyed("/api/v1/users/2/balance/charge", &second, "same", body.clone()).await;
    assert_eq!((mine.status, theirs.status), (200, 200));
    assert_ne!(mine.data()["transactionId"], theirs.data()["transactionId"], "another user's key is another key");
    // A refused request leaves its key free: it has had no effect.
    let hold = json!({ "scheduleId": 1, "seatIds": [seat(1, 1)], "userId": 1 });
    let blocking = fan.hold(2, 1, &[seat(1, 1)], &second).await;
    let taken = fan.post_keyed("/api/v1/reservations", &first, "hold", hold.clone()).await;
    assert_eq!(taken.said(), (409, "SEAT_TAKEN"));
    let release = format!("/api/v1/reservations/{}", blocking.data()["reservationId"]);
    assert_eq!(fan.delete(&release, &second).await.status, 204);
    let held = fan.post_keyed("/api/v1/reservations", &first, "hold", hold.clone()).await;
    assert_eq!(held.status, 201, "{held:?}");
    assert_eq!(fan.post_keyed("/api/v1/reservations", &first, "hold", hold).await.body, held.body);
    // Payments too, although the first one used the token up.
    fan.charge(1, 100_000, &first).await;
    let pay = json!({ "reservationId": held.data()["reservationId"], "paymentMethod": "BALANCE", "userId": 1 });
    let paid = join_all((0..10).map(|_| fan.post_keyed("/api/v1/payments", &first, "pay", pay.clone()))).await;
    assert!(paid.iter().all(|answer| answer.status == 201 && answer.body == paid[0].body), "{paid:?}");
    let again = fan.post_keyed("/api/v1/payments", &first, "pay", pay).await;
    assert_eq!((again.status, &again.body), (201, &paid[0].body), "an answer that was lost can be asked for again");
    assert_eq!(sale.count("SELECT count(*) FROM payments").await, 1);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_too_late_is_told_so_without_postgres() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let (first, second, third) = (fan.token(1, 1).await, fan.token(2, 1).await, fan.token(3, 1).await);
    let held = fan.hold(1, 1, &[seat(1, 1), seat(1, 2)], &first).await;
    assert_eq!(held.status, 201, "{held:?}");

    let mut freezer = sale.pool.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE queue_tokens, reservations, seats, command_outcomes IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *freezer)
        .await
        .expect("the locks");
    let late = fan.hold(2, 1, &[seat(1, 2), seat(1, 3)], &second).await;
    assert_eq!(late.said(), (409, "SEAT_TAKEN"));
    assert_eq!(late.body["error"]["details"]["seatIds"], json!([seat(1, 2)]));
    freezer.rollback().await.expect("let go");

    // Who lost keeps no seat from others, and who releases turns nobody away any more.
    assert_eq!(fan.hold(3, 1, &[seat(1, 3)], &third).await.status, 201);
    let release = format!("/api/v1/reservations/{}", held.data()["reservationId"]);
    assert_eq!(fan.delete(&release, &first).await.status, 204);
    assert_eq!(fan.hold(2, 1, &[seat(1, 1), seat(1, 2)], &second).await.status, 201);
    // Seats of another schedule are never this one's to lock: whoever asks is told the same.
    let (one, other) = (fan.hold(1, 1, &[seat(2, 1)], &first).await, fan.hold(3, 1, &[seat(2, 1)], &third).await);
    assert_eq!((one.status, one.said()), (404, other.said()), "{one:?}");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_logs_in_keeps_nobody_from_a_balance() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let tokens = join_all((1..=20).map(|user| fan.token(user, 1))).await;
    let log_in = async |user: i64| {
        let login = json!({ "email": format!("user{user}@example.com"), "password": "onsale-demo" });
        fan.send(Method::POST, "/api/v1/auth/login", &[], Some(login.to_string())).await
    };
    let crowd = join_all((1..=400).map(log_in));
    let balances = async {
        let mut slowest = Duration::ZERO;
        for (token, user) in tokens.iter().zip(1..) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let asked = Instant::now();
            assert_eq!(fan.charge(user, 1_000, token).await.status, 200);
            let balance = fan.get(&format!("/api/v1/users/{user}/balance"), token).await;
            assert_eq!(balance.data()["currentBalance"], 1_000);
            slowest = slowest.max(asked.elapsed());
        }
        slowest
    };
    let (logins, slowest) = tokio::join!(crowd, balances);
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    let count = |status: u16| logins.iter().filter(|answer| answer.status == status).count();
    assert!(count(200) > 20 && count(503) > 20, "{} logged in, {} were refused", count(200), count(503));
    assert_eq!(count(200) + count(503) + count(504), 400);
    sale.finish().await;
}
