//! Attempts: who tried to get which seat, whatever came of it.

use onsale_common::contract::{Code, Rejection};
use onsale_common::ids::{QueueToken, SeatId, UserId};
use onsale_common::time::Time;

use super::caller::Caller;
use super::token::{Need, Token};

/// An attempt to get a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The seat.
    pub seat: SeatId,
    /// Who tried.
    pub user: UserId,
    /// With which token.
    pub token: QueueToken,
}

impl Attempt {
    /// An attempt that may be made: the seat can be taken or not on sale, but it is one, and the door to it is open.
    ///
    /// # Errors
    /// The rejection, in this order: the token, the seat, the schedule.
    pub fn new(seat: SeatId, exists: bool, token: &Token, now: Time) -> Result<Self, Rejection> {
        token.demand(Need::Active, now)?;
        if !exists {
            return Err(Rejection::of(Code::SeatNotFound).with("seatIds", vec![seat.get()]));
        }
        Caller::from(token).demand_schedule(seat.schedule())?;
        Ok(Self { seat, user: token.user, token: token.token })
    }
}
