//! One operating-system process: spawned in a session of its own, known by its pid and start time.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use crate::unix_user::UnixUser;
use crate::{probe, sweep};

const LARGEST_LOG_BYTES: u64 = 64 * 1024 * 1024;

/// What starts each program in its own place, so that the pid is the program's: in a session of its own, and scheduled as
/// batch work. A dozen processes share the processors, and each message wakes one of them: woken at once, it would
/// interrupt the one that is filling a bundle, and find a small one. It waits for its turn instead, and finds more.
const LAUNCHER: &str = "setsid";
const LAUNCHER_ARGS: [&str; 3] = ["chrt", "--batch", "0"];

/// Which process is meant, safe against a pid that the kernel gave to somebody else meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The process id.
    pub pid: u32,
    /// Start time of the process in clock ticks since boot.
    pub started_ticks: u64,
}

impl Identity {
    /// The identity of a process that runs now.
    pub fn of(pid: u32) -> Option<Self> {
        let (state, started_ticks) = stat(pid)?;
        (state != 'Z' && state != 'X').then_some(Self { pid, started_ticks })
    }

    /// Whether exactly this process still runs. One that has ended but was not reaped does not.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends a signal; nothing happens when the process has ended.
    pub fn signal(self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            // The only failure left is that it ended this very moment.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Waits until the process has ended; false when it still runs after `limit`.
    pub fn wait_gone(self, limit: Duration) -> bool {
        probe::poll(limit, || !self.is_alive())
    }

    /// Asks with `signal`, and kills when the process has not ended within `limit`. False if it had to kill.
    pub fn end(self, signal: Signal, limit: Duration) -> bool {
        self.signal(signal);
        if self.wait_gone(limit) {
            return true;
        }
        self.kill();
        false
    }

    /// SIGKILL, and waits until the process is gone.
    pub fn kill(self) {
        self.signal(Signal::KILL);
        self.wait_gone(Duration::from_secs(10));
    }
}

/// State letter and start time from `/proc/PID/stat`.
fn stat(pid: u32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so fields are counted from its end.
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let started_ticks = fields.nth(18)?.parse().ok()?;
    Some((state, started_ticks))
}

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Spawn {
    /// The program, with its path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment: nothing else is inherited.
    pub environment: BTreeMap<String, String>,
    /// Its working directory.
    pub working_dir: PathBuf,
    /// Where standard output and standard error go, appended.
    pub log: PathBuf,
    /// Whom it runs as, when not as the caller.
    pub user: Option<UnixUser>,
}

impl Spawn {
    /// Starts the process in a session of its own: it outlives us, and a Ctrl-C here does not reach it.
    pub fn start(&self) -> Result<Process> {
        if !self.program.is_file() {
            bail!("{} does not exist", self.program.display());
        }
        if fs::metadata(&self.log).is_ok_and(|log| log.len() > LARGEST_LOG_BYTES) {
            fs::rename(&self.log, self.log.with_extension("log.1")).context("cannot put an old log aside")?;
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut command = Command::new(LAUNCHER);
        command
            .args(LAUNCHER_ARGS)
            .arg(&self.program)
            .args(&self.args)
            .env_clear()
            .envs(&self.environment)
            .current_dir(&self.working_dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share the log file")?)
            .stderr(log);
        if let Some(user) = &self.user {
            command.uid(user.uid).gid(user.gid);
        }
        let mut child =
            command.spawn().with_context(|| format!("cannot start {} through {LAUNCHER}", self.program.display()))?;
        let identity = Identity::of(child.id());
        let exit = Arc::new(OnceLock::new());
        let exit_of_child = Arc::clone(&exit);
        // Reaps the child, so that one that ends while we live does not stay as a zombie.
        std::thread::spawn(move || {
            if let Ok(status) = child.wait() {
                let _ = exit_of_child.set(status);
            }
        });
        let Some(identity) = identity else {
            bail!("{} ended as soon as it started", self.program.display());
        };
        Ok(Process { identity, exit })
    }
}

/// A process that this one started.
#[derive(Clone, Debug)]
pub struct Process {
    /// Which process it is.
    pub identity: Identity,
    exit: Arc<OnceLock<ExitStatus>>,
}

impl Process {
    /// How it ended, once it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.exit.get().copied()
    }
}

/// Variables of our own environment that every child may see.
const INHERITED: [&str; 6] = ["PATH", "LANG", "TZ", "RUST_LOG", "RUST_BACKTRACE", "TMPDIR"];

/// The environment every process of a stack starts from: a few general variables, and the mark by which
/// [`sweep`] finds what belongs to this stack.
pub fn base_environment(state_dir: &Path) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> =
        INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
    // The mark of an enclosing test run, so that its end finds what a killed test left behind.
    if let Ok(servers) = std::env::var(sweep::TEST_MARK) {
        environment.insert(sweep::TEST_MARK.to_owned(), servers);
    }
    environment.insert(sweep::MARK.to_owned(), state_dir.display().to_string());
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Process {
        let dir = std::env::temp_dir();
        let log = dir.join(format!("onsale-sleeper-{}.log", std::process::id()));
        let process = Spawn {
            program: PathBuf::from("/bin/sleep"),
            args: vec!["600".to_owned()],
            environment: base_environment(&dir),
            working_dir: dir.clone(),
            log: log.clone(),
            user: None,
        }
        .start()
        .unwrap();
        let _ = fs::remove_file(log);
        process
    }

    #[test]
    fn a_killed_process_is_gone_and_its_end_is_known() {
        let process = sleeper();
        assert!(process.identity.is_alive());
        process.identity.kill();
        assert!(!process.identity.is_alive());
        assert!(probe::poll(Duration::from_secs(5), || process.exit_status().is_some()));
    }

    #[test]
    fn a_reused_pid_is_not_taken_for_the_process() {
        let process = sleeper();
        let other = Identity { started_ticks: process.identity.started_ticks + 1, ..process.identity };
        assert!(!other.is_alive());
        other.signal(Signal::KILL);
        assert!(process.identity.is_alive());
        assert!(process.identity.end(Signal::TERM, Duration::from_secs(5)));
    }
}
