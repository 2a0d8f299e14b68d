//! Keeps the seats of committed holds locked until the holds end. No answer waits for that: until Redis knows, Postgres
//! turns the losers away.

use onsale_common::ids::SeatId;
use onsale_common::time::Time;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use uuid::Uuid;

use super::Redis;

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
                // What came while Redis was told of others goes together.
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
