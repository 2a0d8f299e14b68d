//! Keeps the locks of committed holds until the holds end. No answer waits for that: a lock lasts long enough meanwhile,
//! and should it be lost, Postgres turns the losers away.

use std::time::Duration;

use onsale_common::ids::SeatId;
use onsale_common::time::Time;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use uuid::Uuid;

use super::Redis;

/// How long locks wait for others, to be kept together; a small part of what they last until then.
const GATHER: Duration = Duration::from_millis(100);

/// A seat, the command that owns its lock, and until when.
pub(super) type Held = (SeatId, Uuid, Time);

/// Takes locks to keep. Its task ends when it is dropped.
pub struct LockKeeper {
    held: UnboundedSender<Held>,
}

impl LockKeeper {
    /// Starts the task that tells Redis.
    pub fn start(redis: Redis) -> Self {
        let (held, mut waiting) = unbounded_channel();
        tokio::spawn(async move {
            let mut locks = Vec::new();
            while let Some(first) = waiting.recv().await {
                locks.push(first);
                tokio::time::sleep(GATHER).await;
                while let Ok(next) = waiting.try_recv() {
                    locks.push(next);
                }
                redis.keep_seats(&locks).await;
                locks.clear();
            }
        });
        Self { held }
    }

    /// Has the locks of a hold kept, if its command still owns them by then.
    pub fn keep(&self, locks: impl Iterator<Item = Held>) {
        for lock in locks {
            // The task lives as long as this does; only the end of the process comes before.
            let _ = self.held.send(lock);
        }
    }
}
