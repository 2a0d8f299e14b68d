//! Writes down what has run out of time: tokens, whose slots go to the next in line, and holds.

use serde_json::json;

use super::Crew;
use crate::failure::Failure;
use crate::redis::rooms::RoomChange;
use crate::store;
use crate::store::expiry::ExpiredHold;
use crate::store::outbox::{EventKind, NewEvent};

/// Rows of one transaction at most.
const CHUNK: i64 = 1_000;

/// Runs until nothing is left that has run out.
pub(super) async fn run(crew: Crew) -> Result<u64, Failure> {
    let tokens = expire_tokens(&crew).await?;
    let holds = expire_holds(&crew).await?;
    if tokens > 0 {
        super::admit::run(crew).await?;
    }
    Ok(tokens + holds)
}

async fn expire_tokens(crew: &Crew) -> Result<u64, Failure> {
    let mut count = 0;
    loop {
        let tokens = store::expiry::expire_tokens(&mut *crew.servers.pool.acquire().await?, CHUNK).await?;
        let gone: Vec<RoomChange> = tokens.iter().map(|token| RoomChange::Gone(*token)).collect();
        crew.servers.redis.change_rooms(&gone).await;
        count += tokens.len() as u64;
        if tokens.is_empty() {
            return Ok(count);
        }
    }
}

async fn expire_holds(crew: &Crew) -> Result<u64, Failure> {
    let mut count = 0;
    loop {
        let mut transaction = crew.servers.pool.begin().await?;
        let (now, holds) = store::expiry::expire_holds(&mut transaction, CHUNK).await?;
        let events: Vec<NewEvent> = holds.iter().map(expired_event).collect();
        store::outbox::add(&mut transaction, &events, now).await?;
        transaction.commit().await?;
        let owned: Vec<_> = holds.iter().flat_map(|hold| hold.seats.iter().map(|seat| (*seat, hold.command))).collect();
        crew.servers.redis.release_seats(&owned).await;
        count += holds.len() as u64;
        if holds.is_empty() {
            return Ok(count);
        }
    }
}

fn expired_event(hold: &ExpiredHold) -> NewEvent {
    let data = json!({
        "reservationId": hold.id,
        "scheduleId": hold.schedule(),
        "userId": hold.user,
        "seatIds": hold.seats,
    });
    NewEvent::new(EventKind::HoldExpired, Some(hold.schedule()), format!("reservations/{}", hold.id), &data)
}
