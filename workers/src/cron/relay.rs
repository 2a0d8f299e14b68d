//! Publishes the outbox: every committed effect at least once, as a CloudEvent in structured mode, in the outbox' order.
//!
//! A relay publishes from the first event after the place that all have reached, without a gap, and moves that place to
//! the last that the broker confirmed without a gap. So do all relays, and they read the same order: whichever of them publishes an event, its predecessors were
//! published before it. The slot spares the others the work; the order does not rest on it, and a relay that lost it
//! unawares only repeats.

use std::sync::Mutex;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::future::{self, FutureExt, join_all};
use futures_util::poll;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use onsale_common::amqp::connection::{AmqpError, connect, supervise, within};
use onsale_common::amqp::topology::{EVENTS_EXCHANGE, Topology};
use onsale_common::contract::event::{About, CloudEvent, EVENT_CONTENT_TYPE, EventKind, Sequence};
use onsale_common::ids::ScheduleId;
use onsale_common::lock::lock;
use onsale_common::ops::Readiness;
use onsale_common::shutdown::CancellationToken;
use onsale_common::time::Time;
use serde_json::value::RawValue;

use super::Crew;
use crate::failure::Failure;
use crate::store;
use crate::store::outbox::StoredEvent;

/// Events published before their confirms are awaited.
const CHUNK: i64 = 500;
/// A run ends after this, although more may wait: one that does not end is taken to be stuck.
const RUN_FOR: Duration = Duration::from_secs(60);

/// The relay, with the channel that it publishes on while there is one and the broker takes messages.
pub(super) struct Relay {
    crew: Crew,
    channel: Mutex<Option<Channel>>,
}

impl Relay {
    pub(super) fn new(crew: Crew) -> Self {
        Self { crew, channel: Mutex::new(None) }
    }

    /// Keeps a channel to the broker until shutdown.
    pub(super) async fn stay_linked(
        &self,
        url: &str,
        topology: Topology,
        ready: &Readiness,
        shutdown: &CancellationToken,
    ) {
        supervise("cron", shutdown, || async {
            let linked = async {
                let connection = connect(url, "onsale cron: events").await?;
                topology.declare(&connection).await?;
                let channel = within("open a channel", connection.create_channel()).await?;
                within("ask for confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
                while channel.status().connected() && connection.status().connected() {
                    // Under an alarm of the broker the library would keep what is published, without bound.
                    let blocked = connection.status().blocked();
                    self.set((!blocked).then(|| channel.clone()));
                    ready.set(!blocked);
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_millis(250)) => {}
                        () = shutdown.cancelled() => return Ok(()),
                    }
                }
                Err(AmqpError::Ended("the relay's channel".to_owned()))
            }
            .await;
            ready.set(false);
            self.set(None);
            linked
        })
        .await;
    }

    fn set(&self, channel: Option<Channel>) {
        *lock(&self.channel) = channel;
    }

    fn channel(&self) -> Option<Channel> {
        lock(&self.channel).clone()
    }

    /// Publishes what waits, as long as this process has the slot and the broker confirms.
    pub(super) async fn run(self: std::sync::Arc<Self>) -> Result<u64, Failure> {
        let pool = &self.crew.servers.pool;
        let (mut count, mut horizon) = (0, 0);
        let ends_at = Instant::now() + RUN_FOR;
        while let Some(channel) = self.channel() {
            if Instant::now() > ends_at || !self.crew.claim("relay").await? {
                break;
            }
            let mut db = pool.acquire().await?;
            let mut events = store::outbox::unpublished(&mut db, horizon, CHUNK).await?;
            if events.is_empty()
                && let Some(further) = store::outbox::horizon(&mut db).await?
            {
                horizon = further;
                events = store::outbox::unpublished(&mut db, horizon, CHUNK).await?;
            }
            db.give_back();
            if events.is_empty() {
                break;
            }
            let published = publish(&channel, &events).await;
            if let Some(last) = events[..published].last() {
                let mut db = pool.acquire().await?;
                store::outbox::mark_published(&mut db, last.id).await?;
                db.give_back();
            }
            count += published as u64;
            if let Some(next) = events.get(published) {
                tracing::warn!(from = next.id, "the broker took no more events; the next run repeats");
                break;
            }
        }
        Ok(count)
    }
}

/// Publishes events in their order; returns how many the broker confirmed up to the first that it did not. Not
/// `mandatory`: an event that nobody has bound a queue for is nobody's, and is published all the same.
async fn publish(channel: &Channel, events: &[StoredEvent]) -> usize {
    let mut sending = Vec::with_capacity(events.len());
    for event in events {
        let Some(body) = body(event) else { break };
        let mut send = Box::pin(send(channel, event, body));
        // The first poll puts the event in line to be sent. To wait here until it is sent would send each by itself.
        match poll!(send.as_mut()) {
            Poll::Ready(result) => sending.push(future::ready(result).left_future()),
            Poll::Pending => sending.push(send.right_future()),
        }
    }
    let sent = match within("have events confirmed", join_all(sending).map(Ok)).await {
        Ok(sent) => sent,
        Err(error) => {
            tracing::warn!(%error, "events wait for the next run");
            return 0;
        }
    };
    if let Some(error) = sent.iter().find_map(|result| result.as_ref().err()) {
        tracing::warn!(%error, "an event waits for the next run");
    }
    sent.iter().take_while(|result| matches!(result, Ok(Confirmation::Ack(_)))).count()
}

async fn send(channel: &Channel, event: &StoredEvent, body: Vec<u8>) -> lapin::Result<Confirmation> {
    let properties = BasicProperties::default()
        .with_content_type(EVENT_CONTENT_TYPE.into())
        .with_delivery_mode(2)
        .with_message_id(event.event_id.to_string().into())
        .with_type(event.kind.as_str().into())
        .with_app_id("onsale-cron".into());
    let options = BasicPublishOptions::default();
    let kind = event.kind.as_str().into();
    channel.basic_publish(EVENTS_EXCHANGE.into(), kind, options, &body, properties).await?.await
}

/// The event as it travels; none, and a word in the log, when the row is not one of ours.
fn body(stored: &StoredEvent) -> Option<Vec<u8>> {
    let Some(kind) = EventKind::ALL.iter().find(|kind| kind.as_str() == stored.kind) else {
        tracing::error!(event = stored.id, kind = stored.kind, "an event of an unknown kind stops the relay");
        return None;
    };
    let data: &RawValue = serde_json::from_str(&stored.data)
        .inspect_err(|error| tracing::error!(event = stored.id, %error, "an event that is not JSON stops the relay"))
        .ok()?;
    let about = About { subject: stored.subject.clone(), schedule: stored.schedule_id.map(ScheduleId::new) };
    let time = Time(stored.created_at);
    let event = CloudEvent::new(stored.event_id, Sequence(stored.id), *kind, about, time, data);
    serde_json::to_vec(&event).ok()
}
