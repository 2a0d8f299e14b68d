//! Callers without a token, whom the sender of a command vouches for: they may do what is theirs, and hold nothing.

use onsale_tests::producer::{command, vouched_for};
use onsale_tests::{Sale, seat};
use serde_json::{Value, json};

const NOBODY: i64 = 999_999;
/// A token of schedule 1 that was never issued.
const UNKNOWN: &str = "00000180-0000-8abc-9def-0123456789ab";

/// A command of user 1 without a token.
fn of_user_1(name: &str, data: Value) -> Value {
    vouched_for(1, command(name, None, data))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_a_token_does_what_is_its_own() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let token = sale.client.token(1, 1).await;
    let held = sale.client.hold(1, 1, &[seat(1, 1)], &token).await;
    let reservation = held.data()["reservationId"].clone();
    let charged =
        producer.done("account.1", &of_user_1("ChargeBalance", json!({ "userId": 1, "amount": 100_000 }))).await;
    assert_eq!(charged["currentBalance"], 100_000);
    let paid = sale.client.pay(1, &reservation, &token).await;
    producer.done("account.1", &of_user_1("UseBalance", json!({ "userId": 1, "amount": 5_000 }))).await;
    let balance = producer.done("account.1", &of_user_1("GetBalance", json!({ "userId": 1 }))).await;
    assert_eq!(balance["currentBalance"], 20_000);
    let ledger = producer.done("account.1", &of_user_1("ListLedger", json!({ "userId": 1 }))).await;
    assert_eq!(ledger["entries"].as_array().unwrap().len(), 3);
    let reservations = producer.done("account.1", &of_user_1("ListReservations", json!({ "userId": 1 }))).await;
    assert_eq!(reservations["reservations"][0]["reservationId"], reservation);
    let read =
        producer.done("reservation.1", &of_user_1("GetReservation", json!({ "reservationId": reservation }))).await;
    assert_eq!(read["status"], "PAID");
    let payment = json!({ "paymentId": paid.data()["paymentId"] });
    assert_eq!(
        producer.done("payment.1", &of_user_1("GetPayment", payment.clone())).await["reservationId"],
        reservation
    );
    let schedules = producer.done("catalog.1", &of_user_1("ListSchedules", json!({ "concertId": 1 }))).await;
    assert_eq!(schedules.as_array().unwrap().len(), 2);
    for schedule in [1, 2] {
        let seats = of_user_1("ListSeats", json!({ "scheduleId": schedule, "status": "all" }));
        let seats = producer.done("catalog.1", &seats).await;
        assert_eq!(seats["seats"].as_array().unwrap().len(), 50, "any schedule is open to it");
    }
    producer.done("catalog.1", &of_user_1("GetSeats", json!({ "seatIds": [seat(1, 1), seat(2, 1)] }))).await;

    let another = |name, data| vouched_for(2, command(name, None, data));
    let read = another("GetReservation", json!({ "reservationId": reservation }));
    assert_eq!(producer.refused("reservation.1", &read).await, "FORBIDDEN");
    assert_eq!(producer.refused("payment.1", &another("GetPayment", payment)).await, "FORBIDDEN");
    assert_eq!(producer.refused("account.1", &another("GetBalance", json!({ "userId": 1 }))).await, "FORBIDDEN");
    let charge = another("ChargeBalance", json!({ "userId": 1, "amount": 1 }));
    assert_eq!(producer.refused("account.1", &charge).await, "FORBIDDEN");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_vouched_for_who_does_not_exist() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    for name in ["GetBalance", "ListLedger", "ListReservations"] {
        let own = vouched_for(NOBODY, command(name, None, json!({ "userId": NOBODY })));
        assert_eq!(producer.refused("account.1", &own).await, "USER_NOT_FOUND", "{name}");
        let other = of_user_1(name, json!({ "userId": NOBODY }));
        assert_eq!(producer.refused("account.1", &other).await, "USER_NOT_FOUND", "{name}");
    }
    let charge = vouched_for(NOBODY, command("ChargeBalance", None, json!({ "userId": NOBODY, "amount": 1 })));
    assert_eq!(producer.refused("account.1", &charge).await, "USER_NOT_FOUND");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_key_has_one_effect() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let charge = |caller: i64, amount: i64| {
        let mut charge = vouched_for(caller, command("ChargeBalance", None, json!({ "userId": 1, "amount": amount })));
        charge["idempotencyKey"] = json!("once");
        charge
    };
    let first = producer.done("account.1", &charge(1, 500)).await;
    assert_eq!(producer.done("account.1", &charge(1, 500)).await, first);
    assert_eq!(producer.refused("account.1", &charge(1, 600)).await, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(producer.refused("account.1", &charge(2, 500)).await, "FORBIDDEN", "no key of another is looked at");
    assert_eq!(sale.count("SELECT balance FROM accounts WHERE user_id = 1").await, 500);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_a_place_in_the_sale_needs_a_token() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let token = sale.client.token(1, 1).await;
    let hold = |n: i64| json!({ "scheduleId": 1, "seatIds": [seat(1, n)], "userId": 1 });
    let held = producer.done("reservation.1", &vouched_for(1, command("HoldSeats", Some(&token), hold(1)))).await;
    let reservation = held["reservationId"].clone();
    let release = json!({ "reservationId": reservation });
    let pay = json!({ "reservationId": reservation, "paymentMethod": "BALANCE", "userId": 1 });
    let attempt = json!({ "seatId": seat(1, 1) });
    let places = [
        ("reservation.1", "HoldSeats", hold(2)),
        ("reservation.1", "ReleaseReservation", release),
        ("reservation.1", "RecordAttempt", attempt),
        ("payment.1", "Pay", pay),
    ];
    for (lane, name, data) in &places {
        let refused = producer.refused(lane, &of_user_1(name, data.clone())).await;
        assert_eq!(refused, "TOKEN_MISSING", "{name}");
    }
    // A token speaks for its own user only, whoever else is named, and no caller makes up for a token that is none.
    let reads = [
        ("account.1", "GetBalance", json!({ "userId": 1 })),
        ("catalog.1", "ListSchedules", json!({ "concertId": 1 })),
    ];
    for (lane, name, data) in places.iter().chain(&reads) {
        let refused = producer.refused(lane, &vouched_for(2, command(name, Some(&token), data.clone()))).await;
        assert_eq!(refused, "FORBIDDEN", "{name}");
        let refused = producer.refused(lane, &of_user_1_with(UNKNOWN, name, data)).await;
        assert_eq!(refused, "TOKEN_INVALID", "{name}");
    }
    for name in ["GetToken", "LeaveQueue"] {
        let refused = vouched_for(2, command(name, None, json!({ "token": token })));
        assert_eq!(producer.refused("admission.1", &refused).await, "FORBIDDEN", "{name}");
    }
    producer.done("admission.1", &vouched_for(1, command("GetToken", Some(&token), json!({})))).await;
    assert_eq!(sale.count("SELECT count(*) FROM reservations WHERE status = 0").await, 1);
    sale.finish().await;
}

fn of_user_1_with(token: &str, name: &str, data: &Value) -> Value {
    vouched_for(1, command(name, Some(token), data.clone()))
}
