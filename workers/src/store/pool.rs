//! The pool of connections to Postgres.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgPool};

use crate::config::PostgresConfig;

/// A transaction of the pool.
pub type Transaction = sqlx::Transaction<'static, sqlx::Postgres>;

/// Makes a pool; it connects when it is first used.
///
/// # Errors
/// When the URL cannot be parsed.
pub fn open(config: &PostgresConfig, process: &str) -> Result<PgPool, sqlx::Error> {
    let options = PgConnectOptions::from_str(&config.url)?.application_name(&format!("onsale-{process}")).options([
        // Work is never cancelled from our side (a cancelled BEGIN can leave a connection inside a transaction), so that
        // Postgres bounds it: a statement, a wait for a lock, and a transaction whose worker is gone.
        ("statement_timeout", "5s"),
        ("lock_timeout", "3s"),
        ("idle_in_transaction_session_timeout", "10s"),
        // Every statement of a lane walks along an index. The planner would read whole tables instead while it takes them
        // for small, and keep that plan while a sale fills them.
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("jit", "off"),
    ]);
    Ok(PgPoolOptions::new()
        .max_connections(config.connections_max)
        .acquire_timeout(Duration::from_secs(3))
        // A dead connection shows at its first statement, and the batch is tried again; a ping for each batch would not
        // prevent that.
        .test_before_acquire(false)
        .after_release(|connection, _| {
            Box::pin(async move {
                connection.execute("ROLLBACK").await?;
                Ok(true)
            })
        })
        .connect_lazy_with(options))
}
