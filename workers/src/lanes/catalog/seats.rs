//! Some seats, each with all that is known around it: its schedule, its concert, and what the caller has of it.

use std::collections::HashMap;

use onsale_common::contract::catalog::{ConcertView, PlannedSchedule, SeatInContext};
use onsale_common::contract::{Code, Rejection};
use onsale_common::ids::{ScheduleId, SeatId, UserId};
use onsale_common::time::Time;
use sqlx::PgConnection;

use crate::failure::Failure;
use crate::sorted::sorted;
use crate::store::catalog::seats::{self, FoundSeat};

/// The seats that a batch asks for.
pub(super) struct Seats(HashMap<SeatId, FoundSeat>);

impl Seats {
    pub(super) async fn load(db: &mut PgConnection, ids: &[i64], now: Time) -> Result<Self, Failure> {
        let found = seats::read(db, ids, now).await?;
        Ok(Self(found.into_iter().map(|found| (found.seat.seat_id, found)).collect()))
    }

    /// The schedules of the seats that were found.
    pub(super) fn schedules(&self) -> Vec<i64> {
        sorted(self.0.keys().map(|seat| seat.schedule().get()).collect())
    }

    pub(super) fn demand_exist(&self, asked: &[SeatId]) -> Result<(), Rejection> {
        let unknown: Vec<i64> = asked.iter().filter(|seat| !self.0.contains_key(seat)).map(|seat| seat.get()).collect();
        if unknown.is_empty() { Ok(()) } else { Err(Rejection::of(Code::SeatNotFound).with("seatIds", unknown)) }
    }

    /// Seats that exist, in the order asked, as a caller sees them.
    pub(super) fn in_context(
        &self,
        asked: &[SeatId],
        caller: UserId,
        around: impl Fn(ScheduleId) -> (PlannedSchedule, ConcertView),
    ) -> Vec<SeatInContext> {
        let mut contexts: HashMap<ScheduleId, (PlannedSchedule, ConcertView)> = HashMap::new();
        let seat = |id: &SeatId| {
            let found = &self.0[id];
            let (schedule, concert) = contexts.entry(id.schedule()).or_insert_with(|| around(id.schedule())).clone();
            let yours =
                found.taken.as_ref().filter(|taken| taken.user == caller).map(|taken| taken.reservation.clone());
            SeatInContext { seat: found.seat.clone(), schedule, concert, yours }
        };
        asked.iter().map(seat).collect()
    }
}
