//! `down`: no process of the stack is left.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use onsale_stack::fleet::Fleet;
use onsale_stack::servers::{Servers, ServersConfig};
use onsale_stack::stack_file::StackFile;
use onsale_stack::stack_lock::{StackLock, holder_identity};
use onsale_stack::sweep;
use rustix::process::Signal;

/// How long an `up` that we ask to end may take for it.
const HOLDER_LIMIT: Duration = Duration::from_secs(90);

pub(crate) fn run(state_dir: &Path) -> Result<ExitCode> {
    let began = Instant::now();
    let Ok(state_dir) = state_dir.canonicalize() else {
        say!("Nothing runs: there is no {}.", state_dir.display());
        return Ok(ExitCode::SUCCESS);
    };
    let _lock = take_lock(&state_dir)?;
    let ended = take_down(&state_dir)?;
    if ended == 0 {
        say!("Nothing runs in {}.", state_dir.display());
    } else {
        say!("Took down {ended} processes in {:.1} s.", began.elapsed().as_secs_f64());
    }
    Ok(ExitCode::SUCCESS)
}

/// Whoever holds the lock is asked to end: an `up` that still starts then takes down what it started.
fn take_lock(state_dir: &Path) -> Result<StackLock> {
    if let Ok(lock) = StackLock::take(state_dir, Duration::from_secs(2)) {
        return Ok(lock);
    }
    let holder = holder_identity(state_dir);
    if let Some(holder) = holder {
        say!("Another command (process {}) is changing this stack: asking it to end.", holder.pid);
        holder.signal(Signal::TERM);
    }
    StackLock::take(state_dir, HOLDER_LIMIT)
}

/// Ends everything of a stack, recorded or not, and gives how many processes that were. The caller holds the
/// lock.
pub(super) fn take_down(state_dir: &Path) -> Result<usize> {
    let before = sweep::of_stack(state_dir).len();
    if let Some(fleet) = Fleet::open(state_dir)? {
        fleet.stop_all()?;
    }
    // The servers last: whoever drains still needs them.
    Servers::open(&ServersConfig { state_dir: state_dir.to_owned(), extra_vhosts: 0 })?.stop_all();
    for process in sweep::of_stack(state_dir) {
        process.end(Signal::TERM, Duration::from_secs(5));
    }
    for file in ["fleet.json", "stack.json"].map(|name| state_dir.join(name)) {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", file.display()));
            }
            _ => {}
        }
    }
    let left = sweep::of_stack(state_dir);
    if !left.is_empty() {
        let pids: Vec<String> = left.iter().map(|process| process.pid.to_string()).collect();
        bail!("these processes could not be ended: {}", pids.join(", "));
    }
    debug_assert!(!StackFile::path(state_dir).exists());
    Ok(before)
}
