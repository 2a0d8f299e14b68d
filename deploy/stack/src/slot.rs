//! The place of one process in a stack: which process fills it, on disk as well, so that a later command
//! finds it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::process::{Identity, Process, Spawn};
use crate::{files, interrupt};

const LOG_LINES: usize = 15;

/// One named place for a process.
#[derive(Debug)]
pub(crate) struct Slot {
    name: &'static str,
    record: PathBuf,
    log: PathBuf,
    current: Mutex<Option<Identity>>,
}

impl Slot {
    /// The place recorded in `record`, filled when the process recorded there still runs.
    pub(crate) fn open(name: &'static str, record: PathBuf, log: PathBuf) -> Result<Self> {
        let recorded: Option<Identity> = files::read_json(&record)?;
        Ok(Self { name, record, log, current: Mutex::new(recorded.filter(|identity| identity.is_alive())) })
    }

    /// The process in this place, while it runs.
    pub(crate) fn running(&self) -> Option<Identity> {
        self.lock().filter(|identity| identity.is_alive())
    }

    /// Where its output goes.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Starts a process here and waits until `ready` says it serves.
    pub(crate) fn start(&self, spawn: &Spawn, limit: Duration, ready: impl Fn() -> bool) -> Result<()> {
        let process = spawn.start()?;
        files::write_json(&self.record, &process.identity)?;
        *self.lock() = Some(process.identity);
        let result = self.wait_ready(&process, limit, ready);
        if result.is_err() {
            process.identity.kill();
        }
        result
    }

    fn wait_ready(&self, process: &Process, limit: Duration, ready: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            interrupt::check()?;
            if !process.identity.is_alive() {
                bail!("{} ended while it started; its last lines:\n{}", self.name, self.tail());
            }
            if ready() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("{} was not ready after {} s; its last lines:\n{}", self.name, limit.as_secs(), self.tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn tail(&self) -> String {
        files::log_tail(&self.log, LOG_LINES)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Identity>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
