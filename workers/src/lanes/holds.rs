//! Holds that ran out, written down: by cron in time, and by whoever wants one of their seats sooner, so that the end of
//! a hold is always told before the next hold of its seats.

use onsale_common::contract::event::HoldExpired;

use crate::failure::Failure;
use crate::redis::Redis;
use crate::redis::seats::Freed;
use crate::store;
use crate::store::expiry::{ExpiredHold, Which};
use crate::store::outbox::NewEvent;
use crate::store::pool::Pool;

/// Ends holds that have run out, in a transaction of its own; returns how many.
///
/// # Errors
/// When Postgres fails.
pub(crate) async fn expire(pool: &Pool, redis: &Redis, which: Which<'_>) -> Result<usize, Failure> {
    let mut transaction = pool.begin().await?;
    let (now, holds) = store::expiry::expire_holds(&mut transaction, which).await?;
    let events: Vec<NewEvent> = holds.iter().map(expired_event).collect();
    store::outbox::add(&mut transaction, &events, now).await?;
    transaction.commit().await?;
    let freed = |hold: &ExpiredHold| {
        let command = hold.command;
        hold.seats.iter().map(move |seat| Freed { seat: *seat, command, was_held: true }).collect::<Vec<_>>()
    };
    redis.release_seats(&holds.iter().flat_map(freed).collect::<Vec<_>>()).await;
    Ok(holds.len())
}

fn expired_event(hold: &ExpiredHold) -> NewEvent {
    NewEvent::of(&HoldExpired {
        reservation_id: hold.id,
        schedule_id: hold.id.schedule(),
        user_id: hold.user,
        seat_ids: hold.seats.clone(),
    })
}
