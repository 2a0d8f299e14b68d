//! What organisers write: concerts, schedules with their seats and rooms, and changes of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use onsale_common::contract::catalog::{CreateConcert, CreateSchedule, ServiceRoomView, UpdateSchedule};
use onsale_common::contract::{Code, Command, Envelope, Outcome};
use onsale_common::ids::{ConcertId, MAX_SCHEDULE_ID, ScheduleId};

use super::{CatalogLane, views};
use crate::config::Limits;
use crate::domain::schedule::Schedule;
use crate::failure::Failure;
use crate::lanes::batch::Batch;
use crate::sorted::sorted;
use crate::store::catalog::schedules::NewSchedule;
use crate::store::catalog::{concerts, schedules, seat_maps};
use crate::store::rooms;

/// Settles an organiser's commands in one transaction.
pub(super) async fn settle(lane: &CatalogLane, commands: Vec<Arc<Envelope>>) -> Result<Vec<Outcome>, Failure> {
    let makes_seats = commands.iter().any(|command| matches!(command.command, Command::CreateSchedule(_)));
    let _alone = if makes_seats { Some(lane.making_seats.lock().await) } else { None };
    let mut batch = Batch::begin(&lane.pool, commands).await?;
    let (mut new_concerts, mut new_schedules) = (Vec::new(), Vec::new());
    let (mut room_changes, mut changes) = (Vec::new(), Vec::new());
    let open = batch.open();
    for (n, command) in &open {
        match &command.command {
            Command::CreateConcert(new) => new_concerts.push((*n, new)),
            Command::CreateSchedule(new) => new_schedules.push((*n, new)),
            Command::UpdateSchedule(change) if change.schedule_id == ScheduleId::SERVICE_WIDE => {
                room_changes.push((*n, change));
            }
            Command::UpdateSchedule(change) => changes.push((*n, change)),
            _ => batch.settle(*n, Err(Code::Internal.into())),
        }
    }
    // First, as its room is first in the order of locks.
    change_service_room(&mut batch, &room_changes, &lane.limits).await?;
    create_concerts(&mut batch, &new_concerts).await?;
    let mut managed = create_schedules(&mut batch, &new_schedules).await?;
    managed.extend(update_schedules(&mut batch, &changes).await?);
    show(&mut batch, &managed, &lane.limits).await?;
    batch.commit().await
}

/// Changes the service-wide room, which has no seats and no window; an organiser does so by hand, one at a time.
async fn change_service_room(
    batch: &mut Batch,
    asked: &[(usize, &UpdateSchedule)],
    limits: &Limits,
) -> Result<(), Failure> {
    for (n, change) in asked {
        let (id, capacity) = (change.schedule_id, change.max_concurrent_users);
        let room = rooms::change(batch.db(), id, capacity, change.paused, limits).await?;
        let view = ServiceRoomView { schedule_id: id, max_concurrent_users: room.capacity, paused: room.paused };
        batch.settle(*n, Ok(Outcome::done(&view)));
    }
    Ok(())
}

async fn create_concerts(batch: &mut Batch, asked: &[(usize, &CreateConcert)]) -> Result<(), Failure> {
    if asked.is_empty() {
        return Ok(());
    }
    let now = batch.now();
    let new: Vec<&CreateConcert> = asked.iter().map(|(_, new)| *new).collect();
    let ids = concerts::insert(batch.db(), &new, now).await?;
    let created = concerts::read(batch.db(), &ids).await?;
    let created: HashMap<ConcertId, _> = created.iter().map(|concert| (concert.concert_id, concert)).collect();
    for ((n, _), id) in asked.iter().zip(ids) {
        batch.settle(*n, Ok(Outcome::done(created[&ConcertId::new(id)])));
    }
    Ok(())
}

/// Creates schedules; returns which commands are to be answered with which.
async fn create_schedules(
    batch: &mut Batch,
    asked: &[(usize, &CreateSchedule)],
) -> Result<Vec<(usize, Schedule)>, Failure> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let concert_ids = sorted(asked.iter().map(|(_, new)| new.concert_id.get()).collect());
    let concerts: HashSet<ConcertId> =
        concerts::read(batch.db(), &concert_ids).await?.into_iter().map(|concert| concert.concert_id).collect();
    let ids = schedules::draw_ids(batch.db(), asked.len()).await?;
    let (mut created, mut new) = (HashMap::new(), Vec::new());
    for ((n, asked), id) in asked.iter().zip(ids) {
        if !concerts.contains(&asked.concert_id) {
            batch.settle(*n, Err(Code::ConcertNotFound.into()));
        } else if id > MAX_SCHEDULE_ID {
            tracing::error!(id, "there is no schedule id left: the ids of its seats would not fit into 53 bits");
            batch.settle(*n, Err(Code::Internal.into()));
        } else {
            created.insert(ScheduleId::new(id), *n);
            new.push(draft(asked, ScheduleId::new(id)));
        }
    }
    schedules::insert(batch.db(), &new).await?;
    let ids: Vec<i64> = new.iter().map(|new| new.id.get()).collect();
    let stored = schedules::read(batch.db(), &ids, &[]).await?;
    Ok(stored.into_iter().map(|schedule| (created[&schedule.id], schedule)).collect())
}

fn draft(asked: &CreateSchedule, id: ScheduleId) -> NewSchedule {
    NewSchedule {
        id,
        concert: asked.concert_id,
        performance_date: asked.performance_date,
        performance_time: asked.performance_time,
        booking_open_at: asked.booking_open_at,
        booking_close_at: asked.booking_close_at,
        seats_per_user: asked.seats_per_user,
        capacity: asked.max_concurrent_users,
        sections: asked.seats.sections(),
    }
}

/// Changes schedules, one command after another; returns each command with the schedule as it left it. Who waits is
/// admitted into a larger room by the next tick of cron.
async fn update_schedules(
    batch: &mut Batch,
    asked: &[(usize, &UpdateSchedule)],
) -> Result<Vec<(usize, Schedule)>, Failure> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let ids = sorted(asked.iter().map(|(_, change)| change.schedule_id.get()).collect());
    let mut found: HashMap<ScheduleId, Schedule> =
        schedules::lock(batch.db(), &ids).await?.into_iter().map(|schedule| (schedule.id, schedule)).collect();
    let mut changed = Vec::new();
    for (n, change) in asked {
        let schedule = found.get_mut(&change.schedule_id).ok_or_else(|| Code::ScheduleNotFound.into());
        match schedule.and_then(|schedule| schedule.update(change).map(|()| schedule.clone())) {
            Ok(schedule) => changed.push((*n, schedule)),
            Err(rejection) => batch.settle(*n, Err(rejection)),
        }
    }
    schedules::write(batch.db(), &found.values().collect::<Vec<_>>()).await?;
    Ok(changed)
}

/// Answers commands with schedules.
async fn show(batch: &mut Batch, managed: &[(usize, Schedule)], limits: &Limits) -> Result<(), Failure> {
    let now = batch.now();
    let ids = sorted(managed.iter().map(|(_, schedule)| schedule.id.get()).collect());
    let available: HashMap<ScheduleId, u64> = seat_maps::available(batch.db(), &ids, now).await?.into_iter().collect();
    for (n, schedule) in managed {
        let view = views::managed(schedule, available[&schedule.id], limits, now);
        batch.settle(*n, Ok(Outcome::done(&view)));
    }
    Ok(())
}
