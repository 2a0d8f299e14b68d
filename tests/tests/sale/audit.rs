//! The audit finds what it is there to find: invariants are broken by hand, named, and mended. Two are not: a second live
//! token of a user is the database's to refuse, and an event that waits is published within a second.

use onsale_tests::{Sale, seat};

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_invariant_is_found_and_named() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let (payer, holder) = (fan.token(1, 1).await, fan.token(2, 1).await);
    fan.charge(1, 200_000, &payer).await;
    let held = fan.hold(1, 1, &[seat(1, 1)], &payer).await;
    assert_eq!(fan.pay(1, &held.data()["reservationId"], &payer).await.status, 201);
    assert_eq!(fan.hold(2, 1, &[seat(1, 2)], &holder).await.status, 201);
    assert!(sale.audit().0, "{}", sale.audit().1);
    for (harm, mend, rule) in [
        (
            "UPDATE accounts SET balance = balance + 1 WHERE user_id = 1",
            "UPDATE accounts SET balance = balance - 1 WHERE user_id = 1",
            "a balance is the sum of its ledger entries",
        ),
        (
            "UPDATE ledger_entries SET amount = amount + 1 WHERE kind = 2",
            "UPDATE ledger_entries SET amount = amount - 1 WHERE kind = 2",
            "a payment has exactly one ledger entry",
        ),
        (
            "UPDATE reservations SET status = 2 WHERE user_id = 1",
            "UPDATE reservations SET status = 1 WHERE user_id = 1",
            "a reservation is paid exactly when it has a payment",
        ),
        (
            "UPDATE reservations SET seat_ids = ARRAY[536870913, 536870914] WHERE user_id = 2",
            "UPDATE reservations SET seat_ids = ARRAY[536870914] WHERE user_id = 2",
            "a seat belongs to at most one live reservation",
        ),
        (
            "UPDATE seats SET status = 0, reservation_id = NULL, held_until = NULL WHERE id = 536870914",
            "UPDATE seats SET status = 1, reservation_id = r.id, held_until = r.expires_at
             FROM reservations r WHERE r.user_id = 2 AND seats.id = 536870914",
            "a live hold holds all its seats",
        ),
        (
            "UPDATE rooms SET capacity = 0 WHERE schedule_id = 1",
            "UPDATE rooms SET capacity = NULL WHERE schedule_id = 1",
            "active tokens never exceed the room's capacity",
        ),
        (
            "UPDATE queue_tokens SET user_id = 99999 WHERE user_id = 2",
            "UPDATE queue_tokens SET user_id = 2 WHERE user_id = 99999",
            "every row names rows that exist",
        ),
        (
            "UPDATE reservations r SET command_id = o.command_id FROM reservations o WHERE o.user_id = 1 AND r.user_id = 2",
            "UPDATE reservations r SET command_id = o.command_id FROM command_outcomes o
             WHERE r.user_id = 2 AND o.reply LIKE '{\"reservationId\":' || r.id || ',%' AND o.ok",
            "no command made two reservations",
        ),
        (
            "UPDATE reservations SET command_id = gen_random_uuid() WHERE user_id = 2",
            "UPDATE reservations r SET command_id = o.command_id FROM command_outcomes o
             WHERE r.user_id = 2 AND o.reply LIKE '{\"reservationId\":' || r.id || ',%' AND o.ok",
            "an effect was answered under its command's id",
        ),
        (
            "UPDATE seats s SET reservation_id = r.id FROM reservations r WHERE s.id = 536870913 AND r.user_id = 2",
            "UPDATE seats s SET reservation_id = r.id FROM reservations r WHERE s.id = 536870913 AND r.user_id = 1",
            "a sold seat belongs to exactly one completed payment",
        ),
        (
            "UPDATE seats SET status = 1, held_until = now() WHERE id = 536870913",
            "UPDATE seats SET status = 2, held_until = NULL WHERE id = 536870913",
            "a payment's seats are sold to it",
        ),
        (
            "UPDATE command_outcomes SET reply = replace(reply, '{\"paymentId\":', '{\"paymentId\":9') WHERE reply LIKE '{\"paymentId\":%'",
            "UPDATE command_outcomes SET reply = replace(reply, '{\"paymentId\":9', '{\"paymentId\":') WHERE reply LIKE '{\"paymentId\":%'",
            "an answered success is in the database",
        ),
        (
            "UPDATE outbox SET subject = 'nobody''s' WHERE kind = 'onsale.payment.completed'",
            "UPDATE outbox SET subject = 'payments/' || p.id FROM payments p WHERE kind = 'onsale.payment.completed'",
            "every committed effect has its event",
        ),
        (
            "UPDATE outbox SET schedule_id = 2 WHERE kind = 'onsale.token.admitted' AND subject = 'users/2'",
            "UPDATE outbox SET schedule_id = 1 WHERE kind = 'onsale.token.admitted' AND subject = 'users/2'",
            "every committed effect has its event",
        ),
    ] {
        let change = async |sql: &'static str| {
            let changed = sqlx::query(sql).execute(&sale.pool).await.expect("changed");
            assert_eq!(changed.rows_affected(), 1, "{sql}");
        };
        change(harm).await;
        let (clean, said) = sale.audit();
        let named = said.lines().any(|line| line.starts_with("BROKEN") && line.contains(rule));
        assert!(!clean && named, "{rule}:\n{said}");
        change(mend).await;
    }
    sale.finish().await;
}
