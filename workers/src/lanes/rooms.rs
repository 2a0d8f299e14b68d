//! Admission, wherever it is due: when somebody joins, when a slot frees, and at every tick of cron.

use std::collections::BTreeMap;

use onsale_common::contract::event::TokenAdmitted;
use onsale_common::ids::{QueueToken, ScheduleId};
use sqlx::PgConnection;

use crate::config::Limits;
use crate::domain::room::Room;
use crate::failure::{Failure, Remedy};
use crate::redis::Redis;
use crate::redis::rooms::{Place, RoomChange};
use crate::sorted::sorted;
use crate::store;
use crate::store::outbox::NewEvent;
use crate::store::pool::Pool;
use crate::store::rooms::{Admitted, Others};

/// Users admitted in one transaction at most, so that a room of a hundred thousand does not block its row for long.
const ADMIT_MAX: u32 = 5_000;

/// Admits as many as a room has free; returns how many. Those whose tokens somebody keeps locked come later.
///
/// # Errors
/// When Postgres fails.
pub(crate) async fn admit_waiting(
    pool: &Pool,
    redis: &Redis,
    limits: &Limits,
    schedule: ScheduleId,
) -> Result<usize, Failure> {
    let (mut count, mut others) = (0, Others::Wait);
    // Whoever joins after this look finds the room as it is now, or is admitted by the next tick of cron.
    while anybody_waits(pool, schedule).await? {
        match admit_some(pool, redis, limits, schedule, others).await {
            Ok(admitted) => {
                count += admitted;
                if admitted < ADMIT_MAX as usize {
                    break;
                }
            }
            Err(failure) if failure.remedy() == Remedy::Part && others == Others::Wait => others = Others::Skip,
            Err(failure) => return Err(failure),
        }
    }
    Ok(count)
}

/// Admits as many as a room has free and a transaction takes.
async fn admit_some(
    pool: &Pool,
    redis: &Redis,
    limits: &Limits,
    schedule: ScheduleId,
    others: Others,
) -> Result<usize, Failure> {
    let mut transaction = pool.begin().await?;
    let now = transaction.began_at();
    let Some((_, room)) = store::rooms::lock(&mut transaction, &[schedule.get()], limits).await?.pop() else {
        return Ok(0);
    };
    let active = active_for(&mut transaction, schedule, &room, ADMIT_MAX).await?;
    let free = room.free(active).min(ADMIT_MAX);
    let mut admitted = Vec::new();
    if free > 0 {
        let expires_at = now.plus(limits.active_ttl);
        admitted = store::rooms::admit_next(&mut transaction, schedule, free, others, now, expires_at).await?;
    }
    if !admitted.is_empty() {
        let drained = room.drained.count(u32::try_from(admitted.len()).unwrap_or(u32::MAX), now);
        store::rooms::set_drained(&mut transaction, schedule, drained).await?;
    }
    count_in(&mut transaction, schedule, &room, active, admitted.len()).await?;
    let events: Vec<NewEvent> = admitted.iter().map(admitted_event).collect();
    store::outbox::add(&mut transaction, &events, now).await?;
    transaction.commit().await?;
    redis.change_rooms(&changes(&admitted)).await;
    Ok(admitted.len())
}

async fn anybody_waits(pool: &Pool, schedule: ScheduleId) -> Result<bool, Failure> {
    let mut db = pool.acquire().await?;
    let waits = store::rooms::anybody_waits(&mut db, schedule).await?;
    db.give_back();
    Ok(waits)
}

/// How many are active in a room whose lock the caller holds, as exactly as it takes to admit `wanted`: they are counted
/// only where the bound that the room keeps leaves too little room for them.
///
/// # Errors
/// When Postgres fails.
pub(super) async fn active_for(
    db: &mut PgConnection,
    schedule: ScheduleId,
    room: &Room,
    wanted: u32,
) -> Result<u32, Failure> {
    match room.active_at_most {
        Some(active) if room.paused || room.free(active) >= wanted => Ok(active),
        _ => store::rooms::count_active(db, schedule).await,
    }
}

/// Notes how many are active now, after `admitted` came to those who were. The caller holds the room's lock.
///
/// # Errors
/// When Postgres fails.
pub(super) async fn count_in(
    db: &mut PgConnection,
    schedule: ScheduleId,
    room: &Room,
    active: u32,
    admitted: usize,
) -> Result<(), Failure> {
    let active = active.saturating_add(u32::try_from(admitted).unwrap_or(u32::MAX));
    if room.active_at_most == Some(active) {
        return Ok(());
    }
    store::rooms::set_active_at_most(db, schedule, active).await
}

/// The event of an admission. The token itself is its user's secret and is not told.
pub(super) fn admitted_event(admitted: &Admitted) -> NewEvent {
    let schedule = admitted.token.schedule();
    NewEvent::of(&TokenAdmitted { schedule_id: schedule, user_id: admitted.user, expires_at: admitted.expires_at })
}

/// What Redis is to know of admissions.
pub(super) fn changes(admitted: &[Admitted]) -> Vec<RoomChange> {
    admitted.iter().map(|admitted| RoomChange::Active(admitted.token, admitted.user, admitted.expires_at)).collect()
}

/// Builds a room in Redis from Postgres, unless another process is at it.
///
/// # Errors
/// When Postgres fails.
pub(crate) async fn build(db: &mut PgConnection, redis: &Redis, schedule: ScheduleId) -> Result<(), Failure> {
    if !redis.claim_build(schedule).await {
        return Ok(());
    }
    let contents = store::rooms::contents(db, schedule).await?;
    tracing::info!(%schedule, waiting = contents.waiting.len(), active = contents.active.len(), "building a waiting room in redis");
    redis.build_room(schedule, &contents.waiting, &contents.active).await;
    Ok(())
}

/// The places of waiting tokens, in their order: from Redis, whose rooms are built first where they have to be; counted
/// in Postgres for those that Redis does not know.
pub(super) async fn places(pool: &Pool, redis: &Redis, tokens: &[(QueueToken, i64)]) -> Result<Vec<u64>, Failure> {
    let asked: Vec<QueueToken> = tokens.iter().map(|(token, _)| *token).collect();
    let mut places = redis.places(&asked).await;
    let unbuilt = unbuilt(&asked, places.as_deref().unwrap_or_default());
    if !unbuilt.is_empty() {
        let mut db = pool.acquire().await?;
        for schedule in unbuilt {
            build(&mut db, redis, schedule).await?;
        }
        places = redis.places(&asked).await;
    }
    let places = places.unwrap_or_else(|| vec![Place::Missing; tokens.len()]);
    let is_missing = |place: &Place| !matches!(place, Place::Known(_));
    let missing: Vec<(QueueToken, i64)> =
        tokens.iter().zip(&places).filter(|(_, place)| is_missing(place)).map(|(token, _)| *token).collect();
    let mut counted = if missing.is_empty() {
        Vec::new()
    } else {
        store::rooms::places(&mut *pool.acquire().await?, &missing).await?
    }
    .into_iter();
    let known = |place: Place| match place {
        Place::Known(place) => place,
        Place::Missing | Place::Unbuilt => counted.next().unwrap_or(0),
    };
    Ok(places.into_iter().map(known).collect())
}

/// The places of tokens that have just joined, each room's in the order of its line. Where as many places lie between the
/// first and the last of a room as tokens joined it, nobody came in between, and the others need not be looked up.
pub(super) async fn places_of_joiners(
    pool: &Pool,
    redis: &Redis,
    tokens: &[(QueueToken, i64)],
) -> Result<Vec<u64>, Failure> {
    let mut lines: BTreeMap<ScheduleId, Vec<usize>> = BTreeMap::new();
    for (n, (token, _)) in tokens.iter().enumerate() {
        lines.entry(token.schedule()).or_default().push(n);
    }
    let ends: Vec<(QueueToken, i64)> =
        lines.values().flat_map(|line| [tokens[line[0]], tokens[line[line.len() - 1]]]).collect();
    let ends = self::places(pool, redis, &ends).await?;
    let mut places = vec![0; tokens.len()];
    let mut apart: Vec<usize> = Vec::new();
    for (line, ends) in lines.values().zip(ends.chunks_exact(2)) {
        if ends[1].checked_sub(ends[0]) == Some(line.len() as u64 - 1) {
            for (n, place) in line.iter().zip(ends[0]..) {
                places[*n] = place;
            }
        } else {
            apart.extend(line);
        }
    }
    let looked_up = self::places(pool, redis, &apart.iter().map(|n| tokens[*n]).collect::<Vec<_>>()).await?;
    for (n, place) in apart.into_iter().zip(looked_up) {
        places[n] = place;
    }
    Ok(places)
}

fn unbuilt(tokens: &[QueueToken], places: &[Place]) -> Vec<ScheduleId> {
    let of_unbuilt = tokens.iter().zip(places).filter(|(_, place)| **place == Place::Unbuilt);
    sorted(of_unbuilt.map(|(token, _)| token.schedule()).collect())
}
