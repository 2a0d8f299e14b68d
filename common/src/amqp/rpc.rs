//! The client that bundles commands: requests that come while the broker is busy travel together.
//!
//! Per line (a lane's partition) at most `bundles_in_flight` bundles are under way. A request that finds a free slot leaves at
//! once; while the slots are busy requests gather, and the next free slot takes all that wait, up to the bundle's bound.
//! No timer holds anything back: an idle system adds no latency, and load makes the bundles bigger. A slot does not wait for
//! ever for a bundle that a hanging worker has (`line`).

mod line;
mod parts;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use self::line::LineState;
use super::connection::{AmqpError, connect, supervise, url_from_env, within};
use super::topology::{COMMAND_TYPE, COMMANDS_EXCHANGE, Topology, routing_key};
use super::unroutable;
use crate::config::Env;
use crate::contract::reply::SHARES_HEADER;
use crate::contract::{Envelope, Lane};
use crate::ids::ScheduleId;
use crate::lock::lock;
use crate::ops::Readiness;
use crate::shutdown::CancellationToken;
use crate::telemetry::{BUNDLE_COMMANDS, BUNDLES_REPEATED};
use crate::time::Time;

/// A caller waits this much longer than its command's deadline, so that the worker's own answer about it can arrive.
const REPLY_GRACE: Duration = Duration::from_millis(300);

/// How the client bundles.
#[derive(Debug, Clone)]
pub struct RpcConfig {
    /// The broker.
    pub url: String,
    /// The queues.
    pub topology: Topology,
    /// Bundles under way per line.
    pub bundles_in_flight: usize,
    /// Commands in one bundle at most.
    pub bundle_commands_max: usize,
    /// Commands that wait per line at most, for their bundle or in one that is overdue; more are refused at
    /// once.
    pub waiting_max: usize,
}

impl RpcConfig {
    /// Reads `ONSALE_AMQP_URL`, `ONSALE_BUNDLES_IN_FLIGHT`, `ONSALE_BUNDLE_MAX`, `ONSALE_WAITING_MAX` and the topology.
    pub fn from_env(env: &mut Env) -> Self {
        Self {
            url: url_from_env(env),
            topology: Topology::from_env(env),
            bundles_in_flight: env.number("ONSALE_BUNDLES_IN_FLIGHT", 4, 1..=64),
            bundle_commands_max: env.number("ONSALE_BUNDLE_MAX", 256, 1..=4096),
            waiting_max: env.number("ONSALE_WAITING_MAX", 10_000, 1..=1_000_000),
        }
    }
}

/// Why a call has no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It was refused before it was sent, or by a full queue: nothing was done.
    #[error("refused: more work than can be done in time, or the broker is away")]
    Refused,
    /// It was sent and not answered in time: it may have been done.
    #[error("no answer in time")]
    NoAnswer,
}

/// A reply as the worker wrote it.
#[derive(Debug, Clone)]
pub struct RawReply {
    /// Whether the command was done.
    pub ok: bool,
    /// `data` when it was done, `error` when not; JSON.
    pub json: Bytes,
}

/// A command that waits for its bundle, then for its reply.
struct Waiting {
    id: Uuid,
    json: Vec<u8>,
    expires: Instant,
    sent: Arc<AtomicBool>,
    answer: oneshot::Sender<Result<RawReply, CallError>>,
}

/// Where commands wait for a bundle together.
#[derive(Debug, Clone, Copy)]
struct Line {
    lane: Lane,
    partition: u16,
    /// Those that may take long, which must not keep the others of their partition waiting for their common reply.
    slow: bool,
}

/// The reply to a bundle.
struct BundleReply {
    body: Bytes,
    /// Whether the bundle had been published more than once by then.
    was_repeated: bool,
}

/// The bundling client. Cheap to clone.
#[derive(Clone)]
pub struct RpcClient(Arc<Shared>);

struct Shared {
    config: RpcConfig,
    /// Of each lane the partitions, of each partition the quick line and the slow one.
    lanes: Vec<Vec<[Mutex<LineState>; 2]>>,
    link: Mutex<Option<Arc<Link>>>,
}

/// One life of the connections to the broker.
struct Link {
    channel: Channel,
    publisher: Connection,
    reply_queue: String,
    pending: Mutex<HashMap<u64, oneshot::Sender<Bytes>>>,
    next_correlation: AtomicU64,
}

impl RpcClient {
    /// A client that is not connected yet; [`RpcClient::run`] connects it.
    pub fn new(config: RpcConfig) -> Self {
        let partitions = || (0..config.topology.partitions).map(|_| Default::default()).collect();
        let lanes = Lane::ALL.iter().map(|_| partitions()).collect();
        Self(Arc::new(Shared { config, lanes, link: Mutex::new(None) }))
    }

    /// Keeps the client connected until shutdown, and answers what no queue takes.
    pub async fn run(&self, ready: &Readiness, shutdown: &CancellationToken) {
        supervise("ingress", shutdown, || async {
            let session = self.0.session(ready, shutdown).await;
            ready.set(false);
            if let Some(link) = lock(&self.0.link).take() {
                // Whoever waits for a reply over this link learns now that none will come.
                lock(&link.pending).clear();
            }
            session
        })
        .await;
    }

    /// Whether commands of a schedule would be refused for want of room now; not known for the service-wide room, whose
    /// tokens are good for every schedule.
    pub fn is_full(&self, lane: Lane, schedule: ScheduleId) -> bool {
        let by_schedule = matches!(lane, Lane::Reservation | Lane::Payment) && schedule != ScheduleId::SERVICE_WIDE;
        by_schedule && {
            let partition = self.0.config.topology.partition(schedule.get().unsigned_abs());
            self.0.state(Line { lane, partition, slow: false }).is_full(&self.0.config)
        }
    }

    /// Sends a command and waits for its reply, until shortly after the command's deadline.
    ///
    /// # Errors
    /// [`CallError::Refused`] when nothing was done, [`CallError::NoAnswer`] when that is not known.
    pub async fn call(&self, envelope: &Envelope) -> Result<RawReply, CallError> {
        let name = envelope.command.name();
        let partition = self.0.config.topology.partition(envelope.command.partition_key(envelope.token));
        let line = Line { lane: name.lane(), partition, slow: name.may_take_long() };
        let sent = Arc::new(AtomicBool::new(false));
        let expires = Instant::now() + envelope.deadline.since(Time::now()) + REPLY_GRACE;
        let (answer, reply) = oneshot::channel();
        let (id, json) = (envelope.id, envelope.encode());
        let waiting = Waiting { id, json, expires, sent: sent.clone(), answer };
        self.0.clone().enqueue(line, waiting)?;
        match tokio::time::timeout_at(expires, reply).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) if sent.load(Ordering::Relaxed) => Err(CallError::NoAnswer),
            Ok(Err(_)) | Err(_) => Err(CallError::Refused),
        }
    }
}

impl Shared {
    fn state(&self, line: Line) -> MutexGuard<'_, LineState> {
        lock(&self.lanes[line.lane as usize][usize::from(line.partition)][usize::from(line.slow)])
    }

    fn enqueue(self: Arc<Self>, line: Line, waiting: Waiting) -> Result<(), CallError> {
        let bundle = {
            let mut state = self.state(line);
            if state.is_full(&self.config) {
                return Err(CallError::Refused);
            }
            state.wait(waiting);
            state.take_slot(&self.config)
        };
        if let Some(bundle) = bundle {
            tokio::spawn(self.carry(line, bundle));
        }
        Ok(())
    }

    /// Occupies one slot of a line for as long as commands wait for it.
    async fn carry(self: Arc<Self>, line: Line, first: Vec<Waiting>) {
        let mut next = Some(first);
        while let Some(bundle) = next {
            let commands = bundle.len();
            let patience = self.state(line).patience();
            let mut exchange = Box::pin(self.clone().exchange(line, bundle));
            let in_time = tokio::time::timeout(patience, &mut exchange).await.is_ok();
            let mut state = self.state(line);
            if !in_time {
                state.begin_overdue(commands);
                let shared = self.clone();
                tokio::spawn(async move {
                    exchange.await;
                    shared.state(line).end_overdue(commands);
                });
            }
            next = state.next_bundle(&self.config);
        }
    }

    /// Sends one bundle, waits for its reply and hands out the parts.
    async fn exchange(self: Arc<Self>, line: Line, bundle: Vec<Waiting>) {
        let Line { lane, partition, .. } = line;
        let Some(link) = lock(&self.link).clone().filter(|link| !link.publisher.status().blocked()) else {
            return parts::refuse(bundle);
        };
        for waiting in &bundle {
            waiting.sent.store(true, Ordering::Relaxed);
        }
        metrics::histogram!(BUNDLE_COMMANDS, "lane" => lane.name()).record(bundle.len() as f64);
        let correlation = link.next_correlation.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = oneshot::channel();
        lock(&link.pending).insert(correlation, sender);
        match link.publish(lane, partition, correlation, &bundle).await {
            Ok(true) => {
                if let Some(reply) = self.reply(&link, line, correlation, &bundle, reply).await {
                    parts::hand_out(bundle, &reply.body, reply.was_repeated);
                }
            }
            Ok(false) => parts::refuse(bundle),
            Err(error) => tracing::warn!(%lane, partition, %error, "a bundle was not confirmed"),
        }
        lock(&link.pending).remove(&correlation);
    }

    /// Waits for the reply to a bundle that was published. One that is overdue is published again, for a worker that does
    /// not hang: a command that comes twice is done once, and the first reply counts. It is published a third time only
    /// where others of the partition were answered meanwhile, so that a backlog is not made longer and longer; and never
    /// again where a command may well take so long.
    async fn reply(
        &self,
        link: &Link,
        line: Line,
        correlation: u64,
        bundle: &[Waiting],
        mut reply: oneshot::Receiver<Bytes>,
    ) -> Option<BundleReply> {
        let Line { lane, partition, slow } = line;
        let first_published_at = Instant::now();
        // The bundle is given up when the last of its callers has.
        let given_up_at = bundle.iter().map(|waiting| waiting.expires).max()?;
        let mut patience = self.state(line).patience();
        let mut published_at = first_published_at;
        loop {
            let overdue_at = if slow { given_up_at } else { given_up_at.min(Instant::now() + patience) };
            let was_repeated = published_at > first_published_at;
            if let Ok(reply) = tokio::time::timeout_at(overdue_at, &mut reply).await {
                let body = reply.ok()?;
                // Since the last time, whichever this answers: that workers are slow shows in it, and not that one hangs.
                self.state(line).answered_after(published_at.elapsed());
                return Some(BundleReply { body, was_repeated });
            }
            if overdue_at == given_up_at {
                return None;
            }
            if !was_repeated || self.state(line).answered_since(first_published_at) {
                metrics::counter!(BUNDLES_REPEATED, "lane" => lane.name()).increment(1);
                published_at = Instant::now();
                tokio::select! {
                    reply = &mut reply => return Some(BundleReply { body: reply.ok()?, was_repeated: true }),
                    // Whether it is taken changes nothing: the first is under way.
                    _ = link.publish(lane, partition, correlation, bundle) => {}
                }
            }
            patience *= 2;
        }
    }

    async fn session(&self, ready: &Readiness, shutdown: &CancellationToken) -> Result<(), AmqpError> {
        // Two connections: under a memory alarm the broker stops reading from a publisher, replies must still come in.
        let consumer = connect(&self.config.url, "onsale ingress: replies").await?;
        let publisher = connect(&self.config.url, "onsale ingress: commands").await?;
        self.config.topology.declare(&publisher).await?;
        let channel = within("open a channel", publisher.create_channel()).await?;
        within("ask for confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;

        let replies = within("open a channel", consumer.create_channel()).await?;
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        let queue =
            within("declare the reply queue", replies.queue_declare("".into(), options, FieldTable::default())).await?;
        let reply_queue = queue.name().as_str().to_owned();
        let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..Default::default() };
        let consume = replies.basic_consume(reply_queue.as_str().into(), "".into(), options, FieldTable::default());
        let mut deliveries = within("consume replies", consume).await?;

        let link = Arc::new(Link {
            channel,
            publisher,
            reply_queue,
            pending: Mutex::default(),
            next_correlation: AtomicU64::new(0),
        });
        *lock(&self.link) = Some(link.clone());
        ready.set(true);
        tracing::info!("linked to the broker");

        let mut watch = tokio::time::interval(Duration::from_millis(250));
        let unroutable = unroutable::answer(&consumer);
        tokio::pin!(unroutable);
        loop {
            tokio::select! {
                delivery = deliveries.next() => match delivery {
                    Some(Ok(delivery)) => link.resolve(delivery.properties.correlation_id().as_ref().map(|id| id.as_str()), delivery.data),
                    Some(Err(source)) => return Err(AmqpError::Broker { step: "consume replies", source }),
                    None => return Err(AmqpError::Ended("the consumer of replies".to_owned())),
                },
                ended = &mut unroutable => return ended,
                _ = watch.tick() => {
                    if !link.channel.status().connected() || !link.publisher.status().connected() {
                        return Err(AmqpError::Ended("the publishing channel".to_owned()));
                    }
                    ready.set(!link.publisher.status().blocked());
                }
                () = shutdown.cancelled() => return Ok(()),
            }
        }
    }
}

impl Link {
    /// Publishes a bundle and waits for the confirm; false when the queue is full.
    async fn publish(
        &self,
        lane: Lane,
        partition: u16,
        correlation: u64,
        bundle: &[Waiting],
    ) -> Result<bool, AmqpError> {
        let mut headers = FieldTable::default();
        headers.insert("traceparent".into(), AMQPValue::LongString(traceparent(bundle[0].id).into()));
        headers.insert(SHARES_HEADER.into(), AMQPValue::Boolean(true));
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_type(COMMAND_TYPE.into())
            .with_delivery_mode(2)
            .with_message_id(bundle[0].id.to_string().into())
            .with_correlation_id(correlation.to_string().into())
            .with_reply_to(self.reply_queue.as_str().into())
            .with_app_id("onsale-ingress".into())
            .with_headers(headers);
        let body = parts::bundle_body(bundle);
        let publish = self.channel.basic_publish(
            COMMANDS_EXCHANGE.into(),
            routing_key(lane, partition).as_str().into(),
            BasicPublishOptions::default(),
            &body,
            properties,
        );
        let confirm = within("publish a bundle", publish).await?;
        let confirmation = within("have a bundle confirmed", confirm).await?;
        Ok(matches!(confirmation, Confirmation::Ack(_)))
    }

    fn resolve(&self, correlation: Option<&str>, body: Vec<u8>) {
        let sender = correlation.and_then(|id| id.parse().ok()).and_then(|id: u64| lock(&self.pending).remove(&id));
        match sender {
            // The bundle may have been given up meanwhile; its callers have their answer.
            Some(sender) => drop(sender.send(Bytes::from(body))),
            None => tracing::debug!("a reply came that nobody waits for"),
        }
    }
}

/// The trace of a bundle is that of its first command (W3C Trace Context).
fn traceparent(id: Uuid) -> String {
    let (_, span) = id.as_u64_pair();
    format!("00-{}-{span:016x}-01", id.as_simple())
}
