//! Measures Onsale against the limit and against what people would build instead. `deploy/bench` runs it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::Parser;
use onsale_tests::bench::scenarios::{Bench, Size};
use onsale_tests::bench::{charts, machine, report};

#[derive(Parser)]
#[command(about = "Measures Onsale on a stack of its own.")]
struct Arguments {
    /// Where the stack keeps its data.
    #[arg(long)]
    state_dir: PathBuf,
    /// Where the programs are.
    #[arg(long)]
    bin_dir: PathBuf,
    /// One round with short windows and small rooms.
    #[arg(long)]
    quick: bool,
    /// How often each scenario is run.
    #[arg(long)]
    rounds: Option<usize>,
    /// For how long each scenario is watched, in seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Connections of the scenarios that want many.
    #[arg(long)]
    connections: Option<usize>,
    /// Settings of the processes: ONSALE_NAME=VALUE.
    #[arg(long, value_parser = setting)]
    set: Vec<(String, String)>,
    /// Only these scenarios (`growth` for all that grows).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Where to write the figures.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where to write the charts.
    #[arg(long, overrides_with = "charts")]
    charts: Option<PathBuf>,
}

fn setting(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("it has no '='")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut size = if arguments.quick { Size::QUICK } else { Size::FULL };
    size.rounds = arguments.rounds.unwrap_or(size.rounds);
    size.connections = arguments.connections.unwrap_or(size.connections);
    size.window.counted = arguments.seconds.map_or(size.window.counted, Duration::from_secs);
    let settings: Vec<(&str, &str)> = arguments.set.iter().map(|(name, value)| (&**name, &**value)).collect();
    let wanted = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);

    let mut bench = Bench::start(&arguments.state_dir, &arguments.bin_dir, size, &settings).await?;
    for round in 1..=size.rounds {
        eprintln!("round {round} of {}", size.rounds);
        bench.round(wanted).await?;
    }
    if wanted("million") {
        bench.million().await?;
    }
    if wanted("growth") {
        bench.growth().await?;
    }

    let machine = machine::description();
    println!("{}", report::markdown(&bench.figures, &machine));
    if let Some(file) = arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(&report::json(&bench.figures, &machine))?)?;
    }
    if let Some(dir) = arguments.charts {
        std::fs::create_dir_all(&dir)?;
        charts::draw(&bench.figures, &dir).map_err(|error| anyhow!("the charts: {error}"))?;
    }
    Ok(())
}
