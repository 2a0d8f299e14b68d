//! One command at a time changes a stack: a lock on a file in its directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::probe;
use crate::process::Identity;

/// Held while a command changes a stack; the system lets go of it even when the command is killed.
#[derive(Debug)]
pub struct StackLock(File);

impl StackLock {
    /// Takes the lock, waiting at most `limit` for another command. Fails with the pid of that command.
    pub fn take(state_dir: &Path, limit: Duration) -> Result<Self> {
        let mut lock = None;
        let mut failure = None;
        probe::poll(limit, || match Self::try_take(state_dir) {
            Ok(taken) => {
                lock = taken;
                lock.is_some()
            }
            Err(error) => {
                failure = Some(error);
                true
            }
        });
        match (lock, failure) {
            (Some(lock), _) => Ok(lock),
            (None, Some(error)) => Err(error),
            (None, None) => {
                let who = holder(state_dir).map(|pid| format!(" (process {pid})")).unwrap_or_default();
                bail!(
                    "another command{who} is changing the stack in {}; try again when it is done",
                    state_dir.display()
                )
            }
        }
    }

    /// Takes the lock if nobody holds it.
    pub fn try_take(state_dir: &Path) -> Result<Option<Self>> {
        let path = state_dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        let record = |file: &mut File| -> std::io::Result<()> {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            write!(file, "{}", std::process::id())
        };
        record(&mut file).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Some(Self(file)))
    }
}

impl Drop for StackLock {
    fn drop(&mut self) {
        // Closing the file lets go as well.
        let _ = self.0.unlock();
    }
}

/// The command that took the lock last, if it still runs.
pub fn holder_identity(state_dir: &Path) -> Option<Identity> {
    holder(state_dir).and_then(Identity::of)
}

fn holder(state_dir: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(state_dir.join("lock")).ok()?.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
