//! Payments: a hold becomes a sale, once.

use std::collections::HashMap;

use onsale_common::contract::catalog::SeatStatus;
use onsale_common::contract::payment::Pay;
use onsale_common::contract::reservation::ReservationStatus;
use onsale_common::contract::{Code, Rejection};
use onsale_common::ids::{PaymentId, ReservationId, SeatId, UserId};
use onsale_common::time::Time;

use super::account::{Account, Entry};
use super::caller::Caller;
use super::hold::{Reservation, Seat, demand_cost};
use super::token::{Need, Token};

/// The rows that a batch of payments decides over.
#[derive(Debug, Default)]
pub struct Till {
    /// The reservations to be paid, by id.
    pub reservations: HashMap<ReservationId, Reservation>,
    /// Their seats, by id.
    pub seats: HashMap<SeatId, Seat>,
    /// The payers' accounts, by user.
    pub accounts: HashMap<UserId, Account>,
}

impl Till {
    /// Pays a reservation from its user's balance.
    ///
    /// # Errors
    /// The rejection, in this order: the token and its user, the reservation and its state, the amount, the balance. That
    /// a reservation is paid already, or has run out, comes before the token: see [`Reservation::is_over_for`].
    pub fn pay(&mut self, command: &Pay, token: &Token, id: PaymentId, now: Time) -> Result<Entry, Rejection> {
        let caller = Caller::from(token);
        caller.demand_user(command.user_id)?;
        let reservation = self.reservations.get_mut(&command.reservation_id);
        if !reservation.as_ref().is_some_and(|reservation| reservation.is_over_for(caller.user, now)) {
            token.demand(Need::Active, now)?;
        }
        let reservation = reservation.ok_or(Code::ReservationNotFound)?;
        reservation.demand_owner(caller)?;
        match reservation.status_at(now) {
            ReservationStatus::Reserved => {}
            ReservationStatus::Paid => return Err(Code::AlreadyPaid.into()),
            ReservationStatus::Cancelled => return Err(Code::ReservationCancelled.into()),
            ReservationStatus::Expired => return Err(Code::ReservationExpired.into()),
        }
        let holds = |id: &SeatId| self.seats.get(id).is_some_and(|seat| seat.reservation == Some(reservation.id));
        if !reservation.seats.iter().all(holds) {
            return Err(Code::NotPayable.into());
        }
        let amount = reservation.total_amount;
        demand_cost(command.amount, amount)?;
        let account = self.accounts.get_mut(&caller.user).ok_or(Code::UserNotFound)?;
        let entry = account.pay(amount, id, now)?;
        reservation.status = ReservationStatus::Paid;
        for id in &reservation.seats {
            let seat = self.seats.get_mut(id).expect("every seat of the reservation was checked");
            seat.status = SeatStatus::Sold;
            seat.held_until = None;
        }
        Ok(entry)
    }
}
