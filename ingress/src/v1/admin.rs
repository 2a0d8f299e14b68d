//! The organiser: concerts, schedules, and the sale's controls.

use onsale_common::contract::catalog::{CreateConcert, CreateSchedule, UpdateSchedule};
use onsale_common::contract::{Command, Rejection};
use onsale_common::ids::ConcertId;

use crate::caller::Demand;
use crate::endpoint::{Ask, Endpoint};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::post("/admin/concerts", Demand::AdminKey, create_concert).created(),
    Endpoint::post("/admin/concerts/{concertId}/schedules", Demand::AdminKey, create_schedule).created(),
    Endpoint::patch("/admin/schedules/{scheduleId}", Demand::AdminKey, update_schedule),
];

fn create_concert(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(ask.body::<CreateConcert>()?.into())
}

fn create_schedule(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    let concert: ConcertId = ask.id("concertId")?;
    Ok(ask.body_with::<CreateSchedule>("concertId", concert)?.into())
}

fn update_schedule(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(ask.body_with::<UpdateSchedule>("scheduleId", ask.schedule_id()?)?.into())
}
