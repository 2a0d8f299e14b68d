//! One client on an idle system, against what it cannot do without: a round trip through a quorum queue, and a commit.

use std::time::Instant;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Consumer};
use onsale_common::amqp::connection::connect;
use onsale_stack::servers::Server;
use tokio::task::JoinSet;

use super::Bench;
use crate::bench::cpu::{self, Class};
use crate::bench::load::{self, Window};

/// A round is cut into so many slices, in which the three take turns: a machine that others use too is as slow for one as
/// for the others.
const SLICES: u32 = 8;
/// Round trips and commits that are timed in a slice.
const TIMES: usize = 50;

impl Bench {
    /// The median of a hold of one client, of an empty round trip, and of an empty commit.
    pub(super) async fn idle_latency(&mut self) -> Result<()> {
        // As many as one client comes to within the window, at a millisecond each.
        let crowd = self.crowd(1000.0, 1).await?;
        self.world.rest().await?;
        // A single client does not compete with the servers for the processors: on a machine of its own it would take its
        // answer at once, and so it does here.
        cpu::schedule_bench_as(Class::Ordinary)?;
        let mut quorum = QuorumPath::open(&self.world.servers.rabbitmq.url()).await?;
        let slice = Window { warm_up: self.size.window.warm_up / SLICES, counted: self.size.window.counted / SLICES };
        let mut holds = load::histogram();
        let (mut trips_ms, mut commits_ms) = (Vec::new(), Vec::new());
        for _ in 0..SLICES {
            let run = load::closed(&self.world.address, vec![crowd.holder(false)], slice).await?;
            holds.add(&run.latency_us)?;
            for _ in 0..TIMES {
                trips_ms.push(quorum.round_trip_ms().await?);
            }
            for _ in 0..TIMES {
                commits_ms.push(self.commit_ms().await?);
            }
        }
        cpu::schedule_bench_as(Class::Batch)?;
        self.world.check_told(&crowd).await?;
        let hold_ms = |percentile| holds.value_at_percentile(percentile) as f64 / 1000.0;
        let (trip, commit) = (median(trips_ms), median(commits_ms));
        eprintln!("idle_latency: {:.2} ms, quorum {trip:.2} ms, commit {commit:.2} ms", hold_ms(50.0));
        self.figures.add("idle_latency", "ms", hold_ms(50.0));
        self.figures.add("idle_latency.p99", "ms", hold_ms(99.0));
        self.figures.add("idle_latency.quorum", "ms", trip);
        self.figures.add("idle_latency.commit", "ms", commit);
        Ok(())
    }

    /// A transaction that writes nothing but its own end, which goes to disk.
    async fn commit_ms(&self) -> Result<f64> {
        let started = Instant::now();
        let mut transaction = self.world.pool.begin().await?;
        sqlx::query("SELECT pg_current_xact_id()").execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(ms_since(started))
    }
}

/// The way that a command and its reply take: through a quorum queue to a consumer, and back through a queue of the
/// asker's own.
struct QuorumPath {
    asking: Channel,
    answers: Consumer,
    /// Ends with this.
    _echo: JoinSet<Result<()>>,
}

impl QuorumPath {
    const THERE: &str = "bench.there";
    const BACK: &str = "bench.back";

    async fn open(url: &str) -> Result<Self> {
        let asking = connect(url, "bench: asking").await?.create_channel().await?;
        let mut quorum = FieldTable::default();
        quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        asking.queue_declare(Self::THERE.into(), durable, quorum).await?;
        let own = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        asking.queue_declare(Self::BACK.into(), own, FieldTable::default()).await?;
        let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let answers = asking.basic_consume(Self::BACK.into(), "".into(), no_ack, FieldTable::default()).await?;
        let answering = connect(url, "bench: answering").await?.create_channel().await?;
        let mut answerer = JoinSet::new();
        answerer.spawn(echo(answering, Self::THERE, Self::BACK));
        Ok(Self { asking, answers, _echo: answerer })
    }

    /// A message of no content, there and back.
    async fn round_trip_ms(&mut self) -> Result<f64> {
        let started = Instant::now();
        send(&self.asking, Self::THERE).await?;
        receive(&mut self.answers).await?;
        Ok(ms_since(started))
    }
}

async fn echo(channel: Channel, from: &str, to: &str) -> Result<()> {
    let options = BasicConsumeOptions::default();
    let mut asked = channel.basic_consume(from.into(), "".into(), options, FieldTable::default()).await?;
    loop {
        let tag = receive(&mut asked).await?;
        send(&channel, to).await?;
        channel.basic_ack(tag, BasicAckOptions::default()).await?;
    }
}

async fn send(channel: &Channel, queue: &str) -> lapin::Result<()> {
    let properties = BasicProperties::default().with_delivery_mode(2);
    channel.basic_publish("".into(), queue.into(), BasicPublishOptions::default(), b"", properties).await.map(drop)
}

async fn receive(consumer: &mut Consumer) -> Result<u64> {
    Ok(consumer.next().await.context("the consumer ended")??.delivery_tag)
}

fn ms_since(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1000.0
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
