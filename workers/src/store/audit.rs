//! The invariants, each as one query that returns what offends it. A clean system returns nothing.

use sqlx::PgConnection;

use crate::config::Limits;
use crate::failure::Failure;

/// A rule that always holds.
#[derive(Debug, Clone, Copy)]
pub struct Invariant {
    /// The rule.
    pub rule: &'static str,
    query: &'static str,
}

/// How old an effect may be for its event and outcome to be still kept (a day, less an hour for the purge's clock), and
/// how long an event may wait for the relay.
const KEPT_S: f64 = 82_800.0;
const RELAY_MAX_S: f64 = 60.0;

/// Every invariant. Their parameters are settings of the snapshot: see [`begin_snapshot`].
pub const INVARIANTS: &[Invariant] = &[
    Invariant {
        rule: "a seat belongs to at most one live reservation",
        query: "SELECT 'seat ' || seat || ' is in reservations ' || string_agg(id::text, ', ')
                FROM (SELECT unnest(seat_ids) AS seat, id FROM reservations
                      WHERE status = 1 OR (status = 0 AND expires_at > now())) live
                GROUP BY seat HAVING count(*) > 1 LIMIT 10",
    },
    Invariant {
        rule: "a live hold holds all its seats",
        query: "SELECT 'reservation ' || r.id || ' does not hold seat ' || seat
                FROM reservations r CROSS JOIN unnest(r.seat_ids) AS seat LEFT JOIN seats s ON s.id = seat
                WHERE r.status = 0 AND r.expires_at > now() AND (s.reservation_id IS DISTINCT FROM r.id OR s.status <> 1)
                LIMIT 10",
    },
    Invariant {
        rule: "a sold seat belongs to exactly one completed payment",
        query: "SELECT 'seat ' || s.id || ' is sold without a payment'
                FROM seats s LEFT JOIN reservations r ON r.id = s.reservation_id AND r.status = 1 AND s.id = ANY(r.seat_ids)
                LEFT JOIN payments p ON p.reservation_id = r.id
                WHERE s.status = 2 AND p.id IS NULL LIMIT 10",
    },
    Invariant {
        rule: "a payment's seats are sold to it",
        query: "SELECT 'payment ' || p.id || ' does not own seat ' || seat
                FROM payments p JOIN reservations r ON r.id = p.reservation_id CROSS JOIN unnest(r.seat_ids) AS seat
                LEFT JOIN seats s ON s.id = seat
                WHERE s.reservation_id IS DISTINCT FROM r.id OR s.status <> 2 LIMIT 10",
    },
    Invariant {
        rule: "a reservation is paid exactly when it has a payment, of its amount and by its user",
        query: "SELECT 'reservation ' || coalesce(r.id, p.reservation_id) || ' and payment ' || coalesce(p.id::text, 'none') || ' differ'
                FROM (SELECT * FROM reservations WHERE status = 1) r FULL JOIN payments p ON p.reservation_id = r.id
                WHERE r.id IS NULL OR p.id IS NULL OR p.amount <> r.total_amount OR p.user_id <> r.user_id LIMIT 10",
    },
    Invariant {
        rule: "a payment has exactly one ledger entry, of its amount",
        query: "SELECT 'payment ' || p.id || ' has ' || count(e.id) || ' ledger entries'
                FROM payments p LEFT JOIN ledger_entries e ON e.payment_id = p.id AND e.amount = -p.amount AND e.user_id = p.user_id
                GROUP BY p.id HAVING count(e.id) <> 1
                UNION ALL
                SELECT 'ledger entry ' || e.id || ' names a payment that does not exist'
                FROM ledger_entries e LEFT JOIN payments p ON p.id = e.payment_id
                WHERE e.payment_id IS NOT NULL AND p.id IS NULL LIMIT 10",
    },
    Invariant {
        rule: "a balance is the sum of its ledger entries, and never negative",
        query: "SELECT 'user ' || a.user_id || ' has ' || a.balance || ' and entries of ' || coalesce(e.total, 0)
                FROM accounts a
                LEFT JOIN (SELECT user_id, sum(amount) AS total, sum(amount) FILTER (WHERE amount > 0) AS charged,
                                  -sum(amount) FILTER (WHERE amount < 0) AS used, count(*) AS n
                           FROM ledger_entries GROUP BY user_id) e USING (user_id)
                WHERE a.balance < 0 OR a.balance <> coalesce(e.total, 0) OR a.total_charged <> coalesce(e.charged, 0)
                   OR a.total_used <> coalesce(e.used, 0) OR a.version <> coalesce(e.n, 0) LIMIT 10",
    },
    Invariant {
        rule: "a user has at most one live token of a schedule",
        query: "SELECT 'user ' || user_id || ' has ' || count(*) || ' live tokens of schedule ' || schedule_id
                FROM queue_tokens WHERE status < 2 GROUP BY user_id, schedule_id HAVING count(*) > 1 LIMIT 10",
    },
    Invariant {
        rule: "active tokens never exceed the room's capacity",
        query: "SELECT 'room ' || r.schedule_id || ' has ' || count(*) || ' active tokens, capacity ' || r.capacity
                FROM (SELECT schedule_id, capacity_changed_at,
                             coalesce(capacity, CASE schedule_id WHEN 0 THEN current_setting('onsale.service_capacity')::int
                                                                 ELSE current_setting('onsale.capacity')::int END) AS capacity
                      FROM rooms) r
                JOIN queue_tokens t ON t.schedule_id = r.schedule_id AND t.status = 1
                GROUP BY r.schedule_id, r.capacity, r.capacity_changed_at
                HAVING count(*) > r.capacity AND max(t.active_at) > r.capacity_changed_at LIMIT 10",
    },
    Invariant {
        rule: "every row names rows that exist, and a seat's reservation lists it",
        query: "SELECT 'token of user ' || t.user_id || ' for schedule ' || t.schedule_id || ' has no user or room'
                FROM queue_tokens t LEFT JOIN users u ON u.id = t.user_id LEFT JOIN rooms r ON r.schedule_id = t.schedule_id
                WHERE u.id IS NULL OR r.schedule_id IS NULL
                UNION ALL
                SELECT 'reservation ' || v.id || ' has no user or schedule'
                FROM reservations v LEFT JOIN users u ON u.id = v.user_id LEFT JOIN schedules s ON s.id = v.schedule_id
                WHERE u.id IS NULL OR s.id IS NULL
                UNION ALL
                SELECT 'seat ' || s.id || ' names reservation ' || s.reservation_id || ' that does not list it'
                FROM seats s LEFT JOIN reservations v ON v.id = s.reservation_id
                WHERE s.reservation_id IS NOT NULL AND NOT coalesce(s.id = ANY(v.seat_ids), false) LIMIT 10",
    },
    Invariant {
        rule: "no command made two reservations",
        query: "SELECT 'command ' || command_id || ' made ' || count(*) || ' reservations'
                FROM reservations GROUP BY command_id HAVING count(*) > 1 LIMIT 10",
    },
    Invariant {
        rule: "an answered success is in the database",
        query: "SELECT 'command ' || o.command_id || ' was answered with ' || left(o.reply, 60)
                FROM command_outcomes o
                WHERE o.ok AND (
                    (o.reply LIKE '{\"reservationId\":%'
                     AND NOT EXISTS (SELECT 1 FROM reservations r WHERE r.id = (o.reply::json ->> 'reservationId')::bigint AND r.command_id = o.command_id))
                 OR (o.reply LIKE '{\"paymentId\":%'
                     AND NOT EXISTS (SELECT 1 FROM payments p WHERE p.id = (o.reply::json ->> 'paymentId')::bigint))
                 OR (o.reply LIKE '%\"transactionId\":%'
                     AND NOT EXISTS (SELECT 1 FROM ledger_entries e WHERE e.id = (o.reply::json ->> 'transactionId')::bigint)))
                LIMIT 10",
    },
    Invariant {
        rule: "an effect was answered under its command's id",
        query: "SELECT 'reservation ' || r.id || ' has no outcome'
                FROM reservations r LEFT JOIN command_outcomes o ON o.command_id = r.command_id AND o.ok
                WHERE r.reserved_at > now() - current_setting('onsale.kept_s')::float8 * interval '1 second' AND o.command_id IS NULL LIMIT 10",
    },
    Invariant {
        rule: "every committed effect has its event",
        query: "WITH events AS MATERIALIZED (SELECT kind, subject, schedule_id, data FROM outbox)
                SELECT missing FROM (
                    SELECT 'reservation ' || id || ' was held without an event' AS missing FROM reservations
                    WHERE reserved_at > now() - current_setting('onsale.kept_s')::float8 * interval '1 second' AND NOT EXISTS (
                        SELECT 1 FROM events WHERE kind = 'onsale.seats.held' AND subject = 'reservations/' || id)
                    UNION ALL
                    SELECT 'reservation ' || id || ' was released without an event' FROM reservations
                    WHERE status = 2 AND reserved_at > now() - current_setting('onsale.kept_s')::float8 * interval '1 second' AND NOT EXISTS (
                        SELECT 1 FROM events WHERE kind = 'onsale.seats.released' AND subject = 'reservations/' || id)
                    UNION ALL
                    SELECT 'reservation ' || id || ' expired without an event' FROM reservations
                    WHERE status = 3 AND reserved_at > now() - current_setting('onsale.kept_s')::float8 * interval '1 second' AND NOT EXISTS (
                        SELECT 1 FROM events WHERE kind = 'onsale.seats.expired' AND subject = 'reservations/' || id)
                    UNION ALL
                    SELECT 'payment ' || id || ' has no event' FROM payments
                    WHERE paid_at > now() - current_setting('onsale.kept_s')::float8 * interval '1 second' AND NOT EXISTS (
                        SELECT 1 FROM events WHERE kind = 'onsale.payment.completed' AND subject = 'payments/' || id)
                    UNION ALL
                    SELECT 'ledger entry ' || id || ' has no event' FROM ledger_entries
                    WHERE kind <> 2 AND created_at > now() - current_setting('onsale.kept_s')::float8 * interval '1 second' AND NOT EXISTS (
                        SELECT 1 FROM events WHERE kind IN ('onsale.balance.charged', 'onsale.balance.used')
                        AND (data::json ->> 'transactionId')::bigint = ledger_entries.id)
                    UNION ALL
                    SELECT 'user ' || t.user_id || ' was admitted to ' || t.schedule_id || ' without an event' FROM queue_tokens t
                    WHERE t.active_at > now() - current_setting('onsale.kept_s')::float8 * interval '1 second' AND NOT EXISTS (
                        SELECT 1 FROM events WHERE kind = 'onsale.token.admitted' AND subject = 'users/' || t.user_id AND events.schedule_id = t.schedule_id)
                ) AS effects LIMIT 10",
    },
    Invariant {
        rule: "every event is published at least once",
        query: "SELECT 'event ' || id || ' (' || kind || ') waits since ' || created_at
                FROM outbox WHERE id > (SELECT published_to FROM outbox_relay) AND created_at < clock_timestamp() - current_setting('onsale.relay_max_s')::float8 * interval '1 second' LIMIT 10",
    },
];

/// Makes a transaction see one state of the database, lets its queries take their time, and gives them their parameters:
/// whole tables joined by hashing, where the rest of the service looks up single rows; then the default capacities of
/// rooms, for how long events and outcomes are kept for sure, and how long an event may wait.
///
/// # Errors
/// When Postgres fails.
pub async fn begin_snapshot(db: &mut PgConnection, limits: &Limits) -> Result<(), Failure> {
    sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *db).await?;
    sqlx::query(
        "SELECT set_config('statement_timeout', '10min', true),
                set_config('enable_nestloop', 'off', true), set_config('enable_hashjoin', 'on', true),
                set_config('enable_seqscan', 'on', true), set_config('work_mem', '256MB', true),
                set_config('onsale.capacity', $1, true),
                set_config('onsale.service_capacity', $4, true), set_config('onsale.kept_s', $2, true), set_config('onsale.relay_max_s', $3, true)",
    )
    .bind(limits.capacity.to_string())
    .bind(KEPT_S.to_string())
    .bind(RELAY_MAX_S.to_string())
    .bind(limits.service_capacity.to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// What offends an invariant; at most ten lines.
///
/// # Errors
/// When Postgres fails.
pub async fn offenders(db: &mut PgConnection, invariant: &Invariant) -> Result<Vec<String>, Failure> {
    Ok(sqlx::query_scalar(invariant.query).fetch_all(db).await?)
}
