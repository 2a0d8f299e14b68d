//! Measures Onsale against the limit and against what people would build instead. `deploy/bench` runs it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use onsale_tests::bench::scenarios::{Bench, Size};

#[derive(Parser)]
#[command(about = "Measures Onsale on a stack of its own.")]
struct Arguments {
    /// Where the stack keeps its data.
    #[arg(long)]
    state_dir: PathBuf,
    /// Where the programs are.
    #[arg(long)]
    bin_dir: PathBuf,
    /// One round with short windows.
    #[arg(long)]
    quick: bool,
    /// For how long each scenario is watched, in seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Connections of the scenarios that want many.
    #[arg(long)]
    connections: Option<usize>,
    /// Settings of the processes: ONSALE_NAME=VALUE.
    #[arg(long)]
    set: Vec<String>,
    /// Only scenarios whose name begins so.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Where to write the figures.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut size = if arguments.quick { Size::QUICK } else { Size::FULL };
    if let Some(seconds) = arguments.seconds {
        size.window.counted = Duration::from_secs(seconds);
    }
    size.connections = arguments.connections.unwrap_or(size.connections);
    let settings: Vec<(&str, &str)> = arguments.set.iter().filter_map(|setting| setting.split_once('=')).collect();
    let mut bench = Bench::start(&arguments.state_dir, &arguments.bin_dir, size, &settings).await?;
    for round in 1..=size.rounds {
        bench
            .round(|name| {
                arguments.only.is_empty() || arguments.only.iter().any(|only| name.starts_with(only.as_str()))
            })
            .await?;
        eprintln!("round {round} of {}", size.rounds);
    }
    for (name, summary) in bench.figures.summaries() {
        println!("{name:<40} {:>12.3} ({:.3} to {:.3}) {}", summary.median, summary.min, summary.max, summary.unit);
    }
    if let Some(file) = arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(&bench.figures.summaries())?)?;
    }
    Ok(())
}
