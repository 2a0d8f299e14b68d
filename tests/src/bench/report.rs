//! What the bench says at the end: tables in Markdown, as the README shows them, and the figures as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::figures::{Figures, Summary};
use super::targets::{Bound, TARGETS};

/// The scenarios and what they came to, in the order of a sale.
pub const SCENARIOS: &[&str] = &[
    "null_http",
    "floor_bundled",
    "floor_single",
    "direct_hold",
    "join",
    "poll",
    "seat_map",
    "seat_map_20000",
    "plain_20000",
    "hold",
    "hold_spread",
    "reserve_pay",
    "charge",
    "mixed",
    "contended",
    "contended_500",
    "idle_latency",
    "open_loop",
    "million",
];

/// The tables.
pub fn markdown(figures: &Figures, machine: &str) -> String {
    let mut text = format!("{machine}\n\n");
    text.push_str("| scenario | median | lowest to highest | p50, p99 (ms) | generator | processor time of one, by process (µs) |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for name in SCENARIOS {
        let Some(summary) = figures.summary(name) else { continue };
        let part = |suffix: &str| figures.summary(&format!("{name}.{suffix}")).map(|summary| summary.median);
        let latency = match (part("p50"), part("p99")) {
            (Some(p50), Some(p99)) => format!("{p50:.1}, {p99:.1}"),
            _ => String::new(),
        };
        let generator = part("generator").map(|share| format!("{:.0} %", share * 100.0)).unwrap_or_default();
        let Summary { median, min, max, unit } = summary;
        let _ = writeln!(
            text,
            "| `{name}` | {} {unit} | {} to {} | {latency} | {generator} | {} |",
            short(median),
            short(min),
            short(max),
            processor_time(figures, name)
        );
    }
    text.push_str("\n| ratio | target | median | lowest to highest | |\n| --- | --- | --- | --- | --- |\n");
    for target in TARGETS {
        let Some(Summary { median, min, max, .. }) = target.measured(figures) else { continue };
        let bound = match target.bound {
            Bound::Least(least) => format!("{least} or more"),
            Bound::Most(most) => format!("{most} or less"),
            Bound::Told => String::new(),
        };
        let verdict = match target.is_reached_by(median) {
            Some(true) => "reached",
            Some(false) => "not reached",
            None => "",
        };
        let _ = writeln!(
            text,
            "| {} | {bound} | {} | {} to {} | {verdict} |",
            target.name(),
            short(median),
            short(min),
            short(max)
        );
    }
    text
}

/// Processes that take part at all, the greatest first.
fn processor_time(figures: &Figures, name: &str) -> String {
    let mut parts: Vec<(&str, f64)> = figures
        .processor_seconds(name)
        .map(|(process, seconds_per_1000)| (process, seconds_per_1000 * 1000.0))
        .filter(|(_, microseconds)| *microseconds >= 1.0)
        .collect();
    parts.sort_by(|one, other| other.1.total_cmp(&one.1));
    parts.iter().map(|(process, us)| format!("{process} {us:.0}")).collect::<Vec<_>>().join(", ")
}

/// Three figures that say something.
fn short(value: f64) -> String {
    match value.abs() {
        1000.0.. => {
            let digits = format!("{value:.0}");
            let (thousands, rest) = digits.split_at(digits.len() - 3);
            format!("{thousands},{rest}")
        }
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Every figure by its name, the machine, and the targets.
pub fn json(figures: &Figures, machine: &str) -> Value {
    let mut all = json!(figures.summaries());
    all["machine"] = json!({ "description": machine });
    let targets = TARGETS.iter().filter_map(|target| {
        let Summary { median, min, max, .. } = target.measured(figures)?;
        let reached = target.is_reached_by(median);
        Some(json!({ "ratio": target.name(), "measured": median, "min": min, "max": max, "reached": reached }))
    });
    all["targets"] = targets.collect();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_show_what_was_measured_and_no_more() {
        let mut figures = Figures::default();
        figures.add("hold", "1/s", 12_345.0);
        figures.add("hold.cpu.postgres", "s per 1000", 0.036);
        figures.add("null_http", "1/s", 100_000.0);
        let text = markdown(&figures, "a machine");
        assert!(text.contains("| `hold` | 12,345 1/s | 12,345 to 12,345 |  |  | postgres 36 |"), "{text}");
        assert!(text.contains("| `hold` / `null_http` | 0.35 or more | 0.12 | 0.12 to 0.12 | not reached |"), "{text}");
        assert!(!text.contains("million"), "{text}");
        assert_eq!(json(&figures, "a machine")["hold"]["unit"], "1/s");
    }
}
