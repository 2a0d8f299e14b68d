//! The demo data. What is there is left as it is: loading it again changes nothing.

use std::time::Duration;

use chrono::{Days, NaiveTime};
use onsale_common::contract::catalog::{NewRow, NewSeats, NewSection};
use onsale_common::ids::{ConcertId, ScheduleId};
use onsale_common::money::Money;
use onsale_common::time::Time;
use sqlx::{PgConnection, PgPool};

use super::catalog::concerts;
use super::catalog::schedules::{self, NewSchedule};
use crate::failure::Failure;

/// The demo users: `user1` to `user1000`.
pub const USERS: i32 = 1000;
/// Everybody's password.
pub const PASSWORD: &str = "onsale-demo";

const DAY: Duration = Duration::from_secs(86_400);
const CONCERTS: [(i64, &str, &str); 3] = [
    (1, "First Light", "Olympic Hall"),
    (2, "The Long Encore", "World Cup Stadium"),
    (3, "Before and After", "Rose Theatre"),
];
/// Keeps two loads apart; it ends with the transaction.
const LOAD_LOCK: i64 = 0x6f6e_7361_6c65_0002;

/// Loads the demo data; true when there was none. The users share one hash: a thousand salts would take a minute to hash
/// and protect a password that everybody knows.
///
/// # Errors
/// When Postgres fails.
pub async fn load(pool: &PgPool, password_hash: &str) -> Result<bool, Failure> {
    let mut transaction = pool.begin().await?;
    sqlx::query("SET LOCAL statement_timeout = '1min'").execute(&mut *transaction).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOAD_LOCK).execute(&mut *transaction).await?;
    let loaded: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM schedules)").fetch_one(&mut *transaction).await?;
    if !loaded {
        let now = Time::now();
        users(&mut transaction, password_hash, now).await?;
        concerts::insert_with_ids(&mut transaction, &CONCERTS, now).await?;
        schedules::insert(&mut transaction, &new_schedules(now)).await?;
        advance_sequences(&mut transaction).await?;
    }
    transaction.commit().await?;
    Ok(!loaded)
}

async fn users(db: &mut PgConnection, password_hash: &str, now: Time) -> Result<(), Failure> {
    sqlx::query(
        "WITH new AS (
             INSERT INTO users (id, username, email, password_hash, created_at)
             SELECT n, 'user' || n, 'user' || n || '@example.com', $2, $3 FROM generate_series(1, $1) AS n
             RETURNING id
         )
         INSERT INTO accounts (user_id, updated_at) SELECT id, $3 FROM new",
    )
    .bind(USERS)
    .bind(password_hash)
    .bind(now.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Ids that were given must not be drawn again.
async fn advance_sequences(db: &mut PgConnection) -> Result<(), Failure> {
    sqlx::query(
        "SELECT setval('users_id_seq', (SELECT max(id) FROM users)),
                setval('concerts_id_seq', (SELECT max(id) FROM concerts)),
                setval('schedules_id_seq', (SELECT max(id) FROM schedules))",
    )
    .execute(db)
    .await?;
    Ok(())
}

fn new_schedules(now: Time) -> Vec<NewSchedule> {
    let small = |price| NewSeats { count: Some(50), price: Some(price), sections: None }.sections();
    let opened = Time(now.0 - DAY);
    let in_a_year = now.plus(DAY * 365);
    let schedule = |id, concert, days, hour, window: (Time, Time), sections| NewSchedule {
        id: ScheduleId::new(id),
        concert: ConcertId::new(concert),
        performance_date: now.0.date_naive() + Days::new(days),
        performance_time: NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default(),
        booking_open_at: window.0,
        booking_close_at: window.1,
        seats_per_user: None,
        capacity: None,
        sections,
    };
    let open = (opened, now.plus(DAY * 3650));
    vec![
        schedule(1, 1, 3660, 19, open, small(75_000)),
        schedule(2, 1, 3661, 15, open, small(60_000)),
        schedule(3, 2, 3662, 20, open, stadium()),
        schedule(4, 3, 400, 19, (in_a_year, in_a_year.plus(DAY * 30)), small(75_000)),
        schedule(5, 3, 30, 19, (Time(now.0 - DAY * 30), opened), small(75_000)),
    ]
}

/// 20,000 seats in four sections of fifty rows of a hundred.
fn stadium() -> Vec<NewSection> {
    let prices: [(&str, Money); 4] = [("Floor", 150_000), ("East", 120_000), ("West", 90_000), ("Upper", 60_000)];
    let rows = |name: &str| -> Vec<NewRow> {
        let initial = name.chars().take(1).collect::<String>();
        (1..=50).map(|row| NewRow { row: format!("{initial}{row}-"), seats: 100 }).collect()
    };
    prices.into_iter().map(|(name, price)| NewSection { name: name.to_owned(), price, rows: rows(name) }).collect()
}
