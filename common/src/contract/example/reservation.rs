//! Examples of the reservation lane, and the commonest rejection of it.

use serde_json::json;

use super::{Example, PRICE, RESERVATION, SCHEDULE, SEAT, TOKEN, USER, at};
use crate::contract::reservation::{
    AttemptPage, AttemptView, GetReservation, HoldSeats, ListAttempts, RecordAttempt, ReleaseReservation,
    ReservationStatus, ReservationView, ReservedSeat, reservation_number,
};
use crate::contract::{Code, Rejection};
use crate::money::Amount;

impl Example for HoldSeats {
    fn example() -> Self {
        Self {
            schedule_id: SCHEDULE,
            seat_ids: SEAT.into(),
            user_id: USER,
            amount: Some(Amount::new(PRICE)),
            only_hold: false,
        }
    }
}

impl Example for GetReservation {
    fn example() -> Self {
        Self { reservation_id: RESERVATION }
    }
}

impl Example for ReleaseReservation {
    fn example() -> Self {
        Self { reservation_id: RESERVATION }
    }
}

impl Example for ReservedSeat {
    fn example() -> Self {
        Self { seat_id: SEAT, seat_number: 1, price: PRICE }
    }
}

impl Example for ReservationView {
    fn example() -> Self {
        Self {
            reservation_id: RESERVATION,
            reservation_number: reservation_number(RESERVATION),
            user_id: USER,
            schedule_id: SCHEDULE,
            seats: Example::example(),
            total_amount: PRICE,
            status: ReservationStatus::Reserved,
            reserved_at: at(2),
            expires_at: at(7),
        }
    }
}

impl Example for RecordAttempt {
    fn example() -> Self {
        Self { seat_id: SEAT }
    }
}

impl Example for ListAttempts {
    fn example() -> Self {
        Self { schedule_id: SCHEDULE, limit: Some(20), cursor: None }
    }
}

impl Example for AttemptView {
    fn example() -> Self {
        Self { attempt_id: 1, seat_id: SEAT, user_id: USER, token: TOKEN, attempted_at: at(2) }
    }
}

impl Example for AttemptPage {
    fn example() -> Self {
        Self { attempts: Example::example(), next_cursor: None }
    }
}

/// What everybody else hears who wants the seat.
impl Example for Rejection {
    fn example() -> Self {
        Self::of(Code::SeatTaken).with("seatIds", json!([SEAT]))
    }
}
