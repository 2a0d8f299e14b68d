//! Processor time and memory of processes, as the kernel counts them, and whom it lets interrupt others.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::time::{ClockId, clock_gettime};

/// Ticks in a second of `/proc/PID/stat` (USER_HZ, which is 100 on every Linux that is built for servers).
const TICKS_PER_SECOND: f64 = 100.0;

/// How the kernel schedules a process.
#[derive(Debug, Clone, Copy)]
pub enum Class {
    /// It may interrupt others when it is woken.
    Ordinary,
    /// It waits for its turn.
    Batch,
}

/// Has this process, all its threads, be scheduled from now on as given.
///
/// # Errors
/// When `chrt`, which is of the same package as `mount`, cannot do that.
pub fn schedule_bench_as(class: Class) -> Result<()> {
    let class = match class {
        Class::Ordinary => "--other",
        Class::Batch => "--batch",
    };
    let this = std::process::id().to_string();
    let done = Command::new("chrt").args(["--all-tasks", class, "--pid", "0", &this]).status().context("chrt")?;
    ensure!(done.success(), "chrt {class} ended with {done}");
    Ok(())
}

/// Processor time of this process.
pub fn own_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Processor time of a process, all its descendants, and those of them that have ended.
pub fn seconds_of(pid: u32) -> f64 {
    let stats = stats();
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(stats.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    let ticks: u64 = family.iter().filter_map(|pid| stats.get(pid)).map(|stat| stat.ticks).sum();
    ticks as f64 / TICKS_PER_SECOND
}

/// Resident memory of a process, in MiB.
pub fn resident_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
}

struct Stat {
    parent: u32,
    ticks: u64,
}

fn stats() -> BTreeMap<u32, Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return BTreeMap::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| Some((pid, stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))).collect()
}

/// The fields after the command's name, which may hold anything (proc(5)): state, parent, … utime, stime, cutime, cstime.
fn stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u64>().unwrap_or(0)).sum();
    Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_process_is_seen_to_be_busy() {
        let before = own_seconds();
        let mut sum = 0_u64;
        while own_seconds() - before < 0.05 {
            sum = (0..10_000).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
        }
        assert!(seconds_of(std::process::id()) > 0.0, "{sum}");
        assert!(resident_mib(std::process::id()) > 1.0);
    }
}
