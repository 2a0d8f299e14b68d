//! Admits those who wait, wherever there is room.

use super::Crew;
use crate::failure::Failure;
use crate::lanes::rooms;
use crate::store;

/// Runs once over all rooms in which somebody waits.
pub(super) async fn run(crew: Crew) -> Result<u64, Failure> {
    let servers = &crew.servers;
    let mut db = servers.pool.acquire().await?;
    let schedules = store::rooms::with_waiting(&mut db).await?;
    db.give_back();
    let mut admitted = 0;
    for schedule in schedules {
        admitted += rooms::admit_waiting(&servers.pool, &servers.redis, &servers.limits, schedule).await?;
    }
    Ok(admitted as u64)
}
