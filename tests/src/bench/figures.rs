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
        let values = self.0.get(name)?;
        let mut sorted = values.values.clone();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Some(Summary { median, min, max, unit: values.unit })
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
}
