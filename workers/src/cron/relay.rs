//! Publishes the outbox: every committed effect at least once, as a CloudEvent in structured mode, in the outbox' order.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use onsale_common::amqp::connection::{AmqpError, connect, supervise, within};
use onsale_common::amqp::topology::{EVENTS_EXCHANGE, Topology};
use onsale_common::ops::Readiness;
use onsale_common::shutdown::CancellationToken;
use onsale_common::time::Time;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Crew;
use crate::failure::Failure;
use crate::store;
use crate::store::outbox::StoredEvent;

/// Events published before their confirms are awaited.
const CHUNK: i64 = 500;

/// A CloudEvent (specification 1.0, JSON format).
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: &'static str,
    #[serde(rename = "type")]
    kind: &'a str,
    subject: &'a str,
    time: Time,
    datacontenttype: &'static str,
    data: &'a RawValue,
}

/// The relay, with the channel that it publishes on while there is one.
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
                self.set(Some(channel.clone()));
                ready.set(true);
                while channel.status().connected() && connection.status().connected() {
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_millis(250)) => {}
                        () = shutdown.cancelled() => return Ok(()),
                    }
                }
                Err(AmqpError::ConsumerEnded("the relay's channel".to_owned()))
            }
            .await;
            ready.set(false);
            self.set(None);
            linked
        })
        .await;
    }

    fn set(&self, channel: Option<Channel>) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = channel;
    }

    fn channel(&self) -> Option<Channel> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Publishes what waits, as long as this process has the slot and the broker confirms.
    pub(super) async fn run(self: std::sync::Arc<Self>) -> Result<u64, Failure> {
        let mut count = 0;
        while let Some(channel) = self.channel() {
            if !self.crew.claim("relay").await? {
                break;
            }
            let mut db = self.crew.servers.pool.acquire().await?;
            let events = store::outbox::unpublished(&mut db, CHUNK).await?;
            if events.is_empty() {
                let (waiting, oldest_s) = store::outbox::lag(&mut db).await?;
                metrics::gauge!("onsale_outbox_waiting").set(waiting as f64);
                metrics::gauge!("onsale_outbox_lag_seconds").set(oldest_s);
                break;
            }
            metrics::gauge!("onsale_outbox_waiting").set(events.len() as f64);
            drop(db);
            let published = publish(&channel, &events).await;
            store::outbox::mark_published(&mut *self.crew.servers.pool.acquire().await?, &published).await?;
            count += published.len() as u64;
            if published.len() < events.len() {
                break;
            }
        }
        Ok(count)
    }
}

/// Publishes events in their order; returns those up to the first that was not confirmed.
async fn publish(channel: &Channel, events: &[StoredEvent]) -> Vec<i64> {
    let mut confirms = Vec::with_capacity(events.len());
    for event in events {
        let Some(body) = body(event) else { break };
        let properties = BasicProperties::default()
            .with_content_type("application/cloudevents+json".into())
            .with_delivery_mode(2)
            .with_message_id(event.event_id.to_string().into())
            .with_type(event.kind.as_str().into())
            .with_app_id("onsale-cron".into());
        let options = BasicPublishOptions::default();
        let publish =
            channel.basic_publish(EVENTS_EXCHANGE.into(), event.kind.as_str().into(), options, &body, properties);
        match within("publish an event", publish).await {
            Ok(confirm) => confirms.push(async { (event.id, within("have an event confirmed", confirm).await) }),
            Err(error) => {
                tracing::warn!(%error, "an event waits for the next run");
                break;
            }
        }
    }
    let confirmed = |(_, result): &(i64, Result<Confirmation, AmqpError>)| matches!(result, Ok(Confirmation::Ack(_)));
    join_all(confirms).await.into_iter().take_while(confirmed).map(|(id, _)| id).collect()
}

fn body(event: &StoredEvent) -> Option<Vec<u8>> {
    let data: &RawValue = serde_json::from_str(&event.data)
        .inspect_err(|error| tracing::error!(event = event.id, %error, "the data of an event is not JSON"))
        .ok()?;
    let event = CloudEvent {
        specversion: "1.0",
        id: event.event_id.to_string(),
        source: "/onsale",
        kind: &event.kind,
        subject: &event.subject,
        time: Time(event.created_at),
        datacontenttype: "application/json",
        data,
    };
    serde_json::to_vec(&event).ok()
}
