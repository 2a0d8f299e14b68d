//! Consumes the partition queues of a lane: a task and a channel for each partition, over one connection for deliveries
//! and acks and another for replies.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::future::try_join_all;
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, Consumer};
use onsale_common::amqp::connection::{AmqpError, connect, supervise, within};
use onsale_common::amqp::reply_to::{can_be_answered, reply_properties};
use onsale_common::amqp::topology::{DEAD_EXCHANGE, queue_name};
use onsale_common::contract::Envelope;
use onsale_common::contract::reply::SHARES_HEADER;
use onsale_common::lock::lock;
use onsale_common::ops::Readiness;
use onsale_common::shutdown::CancellationToken;
use onsale_common::telemetry::{BATCH_COMMANDS, BATCH_SECONDS};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};

use super::LaneWorker;
use super::bundle::{Bundle, Entry};
use super::dead_letter::without_secrets;
use super::outgoing::Outgoing;
use super::settle::{Settled, settle, settle_parted};
use crate::config::ConsumeConfig;

/// Replies that are sent together have this many bytes, and the last of them: a message may ask for a large seat map many
/// times, and a batch has many messages.
const REPLIES_BYTES_MAX: usize = 16 << 20;

/// Some partitions of a lane, as an operator writes them: `3` or `0-3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionRange(RangeInclusive<u16>);

impl PartitionRange {
    /// Whether a lane has these partitions.
    ///
    /// # Errors
    /// A sentence that says how many it has.
    pub fn check(&self, partitions: u16) -> Result<(), String> {
        if *self.0.end() < partitions {
            Ok(())
        } else {
            Err(format!("--partitions {self}: there are {partitions} (ONSALE_PARTITIONS), numbered from 0"))
        }
    }
}

impl FromStr for PartitionRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(Self(first..=last)),
            _ => Err(format!("{text:?} is no range of partitions; write 3 or 0-3")),
        }
    }
}

impl fmt::Display for PartitionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0.start(), self.0.end())
    }
}

/// Consumes a lane until shutdown: then every partition finishes its batch, replies, acks and leaves.
pub async fn run<L: LaneWorker>(
    lane: Arc<L>,
    config: &ConsumeConfig,
    partitions: Option<&PartitionRange>,
    ready: &Readiness,
    shutdown: &CancellationToken,
) {
    let last = config.topology.partitions - 1;
    let partitions = partitions.map_or(0..=last, |range| range.0.clone());
    supervise(L::LANE.name(), shutdown, || async {
        let session = session(&lane, config, partitions.clone(), ready, shutdown).await;
        ready.set(false);
        session
    })
    .await;
}

async fn session<L: LaneWorker>(
    lane: &Arc<L>,
    config: &ConsumeConfig,
    partitions: RangeInclusive<u16>,
    ready: &Readiness,
    shutdown: &CancellationToken,
) -> Result<(), AmqpError> {
    let consuming = connect(&config.amqp_url, &format!("onsale {}: commands", L::LANE)).await?;
    let publishing = connect(&config.amqp_url, &format!("onsale {}: replies", L::LANE)).await?;
    config.topology.declare(&publishing).await?;
    let outgoing = Outgoing::open(&publishing).await?;
    let mut tasks = JoinSet::new();
    for partition in partitions.clone() {
        let worker = PartitionWorker::start::<L>(config, partition, &consuming, outgoing.clone()).await?;
        tasks.spawn(worker.run(lane.clone(), shutdown.clone()));
    }
    ready.set(true);
    tracing::info!(lane = %L::LANE, first = partitions.start(), last = partitions.end(), "consuming");
    while let Some(ended) = tasks.join_next().await {
        // Leaving early drops the other partitions' tasks between two awaits; the database work of a batch runs on in
        // a task of its own, and its deliveries come again.
        ended.map_err(|panic| AmqpError::Ended(format!("a task of {}, {panic},", L::LANE)))??;
    }
    Ok(())
}

/// Deliveries that are settled together, in the order in which they came.
type Deliveries = Vec<(Delivery, Bundle)>;

/// The consumer of one partition's queue.
struct PartitionWorker {
    desk: Desk,
    deliveries: Consumer,
    batch_commands_max: usize,
    batches_in_flight: usize,
}

impl PartitionWorker {
    async fn start<L: LaneWorker>(
        config: &ConsumeConfig,
        partition: u16,
        consuming: &Connection,
        outgoing: Outgoing,
    ) -> Result<Self, AmqpError> {
        let queue = queue_name(L::LANE, partition);
        let channel = within("open a channel", consuming.create_channel()).await?;
        // The library's buffer has no bound of its own.
        within("set the prefetch", channel.basic_qos(config.prefetch, BasicQosOptions::default())).await?;
        let consume = channel.basic_consume(
            queue.as_str().into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let deliveries = within("consume commands", consume).await?;
        let desk = Desk { queue, channel, outgoing, unacked: Arc::default(), parted: Arc::default() };
        Ok(Self {
            desk,
            deliveries,
            batch_commands_max: config.batch_commands_max,
            batches_in_flight: config.batches_in_flight,
        })
    }

    async fn run<L: LaneWorker>(mut self, lane: Arc<L>, shutdown: CancellationToken) -> Result<(), AmqpError> {
        let slots = Arc::new(Semaphore::new(self.batches_in_flight));
        let mut serving = JoinSet::new();
        loop {
            let slot = slots.clone().acquire_owned().await.expect("these slots are never closed");
            let first = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                // Whoever could not answer ends the session: nobody else would notice that replies go nowhere.
                Some(ended) = serving.join_next() => { served(ended)?; continue }
                delivery = self.deliveries.next() => self.delivered(delivery)?,
            };
            // What may take long takes no slot: it is few at a time, and the others would wait for it.
            let (slow, quick): (Deliveries, Deliveries) = self
                .drain::<L>(first)?
                .into_iter()
                .partition(|(_, bundle)| bundle.commands().any(|command| command.command.name().may_take_long()));
            for (batch, slot) in [(quick, Some(slot)), (slow, None)] {
                if let Some((first, _)) = batch.first() {
                    lock(&self.desk.unacked).insert(first.delivery_tag);
                    serving.spawn(self.desk.clone().serve(lane.clone(), batch, slot));
                }
            }
        }
        while let Some(ended) = serving.join_next().await {
            served(ended)?;
        }
        within("close a channel", self.desk.channel.close(200, "done".into())).await
    }

    fn delivered(&self, delivery: Option<lapin::Result<Delivery>>) -> Result<Delivery, AmqpError> {
        match delivery {
            Some(Ok(delivery)) => Ok(delivery),
            Some(Err(source)) => Err(AmqpError::Broker { step: "consume commands", source }),
            // The channel may still claim to be connected, as after its queue was deleted.
            None => Err(AmqpError::Ended(format!("the consumer of {}", self.desk.queue))),
        }
    }

    /// Takes every delivery that is here already, up to the batch's bound.
    fn drain<L: LaneWorker>(&mut self, first: Delivery) -> Result<Deliveries, AmqpError> {
        let mut batch = Vec::new();
        let mut commands = 0;
        let mut next = Some(first);
        while let Some(delivery) = next {
            let bundle = Bundle::decode(&delivery.data, L::LANE);
            commands += bundle.entries.len();
            batch.push((delivery, bundle));
            next = if commands < self.batch_commands_max {
                self.deliveries.next().now_or_never().map(|delivery| self.delivered(delivery)).transpose()?
            } else {
                None
            };
        }
        metrics::histogram!(BATCH_COMMANDS, "lane" => L::LANE.name()).record(commands as f64);
        Ok(batch)
    }
}

/// What became of a batch.
fn served(ended: Result<Result<(), AmqpError>, JoinError>) -> Result<(), AmqpError> {
    ended.unwrap_or_else(|panic| Err(AmqpError::Ended(format!("the answering of a batch, {panic},"))))
}

/// Where the answers of one partition go out.
#[derive(Clone)]
struct Desk {
    queue: String,
    channel: Channel,
    outgoing: Outgoing,
    /// The first tag of each batch whose ack is not sent yet.
    unacked: Arc<Mutex<BTreeSet<u64>>>,
    /// Taken by who tries a command that wants a locked row: however many there are, they must not take up all connections.
    parted: Arc<tokio::sync::Mutex<()>>,
}

/// A delivery of a batch.
struct Asked<'a> {
    delivery: &'a Delivery,
    bundle: &'a Bundle,
    /// Where its commands stand in the batch.
    commands: Range<usize>,
}

impl<'a> Asked<'a> {
    fn in_order(batch: &'a [(Delivery, Bundle)]) -> impl Iterator<Item = Self> {
        let mut first = 0;
        batch.iter().map(move |(delivery, bundle)| {
            let commands = first..first + bundle.commands().count();
            first = commands.end;
            Self { delivery, bundle, commands }
        })
    }
}

impl Desk {
    /// Settles a batch, answers and acks it. The next batch may be settled meanwhile, and be answered sooner.
    async fn serve<L: LaneWorker>(
        self,
        lane: Arc<L>,
        batch: Deliveries,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Result<(), AmqpError> {
        let started = Instant::now();
        let commands: Vec<_> = batch.iter().flat_map(|(_, bundle)| bundle.commands().cloned()).collect();
        // A delivery comes again where the first to have it did not end it, as far as the broker knows.
        let came_again: Vec<bool> =
            batch.iter().flat_map(|(asked, bundle)| bundle.commands().map(|_| asked.redelivered)).collect();
        let mut settled = settle(&lane, &commands, &came_again).await;
        metrics::histogram!(BATCH_SECONDS, "lane" => L::LANE.name()).record(started.elapsed());
        drop(slot);
        let (ready, parted): (Vec<Asked>, Vec<Asked>) =
            Asked::in_order(&batch).partition(|asked| settled.has(&asked.commands));
        self.answer_all::<L>(&ready, &commands, &settled).await?;
        if !parted.is_empty() {
            settle_parted(&lane, &commands, &mut settled, &self.parted, &came_again).await;
            self.answer_all::<L>(&parted, &commands, &settled).await?;
        }
        self.ack_all(&batch).await
    }

    async fn answer_each(&self, replies: &[(&Delivery, Vec<u8>)]) -> Result<(), AmqpError> {
        try_join_all(replies.iter().map(|(delivery, reply)| self.answer(delivery, reply))).await.map(drop)
    }

    /// Replies to some deliveries of a batch, and buries what could not be settled.
    async fn answer_all<L: LaneWorker>(
        &self,
        asked: &[Asked<'_>],
        commands: &[Arc<Envelope>],
        settled: &Settled,
    ) -> Result<(), AmqpError> {
        let (mut replies, mut bytes) = (Vec::new(), 0);
        for Asked { delivery, bundle, commands } in asked {
            let reply = bundle.reply(&mut settled.of(commands), shares(delivery));
            bytes += reply.len();
            replies.push((*delivery, reply));
            if bytes >= REPLIES_BYTES_MAX {
                self.answer_each(&replies).await?;
                (replies, bytes) = (Vec::new(), 0);
            }
        }
        self.answer_each(&replies).await?;
        for Asked { delivery, bundle, commands: range } in asked {
            for entry in &bundle.entries {
                if let Entry::Refused { outcome, json, .. } = entry {
                    self.bury::<L>(delivery, json, &outcome.json).await?;
                }
            }
            for casualty in settled.casualties.iter().filter(|casualty| range.contains(&casualty.at)) {
                if casualty.may_come_again && delivery.properties.reply_to().is_some() {
                    continue;
                }
                let command = String::from_utf8_lossy(&commands[casualty.at].encode()).into_owned();
                self.bury::<L>(delivery, &command, &casualty.reason).await?;
            }
        }
        Ok(())
    }

    /// Acks a batch at once, where none that began before its end is still to be acked: an ack of several is one of all up
    /// to a tag.
    async fn ack_all(&self, batch: &[(Delivery, Bundle)]) -> Result<(), AmqpError> {
        let tags: Vec<u64> = batch.iter().map(|(delivery, _)| delivery.delivery_tag).collect();
        let multiple = lock(&self.unacked).range(..=tags[tags.len() - 1]).eq(&tags[..1]);
        for tag in if multiple { &tags[tags.len() - 1..] } else { &tags[..] } {
            within("ack a batch", self.channel.basic_ack(*tag, BasicAckOptions { multiple })).await?;
        }
        // Not sooner: a later batch must not ack these too, because a tag can be acked once.
        lock(&self.unacked).remove(&tags[0]);
        Ok(())
    }

    async fn answer(&self, delivery: &Delivery, reply: &[u8]) -> Result<(), AmqpError> {
        let Some(reply_to) = delivery.properties.reply_to() else { return Ok(()) };
        if !can_be_answered(reply_to.as_str()) {
            tracing::warn!(queue = self.queue, "a command names a reply address that there cannot be");
            return Ok(());
        }
        let properties = reply_properties(&delivery.properties);
        self.outgoing.publish("publish a reply", "", reply_to.as_str(), reply, properties).await
    }

    /// Puts what cannot be processed where an operator finds it, with the reason, and without secrets. The reason may
    /// quote the command, so it is not logged, and of what may hold a password no more than the code is told.
    async fn bury<L: LaneWorker>(&self, delivery: &Delivery, body: &str, reason: &str) -> Result<(), AmqpError> {
        tracing::warn!(queue = self.queue, "a command goes to the dead letters");
        let (body, reason) = without_secrets(L::LANE, body, reason);
        let mut headers = FieldTable::default();
        headers.insert("x-onsale-reason".into(), AMQPValue::LongString(reason.as_str().into()));
        headers.insert("x-onsale-queue".into(), AMQPValue::LongString(self.queue.as_str().into()));
        let mut properties = BasicProperties::default().with_delivery_mode(2).with_headers(headers);
        if let Some(id) = delivery.properties.message_id() {
            properties = properties.with_message_id(id.clone());
        }
        self.outgoing.publish("bury a command", DEAD_EXCHANGE, "", &body, properties).await
    }
}

/// Whether the sender understands data that is written once for several commands.
fn shares(delivery: &Delivery) -> bool {
    let headers = delivery.properties.headers().as_ref().map(FieldTable::inner);
    headers.and_then(|headers| headers.get(SHARES_HEADER)) == Some(&AMQPValue::Boolean(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_one_or_a_range() {
        assert_eq!("3".parse(), Ok(PartitionRange(3..=3)));
        assert_eq!("0-3".parse(), Ok(PartitionRange(0..=3)));
        for wrong in ["", "3-0", "a", "1-", "-1", "1-2-3", "70000"] {
            assert!(wrong.parse::<PartitionRange>().is_err(), "{wrong}");
        }
    }
}
