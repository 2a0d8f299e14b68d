//! What was measured: every value of every round, and what is made of them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::load::Run;

/// Every figure by its name.
#[derive(Debug, Default)]
pub struct Figures(BTreeMap<String, Values>);

#[derive(Debug, Default)]
struct Values {
    unit: &'static str,
    values: Vec<f64>,
}

/// A figure over all rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The middle value.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// What they are counted in.
    pub unit: &'static str,
}

impl Summary {
    fn of(values: &[f64], unit: &'static str) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Some(Self { median, min, max, unit })
    }
}

impl Figures {
    /// Adds one round's value.
    pub fn add(&mut self, name: &str, unit: &'static str, value: f64) {
        let values = self.0.entry(name.to_owned()).or_default();
        values.unit = unit;
        values.values.push(value);
    }

    /// Adds what a load came to: its rate, its latencies, the generator's share, and processor time of each process.
    pub fn add_run(&mut self, name: &str, run: &Run, cpu_seconds: &BTreeMap<String, f64>) {
        self.add(name, "1/s", run.per_second());
        self.add(&format!("{name}.p50"), "ms", run.ms_at(50.0));
        self.add(&format!("{name}.p99"), "ms", run.ms_at(99.0));
        self.add(&format!("{name}.generator"), "share of all processors", run.generator_share);
        for (process, seconds) in cpu_seconds {
            self.add(&format!("{name}.cpu.{process}"), "s per 1000", seconds * 1000.0 / run.done.max(1) as f64);
        }
    }

    /// A figure over all rounds, where it was measured.
    pub fn summary(&self, name: &str) -> Option<Summary> {
        let Values { unit, values } = self.0.get(name)?;
        Summary::of(values, unit)
    }

    /// What a figure was in the latest round.
    pub fn latest(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.values.last().copied()
    }

    /// A figure divided by the sum of others. Each round is divided by itself: within a round the machine is more like
    /// itself than from one round to the next. A figure that is not measured in every round is divided by medians.
    pub fn ratio(&self, name: &str, by: &[&str]) -> Option<Summary> {
        let values = |name: &&str| self.0.get(*name).map(|found| found.values.as_slice());
        let (above, below) = (values(&name)?, by.iter().map(values).collect::<Option<Vec<_>>>()?);
        let ratios: Vec<f64> = if below.iter().all(|values| values.len() == above.len()) {
            above
                .iter()
                .enumerate()
                .map(|(n, value)| value / below.iter().map(|values| values[n]).sum::<f64>())
                .collect()
        } else {
            let divisor: Option<f64> = by.iter().map(|name| Some(self.summary(name)?.median)).sum();
            vec![self.summary(name)?.median / divisor?]
        };
        Summary::of(&ratios, "ratio")
    }

    /// Every figure over all rounds.
    pub fn summaries(&self) -> BTreeMap<&str, Summary> {
        self.0.keys().filter_map(|name| Some((name.as_str(), self.summary(name)?))).collect()
    }

    /// The names that begin so, in their order.
    pub fn names_from<'f>(&'f self, prefix: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.keys().map(String::as_str).filter(move |name| name.starts_with(prefix))
    }

    /// Processor seconds of each process for a thousand of what a scenario counts.
    pub fn processor_seconds<'f>(&'f self, scenario: &str) -> impl Iterator<Item = (&'f str, f64)> {
        let prefix = format!("{scenario}.cpu.");
        self.0.keys().filter_map(move |name| Some((name.strip_prefix(&prefix)?, self.summary(name)?.median)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_all_rounds() {
        let mut figures = Figures::default();
        for value in [3.0, 1.0, 2.0, 10.0] {
            figures.add("a", "1/s", value);
        }
        let summary = figures.summary("a").unwrap();
        assert_eq!((summary.median, summary.min, summary.max), (2.5, 1.0, 10.0));
        assert!(figures.summary("c").is_none());
    }

    #[test]
    fn a_ratio_is_taken_in_each_round() {
        let mut figures = Figures::default();
        for (above, below) in [(6.0, 10.0), (8.0, 10.0), (6.0, 5.0)] {
            figures.add("above", "1/s", above);
            figures.add("below", "1/s", below);
        }
        let ratio = figures.ratio("above", &["below"]).unwrap();
        assert_eq!((ratio.median, ratio.min, ratio.max), (0.8, 0.6, 1.2));
        figures.add("once", "1/s", 5.0);
        assert_eq!(figures.ratio("once", &["below"]).unwrap().median, 0.5);
        assert!(figures.ratio("above", &["below", "never"]).is_none());
    }
}
