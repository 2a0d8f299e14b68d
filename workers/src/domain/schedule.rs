//! Schedules as they are shown and managed.

use chrono::{NaiveDate, NaiveTime};
use onsale_common::contract::Rejection;
use onsale_common::contract::catalog::{ScheduleStatus, UpdateSchedule};
use onsale_common::ids::{ConcertId, ScheduleId};
use onsale_common::time::Time;

/// A schedule as it is stored, with its room's limits and what its concert says of it.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// The concert it is a performance of.
    pub concert: ConcertId,
    /// The concert's title.
    pub concert_title: String,
    /// Its venue.
    pub venue: i64,
    /// The venue's name.
    pub venue_name: String,
    /// The day, where the venue is.
    pub performance_date: NaiveDate,
    /// The hour, where the venue is.
    pub performance_time: NaiveTime,
    /// When holds begin.
    pub booking_open_at: Time,
    /// When holds end.
    pub booking_close_at: Time,
    /// Seats one user may have; the service's default when absent.
    pub seats_per_user: Option<u32>,
    /// All its seats.
    pub seat_count: u32,
    /// Active users at once; the service's default when absent.
    pub capacity: Option<u32>,
    /// Whether the organiser has paused the sale.
    pub paused: bool,
}

impl Schedule {
    /// Where the sale stands.
    pub fn status_at(&self, now: Time, available_seats: u64) -> ScheduleStatus {
        if now >= self.booking_close_at {
            ScheduleStatus::Closed
        } else if now < self.booking_open_at {
            ScheduleStatus::Upcoming
        } else if self.paused {
            ScheduleStatus::Paused
        } else if available_seats == 0 {
            ScheduleStatus::SoldOut
        } else {
            ScheduleStatus::Open
        }
    }

    /// Changes what is given, and nothing when it is rejected.
    ///
    /// # Errors
    /// `INVALID_REQUEST` when booking would close before it opens.
    pub fn update(&mut self, change: &UpdateSchedule) -> Result<(), Rejection> {
        let opens = change.booking_open_at.unwrap_or(self.booking_open_at);
        let closes = change.booking_close_at.unwrap_or(self.booking_close_at);
        if closes <= opens {
            return Err(Rejection::invalid_field("bookingCloseAt", "must be after bookingOpenAt"));
        }
        self.booking_open_at = opens;
        self.booking_close_at = closes;
        self.seats_per_user = change.seats_per_user.or(self.seats_per_user);
        self.capacity = change.max_concurrent_users.or(self.capacity);
        self.paused = change.paused.unwrap_or(self.paused);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn schedule(opens: Time) -> Schedule {
        Schedule {
            id: ScheduleId::new(1),
            concert: ConcertId::new(1),
            concert_title: "A concert".to_owned(),
            venue: 1,
            venue_name: "A hall".to_owned(),
            performance_date: NaiveDate::default(),
            performance_time: NaiveTime::default(),
            booking_open_at: opens,
            booking_close_at: opens.plus(HOUR),
            seats_per_user: None,
            seat_count: 50,
            capacity: None,
            paused: false,
        }
    }

    #[test]
    fn a_schedule_is_open_from_its_opening_until_its_close() {
        let opens = Time::now();
        let schedule = schedule(opens);
        let just_before = |time: Time| Time(time.0 - chrono::TimeDelta::milliseconds(1));
        assert_eq!(schedule.status_at(just_before(opens), 50), ScheduleStatus::Upcoming);
        assert_eq!(schedule.status_at(opens, 50), ScheduleStatus::Open);
        assert_eq!(schedule.status_at(opens, 0), ScheduleStatus::SoldOut);
        assert_eq!(schedule.status_at(just_before(schedule.booking_close_at), 50), ScheduleStatus::Open);
        assert_eq!(schedule.status_at(schedule.booking_close_at, 50), ScheduleStatus::Closed);
        let paused = Schedule { paused: true, ..schedule };
        assert_eq!(paused.status_at(opens, 0), ScheduleStatus::Paused);
    }

    #[test]
    fn an_update_leaves_what_it_does_not_name_and_a_rejected_one_everything() {
        let mut schedule = schedule(Time::now());
        let nothing = UpdateSchedule {
            schedule_id: schedule.id,
            max_concurrent_users: None,
            seats_per_user: None,
            paused: None,
            booking_open_at: None,
            booking_close_at: None,
        };
        schedule
            .update(&UpdateSchedule { max_concurrent_users: Some(7), paused: Some(true), ..nothing.clone() })
            .unwrap();
        schedule.update(&UpdateSchedule { seats_per_user: Some(2), ..nothing.clone() }).unwrap();
        assert_eq!((schedule.capacity, schedule.paused, schedule.seats_per_user), (Some(7), true, Some(2)));
        let too_late = Some(schedule.booking_close_at);
        let rejected = schedule.update(&UpdateSchedule { booking_open_at: too_late, paused: Some(false), ..nothing });
        assert!(rejected.is_err());
        assert!(schedule.paused);
    }
}
