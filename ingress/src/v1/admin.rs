//! The organiser: concerts, schedules, and the sale's controls.

use std::borrow::Cow;

use onsale_common::contract::catalog::{CreateConcert, CreateSchedule, UpdateSchedule};
use onsale_common::contract::reservation::ListAttempts;
use onsale_common::contract::{Code, Command, Rejection};
use onsale_common::ids::{ConcertId, ScheduleId};

use crate::ask::{Ask, checked};
use crate::caller::Demand;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::shape::Param;

use super::{CURSOR, LIMIT};

pub(super) const GROUP: Group = Group {
    name: "The organiser",
    endpoints: &[
        Endpoint::post("/admin/concerts", Demand::ADMIN_KEY).asks::<CreateConcert>(create_concert).created(),
        Endpoint::post("/admin/concerts/{concertId}/schedules", Demand::ADMIN_KEY)
            .asks::<CreateSchedule>(create_schedule)
            .created()
            .fails(&[Code::ConcertNotFound]),
        Endpoint::patch("/admin/schedules/{scheduleId}", Demand::ADMIN_KEY)
            .asks::<UpdateSchedule>(update_schedule)
            .own_params(&[SCHEDULE_OR_SERVICE])
            .fails(&[Code::ScheduleNotFound]),
        Endpoint::get("/admin/schedules/{scheduleId}/attempts", Demand::ADMIN_KEY)
            .asks::<ListAttempts>(attempts)
            .queries(&[LIMIT, CURSOR])
            .fails(&[Code::ScheduleNotFound]),
    ],
};

const SCHEDULE_OR_SERVICE: Param =
    Param::of::<ScheduleId>("scheduleId", "The schedule, or 0 for the service-wide waiting room.", "1");

fn create_concert(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(ask.body::<CreateConcert>()?.into())
}

fn create_schedule(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    let concert: ConcertId = ask.id("concertId")?;
    Ok(ask.body_with::<CreateSchedule>("concertId", concert)?.into())
}

fn update_schedule(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    // 0 is the service-wide waiting room, whose capacity the organiser sets too.
    let schedule: ScheduleId = ask.id("scheduleId")?;
    Ok(ask.body_with::<UpdateSchedule>("scheduleId", schedule)?.into())
}

fn attempts(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    let (schedule_id, limit) = (ask.schedule_id()?, ask.query.number("limit")?);
    checked(ListAttempts { schedule_id, limit, cursor: ask.query.text("cursor")?.map(Cow::into_owned) })
}
