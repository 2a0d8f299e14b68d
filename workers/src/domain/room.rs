//! Waiting rooms: how many may be admitted, and how fast it goes.

use std::time::Duration;

use onsale_common::time::Time;

/// How quickly the measured rate forgets: admissions count for about this long.
const RATE_MEMORY: Duration = Duration::from_secs(60);

/// A waiting room as it is stored.
#[derive(Debug, Clone)]
pub struct Room {
    /// Active users at once.
    pub capacity: u32,
    /// Whether the organiser has paused the sale.
    pub paused: bool,
    /// Admissions of late, faded by age.
    pub drained: Drained,
    /// Active users at most, as long as somebody has counted: those who left since are still in it.
    pub active_at_most: Option<u32>,
}

impl Room {
    /// How many more may be admitted.
    pub fn free(&self, active: u32) -> u32 {
        if self.paused { 0 } else { self.capacity.saturating_sub(active) }
    }

    /// The rate to promise: measured, or what the turnover of a full room gives at least when nothing was measured yet
    /// (each user leaves within the lifetime of an active token).
    pub fn admissions_per_s(&self, active_ttl: Duration, now: Time) -> f64 {
        let turnover = f64::from(self.capacity) / active_ttl.as_secs_f64();
        self.drained.per_s(now).max(turnover)
    }
}

/// A count of admissions out of the waiting line that fades with time: after a minute an admission weighs 1/e. Weight
/// divided by the memory is the rate.
#[derive(Debug, Clone, Copy)]
pub struct Drained {
    /// What all past admissions weighed at `at`.
    pub weight: f64,
    /// When the weight was last written.
    pub at: Time,
}

impl Drained {
    /// Counts admissions that happen now.
    #[must_use]
    pub fn count(self, admissions: u32, now: Time) -> Self {
        Self { weight: self.faded(now) + f64::from(admissions), at: now.max(self.at) }
    }

    /// Admissions per second.
    pub fn per_s(self, now: Time) -> f64 {
        self.faded(now) / RATE_MEMORY.as_secs_f64()
    }

    fn faded(self, now: Time) -> f64 {
        self.weight * (-now.since(self.at).as_secs_f64() / RATE_MEMORY.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_room_never_admits_beyond_its_capacity(capacity: u32, active: u32, paused: bool) {
            let drained = Drained { weight: 0.0, at: Time::now() };
            let free = Room { capacity, paused, drained, active_at_most: None }.free(active);
            prop_assert!(u64::from(active.min(capacity)) + u64::from(free) <= u64::from(capacity));
            prop_assert!(!paused || free == 0);
        }

        #[test]
        fn a_steady_flow_is_measured_as_its_rate(per_s in 1_u32..2000) {
            let start = Time::now();
            let mut drained = Drained { weight: 0.0, at: start };
            for second in 1..=600 {
                drained = drained.count(per_s, start.plus(Duration::from_secs(second)));
            }
            let measured = drained.per_s(start.plus(Duration::from_secs(600)));
            prop_assert!((measured / f64::from(per_s) - 1.0).abs() < 0.02, "{measured} for {per_s}");
        }
    }
}
