//! The schema, and how it gets there.

use sqlx::Connection;
use sqlx::migrate::{MigrateError, Migrator};

use crate::store::pool::Pool;

static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// Brings a database to the newest schema. It does nothing where that is there already, and several may run at once:
/// they wait for each other.
///
/// # Errors
/// When Postgres fails, or the database has a migration that this program does not know.
pub async fn run(pool: &Pool) -> Result<(), MigrateError> {
    // Not given back to the pool: what holds for migrations does not hold for the sale.
    let mut db = pool.acquire().await?.detach();
    sqlx::query("SET statement_timeout = '10min'").execute(&mut db).await?;
    sqlx::query("SET lock_timeout = '10min'").execute(&mut db).await?;
    MIGRATOR.run(&mut db).await?;
    Ok(db.close().await?)
}
