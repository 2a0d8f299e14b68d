//! The link to Redis: a pool whose calls are bounded, and a breaker, so that a Redis that is away costs one wait in a
//! while and not one for each batch.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deadpool_redis::redis::RedisError;
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::{Config, Connection, CreatePoolError, Pool, PoolConfig, PoolError, Runtime, Timeouts};
use tokio::sync::Mutex;

use crate::config::RedisConfig;

/// A call takes at most this long, the wait for a connection included.
const CALL_TIMEOUT: Duration = Duration::from_millis(400);
/// After a call failed, Redis is left alone for this long.
const BREAK: Duration = Duration::from_millis(500);

/// The link to Redis. Cheap to clone.
#[derive(Clone)]
pub struct Redis {
    pool: Pool,
    prefix: Arc<str>,
    broken: Arc<Breaker>,
    lent: Arc<Lent>,
}

/// Connections that stay out of the pool, and carry several calls at the same time, until a call fails: the pool pings a
/// connection whenever it hands it out, which would be a round trip for each call.
struct Lent {
    connections: Mutex<Vec<Connection>>,
    most: usize,
    next: AtomicUsize,
}

struct Breaker {
    epoch: Instant,
    open_until_ms: AtomicU64,
}

impl Redis {
    /// Makes the link; it connects when it is first used.
    ///
    /// # Errors
    /// When the URL cannot be parsed.
    pub fn open(config: &RedisConfig) -> Result<Self, CreatePoolError> {
        let mut pool = Config::from_url(&config.url);
        let mut limits = PoolConfig::new(config.connections_max);
        // The pool waits for ever by default.
        limits.timeouts =
            Timeouts { wait: Some(CALL_TIMEOUT), create: Some(CALL_TIMEOUT), recycle: Some(CALL_TIMEOUT) };
        pool.pool = Some(limits);
        Ok(Self {
            pool: pool.create_pool(Some(Runtime::Tokio1))?,
            prefix: Arc::from(config.prefix.as_str()),
            broken: Arc::new(Breaker { epoch: Instant::now(), open_until_ms: AtomicU64::new(0) }),
            lent: Arc::new(Lent {
                connections: Mutex::default(),
                most: config.connections_max,
                next: AtomicUsize::new(0),
            }),
        })
    }

    /// What every key starts with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Runs a call; `None` when Redis did not do it in time. A call that timed out may have been done all the same.
    pub(super) async fn call<T, F>(
        &self,
        what: &'static str,
        work: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Option<T>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let now_ms = self.broken.epoch.elapsed().as_millis() as u64;
        if now_ms < self.broken.open_until_ms.load(Ordering::Relaxed) {
            return None;
        }
        let call = async {
            let connection = self.connection().await.map_err(|error| error.to_string())?;
            work(connection).await.map_err(|error| error.to_string())
        };
        let fault = match tokio::time::timeout(CALL_TIMEOUT, call).await {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(error)) => error,
            Err(_) => format!("no answer within {} ms", CALL_TIMEOUT.as_millis()),
        };
        // Back to the pool, which finds out which of them still work.
        self.lent.connections.lock().await.clear();
        let open_until = self.broken.epoch.elapsed() + BREAK;
        self.broken.open_until_ms.store(open_until.as_millis() as u64, Ordering::Relaxed);
        metrics::counter!("onsale_redis_failures_total", "call" => what).increment(1);
        tracing::warn!(what, fault, "redis is left alone for a moment; postgres decides");
        None
    }

    async fn connection(&self) -> Result<MultiplexedConnection, PoolError> {
        let mut connections = self.lent.connections.lock().await;
        if connections.len() < self.lent.most {
            connections.push(self.pool.get().await?);
        }
        let next = self.lent.next.fetch_add(1, Ordering::Relaxed) % connections.len();
        Ok(MultiplexedConnection::clone(&connections[next]))
    }
}
