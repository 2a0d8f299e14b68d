//! What a measurement was made on: figures of two machines are not compared, ratios may be.

use std::fs;
use std::process::Command;

/// Processors, memory, kernel and servers, in a line.
pub fn description() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory_kib: f64 =
        field("/proc/meminfo", "MemTotal").and_then(|text| text.trim_end_matches(" kB").parse().ok()).unwrap_or(0.0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let servers = ["postgresql-15", "rabbitmq-server", "redis-server"].map(version).join(", ");
    format!(
        "{processors} x {model}, {:.0} GiB, Linux {}; {servers}; everything on it, the load generator included",
        memory_kib / 1024.0 / 1024.0,
        kernel.trim()
    )
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// A package and its version, as Debian counts it.
fn version(package: &str) -> String {
    let output = Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]).output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    format!("{package} {version}")
}
