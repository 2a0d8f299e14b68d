//! One client on an idle system, against what it cannot do without: a round trip through a quorum queue, and a commit.

use std::time::Instant;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Consumer};
use onsale_common::amqp::connection::connect;
use onsale_stack::servers::Server;

use super::Bench;
use crate::bench::load;

/// Round trips and commits that are timed in a round.
const TIMES: usize = 300;

impl Bench {
    /// The median of a hold of one client, of an empty round trip, and of an empty commit.
    pub(super) async fn idle_latency(&mut self) -> Result<()> {
        // As many as one client comes to within the window, at a millisecond each.
        let crowd = self.crowd(1000.0, 1).await?;
        self.world.rest().await?;
        let run = load::closed(&self.world.address, vec![crowd.holder(false)], self.size.window).await?;
        self.world.check_told(&crowd).await?;
        let (quorum, commit) = (self.quorum_round_trip_ms().await?, self.commit_ms().await?);
        eprintln!("idle_latency: {:.2} ms, quorum {quorum:.2} ms, commit {commit:.2} ms", run.ms_at(50.0));
        self.figures.add("idle_latency", "ms", run.ms_at(50.0));
        self.figures.add("idle_latency.p99", "ms", run.ms_at(99.0));
        self.figures.add("idle_latency.quorum", "ms", quorum);
        self.figures.add("idle_latency.commit", "ms", commit);
        Ok(())
    }

    /// A message of no content through a quorum queue to a consumer, and its answer through a queue of the asker's own:
    /// the way that a command and its reply take.
    async fn quorum_round_trip_ms(&self) -> Result<f64> {
        const THERE: &str = "bench.there";
        const BACK: &str = "bench.back";
        let url = self.world.servers.rabbitmq.url();
        let asking = connect(&url, "bench: asking").await?.create_channel().await?;
        let mut quorum = FieldTable::default();
        quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        asking.queue_declare(THERE.into(), durable, quorum).await?;
        let own = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        asking.queue_declare(BACK.into(), own, FieldTable::default()).await?;
        let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consume = asking.basic_consume(BACK.into(), "".into(), no_ack, FieldTable::default());
        let mut answers = consume.await?;
        let echo = tokio::spawn(echo(connect(&url, "bench: answering").await?.create_channel().await?, THERE, BACK));
        let mut times = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let started = Instant::now();
            send(&asking, THERE).await?;
            receive(&mut answers).await?;
            times.push(started.elapsed().as_secs_f64() * 1000.0);
        }
        echo.abort();
        Ok(median(times))
    }

    /// A transaction that writes nothing but its own end, which goes to disk.
    async fn commit_ms(&self) -> Result<f64> {
        let mut times = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let started = Instant::now();
            let mut transaction = self.world.pool.begin().await?;
            sqlx::query("SELECT pg_current_xact_id()").execute(&mut *transaction).await?;
            transaction.commit().await?;
            times.push(started.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(median(times))
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

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
