//! `servers`: the servers alone, for tests; or a command with servers of its own around it.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use onsale_stack::process::Identity;
use onsale_stack::servers::{Servers, ServersConfig, prepare_state_dir};
use onsale_stack::stack_file::StackFile;
use onsale_stack::stack_lock::StackLock;
use onsale_stack::{interrupt, packages, sweep};
use rustix::process::Signal;

use super::down;
use super::up::LOCK_LIMIT;

const TEMPORARY_PREFIX: &str = "onsale-test-";
/// How long the command may take to end when we are told to.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Virtual hosts t0, t1, … beside `/`.
    #[arg(long, default_value_t = 0, value_name = "N")]
    extra_vhosts: usize,
    /// Run this command with servers in a temporary directory, told by ONSALE_TEST_SERVERS where they are;
    /// then end the servers and whatever the command left, and exit as the command did.
    #[arg(last = true)]
    command: Vec<String>,
}

pub(crate) fn run(state_dir: &Path, options: &Options) -> Result<ExitCode> {
    interrupt::listen()?;
    packages::install(&packages::missing_for_servers())?;
    if !options.command.is_empty() {
        return run_around(options);
    }
    let state_dir = prepare_state_dir(state_dir)?;
    let _lock = StackLock::take(&state_dir, LOCK_LIMIT)?;
    let servers = Servers::start(&ServersConfig { state_dir, extra_vhosts: options.extra_vhosts })?;
    let stack = StackFile::of(&servers, None);
    stack.write()?;
    servers.leave_running();
    say!("{}", serde_json::to_string_pretty(&stack)?);
    Ok(ExitCode::SUCCESS)
}

fn run_around(options: &Options) -> Result<ExitCode> {
    clean_up_after_killed_runs()?;
    let dir = std::env::temp_dir().join(format!("{TEMPORARY_PREFIX}{}", std::process::id()));
    let state_dir = prepare_state_dir(&dir)?;
    // Held until we end, however that happens: a later run then knows that this directory is nobody's.
    let lock = StackLock::take(&state_dir, LOCK_LIMIT)?;
    let outcome = with_servers(&state_dir, options);
    interrupt::clear();
    let cleaned = remove_run(&state_dir);
    drop(lock);
    let status = outcome?;
    cleaned?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

fn with_servers(state_dir: &Path, options: &Options) -> Result<ExitStatus> {
    let servers =
        Servers::start(&ServersConfig { state_dir: state_dir.to_owned(), extra_vhosts: options.extra_vhosts })?;
    StackFile::of(&servers, None).write()?;
    let [program, args @ ..] = options.command.as_slice() else { bail!("there is no command to run") };
    let mut child = Command::new(program)
        .args(args)
        .env(sweep::TEST_MARK, StackFile::path(state_dir))
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    let identity = Identity::of(child.id());
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if interrupt::requested() {
            if let Some(identity) = identity {
                identity.end(Signal::TERM, COMMAND_LIMIT);
            }
            return Ok(child.wait()?);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Ends what the command and its tests left, then the servers, then removes the directory.
fn remove_run(state_dir: &Path) -> Result<()> {
    for process in sweep::of_test_run(&StackFile::path(state_dir)) {
        if !sweep::of_stack(state_dir).contains(&process) {
            process.kill();
        }
    }
    down::take_down(state_dir)?;
    // The servers' data may be elsewhere, when their users cannot enter this directory.
    if let Ok(data) = state_dir.join("servers").canonicalize() {
        fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
    }
    fs::remove_dir_all(state_dir).with_context(|| format!("cannot remove {}", state_dir.display()))
}

/// A run that was killed leaves its servers: nobody holds its lock any more.
fn clean_up_after_killed_runs() -> Result<()> {
    let runs: Vec<PathBuf> = fs::read_dir(std::env::temp_dir())
        .context("cannot read the temporary directory")?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(TEMPORARY_PREFIX)))
        .collect();
    for run in runs {
        // Another user's run is not ours to clean.
        let Ok(Some(_lock)) = StackLock::try_take(&run) else { continue };
        complain!("Cleaning up after a killed run: {}", run.display());
        remove_run(&run.canonicalize()?)?;
    }
    Ok(())
}
