//! The locks in Redis that turn the losers of a seat away: they last as long as the hold, and no longer.

use std::time::Duration;

use deadpool_redis::redis;
use onsale_common::time::Time;
use onsale_stack::role::Role;
use onsale_tests::producer::{Producer, command};
use onsale_tests::sale::until;
use onsale_tests::{Sale, seat};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// The locks as Redis has them.
struct Locks(redis::aio::MultiplexedConnection);

impl Locks {
    async fn of(sale: &Sale) -> Self {
        let client = redis::Client::open(sale.redis()).expect("a URL");
        Self(client.get_multiplexed_async_connection().await.expect("redis"))
    }

    async fn read(&mut self, seat: i64) -> Option<Vec<u8>> {
        let mut read = redis::cmd("HGET");
        let read = read.arg(format!("onsale:locks:{}", seat >> 29)).arg(seat);
        read.query_async(&mut self.0).await.expect("a lock or none")
    }

    /// Whether a seat's lock is that of a committed hold, or of a sale.
    async fn is_committed(&mut self, seat: i64) -> bool {
        self.read(seat).await.is_some_and(|lock| lock[13] == b'!')
    }

    /// For how many seconds from now a seat's lock lasts; none when there is none.
    async fn lasts_s(&mut self, seat: i64) -> Option<i64> {
        let ends_ms: i64 =
            std::str::from_utf8(&self.read(seat).await?[..13]).expect("digits").parse().expect("milliseconds");
        Some((ends_ms - Time::now().0.timestamp_millis()) / 1000)
    }

    /// Whether a command lost its seats here, before Postgres was asked.
    async fn turned_away(&mut self, command: &Value) -> bool {
        let id: Uuid = command["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let key = [b"onsale:lost:".as_slice(), id.as_bytes()].concat();
        redis::cmd("EXISTS").arg(key).query_async(&mut self.0).await.expect("yes or no")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_lasts_until_its_hold_ends_and_goes_with_it() {
    let sale = Sale::start(&[]).await;
    let (fan, mut locks) = (&sale.client, Locks::of(&sale).await);
    let token = fan.token(1, 1).await;
    let held = fan.hold(1, 1, &[seat(1, 1), seat(1, 2)], &token).await;
    for n in [1, 2] {
        assert!(locks.lasts_s(seat(1, n)).await.is_some(), "the lock is there before the answer");
        until("the lock lasts as long as the hold", Duration::from_secs(2), async || {
            matches!(locks.lasts_s(seat(1, n)).await, Some(250..=300))
        })
        .await;
    }
    let path = format!("/api/v1/reservations/{}", held.data()["reservationId"]);
    assert_eq!(fan.delete(&path, &token).await.status, 204);
    assert_eq!((locks.lasts_s(seat(1, 1)).await, locks.lasts_s(seat(1, 2)).await), (None, None));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_loses_a_seat_to_a_hold_that_is_refused() {
    let sale = Sale::start(&[("ONSALE_SEATS_PER_USER", "1")]).await;
    let fan = &sale.client;
    let (full, buyer, elsewhere) = (fan.token(1, 1).await, fan.token(2, 1).await, fan.token(1, 3).await);
    assert_eq!(fan.hold(1, 1, &[seat(1, 50)], &full).await.status, 201);
    let mut producer = sale.producer().await;
    let hold = |user: i64, token: &str, seats: &[i64], amount: Option<i64>| {
        let mut data = json!({ "scheduleId": 1, "seatIds": seats, "userId": user });
        if let Some(amount) = amount {
            data["amount"] = json!(amount);
        }
        command("HoldSeats", Some(token), data)
    };
    let wanted = seat(1, 1);
    let refused = [
        (hold(1, &full, &[wanted], None), "SEAT_LIMIT_EXCEEDED"),
        (hold(1, &buyer, &[wanted], None), "FORBIDDEN"),
        (hold(1, &elsewhere, &[wanted], None), "WRONG_SCHEDULE"),
        (hold(2, &buyer, &[wanted, seat(1, 60)], None), "SEAT_NOT_FOUND"),
        (hold(2, &buyer, &[wanted], Some(1)), "AMOUNT_MISMATCH"),
    ];
    for (command, code) in refused {
        let both = json!([command, hold(2, &buyer, &[wanted], None)]);
        let replies = producer.ask("reservation.1", &both).await;
        assert_eq!(replies[0]["error"]["code"], code, "{replies}");
        assert_eq!(replies[1]["ok"], true, "after {code}: {replies}");
        let release = json!({ "reservationId": replies[1]["data"]["reservationId"] });
        producer.done("reservation.1", &command_of("ReleaseReservation", &buyer, release)).await;
    }
    // Nor to a hold that is released in the same message.
    let held = producer.done("reservation.1", &hold(2, &buyer, &[wanted], None)).await;
    until_kept(&sale, wanted).await;
    let release = command_of("ReleaseReservation", &buyer, json!({ "reservationId": held["reservationId"] }));
    let replies = producer.ask("reservation.1", &json!([release, hold(2, &buyer, &[wanted], None)])).await;
    assert_eq!((&replies[0]["ok"], &replies[1]["ok"]), (&json!(true), &json!(true)), "{replies}");
    sale.finish().await;
}

fn command_of(name: &str, token: &str, data: Value) -> Value {
    command(name, Some(token), data)
}

/// Waits until Redis turns others away from a seat.
async fn until_kept(sale: &Sale, seat: i64) {
    let mut locks = Locks::of(sale).await;
    until("the seat is kept", Duration::from_secs(2), async || matches!(locks.lasts_s(seat).await, Some(250..=300)))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_could_not_have_a_seat_that_is_held_learns_why() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let (holder, rival, elsewhere) = (fan.token(1, 1).await, fan.token(2, 1).await, fan.token(2, 3).await);
    assert_eq!(fan.hold(1, 1, &[seat(1, 1)], &holder).await.status, 201);
    until_kept(&sale, seat(1, 1)).await;
    assert_eq!(fan.hold(2, 1, &[seat(1, 1)], &rival).await.said(), (409, "SEAT_TAKEN"));
    assert_eq!(fan.hold(3, 1, &[seat(1, 1)], &rival).await.said(), (403, "FORBIDDEN"));
    assert_eq!(fan.hold(2, 1, &[seat(1, 1)], &elsewhere).await.said(), (403, "WRONG_SCHEDULE"));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_too_late_for_a_seat_learns_that_first_whoever_says_it() {
    let sale = Sale::start(&[("ONSALE_SEATS_PER_USER", "1")]).await;
    let fan = &sale.client;
    let (holder, rival) = (fan.token(1, 1).await, fan.token(2, 1).await);
    assert_eq!(fan.hold(1, 1, &[seat(1, 1)], &holder).await.status, 201);
    assert_eq!(fan.hold(2, 1, &[seat(1, 2)], &rival).await.status, 201);
    until_kept(&sale, seat(1, 1)).await;
    let pause = fan.admin(Method::PATCH, "/api/v1/admin/schedules/1", json!({ "paused": true })).await;
    assert_eq!(pause.status, 200, "{pause:?}");
    // The rival has all the seats that a user may have, and nobody may hold any now.
    let mut producer = sale.producer().await;
    for (seats, amount) in [(vec![seat(1, 1)], 75_000), (vec![seat(1, 1), seat(1, 60)], 75_000), (vec![seat(1, 1)], 1)]
    {
        let data = json!({ "scheduleId": 1, "seatIds": seats, "userId": 2, "amount": amount });
        let by_redis = command("HoldSeats", Some(&rival), data);
        // A key is Postgres' to look for.
        let mut by_postgres = by_redis.clone();
        by_postgres["id"] = json!(Uuid::now_v7());
        by_postgres["idempotencyKey"] = json!(by_postgres["id"]);
        for hold in [by_redis, by_postgres] {
            let reply = producer.ask("reservation.1", &hold).await;
            let error = &reply["error"];
            let said = (&error["code"], &error["details"]["seatIds"]);
            assert_eq!(said, (&json!("SEAT_TAKEN"), &json!([seat(1, 1)])), "{hold}: {reply}");
        }
    }
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_released_at_once_leaves_no_lock() {
    let sale = Sale::start(&[]).await;
    let (fan, mut locks) = (&sale.client, Locks::of(&sale).await);
    let (token, rival) = (fan.token(1, 1).await, fan.token(2, 1).await);
    for n in 1..=10 {
        let held = fan.hold(1, 1, &[seat(1, n)], &token).await;
        let path = format!("/api/v1/reservations/{}", held.data()["reservationId"]);
        assert_eq!(fan.delete(&path, &token).await.status, 204);
    }
    // A hold whose lock is kept says that those before it were dealt with.
    assert_eq!(fan.hold(2, 1, &[seat(1, 20)], &rival).await.status, 201);
    until("the locks of the holds are kept", Duration::from_secs(2), async || {
        matches!(locks.lasts_s(seat(1, 20)).await, Some(250..=300))
    })
    .await;
    for n in 1..=10 {
        assert_eq!(locks.lasts_s(seat(1, n)).await, None, "seat {n}");
    }
    assert_eq!(fan.hold(2, 1, &[seat(1, 1)], &rival).await.status, 201);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_released_while_redis_is_away_leaves_no_lock_when_it_is_back() {
    let sale = Sale::private(&[], &Role::ALL).await;
    let (fan, mut locks) = (&sale.client, Locks::of(&sale).await);
    let (token, rival) = (fan.token(1, 1).await, fan.token(2, 1).await);
    let held = fan.hold(1, 1, &[seat(1, 1)], &token).await;
    until_kept(&sale, seat(1, 1)).await;
    redis::cmd("CLIENT").arg("PAUSE").arg(1_500).query_async::<()>(&mut locks.0).await.expect("it pauses");
    let path = format!("/api/v1/reservations/{}", held.data()["reservationId"]);
    assert_eq!(fan.delete(&path, &token).await.status, 204);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    until("the lock is released", Duration::from_secs(6), async || locks.lasts_s(seat(1, 1)).await.is_none()).await;
    assert_eq!(fan.hold(2, 1, &[seat(1, 1)], &rival).await.status, 201);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_its_first_outcome_again_whoever_has_its_seats_by_now() {
    // Without cron nobody ends a hold before its seats are wanted again.
    let settings = [("ONSALE_HOLD_TTL_S", "2"), ("ONSALE_SEATS_PER_USER", "2")];
    let sale = Sale::with_roles(&settings, &[Role::Ingress, Role::Admission, Role::Reservation]).await;
    let (fan, mut locks, mut producer) = (&sale.client, Locks::of(&sale).await, sale.producer().await);
    let (token, rival, third) = (fan.token(1, 1).await, fan.token(2, 1).await, fan.token(3, 1).await);
    let hold = |user: i64, seats: &[i64], token: &str| {
        command("HoldSeats", Some(token), json!({ "scheduleId": 1, "seatIds": seats, "userId": user }))
    };
    let taken_from = async |producer: &mut Producer, locks: &mut Locks, seat: i64, commands: &[&Value]| {
        let taken = hold(2, &[seat], &rival);
        producer.done("reservation.1", &taken).await;
        until("others are turned away", Duration::from_secs(2), async || locks.is_committed(seat).await).await;
        let late = producer.ask("reservation.1", &hold(3, &[seat], &third)).await;
        assert_eq!(late["error"]["code"], "SEAT_TAKEN", "{late}");
        producer.ask("reservation.1", &json!(commands)).await
    };

    // One that was refused, and one that was released.
    let refused = hold(1, &[seat(1, 1), seat(1, 2), seat(1, 3)], &token);
    let first_refused = producer.ask("reservation.1", &refused).await;
    assert_eq!(first_refused["error"]["code"], "SEAT_LIMIT_EXCEEDED", "{first_refused}");
    let released = hold(1, &[seat(1, 1)], &token);
    let first_released = producer.ask("reservation.1", &released).await;
    let release = json!({ "reservationId": first_released["data"]["reservationId"] });
    producer.done("reservation.1", &command("ReleaseReservation", Some(&token), release)).await;
    let again = taken_from(&mut producer, &mut locks, seat(1, 1), &[&refused, &released]).await;
    assert_eq!(again, json!([first_refused, first_released]));

    // One that had its seat without a lock: when it came, a hold that was refused then was at the seat.
    let greedy = hold(2, &[seat(1, 6), seat(1, 7), seat(1, 8)], &rival);
    let unlocked = hold(1, &[seat(1, 6)], &token);
    let both = producer.ask("reservation.1", &json!([greedy, unlocked])).await;
    assert_eq!((&both[0]["error"]["code"], &both[1]["ok"]), (&json!("SEAT_LIMIT_EXCEEDED"), &json!(true)), "{both}");
    let release = json!({ "reservationId": both[1]["data"]["reservationId"] });
    producer.done("reservation.1", &command("ReleaseReservation", Some(&token), release)).await;
    let again = taken_from(&mut producer, &mut locks, seat(1, 6), &[&unlocked]).await;
    assert_eq!(again, json!([both[1]]));

    // One that ran out.
    let over = hold(1, &[seat(1, 4)], &token);
    let first_over = producer.ask("reservation.1", &over).await;
    assert_eq!(first_over["ok"], true, "{first_over}");
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let again = taken_from(&mut producer, &mut locks, seat(1, 4), &[&over]).await;
    assert_eq!(again, json!([first_over]));

    // Of what was refused for its token nothing is kept here: it would fill Redis for nothing.
    let stranger = hold(4, &[seat(1, 10)], &token);
    assert_eq!(producer.refused("reservation.1", &stranger).await, "FORBIDDEN");
    assert!(!locks.turned_away(&stranger).await);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_paid_gets_its_first_outcome_again_while_its_token_lives_on() {
    let sale = Sale::start(&[]).await;
    let (fan, mut locks, mut producer) = (&sale.client, Locks::of(&sale).await, sale.producer().await);
    let token = fan.token(1, 1).await;
    fan.charge(1, 200_000, &token).await;
    let hold = |n: i64| {
        let data = json!({ "scheduleId": 1, "seatIds": [seat(1, n)], "userId": 1 });
        command("HoldSeats", Some(&token), data)
    };
    let (paid, other) = (hold(1), hold(2));
    let first = producer.ask("reservation.1", &paid).await;
    producer.done("reservation.1", &other).await;
    let pay = json!({ "reservationId": first["data"]["reservationId"], "userId": 1, "paymentMethod": "BALANCE" });
    producer.done("payment.1", &command("Pay", Some(&token), pay)).await;
    until("the seat is sold in redis", Duration::from_secs(2), async || {
        matches!(locks.lasts_s(seat(1, 1)).await, Some(80_000..))
    })
    .await;
    assert_eq!(producer.ask("reservation.1", &paid).await, first);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn losers_of_several_schedules_and_rooms_learn_each_their_own_seats() {
    // One partition, so that a batch may have holds of all schedules.
    let sale = Sale::start(&[("ONSALE_PARTITIONS", "1"), ("ONSALE_SEATS_PER_USER", "1000")]).await;
    let (fan, mut locks, mut producer) = (&sale.client, Locks::of(&sale).await, sale.producer().await);
    let (first, third) = (fan.token(1, 1).await, fan.token(1, 3).await);
    let join = json!({ "userId": 4, "scheduleId": 0 });
    let service_wide = producer.done("admission.0", &command("IssueToken", None, join)).await;
    let service_wide = service_wide["token"].as_str().expect("a token");
    assert_eq!(fan.hold(1, 1, &[seat(1, 1), seat(1, 2)], &first).await.status, 201);
    assert_eq!(fan.hold(1, 3, &[seat(3, 1)], &third).await.status, 201);
    until_kept(&sale, seat(1, 2)).await;
    until_kept(&sale, seat(3, 1)).await;

    let (in_first, in_third, also) = (fan.token(2, 1).await, fan.token(2, 3).await, fan.token(3, 3).await);
    let hold = |user: i64, schedule: i64, seats: &[i64], token: &str| {
        command("HoldSeats", Some(token), json!({ "scheduleId": schedule, "seatIds": seats, "userId": user }))
    };
    // More seats than Redis is asked about at a time.
    let many = |from: i64| (from..from + 900).map(|n| seat(3, n)).collect::<Vec<_>>();
    let cases = [
        (hold(2, 1, &[seat(1, 3), seat(1, 2)], &in_first), vec![seat(1, 2)]),
        (hold(2, 3, &many(101), &in_third), vec![]),
        (hold(4, 3, &[seat(3, 2), seat(3, 1)], service_wide), vec![seat(3, 1)]),
        (hold(2, 1, &[seat(1, 4)], &in_first), vec![]),
        (hold(4, 1, &[seat(1, 1), seat(1, 2)], service_wide), vec![seat(1, 1), seat(1, 2)]),
        (hold(3, 3, &many(1101), &also), vec![]),
        (hold(4, 1, &[seat(1, 5)], service_wide), vec![]),
        (hold(2, 3, &[seat(3, 1)], &in_third), vec![seat(3, 1)]),
        (hold(2, 3, &[seat(3, 3)], &in_third), vec![]),
    ];
    let commands: Vec<&Value> = cases.iter().map(|(command, _)| command).collect();
    let replies = producer.ask("reservation.0", &json!(commands)).await;
    for (n, (command, taken)) in cases.iter().enumerate() {
        let reply = &replies[n];
        if taken.is_empty() {
            assert_eq!(reply["ok"], true, "{n}: {reply}");
        } else {
            assert_eq!(reply["error"]["code"], "SEAT_TAKEN", "{n}: {reply}");
            assert_eq!(reply["error"]["details"]["seatIds"], json!(taken), "{n}: {reply}");
        }
        assert_eq!(locks.turned_away(command).await, !taken.is_empty(), "{n}: {reply}");
    }
    until_kept(&sale, seat(3, 2000)).await;
    // Asked again, each gets its first answer again.
    assert_eq!(producer.ask("reservation.0", &json!(commands)).await, replies);
    sale.finish().await;
}
