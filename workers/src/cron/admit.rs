//! Admits those who wait, wherever there is room.

use super::Crew;
use crate::failure::{Failure, Remedy};
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
        match rooms::admit_waiting(&servers.pool, &servers.redis, &servers.limits, schedule).await {
            Ok(users) => admitted += users,
            // Somebody keeps this room locked, which is no reason for those of other rooms to wait.
            Err(failure) if failure.remedy() == Remedy::Part => {
                tracing::warn!(%schedule, %failure, "nobody is admitted for now");
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(admitted as u64)
}
