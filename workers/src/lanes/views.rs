//! Domain rows as their owners see them.

use std::collections::HashMap;

use onsale_common::contract::reservation::{ReservationView, ReservedSeat, reservation_number};
use onsale_common::ids::SeatId;
use onsale_common::time::Time;

use crate::domain::hold::{Reservation, Seat};

/// A reservation with its seats.
pub(super) fn reservation(reservation: &Reservation, seats: &HashMap<SeatId, Seat>, now: Time) -> ReservationView {
    let seat = |id: &SeatId| {
        seats.get(id).map(|seat| ReservedSeat { seat_id: seat.id, seat_number: seat.number, price: seat.price })
    };
    ReservationView {
        reservation_id: reservation.id,
        reservation_number: reservation_number(reservation.id),
        user_id: reservation.user,
        schedule_id: reservation.id.schedule(),
        seats: reservation.seats.iter().filter_map(seat).collect(),
        total_amount: reservation.total_amount,
        status: reservation.status_at(now),
        reserved_at: reservation.reserved_at,
        expires_at: reservation.expires_at,
    }
}

/// Seats by id.
pub(super) fn by_id(seats: Vec<Seat>) -> HashMap<SeatId, Seat> {
    seats.into_iter().map(|seat| (seat.id, seat)).collect()
}
