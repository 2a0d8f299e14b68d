//! Schedules as fans and organisers see them.

use onsale_common::contract::catalog::{ManagedScheduleView, PlannedSchedule, ScheduleInfo, ScheduleView};
use onsale_common::time::Time;

use crate::config::Limits;
use crate::domain::schedule::Schedule;

/// As fans see it.
pub(super) fn schedule(schedule: &Schedule, available_seats: u64, now: Time) -> ScheduleView {
    ScheduleView {
        schedule_id: schedule.id,
        concert_id: schedule.concert,
        concert_title: schedule.concert_title.clone(),
        venue_id: schedule.venue,
        venue_name: schedule.venue_name.clone(),
        performance_date: schedule.performance_date,
        performance_time: schedule.performance_time,
        booking_open_at: schedule.booking_open_at,
        booking_close_at: schedule.booking_close_at,
        available_seats,
        status: schedule.status_at(now, available_seats),
    }
}

/// As it stands within its concert.
pub(super) fn planned(schedule: &Schedule, available_seats: u64, now: Time) -> PlannedSchedule {
    PlannedSchedule {
        schedule_id: schedule.id,
        performance_date: schedule.performance_date,
        performance_time: schedule.performance_time,
        booking_open_at: schedule.booking_open_at,
        booking_close_at: schedule.booking_close_at,
        seat_count: u64::from(schedule.seat_count),
        available_seats,
        status: schedule.status_at(now, available_seats),
    }
}

/// As its organiser sees it, with the service's defaults where it has no limits of its own.
pub(super) fn managed(managed: &Schedule, available_seats: u64, limits: &Limits, now: Time) -> ManagedScheduleView {
    ManagedScheduleView {
        schedule: schedule(managed, available_seats, now),
        seat_count: u64::from(managed.seat_count),
        max_concurrent_users: managed.capacity.unwrap_or(limits.capacity_of(managed.id)),
        seats_per_user: managed.seats_per_user.unwrap_or(limits.seats_per_user),
        paused: managed.paused,
    }
}

/// What its seat map says of it.
pub(super) fn info(schedule: &Schedule) -> ScheduleInfo {
    ScheduleInfo {
        schedule_id: schedule.id,
        concert_title: schedule.concert_title.clone(),
        performance_date: schedule.performance_date,
        performance_time: schedule.performance_time,
        venue_name: schedule.venue_name.clone(),
    }
}
