//! What every role does the same way: drain the deliveries that are ready, decode them, have the lane settle the batch,
//! reply, ack. Only this module acks.

mod bundle;
mod consume;
mod dead_letter;
mod outgoing;
mod settle;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use onsale_common::contract::{Envelope, Lane, Outcome};
use uuid::Uuid;

pub use consume::{PartitionRange, run};

use crate::failure::Failure;

/// What a role does with a batch of its commands.
pub trait LaneWorker: Send + Sync + 'static {
    /// The lane that it consumes.
    const LANE: Lane;

    /// Settles a batch: one outcome for each command, in their order. It may be called again with the same commands, or
    /// some of them, after it failed or the process died at any point: effects that were committed are not repeated.
    fn settle(
        self: Arc<Self>,
        commands: Vec<Arc<Envelope>>,
    ) -> impl Future<Output = Result<Vec<Outcome>, Failure>> + Send;

    /// The outcomes that are kept of some commands: what a command had done before its deadline passed is told after it.
    fn kept(&self, commands: &[Uuid]) -> impl Future<Output = Result<HashMap<Uuid, Outcome>, Failure>> + Send;
}
