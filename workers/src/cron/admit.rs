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
    let (mut admitted, mut failed) = (0, None);
    for schedule in schedules {
        match rooms::admit_waiting(&servers.pool, &servers.redis, &servers.limits, schedule).await {
            Ok(users) => admitted += users,
            // What keeps this room, a lock for example, is no reason for those of other rooms to wait.
            Err(failure) => {
                tracing::warn!(%schedule, %failure, "nobody is admitted for now");
                failed = Some(failure);
            }
        }
    }
    failed.map_or(Ok(admitted as u64), Err)
}
