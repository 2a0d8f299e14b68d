//! The charts that the README shows, as SVG.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::figures::Figures;
use super::scenarios::{LOADS, MILLION_STEPS, PARTITIONS, PROCESSES, SCHEDULES};

const SIZE: (u32, u32) = (760, 320);
const COLOURS: [RGBColor; 8] = [
    RGBColor(38, 70, 83),
    RGBColor(42, 157, 143),
    RGBColor(233, 196, 106),
    RGBColor(231, 111, 81),
    RGBColor(106, 76, 147),
    RGBColor(25, 130, 196),
    RGBColor(138, 201, 38),
    RGBColor(120, 120, 120),
];

type Drawn = Result<(), Box<dyn Error + Send + Sync>>;

/// A name and its value.
type Bar = (String, f64);

/// Draws every chart whose figures were measured.
///
/// # Errors
/// When a file cannot be written.
pub fn draw(figures: &Figures, dir: &Path) -> Drawn {
    let of = |name: &str| figures.summary(name).map(|summary| summary.median);
    let named = |label: &str, name: &str| of(name).map(|value| (label.to_owned(), value));
    let rates = [
        "null_http",
        "floor_bundled",
        "poll",
        "seat_map",
        "join",
        "hold",
        "charge",
        "hold_spread",
        "mixed",
        "reserve_pay",
        "floor_single",
        "direct_hold",
    ];
    let rates: Vec<Bar> = rates.iter().filter_map(|name| named(name, name)).collect();
    bars(&dir.join("scenarios.svg"), "Requests in a second (reserve_pay: pairs)", &rates)?;

    let grown = |prefix: &str, labels: Vec<String>| -> Vec<Bar> {
        labels.iter().filter_map(|label| named(label, &format!("growth.{prefix}.{label}"))).collect()
    };
    let text = |numbers: &[usize]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>();
    let processes = grown("processes", text(&PROCESSES));
    bars(&dir.join("processes.svg"), "Holds in a second, by processes of the reservation role", &processes)?;
    let partitions = grown("partitions", PARTITIONS.iter().map(ToString::to_string).collect());
    bars(&dir.join("partitions.svg"), "Holds in a second, by partitions of a lane", &partitions)?;
    let schedules = grown("schedules", text(&SCHEDULES));
    bars(&dir.join("schedules.svg"), "Holds in a second, by schedules on sale", &schedules)?;
    let past = figures.names_from("growth.past.").filter_map(|name| named(&name["growth.past.".len()..], name));
    bars(&dir.join("past.svg"), "Holds in a second, by reservations of the past", &past.collect::<Vec<_>>())?;
    let steps: Vec<String> = (1..=MILLION_STEPS).map(|step| format!("{step:02}")).collect();
    let joins: Vec<Bar> = steps.iter().filter_map(|step| named(step, &format!("million.join_{step}"))).collect();
    bars(&dir.join("million.svg"), "Joins in a second, by tenths of a million who wait already", &joins)?;

    let percentiles = ["50", "90", "99", "99.9"].map(|percentile| {
        let at = |percent: &str| named(&format!("{percent} %"), &format!("open_loop_{percent}.p{percentile}"));
        (format!("p{percentile}"), ["25", "50", "75", "150"].iter().filter_map(|percent| at(percent)).collect())
    });
    lines(&dir.join("open-loop.svg"), "Latency of a hold (ms), by load as a part of the capacity", &percentiles)?;

    let mut cost: Vec<(String, Vec<Bar>)> = Vec::new();
    for load in LOADS {
        for (process, seconds) in figures.processor_seconds(&format!("growth.load.{load}")) {
            let series = match cost.iter().position(|(name, _)| name == process) {
                Some(known) => &mut cost[known].1,
                None => {
                    cost.push((process.to_owned(), Vec::new()));
                    &mut cost.last_mut().ok_or("a series")?.1
                }
            };
            series.push((load.to_string(), seconds * 1000.0));
        }
    }
    cost.retain(|(_, series)| series.iter().any(|(_, microseconds)| *microseconds >= 2.0));
    lines(&dir.join("cost.svg"), "Processor time of a hold by process (µs), by connections that ask", &cost)
}

fn bars(file: &Path, title: &str, bars: &[Bar]) -> Drawn {
    if bars.is_empty() {
        return Ok(());
    }
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let top = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max) * 1.15;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d((0..bars.len() - 1).into_segmented(), 0.0..top)?;
    let label = |at: &SegmentValue<usize>| match at {
        SegmentValue::CenterOf(n) => bars.get(*n).map(|(label, _)| label.clone()).unwrap_or_default(),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(bars.len())
        .x_label_formatter(&label)
        .x_label_style(("sans-serif", 10))
        .y_label_formatter(&|value| format!("{value:.0}"))
        .y_label_style(("sans-serif", 11))
        .draw()?;
    let above = TextStyle::from(("sans-serif", 11)).pos(Pos::new(HPos::Center, VPos::Bottom));
    for (n, (_, value)) in bars.iter().enumerate() {
        let corners = [(SegmentValue::Exact(n), 0.0), (SegmentValue::Exact(n + 1), *value)];
        let mut bar = Rectangle::new(corners, COLOURS[1].filled());
        bar.set_margin(0, 0, 8, 8);
        chart.draw_series([bar])?;
        let number = Text::new(format!("{value:.0}"), (SegmentValue::CenterOf(n), *value), above.clone());
        chart.draw_series([number])?;
    }
    area.present()?;
    Ok(())
}

/// A line for each series over the same labels; the axis of values is logarithmic.
fn lines(file: &Path, title: &str, series: &[(String, Vec<Bar>)]) -> Drawn {
    let labels: Vec<&str> =
        series.first().map(|(_, bars)| bars.iter().map(|(label, _)| label.as_str()).collect()).unwrap_or_default();
    let values: Vec<f64> =
        series.iter().flat_map(|(_, bars)| bars).map(|(_, value)| *value).filter(|value| *value > 0.0).collect();
    if labels.len() < 2 || values.is_empty() {
        return Ok(());
    }
    let (low, high) = values.iter().fold((f64::MAX, 0.0_f64), |(low, high), value| (low.min(*value), high.max(*value)));
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .margin_right(110)
        .build_cartesian_2d(0.0..(labels.len() - 1) as f64, (low * 0.8..high * 1.3).log_scale())?;
    chart
        .configure_mesh()
        .x_labels(labels.len())
        .x_label_formatter(&|at| labels.get(at.round() as usize).map(|label| (*label).to_owned()).unwrap_or_default())
        .y_label_formatter(&|value| format!("{value}"))
        .draw()?;
    for (n, (name, bars)) in series.iter().enumerate() {
        let colour = COLOURS[n % COLOURS.len()];
        let points = || bars.iter().enumerate().map(|(n, (_, value))| (n as f64, value.max(low)));
        chart.draw_series(LineSeries::new(points(), colour.stroke_width(2)))?;
        chart.draw_series(points().map(|point| Circle::new(point, 3, colour.filled())))?;
        // The names stand to the right, in a column, in the colours of their lines.
        let at = (i32::try_from(SIZE.0)? - 95, 50 + 18 * i32::try_from(n)?);
        area.draw(&Text::new(name.clone(), at, ("sans-serif", 12).into_font().color(&colour)))?;
    }
    area.present()?;
    Ok(())
}
