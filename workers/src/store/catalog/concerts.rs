//! Concerts and their venues.

use chrono::{DateTime, NaiveDate, Utc};
use onsale_common::contract::catalog::{ConcertView, CreateConcert};
use onsale_common::ids::ConcertId;
use onsale_common::time::Time;
use sqlx::{FromRow, PgConnection};

use crate::failure::Failure;

#[derive(FromRow)]
struct Row {
    id: i64,
    title: String,
    venue_id: i64,
    venue_name: String,
    start_date: Option<NaiveDate>,
    end_date: Option<NaiveDate>,
    created_at: DateTime<Utc>,
}

impl From<Row> for ConcertView {
    fn from(row: Row) -> Self {
        Self {
            concert_id: ConcertId::new(row.id),
            title: row.title,
            start_date: row.start_date,
            end_date: row.end_date,
            venue_id: row.venue_id,
            venue_name: row.venue_name,
            created_at: Time(row.created_at),
            schedules: None,
        }
    }
}

/// Reads some concerts.
///
/// # Errors
/// When Postgres fails.
pub async fn read(db: &mut PgConnection, ids: &[i64]) -> Result<Vec<ConcertView>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT c.id, c.title, c.venue_id, v.name AS venue_name, c.created_at,
                (SELECT min(performance_date) FROM schedules s WHERE s.concert_id = c.id) AS start_date,
                (SELECT max(performance_date) FROM schedules s WHERE s.concert_id = c.id) AS end_date
         FROM concerts c JOIN venues v ON v.id = c.venue_id WHERE c.id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ConcertView::from).collect())
}

/// A page of concerts to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConcertsAsked {
    /// Those after this id.
    pub after: i64,
    /// Concerts at most.
    pub limit: u32,
}

/// The ids of the concerts on some pages, in the order asked.
///
/// # Errors
/// When Postgres fails.
pub async fn pages(db: &mut PgConnection, asked: &[ConcertsAsked]) -> Result<Vec<Vec<i64>>, Failure> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let pages: Vec<Vec<i64>> = sqlx::query_scalar(
        "SELECT ARRAY(SELECT id FROM concerts c WHERE c.id > asked.after ORDER BY id LIMIT asked.most)
         FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS asked(after, most, n) ORDER BY n",
    )
    .bind(asked.iter().map(|page| page.after).collect::<Vec<_>>())
    .bind(asked.iter().map(|page| i64::from(page.limit)).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    Ok(pages)
}

/// Inserts concerts, and the venues that do not exist; returns the concerts' ids in the order given.
///
/// # Errors
/// When Postgres fails.
pub async fn insert(db: &mut PgConnection, new: &[&CreateConcert], now: Time) -> Result<Vec<i64>, Failure> {
    let ids: Vec<i64> = sqlx::query_scalar("SELECT nextval('concerts_id_seq') FROM generate_series(1, $1)")
        .bind(new.len() as i64)
        .fetch_all(&mut *db)
        .await?;
    let rows = ids.iter().zip(new).map(|(id, new)| (*id, new.title.as_str(), new.venue_name.as_str()));
    insert_with_ids(db, &rows.collect::<Vec<_>>(), now).await?;
    Ok(ids)
}

/// Inserts concerts (id, title and venue's name), and the venues that do not exist; leaves those whose id is taken.
///
/// # Errors
/// When Postgres fails.
pub async fn insert_with_ids(db: &mut PgConnection, new: &[(i64, &str, &str)], now: Time) -> Result<(), Failure> {
    let venues: Vec<&str> = new.iter().map(|(_, _, venue)| *venue).collect();
    sqlx::query(
        "INSERT INTO venues (name)
         SELECT DISTINCT name FROM unnest($1::text[]) AS new(name)
         WHERE NOT EXISTS (SELECT 1 FROM venues v WHERE v.name = new.name) ORDER BY name
         ON CONFLICT DO NOTHING",
    )
    .bind(&venues)
    .execute(&mut *db)
    .await?;
    // A statement of its own: it sees the venues that another transaction has just made.
    sqlx::query(
        "INSERT INTO concerts (id, title, venue_id, created_at)
         SELECT new.id, new.title, v.id, $4
         FROM unnest($1::bigint[], $2::text[], $3::text[]) AS new(id, title, venue) JOIN venues v ON v.name = new.venue
         ON CONFLICT DO NOTHING",
    )
    .bind(new.iter().map(|(id, _, _)| *id).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, title, _)| *title).collect::<Vec<_>>())
    .bind(venues)
    .bind(now.0)
    .execute(db)
    .await?;
    Ok(())
}
