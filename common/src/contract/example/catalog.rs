//! Examples of the catalog lane.

use super::{
    CONCERT, Example, PRICE, RESERVATION, SCHEDULE, SEAT, at, booking_closes, booking_opens, february, half_past_seven,
};
use crate::contract::catalog::{
    ConcertPage, ConcertView, CreateConcert, CreateSchedule, GetConcert, GetSeats, ListConcerts, ListSchedules,
    ListSeats, Managed, ManagedScheduleView, NewRow, NewSeats, NewSection, PlannedSchedule, ScheduleInfo,
    ScheduleStatus, ScheduleView, SeatFilter, SeatInContext, SeatMap, SeatStatus, SeatView, UpdateSchedule,
    YourReservation,
};
use crate::ids::SeatId;

const TITLE: &str = "First Light";
const VENUE: &str = "Olympic Hall";
const SEATS: u32 = 50;

impl Example for ListConcerts {
    fn example() -> Self {
        Self { limit: Some(1), cursor: None, with_schedules: false }
    }
}

impl Example for GetConcert {
    fn example() -> Self {
        Self { concert_id: CONCERT, with_schedules: false }
    }
}

impl Example for ConcertView {
    fn example() -> Self {
        Self {
            concert_id: CONCERT,
            title: TITLE.to_owned(),
            start_date: Some(february(7)),
            end_date: Some(february(8)),
            venue_id: 1,
            venue_name: VENUE.to_owned(),
            created_at: at(0),
            schedules: None,
        }
    }
}

impl Example for ConcertPage {
    fn example() -> Self {
        Self { concerts: Example::example(), next_cursor: Some(CONCERT.to_string()) }
    }
}

/// Of the concert's two schedules, the one in this time.
impl Example for ListSchedules {
    fn example() -> Self {
        Self { concert_id: CONCERT, from_date: Some(february(1)), to_date: Some(february(7)) }
    }
}

impl Example for PlannedSchedule {
    fn example() -> Self {
        Self {
            schedule_id: SCHEDULE,
            performance_date: february(7),
            performance_time: half_past_seven(),
            booking_open_at: booking_opens(),
            booking_close_at: booking_closes(),
            seat_count: SEATS.into(),
            available_seats: SEATS.into(),
            status: ScheduleStatus::Open,
        }
    }
}

impl Example for ScheduleView {
    fn example() -> Self {
        Self {
            schedule_id: SCHEDULE,
            concert_id: CONCERT,
            concert_title: TITLE.to_owned(),
            venue_id: 1,
            venue_name: VENUE.to_owned(),
            performance_date: february(7),
            performance_time: half_past_seven(),
            booking_open_at: booking_opens(),
            booking_close_at: booking_closes(),
            available_seats: SEATS.into(),
            status: ScheduleStatus::Open,
        }
    }
}

impl Example for ListSeats {
    fn example() -> Self {
        Self { concert_id: Some(CONCERT), schedule_id: SCHEDULE, status: SeatFilter::All }
    }
}

impl Example for ScheduleInfo {
    fn example() -> Self {
        Self {
            schedule_id: SCHEDULE,
            concert_title: TITLE.to_owned(),
            performance_date: february(7),
            performance_time: half_past_seven(),
            venue_name: VENUE.to_owned(),
        }
    }
}

impl Example for SeatView {
    fn example() -> Self {
        Self {
            seat_id: SEAT,
            seat_number: 1,
            price: PRICE,
            status: SeatStatus::Available,
            label: "A1".to_owned(),
            section: "Floor".to_owned(),
            row: "A".to_owned(),
        }
    }
}

/// The first two seats of fifty.
impl Example for SeatMap {
    fn example() -> Self {
        let next = SeatView {
            seat_id: SeatId::new(SCHEDULE.compose(2)),
            seat_number: 2,
            label: "A2".to_owned(),
            ..SeatView::example()
        };
        Self { schedule_info: Example::example(), seats: vec![SeatView::example(), next] }
    }
}

impl Example for GetSeats {
    fn example() -> Self {
        Self { seat_ids: SEAT.into() }
    }
}

impl Example for YourReservation {
    fn example() -> Self {
        Self { reservation_id: RESERVATION, reserved_at: at(2), expires_at: at(7), paid_at: None }
    }
}

/// Between the hold and the payment.
impl Example for SeatInContext {
    fn example() -> Self {
        Self {
            seat: SeatView { status: SeatStatus::Held, ..Example::example() },
            schedule: PlannedSchedule { available_seats: u64::from(SEATS) - 1, ..Example::example() },
            concert: Example::example(),
            yours: Some(Example::example()),
        }
    }
}

impl Example for CreateConcert {
    fn example() -> Self {
        Self { title: TITLE.to_owned(), venue_name: VENUE.to_owned() }
    }
}

impl Example for NewRow {
    fn example() -> Self {
        Self { row: "A".to_owned(), seats: 10 }
    }
}

impl Example for NewSection {
    fn example() -> Self {
        Self { name: "Floor".to_owned(), price: PRICE, rows: Example::example() }
    }
}

/// Rows A to E, of ten each.
impl Example for NewSeats {
    fn example() -> Self {
        Self { count: Some(SEATS), price: Some(PRICE), sections: None }
    }
}

impl Example for CreateSchedule {
    fn example() -> Self {
        Self {
            concert_id: CONCERT,
            performance_date: february(7),
            performance_time: half_past_seven(),
            booking_open_at: booking_opens(),
            booking_close_at: booking_closes(),
            seats: Example::example(),
            max_concurrent_users: Some(1000),
            seats_per_user: Some(4),
        }
    }
}

impl Example for UpdateSchedule {
    fn example() -> Self {
        Self {
            schedule_id: SCHEDULE,
            max_concurrent_users: Some(1000),
            seats_per_user: None,
            paused: Some(false),
            booking_open_at: None,
            booking_close_at: None,
        }
    }
}

impl Example for Managed {
    fn example() -> Self {
        Self::Schedule(Box::new(Example::example()))
    }
}

impl Example for ManagedScheduleView {
    fn example() -> Self {
        Self {
            schedule: Example::example(),
            seat_count: SEATS.into(),
            max_concurrent_users: 1000,
            seats_per_user: 4,
            paused: false,
        }
    }
}
