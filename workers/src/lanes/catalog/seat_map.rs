//! Seat maps, written as JSON while their rows arrive: a map of 20,000 seats is 3 MB, and is never anything else.

use onsale_common::contract::catalog::SeatFilter;
use onsale_common::time::Time;
use serde::Serialize;
use sqlx::PgConnection;

use super::views;
use crate::domain::schedule::Schedule;
use crate::failure::Failure;
use crate::store::catalog::seat_maps;

/// Writes the `SeatMap` of a schedule.
pub(super) async fn write(
    db: &mut PgConnection,
    schedule: &Schedule,
    filter: SeatFilter,
    now: Time,
) -> Result<String, Failure> {
    let mut json = b"{\"scheduleInfo\":".to_vec();
    push(&mut json, &views::info(schedule));
    json.extend_from_slice(b",\"seats\":[");
    let mut first = true;
    seat_maps::each_seat(db, schedule.id, filter, now, |seat| {
        if !std::mem::take(&mut first) {
            json.push(b',');
        }
        push(&mut json, seat);
    })
    .await?;
    json.extend_from_slice(b"]}");
    Ok(String::from_utf8(json).expect("JSON is written as UTF-8"))
}

fn push(json: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(json, value).expect("views have string keys only");
}
