//! What the bench is to reach: figures, and ratios of figures, of one run.

use super::figures::{Figures, Summary};

/// A figure, divided by the sum of others where there are any, and where it should be.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The figure.
    pub figure: &'static str,
    /// What it is divided by.
    pub by: &'static [&'static str],
    /// Where the quotient should be.
    pub bound: Bound,
}

/// A bound.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// This or more.
    Least(f64),
    /// This or less.
    Most(f64),
    /// Wherever it is: it is only told.
    Told,
}

const fn least(figure: &'static str, by: &'static [&'static str], value: f64) -> Target {
    Target { figure, by, bound: Bound::Least(value) }
}

const fn most(figure: &'static str, by: &'static [&'static str], value: f64) -> Target {
    Target { figure, by, bound: Bound::Most(value) }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    least("hold", &["null_http"], 0.35),
    least("hold", &["direct_hold"], 6.0),
    least("hold", &["floor_bundled"], 0.5),
    least("hold_spread", &["hold"], 0.6),
    least("reserve_pay", &["null_http"], 0.15),
    least("join", &["null_http"], 0.4),
    least("poll", &["null_http"], 0.6),
    least("seat_map", &["null_http"], 0.5),
    Target { figure: "seat_map_20000", by: &["plain_20000"], bound: Bound::Told },
    most("contended", &[], 1.0),
    most("contended_500", &[], 1.0),
    most("idle_latency", &["idle_latency.quorum", "idle_latency.commit"], 2.0),
    most("open_loop_50.spread", &[], 8.0),
    least("open_loop", &["hold"], 0.85),
    least("million.join_10", &["null_http"], 0.3),
    most("million.redis", &[], 300.0),
    most("million.poll_full", &["million.poll_empty"], 1.5),
];

impl Target {
    /// What was measured, where all of it was.
    pub fn measured(&self, figures: &Figures) -> Option<Summary> {
        if self.by.is_empty() { figures.summary(self.figure) } else { figures.ratio(self.figure, self.by) }
    }

    /// Whether a value is where it should be, if that matters.
    pub fn is_reached_by(&self, value: f64) -> Option<bool> {
        match self.bound {
            Bound::Least(least) => Some(value >= least),
            Bound::Most(most) => Some(value <= most),
            Bound::Told => None,
        }
    }

    /// The quotient, in words.
    pub fn name(&self) -> String {
        match self.by {
            [] => format!("`{}`", self.figure),
            by => format!(
                "`{}` / {}",
                self.figure,
                by.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" + ")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_divides_by_the_sum() {
        let mut figures = Figures::default();
        for (name, value) in [("idle_latency", 6.0), ("idle_latency.quorum", 3.0)] {
            figures.add(name, "ms", value);
        }
        let target = TARGETS.iter().find(|target| target.figure == "idle_latency").unwrap();
        assert!(target.measured(&figures).is_none());
        figures.add("idle_latency.commit", "ms", 1.0);
        assert_eq!(target.measured(&figures).unwrap().median, 1.5);
        assert_eq!((target.is_reached_by(1.5), target.is_reached_by(2.1)), (Some(true), Some(false)));
        assert_eq!(target.name(), "`idle_latency` / `idle_latency.quorum` + `idle_latency.commit`");
    }
}
