//! One line in the client: what waits for a bundle, and which slots are taken.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::{RpcConfig, Waiting};

/// A bundle's bytes at most, so that no message outgrows what a broker moves comfortably.
const BUNDLE_BYTES_MAX: usize = 1 << 20;
/// A bundle is overdue after this many times what bundles take of late,
const PATIENCE: u32 = 4;
/// but no sooner than this, which a moment's pause of a server takes,
const PATIENCE_MIN: Duration = Duration::from_millis(250);
/// and no later than this.
const PATIENCE_MAX: Duration = Duration::from_secs(2);
/// What bundles are taken to take before any was answered.
const USUAL_AT_FIRST: Duration = Duration::from_millis(250);

/// What waits for a bundle, and which slots are taken.
pub(super) struct LineState {
    waiting: VecDeque<Waiting>,
    /// Slots that are taken.
    in_flight: usize,
    /// Commands whose bundles are overdue: their slots went on without them.
    overdue: usize,
    /// How long bundles take of late.
    usual: Duration,
    /// When one was answered last.
    answered_at: Option<Instant>,
}

impl Default for LineState {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), in_flight: 0, overdue: 0, usual: USUAL_AT_FIRST, answered_at: None }
    }
}

impl LineState {
    /// Whether one more command would be refused.
    pub(super) fn is_full(&self, config: &RpcConfig) -> bool {
        self.waiting.len() + self.overdue >= config.waiting_max
    }

    /// One more command waits.
    pub(super) fn wait(&mut self, command: Waiting) {
        self.waiting.push_back(command);
    }

    /// Takes a slot where one is free, and the bundle to send in it.
    pub(super) fn take_slot(&mut self, config: &RpcConfig) -> Option<Vec<Waiting>> {
        if self.in_flight >= config.bundles_in_flight {
            return None;
        }
        self.in_flight += 1;
        self.next_bundle(config)
    }

    /// The next bundle for a slot that is taken; none, and the slot is free, when nothing waits.
    pub(super) fn next_bundle(&mut self, config: &RpcConfig) -> Option<Vec<Waiting>> {
        let bundle = self.take_bundle(config.bundle_commands_max);
        if bundle.is_empty() {
            self.in_flight -= 1;
            return None;
        }
        Some(bundle)
    }

    /// Takes what waits, up to the bundle's bounds, and drops those whose callers have gone.
    fn take_bundle(&mut self, commands_max: usize) -> Vec<Waiting> {
        let mut bundle = Vec::with_capacity(self.waiting.len().min(commands_max));
        let mut bytes = 0;
        while bundle.len() < commands_max && bytes < BUNDLE_BYTES_MAX {
            match self.waiting.pop_front() {
                Some(waiting) if waiting.answer.is_closed() => {}
                Some(waiting) => {
                    bytes += waiting.json.len();
                    bundle.push(waiting);
                }
                None => break,
            }
        }
        bundle
    }

    /// How long a bundle may take. One that takes longer is taken to be with a worker that hangs, which must not keep the
    /// others from working: its slot goes on without it, and it is published again.
    pub(super) fn patience(&self) -> Duration {
        (self.usual * PATIENCE).clamp(PATIENCE_MIN, PATIENCE_MAX)
    }

    /// A bundle was answered after this time.
    pub(super) fn answered_after(&mut self, time: Duration) {
        self.usual = (self.usual * 7 + time) / 8;
        self.answered_at = Some(Instant::now());
    }

    /// Whether a bundle was answered since then.
    pub(super) fn answered_since(&self, then: Instant) -> bool {
        self.answered_at.is_some_and(|at| at > then)
    }

    /// Some commands are overdue.
    pub(super) fn begin_overdue(&mut self, commands: usize) {
        self.overdue += commands;
    }

    /// They are answered, or given up.
    pub(super) fn end_overdue(&mut self, commands: usize) {
        self.overdue -= commands;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_patient_as_bundles_are_slow() {
        let mut line = LineState::default();
        assert_eq!(line.patience(), USUAL_AT_FIRST * PATIENCE);
        for (time, patience) in [(100, 400), (200, 800), (5_000, 2_000), (1, 250)] {
            for _ in 0..200 {
                line.answered_after(Duration::from_millis(time));
            }
            let off = line.patience().abs_diff(Duration::from_millis(patience));
            assert!(off < Duration::from_millis(1), "{time} ms: {:?}", line.patience());
        }
    }
}
