//! Slots of cron: work that one process at a time does. A lease, not a lock: no transaction stays open meanwhile, and a
//! process that died is followed when its lease ends.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::failure::Failure;

/// Takes or extends the slot of a job; false when another process holds it.
///
/// # Errors
/// When Postgres fails.
pub async fn claim(db: &mut PgConnection, job: &str, holder: Uuid, lease: Duration) -> Result<bool, Failure> {
    let claimed = sqlx::query(
        "INSERT INTO cron_slots (job, holder, until) VALUES ($1, $2, clock_timestamp() + $3 * interval '1 second')
         ON CONFLICT (job) DO UPDATE SET holder = excluded.holder, until = excluded.until
         WHERE cron_slots.holder = excluded.holder OR cron_slots.until < clock_timestamp()",
    )
    .bind(job)
    .bind(holder)
    .bind(lease.as_secs_f64())
    .execute(db)
    .await?;
    Ok(claimed.rows_affected() == 1)
}

/// Gives the slots of a process back, so that another need not wait for the leases to end.
///
/// # Errors
/// When Postgres fails.
pub async fn release_all(db: &mut PgConnection, holder: Uuid) -> Result<(), Failure> {
    sqlx::query("DELETE FROM cron_slots WHERE holder = $1").bind(holder).execute(db).await?;
    Ok(())
}
