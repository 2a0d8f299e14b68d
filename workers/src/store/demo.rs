//! The demo data. What is there is left as it is: loading it again changes nothing.

use chrono::{DateTime, Days, Months, NaiveDate, NaiveTime, Utc};
use onsale_common::contract::catalog::{NewRow, NewSeats, NewSection, row_name};
use onsale_common::ids::{ConcertId, ScheduleId};
use onsale_common::money::Money;
use onsale_common::time::Time;
use sqlx::PgConnection;

use super::catalog::concerts;
use super::catalog::schedules::{self, NewSchedule};
use crate::failure::Failure;
use crate::store::pool::Pool;

/// The password of every demo user.
pub const PASSWORD: &str = "onsale-demo";
/// Demo users: `user1` to `user1000`, with ids 1 to 1000.
const USERS: i64 = 1000;

const CONCERTS: [(i64, &str, &str); 3] = [
    (1, "First Light", "Olympic Hall"),
    (2, "The Long Encore", "World Cup Stadium"),
    (3, "Before and After", "Rose Theatre"),
];

/// Sections of the large schedule: name, price, and rows of fifty; 20,000 seats in all.
const STADIUM: [(&str, Money, u32); 4] =
    [("VIP", 150_000, 20), ("R", 120_000, 80), ("S", 90_000, 120), ("A", 60_000, 180)];

/// What was missing and is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// How many users.
    pub users: u64,
    /// How many schedules.
    pub schedules: usize,
}

/// Loads what is missing of the demo data. One hash of [`PASSWORD`] is shared by all demo users: a thousand of them would
/// take half a minute, and it is no secret.
///
/// # Errors
/// When Postgres fails.
pub async fn load(pool: &Pool, password_hash: &str, now: Time) -> Result<Loaded, Failure> {
    let mut transaction = pool.begin().await?;
    // One at a time, should several start at once; the others wait longer than the sale may.
    sqlx::query("SET LOCAL lock_timeout = '1min'").execute(&mut *transaction).await?;
    sqlx::query("SET LOCAL statement_timeout = '1min'").execute(&mut *transaction).await?;
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext('onsale demo data'))").execute(&mut *transaction).await?;
    let users = load_users(&mut transaction, password_hash, now).await?;
    let schedules = load_catalog(&mut transaction, now).await?;
    for (table, taken) in [("users", USERS), ("concerts", CONCERTS.len() as i64), ("schedules", 5)] {
        // Never backwards: ids drawn meanwhile would be drawn again.
        sqlx::query(
            "SELECT setval(s.name, $2) FROM (SELECT pg_get_serial_sequence($1, 'id')::regclass AS name) s
             WHERE coalesce(pg_sequence_last_value(s.name), 0) < $2",
        )
        .bind(table)
        .bind(taken)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(Loaded { users, schedules })
}

async fn load_users(db: &mut PgConnection, password_hash: &str, now: Time) -> Result<u64, Failure> {
    let inserted = sqlx::query(
        "INSERT INTO users (id, username, email, password_hash, created_at)
         SELECT n, 'user' || n, 'user' || n || '@example.com', $2, $3 FROM generate_series(1, $1) AS n
         ON CONFLICT DO NOTHING",
    )
    .bind(USERS)
    .bind(password_hash)
    .bind(now.0)
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "INSERT INTO accounts (user_id, updated_at) SELECT id, $2 FROM users WHERE id <= $1 ON CONFLICT DO NOTHING",
    )
    .bind(USERS)
    .bind(now.0)
    .execute(db)
    .await?;
    Ok(inserted.rows_affected())
}

async fn load_catalog(db: &mut PgConnection, now: Time) -> Result<usize, Failure> {
    concerts::insert_with_ids(db, &CONCERTS, now).await?;
    let mut missing = demo_schedules(now.0);
    let ids: Vec<i64> = missing.iter().map(|schedule| schedule.id.get()).collect();
    let there = schedules::read(db, &ids, &[]).await?;
    missing.retain(|schedule| there.iter().all(|found| found.id != schedule.id));
    schedules::insert(db, &missing).await?;
    Ok(missing.len())
}

fn demo_schedules(now: DateTime<Utc>) -> Vec<NewSchedule> {
    let (yesterday, last_month) = (now - Days::new(1), now - Months::new(1));
    let (in_a_year, in_ten_years) = (now + Months::new(12), now + Months::new(120));
    vec![
        schedule(1, 1, (yesterday, in_ten_years), small_hall(75_000)),
        schedule(2, 1, (yesterday, in_ten_years + Days::new(1)), small_hall(60_000)),
        schedule(3, 2, (yesterday, in_ten_years), stadium()),
        schedule(4, 3, (in_a_year, in_ten_years), small_hall(80_000)),
        schedule(5, 3, (last_month, yesterday), small_hall(80_000)),
    ]
}

/// A schedule whose performance follows a week after booking closes.
fn schedule(id: i64, concert: i64, booking: (DateTime<Utc>, DateTime<Utc>), sections: Vec<NewSection>) -> NewSchedule {
    let performance_date: NaiveDate = booking.1.date_naive() + Days::new(7);
    NewSchedule {
        id: ScheduleId::new(id),
        concert: ConcertId::new(concert),
        performance_date,
        performance_time: NaiveTime::from_hms_opt(19, 30, 0).unwrap_or_default(),
        booking_open_at: Time(booking.0),
        booking_close_at: Time(booking.1),
        seats_per_user: None,
        capacity: None,
        sections,
    }
}

/// Fifty seats, A1 to E10.
fn small_hall(price: Money) -> Vec<NewSection> {
    NewSeats { count: Some(50), price: Some(price), sections: None }.sections()
}

fn stadium() -> Vec<NewSection> {
    let mut names = (0..).map(row_name);
    let section = |(name, price, rows): (&str, Money, u32)| NewSection {
        name: name.to_owned(),
        price,
        rows: names.by_ref().take(rows as usize).map(|row| NewRow { row, seats: 50 }).collect(),
    };
    STADIUM.into_iter().map(section).collect()
}
