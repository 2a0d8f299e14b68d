//! A worker that decides nothing: it consumes the reservation lane as a worker does and answers every command with an
//! empty success. What is left is the price of HTTP and the broker: the floor that a real lane stands on.

use anyhow::{Context, Result};
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};
use onsale_common::amqp::connection::connect;
use onsale_common::amqp::topology::{REPLY_TYPE, Topology, queue_name};
use onsale_common::config::Env;
use onsale_common::contract::Lane;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Deliveries that are sent ahead of their acks, as many as a worker's.
const PREFETCH: u16 = 32;

#[tokio::main]
async fn main() -> Result<()> {
    let mut env = Env::from_process();
    let topology = Topology::from_env(&mut env);
    let url = env.required_secret("ONSALE_AMQP_URL", "the broker");
    let url = env.finish(url)?;
    let consuming = connect(&url, "echo: commands").await?;
    let publishing = connect(&url, "echo: replies").await?;
    topology.declare(&publishing).await?;
    let replies = publishing.create_channel().await?;
    let mut partitions = tokio::task::JoinSet::new();
    for partition in 0..topology.partitions {
        let channel = consuming.create_channel().await?;
        partitions.spawn(echo(channel, replies.clone(), queue_name(Lane::Reservation, partition)));
    }
    println!("ready");
    partitions.join_next().await.context("there are partitions")??
}

async fn echo(channel: Channel, replies: Channel, queue: String) -> Result<()> {
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let consume =
        channel.basic_consume(queue.as_str().into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
    let mut deliveries = consume.await?;
    while let Some(first) = deliveries.next().await {
        let mut last = first?;
        answer(&replies, &last).await?;
        while let Some(Some(next)) = deliveries.next().now_or_never() {
            last = next?;
            answer(&replies, &last).await?;
        }
        channel.basic_ack(last.delivery_tag, BasicAckOptions { multiple: true }).await?;
    }
    Ok(())
}

async fn answer(replies: &Channel, delivery: &Delivery) -> Result<()> {
    #[derive(Deserialize)]
    struct Command<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    let commands: Vec<Command<'_>> = serde_json::from_slice(&delivery.data)?;
    let mut body = vec![b'['];
    for (n, command) in commands.iter().enumerate() {
        if n > 0 {
            body.push(b',');
        }
        body.extend_from_slice(b"{\"id\":");
        body.extend_from_slice(command.id.get().as_bytes());
        body.extend_from_slice(b",\"ok\":true,\"data\":{\"reservationId\":1}}");
    }
    body.push(b']');
    let properties = &delivery.properties;
    let reply_to = properties.reply_to().clone().context("a bundle of the ingress has reply_to")?;
    let correlation = properties.correlation_id().clone().context("and a correlation id")?;
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_type(REPLY_TYPE.into())
        .with_correlation_id(correlation);
    replies.basic_publish("".into(), reply_to, BasicPublishOptions::default(), &body, properties).await?;
    Ok(())
}
