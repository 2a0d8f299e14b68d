//! A direct AMQP producer, as other systems would write one.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer};
use onsale_common::time::Time;
use serde_json::{Value, json};
use uuid::Uuid;

/// A producer with a queue of its own for replies.
pub struct Producer {
    _connection: Connection,
    channel: Channel,
    replies: Consumer,
    reply_to: String,
}

/// A command with a fresh id and a deadline ten seconds ahead.
pub fn command(name: &str, token: Option<&str>, data: Value) -> Value {
    let deadline = Time::now().plus(Duration::from_secs(10));
    let mut command = json!({ "id": Uuid::now_v7(), "command": name, "deadline": deadline, "data": data });
    if let Some(token) = token {
        command["token"] = json!(token);
    }
    command
}

/// The same command, of somebody whom the producer vouches for.
pub fn vouched_for(user: i64, mut command: Value) -> Value {
    command["caller"] = json!(user);
    command
}

impl Producer {
    /// Connects to a virtual host.
    pub async fn connect(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("the broker");
        let channel = connection.create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        let queue = channel.queue_declare("".into(), options, FieldTable::default()).await.expect("a reply queue");
        let reply_to = queue.name().as_str().to_owned();
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let consume = channel.basic_consume(reply_to.as_str().into(), "".into(), options, FieldTable::default());
        let replies = consume.await.expect("a consumer");
        Self { _connection: connection, channel, replies, reply_to }
    }

    /// Publishes a body; false when the queue refused it.
    pub async fn publish(&self, routing_key: &str, body: &[u8], wants_reply: bool) -> bool {
        self.publish_for(routing_key, body, wants_reply.then_some(self.reply_to.as_str())).await
    }

    /// Publishes a body whose reply goes to any address; false when the queue refused it.
    pub async fn publish_for(&self, routing_key: &str, body: &[u8], reply_to: Option<&str>) -> bool {
        let mut properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_type("onsale.command.v1".into())
            .with_correlation_id("asked".into());
        if let Some(reply_to) = reply_to {
            properties = properties.with_reply_to(reply_to.into());
        }
        let options = BasicPublishOptions::default();
        let publish =
            self.channel.basic_publish("onsale.commands".into(), routing_key.into(), options, body, properties);
        let confirm = publish.await.expect("published").await.expect("confirmed");
        matches!(confirm, Confirmation::Ack(_))
    }

    /// Publishes a command or an array of them, and waits for the reply.
    pub async fn ask(&mut self, routing_key: &str, body: &Value) -> Value {
        self.ask_bytes(routing_key, body.to_string().as_bytes()).await
    }

    /// Has a command done, and returns the data of its reply.
    pub async fn done(&mut self, routing_key: &str, command: &Value) -> Value {
        let mut reply = self.ask(routing_key, command).await;
        assert_eq!(reply["ok"], true, "{command}: {reply}");
        reply["data"].take()
    }

    /// Has a command refused, and returns the code.
    pub async fn refused(&mut self, routing_key: &str, command: &Value) -> String {
        let reply = self.ask(routing_key, command).await;
        assert_eq!(reply["ok"], false, "{command}: {reply}");
        reply["error"]["code"].as_str().expect("a code").to_owned()
    }

    /// Publishes any bytes, and waits for the reply.
    pub async fn ask_bytes(&mut self, routing_key: &str, body: &[u8]) -> Value {
        serde_json::from_slice(&self.ask_raw(routing_key, body).await).expect("JSON")
    }

    /// Publishes any bytes, and waits for the reply as it was written.
    pub async fn ask_raw(&mut self, routing_key: &str, body: &[u8]) -> Vec<u8> {
        assert!(self.publish(routing_key, body, true).await, "the queue refused");
        self.reply().await
    }

    /// Waits for the next reply.
    pub async fn reply(&mut self) -> Vec<u8> {
        let delivery = tokio::time::timeout(Duration::from_secs(15), self.replies.next()).await;
        let delivery = delivery.expect("a reply in time").expect("a reply").expect("a delivery");
        assert_eq!(delivery.properties.correlation_id().as_ref().map(|id| id.as_str()), Some("asked"));
        delivery.data
    }

    /// Hears every event that is published from now on.
    pub async fn events(&self) -> Consumer {
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        let queue = self.bind_events("", options, FieldTable::default()).await;
        self.consume(&queue).await
    }

    /// Has every event that is published from now on kept in a durable queue.
    pub async fn keep_events(&self, queue: &str, arguments: FieldTable) {
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        self.bind_events(queue, options, arguments).await;
    }

    async fn bind_events(&self, queue: &str, options: QueueDeclareOptions, arguments: FieldTable) -> String {
        let queue = self.channel.queue_declare(queue.into(), options, arguments).await.expect("a queue");
        let name = queue.name().as_str().to_owned();
        let bind = self.channel.queue_bind(
            name.as_str().into(),
            "onsale.events".into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bind.await.expect("bound");
        name
    }

    /// Takes what is in a queue, and what comes into it.
    pub async fn consume(&self, queue: &str) -> Consumer {
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let consume = self.channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
        consume.await.expect("a consumer")
    }

    /// Takes a message from a queue, if there is one.
    pub async fn take(&self, queue: &str) -> Option<(String, Value)> {
        let options = BasicGetOptions { no_ack: true };
        let message = self.channel.basic_get(queue.into(), options).await.expect("the queue")?;
        let reason = message.properties.headers().as_ref().and_then(|headers| {
            let reason = headers.inner().get("x-onsale-reason")?;
            reason.as_long_string().map(ToString::to_string)
        });
        let body = serde_json::from_slice(&message.data).unwrap_or(Value::Null);
        Some((reason.unwrap_or_default(), body))
    }
}
