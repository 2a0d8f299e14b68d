//! Schedules with their rooms, and making them with their seats.

use chrono::{NaiveDate, NaiveTime};
use onsale_common::contract::catalog::NewSection;
use onsale_common::ids::{ConcertId, ScheduleId};
use onsale_common::time::Time;
use sqlx::{FromRow, PgConnection};

use crate::domain::schedule::Schedule;
use crate::failure::Failure;

#[derive(FromRow)]
struct Row {
    id: i64,
    concert_id: i64,
    concert_title: String,
    venue_id: i64,
    venue_name: String,
    performance_date: NaiveDate,
    performance_time: NaiveTime,
    booking_open_at: chrono::DateTime<chrono::Utc>,
    booking_close_at: chrono::DateTime<chrono::Utc>,
    seats_per_user: Option<i32>,
    seat_count: i32,
    capacity: Option<i32>,
    paused: bool,
}

impl From<Row> for Schedule {
    fn from(row: Row) -> Self {
        Self {
            id: ScheduleId::new(row.id),
            concert: ConcertId::new(row.concert_id),
            concert_title: row.concert_title,
            venue: row.venue_id,
            venue_name: row.venue_name,
            performance_date: row.performance_date,
            performance_time: row.performance_time,
            booking_open_at: Time(row.booking_open_at),
            booking_close_at: Time(row.booking_close_at),
            seats_per_user: row.seats_per_user.map(i32::unsigned_abs),
            seat_count: row.seat_count.unsigned_abs(),
            capacity: row.capacity.map(i32::unsigned_abs),
            paused: row.paused,
        }
    }
}

macro_rules! select_schedules {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.concert_id, c.title AS concert_title, c.venue_id, v.name AS venue_name,
                    s.performance_date, s.performance_time, s.booking_open_at, s.booking_close_at,
                    s.seats_per_user, s.seat_count, r.capacity, r.paused
             FROM schedules s
             JOIN concerts c ON c.id = s.concert_id
             JOIN venues v ON v.id = c.venue_id
             JOIN rooms r ON r.schedule_id = s.id ",
            $rest
        )
    };
}

/// Reads some schedules, and all those of some concerts, by date.
///
/// # Errors
/// When Postgres fails.
pub async fn read(db: &mut PgConnection, ids: &[i64], of_concerts: &[i64]) -> Result<Vec<Schedule>, Failure> {
    if ids.is_empty() && of_concerts.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = sqlx::query_as(select_schedules!(
        "WHERE s.id = ANY($1) OR s.concert_id = ANY($2) ORDER BY s.performance_date, s.performance_time, s.id"
    ))
    .bind(ids)
    .bind(of_concerts)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Schedule::from).collect())
}

/// Reads and locks some schedules and their rooms.
///
/// # Errors
/// When Postgres fails.
pub async fn lock(db: &mut PgConnection, ids: &[i64]) -> Result<Vec<Schedule>, Failure> {
    let rows: Vec<Row> =
        sqlx::query_as(select_schedules!("WHERE s.id = ANY($1) ORDER BY s.id FOR NO KEY UPDATE OF s, r"))
            .bind(ids)
            .fetch_all(db)
            .await?;
    Ok(rows.into_iter().map(Schedule::from).collect())
}

/// Writes the windows and limits of some schedules that this transaction has locked.
///
/// # Errors
/// When Postgres fails.
pub async fn write(db: &mut PgConnection, schedules: &[&Schedule]) -> Result<(), Failure> {
    if schedules.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = schedules.iter().map(|schedule| schedule.id.get()).collect();
    sqlx::query(
        "UPDATE schedules s
         SET booking_open_at = v.opens, booking_close_at = v.closes, seats_per_user = v.seats_per_user::integer
         FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::bigint[])
              AS v(id, opens, closes, seats_per_user)
         WHERE s.id = v.id",
    )
    .bind(&ids)
    .bind(schedules.iter().map(|schedule| schedule.booking_open_at.0).collect::<Vec<_>>())
    .bind(schedules.iter().map(|schedule| schedule.booking_close_at.0).collect::<Vec<_>>())
    .bind(schedules.iter().map(|schedule| schedule.seats_per_user.map(i64::from)).collect::<Vec<_>>())
    .execute(&mut *db)
    .await?;
    // The clock as it is under the room's lock: whoever was admitted under the old capacity was so before.
    sqlx::query(
        "UPDATE rooms r SET capacity = v.capacity::integer, paused = v.paused,
             capacity_changed_at = CASE WHEN r.capacity IS DISTINCT FROM v.capacity::integer THEN clock_timestamp()
                                        ELSE r.capacity_changed_at END
         FROM unnest($1::bigint[], $2::bigint[], $3::boolean[]) AS v(id, capacity, paused)
         WHERE r.schedule_id = v.id",
    )
    .bind(ids)
    .bind(schedules.iter().map(|schedule| schedule.capacity.map(i64::from)).collect::<Vec<_>>())
    .bind(schedules.iter().map(|schedule| schedule.paused).collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(())
}

/// A schedule to insert.
#[derive(Debug, Clone)]
pub struct NewSchedule {
    /// Its id, drawn before.
    pub id: ScheduleId,
    /// The concert it is a performance of.
    pub concert: ConcertId,
    /// The day, where the venue is.
    pub performance_date: NaiveDate,
    /// The hour, where the venue is.
    pub performance_time: NaiveTime,
    /// When holds begin.
    pub booking_open_at: Time,
    /// When holds end.
    pub booking_close_at: Time,
    /// Seats one user may have; the service's default when absent.
    pub seats_per_user: Option<u32>,
    /// Active users at once; the service's default when absent.
    pub capacity: Option<u32>,
    /// Its seats, numbered from 1 in this order.
    pub sections: Vec<NewSection>,
}

impl NewSchedule {
    fn seat_count(&self) -> i64 {
        self.sections.iter().flat_map(|section| &section.rows).map(|row| i64::from(row.seats)).sum()
    }
}

/// Draws ids for new schedules.
///
/// # Errors
/// When Postgres fails.
pub async fn draw_ids(db: &mut PgConnection, count: usize) -> Result<Vec<i64>, Failure> {
    let ids = sqlx::query_scalar("SELECT nextval('schedules_id_seq') FROM generate_series(1, $1)")
        .bind(count as i64)
        .fetch_all(db)
        .await?;
    Ok(ids)
}

/// Inserts schedules with their rooms and seats.
///
/// # Errors
/// When Postgres fails.
pub async fn insert(db: &mut PgConnection, new: &[NewSchedule]) -> Result<(), Failure> {
    if new.is_empty() {
        return Ok(());
    }
    // Some hundred thousand seats take longer than a statement of the sale may.
    sqlx::query("SET LOCAL statement_timeout = '60s'").execute(&mut *db).await?;
    let ids: Vec<i64> = new.iter().map(|new| new.id.get()).collect();
    sqlx::query(
        "INSERT INTO schedules (id, concert_id, performance_date, performance_time, booking_open_at, booking_close_at,
                                seats_per_user, seat_count)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::date[], $4::time[], $5::timestamptz[], $6::timestamptz[],
                              $7::bigint[], $8::bigint[])",
    )
    .bind(&ids)
    .bind(new.iter().map(|new| new.concert.get()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.performance_date).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.performance_time).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.booking_open_at.0).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.booking_close_at.0).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.seats_per_user.map(i64::from)).collect::<Vec<_>>())
    .bind(new.iter().map(NewSchedule::seat_count).collect::<Vec<_>>())
    .execute(&mut *db)
    .await?;
    sqlx::query("INSERT INTO rooms (schedule_id, capacity) SELECT * FROM unnest($1::bigint[], $2::bigint[])")
        .bind(ids)
        .bind(new.iter().map(|new| new.capacity.map(i64::from)).collect::<Vec<_>>())
        .execute(&mut *db)
        .await?;
    insert_seats(db, new).await
}

/// Inserts the seats of new schedules: rows travel, Postgres makes seats of them.
async fn insert_seats(db: &mut PgConnection, new: &[NewSchedule]) -> Result<(), Failure> {
    let (mut schedules, mut sections, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    let (mut prices, mut seats_before, mut seats) = (Vec::new(), Vec::new(), Vec::new());
    for schedule in new {
        let mut before = 0;
        for section in &schedule.sections {
            for row in &section.rows {
                schedules.push(schedule.id.get());
                sections.push(section.name.as_str());
                rows.push(row.row.as_str());
                prices.push(section.price);
                seats_before.push(before);
                seats.push(i64::from(row.seats));
                before += i64::from(row.seats);
            }
        }
    }
    sqlx::query(
        "INSERT INTO seats (id, schedule_id, seat_number, label, section, row_name, price)
         SELECT (schedule_id << 29) + seats_before + n, schedule_id, seats_before + n, row_name || n, section, row_name, price
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
              AS new(schedule_id, section, row_name, price, seats_before, seats)
         CROSS JOIN generate_series(1, seats) AS n
         ORDER BY 1",
    )
    .bind(schedules)
    .bind(sections)
    .bind(rows)
    .bind(prices)
    .bind(seats_before)
    .bind(seats)
    .execute(db)
    .await?;
    Ok(())
}
