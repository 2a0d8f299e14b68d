//! Seats in designs that number them within their schedule.

use onsale_common::ids::{IDS_PER_SCHEDULE_BITS, MAX_SCHEDULE_ID, ScheduleId, SeatId};

/// The seat that a client means by a number next to a schedule: the canonical id, as our answers give it, or else the
/// schedule's seat of that number. The two cannot be confused: the ids of the first real schedule begin at 2^29. A schedule
/// too large to be one has no seats; composed with it, the number would become some other schedule's.
pub(super) fn seat_of(schedule: ScheduleId, number: SeatId) -> SeatId {
    if number.get() < 1 << IDS_PER_SCHEDULE_BITS && schedule.get() <= MAX_SCHEDULE_ID {
        return SeatId::new(schedule.compose(number.get()));
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_named_by_its_number_or_its_id() {
        let schedule = ScheduleId::new(2);
        let canonical = SeatId::new(schedule.compose(7));
        assert_eq!(seat_of(schedule, SeatId::new(7)), canonical);
        assert_eq!(seat_of(schedule, canonical), canonical);
        assert_eq!(seat_of(ScheduleId::new(3), canonical), canonical);
        let no_schedule = ScheduleId::new((1 << 35) + 2);
        assert_eq!(seat_of(no_schedule, SeatId::new(7)), SeatId::new(7));
    }
}
