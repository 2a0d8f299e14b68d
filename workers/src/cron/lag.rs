//! Measures how far the relay is behind. Apart from the relay: it goes on while there is no broker, and a slow count
//! delays no event. Every process measures: the lag is the outbox', not the relay's.

use super::Crew;
use crate::failure::Failure;
use crate::store;

/// Sets the gauges.
pub(super) async fn run(crew: Crew) -> Result<u64, Failure> {
    let mut db = crew.servers.pool.acquire().await?;
    let (waiting, oldest_s) = store::outbox::lag(&mut db).await?;
    db.give_back();
    metrics::gauge!("onsale_outbox_waiting").set(waiting as f64);
    metrics::gauge!("onsale_outbox_lag_seconds").set(oldest_s);
    Ok(0)
}
