//! Holds: who may hold which seats, and what releasing gives back.

use std::collections::HashMap;
use std::time::Duration;

use onsale_common::contract::catalog::SeatStatus;
use onsale_common::contract::reservation::{HoldSeats, ReservationStatus};
use onsale_common::contract::{Code, Rejection};
use onsale_common::ids::{QueueToken, ReservationId, ScheduleId, SeatId, UserId};
use onsale_common::money::{Amount, Money};
use onsale_common::time::Time;
use uuid::Uuid;

use super::caller::Caller;
use super::token::{Need, Token};
use crate::sorted::sorted;

/// A seat as it is stored.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Its id.
    pub id: SeatId,
    /// Its number within the schedule.
    pub number: i32,
    /// What it costs.
    pub price: Money,
    /// Its status when it was last written.
    pub status: SeatStatus,
    /// The reservation that holds or owns it.
    pub reservation: Option<ReservationId>,
    /// When its hold ends.
    pub held_until: Option<Time>,
}

impl Seat {
    /// Its status now: a hold past its end is over, whether or not anybody wrote that down.
    pub fn status_at(&self, now: Time) -> SeatStatus {
        match (self.status, self.held_until) {
            (SeatStatus::Held, Some(until)) if until <= now => SeatStatus::Available,
            (status, _) => status,
        }
    }
}

/// What holding needs to know of a schedule.
#[derive(Debug, Clone)]
pub struct SaleWindow {
    /// When holds begin.
    pub booking_open_at: Time,
    /// When holds end.
    pub booking_close_at: Time,
    /// Whether the organiser has paused the sale.
    pub paused: bool,
    /// Seats one user may have.
    pub seats_per_user: u32,
}

impl SaleWindow {
    fn demand_open(&self, now: Time) -> Result<(), Rejection> {
        let closed = |why: String| Err(Rejection::saying(Code::BookingClosed, why));
        if now < self.booking_open_at {
            closed(format!("Booking opens at {}.", self.booking_open_at))
        } else if now >= self.booking_close_at {
            closed(format!("Booking closed at {}.", self.booking_close_at))
        } else if self.paused {
            closed("The organiser has paused the sale.".to_owned())
        } else {
            Ok(())
        }
    }
}

/// A reservation as it is stored.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// Its id.
    pub id: ReservationId,
    /// Whose it is.
    pub user: UserId,
    /// The token that it was made with.
    pub token: QueueToken,
    /// The command that made it, which owns the locks on its seats.
    pub command: Uuid,
    /// Its seats, as they were asked for.
    pub seats: Vec<SeatId>,
    /// What it costs.
    pub total_amount: Money,
    /// Its status when it was last written.
    pub status: ReservationStatus,
    /// When the seats were held.
    pub reserved_at: Time,
    /// When the hold runs out.
    pub expires_at: Time,
}

impl Reservation {
    /// Its status now.
    pub fn status_at(&self, now: Time) -> ReservationStatus {
        match self.status {
            ReservationStatus::Reserved if self.expires_at <= now => ReservationStatus::Expired,
            status => status,
        }
    }

    /// Whether it is this user's, and paid or run out: then its user learns that, though the token may be over too. The
    /// payment used it up, or it lived as long as the hold.
    pub fn is_over_for(&self, user: UserId, now: Time) -> bool {
        self.user == user && matches!(self.status_at(now), ReservationStatus::Paid | ReservationStatus::Expired)
    }

    /// Whether a caller may see it: its user, to whom its schedule is open.
    ///
    /// # Errors
    /// `FORBIDDEN` or `WRONG_SCHEDULE`.
    pub fn demand_owner(&self, caller: Caller) -> Result<(), Rejection> {
        caller.demand_user(self.user)?;
        caller.demand_schedule(self.id.schedule())
    }
}

/// The rows that a batch of holds and releases decides over. Every decision changes them, so that the next command of
/// the batch sees what the one before it did.
#[derive(Debug, Default)]
pub struct Sale {
    /// The schedules, by id.
    pub schedules: HashMap<ScheduleId, SaleWindow>,
    /// The seats, by id.
    pub seats: HashMap<SeatId, Seat>,
    /// The reservations to be released, by id.
    pub reservations: HashMap<ReservationId, Reservation>,
    /// How many seats users hold or own, by schedule.
    pub seats_of_users: HashMap<(UserId, ScheduleId), u32>,
    /// How many reservations of users wait for payment, in all schedules.
    pub holds_of_users: HashMap<UserId, u32>,
}

/// What becomes of a request to release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// These seats are free again.
    Freed(Vec<SeatId>),
    /// It was released before.
    Already,
}

impl Sale {
    /// The holds of these seats that have run out although nobody has written that down, by id.
    pub fn ran_out(&self, now: Time) -> Vec<ReservationId> {
        let over = |seat: &&Seat| seat.status == SeatStatus::Held && seat.status_at(now) == SeatStatus::Available;
        sorted(self.seats.values().filter(over).filter_map(|seat| seat.reservation).collect())
    }

    /// Holds seats, all or none.
    ///
    /// # Errors
    /// The rejection, in this order: the token, its user, the schedule, the user's other hold, who was first, the window,
    /// the seats, what they cost, the limit. Who was first comes before what Redis does not know, which turns those
    /// away who come too late: the answer is the same whether or not it was asked.
    pub fn hold(
        &mut self,
        command: &HoldSeats,
        command_id: Uuid,
        token: &Token,
        id: ReservationId,
        now: Time,
        hold_ttl: Duration,
    ) -> Result<Reservation, Rejection> {
        token.demand(Need::Active, now)?;
        let caller = Caller::from(token);
        caller.demand_user(command.user_id)?;
        let schedule = command.schedule_id;
        let window = self.schedules.get(&schedule).ok_or(Code::ScheduleNotFound)?;
        caller.demand_schedule(schedule)?;
        let holds = self.holds_of_users.get(&command.user_id).copied().unwrap_or(0);
        if command.only_hold && holds > 0 {
            return Err(Code::HoldExists.into());
        }
        let asked = command.seat_ids.as_slice();
        self.demand_seats_free(schedule, asked, now)?;
        window.demand_open(now)?;
        self.demand_seats_exist(schedule, asked)?;
        let total_amount = asked.iter().map(|seat| self.seats[seat].price).sum();
        demand_cost(command.amount, total_amount)?;
        let owner = (command.user_id, schedule);
        let had = self.seats_of_users.get(&owner).copied().unwrap_or(0);
        let has = had.saturating_add(u32::try_from(asked.len()).unwrap_or(u32::MAX));
        if has > window.seats_per_user {
            return Err(Rejection::of(Code::SeatLimitExceeded)
                .with("limit", window.seats_per_user)
                .with("seatsAlready", had));
        }
        let expires_at = now.plus(hold_ttl);
        for seat in asked {
            let seat = self.seats.get_mut(seat).expect("every seat asked for exists");
            seat.status = SeatStatus::Held;
            seat.reservation = Some(id);
            seat.held_until = Some(expires_at);
        }
        self.seats_of_users.insert(owner, has);
        self.holds_of_users.insert(command.user_id, holds + 1);
        let reservation = Reservation {
            id,
            user: command.user_id,
            token: token.token,
            command: command_id,
            seats: asked.to_vec(),
            total_amount,
            status: ReservationStatus::Reserved,
            reserved_at: now,
            expires_at,
        };
        Ok(reservation)
    }

    fn demand_seats_free(&self, schedule: ScheduleId, asked: &[SeatId], now: Time) -> Result<(), Rejection> {
        let is_taken = |id: &&SeatId| {
            let seat = self.seats.get(id).filter(|_| id.schedule() == schedule);
            seat.is_some_and(|seat| seat.status_at(now) != SeatStatus::Available)
        };
        let taken: Vec<i64> = asked.iter().filter(is_taken).map(|seat| seat.get()).collect();
        if taken.is_empty() { Ok(()) } else { Err(seat_taken(taken)) }
    }

    fn demand_seats_exist(&self, schedule: ScheduleId, asked: &[SeatId]) -> Result<(), Rejection> {
        let unknown: Vec<i64> = asked
            .iter()
            .filter(|seat| seat.schedule() != schedule || !self.seats.contains_key(seat))
            .map(|seat| seat.get())
            .collect();
        if unknown.is_empty() { Ok(()) } else { Err(Rejection::of(Code::SeatNotFound).with("seatIds", unknown)) }
    }

    /// Releases a hold. Asking again for what is released already is fine: the caller has what it wants.
    ///
    /// # Errors
    /// The token's, `RESERVATION_NOT_FOUND`, `FORBIDDEN`, `WRONG_SCHEDULE`, `ALREADY_PAID`, or `RESERVATION_EXPIRED`. The
    /// last two are said to the owner even when the token is over too: see [`Reservation::is_over_for`].
    pub fn release(&mut self, id: ReservationId, token: &Token, now: Time) -> Result<Release, Rejection> {
        let reservation = self.reservations.get_mut(&id);
        if !reservation.as_ref().is_some_and(|reservation| reservation.is_over_for(token.user, now)) {
            token.demand(Need::Live, now)?;
        }
        let reservation = reservation.ok_or(Code::ReservationNotFound)?;
        reservation.demand_owner(token.into())?;
        match reservation.status_at(now) {
            ReservationStatus::Paid => return Err(Code::AlreadyPaid.into()),
            ReservationStatus::Expired => return Err(Code::ReservationExpired.into()),
            ReservationStatus::Cancelled => return Ok(Release::Already),
            ReservationStatus::Reserved => {}
        }
        reservation.status = ReservationStatus::Cancelled;
        let mut freed = Vec::new();
        for id in &reservation.seats {
            if let Some(seat) = self.seats.get_mut(id).filter(|seat| seat.reservation == Some(reservation.id)) {
                seat.status = SeatStatus::Available;
                seat.reservation = None;
                seat.held_until = None;
                freed.push(seat.id);
            }
        }
        let has = self.seats_of_users.entry((reservation.user, id.schedule())).or_default();
        *has = has.saturating_sub(u32::try_from(reservation.seats.len()).unwrap_or(u32::MAX));
        let holds = self.holds_of_users.entry(reservation.user).or_default();
        *holds = holds.saturating_sub(1);
        Ok(Release::Freed(freed))
    }
}

/// Demands that what a client believes something costs is what it costs.
pub(super) fn demand_cost(said: Option<Amount>, cost: Money) -> Result<(), Rejection> {
    match said.map(Amount::cost) {
        None => Ok(()),
        Some(said) if said == Some(cost) => Ok(()),
        Some(None | Some(0)) => Err(Rejection::saying(Code::InvalidAmount, "amount must be a whole number above 0")),
        Some(Some(_)) => Err(Rejection::of(Code::AmountMismatch).with("totalAmount", cost)),
    }
}

/// The answer to whoever comes second.
pub fn seat_taken(seats: Vec<i64>) -> Rejection {
    Rejection::of(Code::SeatTaken).with("seatIds", seats)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_cost_is_what_it_costs() {
        let answer =
            |said: &str, cost| demand_cost(Some(serde_json::from_str(said).unwrap()), cost).err().map(|no| no.code);
        assert!(demand_cost(None, 5).is_ok());
        assert_eq!((answer("5", 5), answer("0", 0)), (None, None));
        assert_eq!((answer("4", 5), answer("4", 0)), (Some(Code::AmountMismatch), Some(Code::AmountMismatch)));
        for nonsense in ["0", "-5", "5.5", "1e300"] {
            assert_eq!(answer(nonsense, 5), Some(Code::InvalidAmount), "{nonsense}");
        }
    }
}
