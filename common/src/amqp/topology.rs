//! Exchanges and queues, declared by every process when it connects: whoever comes first makes them.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Connection, ExchangeKind};

use super::connection::{AmqpError, within};
use crate::config::Env;
use crate::contract::Lane;

/// Direct exchange of commands; routing key `<lane>.<partition>`.
pub const COMMANDS_EXCHANGE: &str = "onsale.commands";
/// Alternate exchange of the commands: what no queue takes ends here, and is answered. A pipelined channel cannot tell
/// an unroutable `mandatory` message from its neighbours, which is why the broker routes it instead of returning it.
pub const UNROUTABLE_EXCHANGE: &str = "onsale.unroutable";
/// Queue of the unroutable commands, answered by ingress.
pub const UNROUTABLE_QUEUE: &str = "onsale.unroutable";
/// Exchange of what nobody could process.
pub const DEAD_EXCHANGE: &str = "onsale.dead";
/// Queue of the dead letters, for an operator to look at.
pub const DEAD_QUEUE: &str = "onsale.dead";
/// Topic exchange of committed effects.
pub const EVENTS_EXCHANGE: &str = "onsale.events";
/// `type` property of a command message.
pub const COMMAND_TYPE: &str = "onsale.command.v1";
/// `type` property of a reply message.
pub const REPLY_TYPE: &str = "onsale.reply.v1";

/// How many dead letters are kept; older ones make room.
const DEAD_LETTERS_MAX: i64 = 100_000;
/// A message that failed its consumer so often is dead-lettered instead of delivered again.
const DELIVERY_LIMIT: i64 = 5;
/// A command older than this is of no use to anybody; the worker's own deadline check usually comes first.
const COMMAND_TTL: Duration = Duration::from_secs(600);

/// The step that a queue without a leader does not answer.
const DECLARE_QUEUE: &str = "declare a queue";
/// How long it has to answer while the broker answers others.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// What shapes the queues: the same in every process of one system.
#[derive(Debug, Clone, Copy)]
pub struct Topology {
    /// Queues per lane.
    pub partitions: u16,
    /// Messages that wait in one queue at most; more are refused with a negative confirm.
    pub queue_length_max: u32,
}

impl Topology {
    /// Reads `ONSALE_PARTITIONS` and `ONSALE_QUEUE_LENGTH_MAX`.
    pub fn from_env(env: &mut Env) -> Self {
        Self {
            partitions: env.number("ONSALE_PARTITIONS", 8, 1..=1024),
            queue_length_max: env.number("ONSALE_QUEUE_LENGTH_MAX", 10_000, 1..=10_000_000),
        }
    }

    /// The partition of a key.
    pub fn partition(&self, key: u64) -> u16 {
        // The remainder is below `partitions`, which is a u16.
        (key % u64::from(self.partitions)) as u16
    }

    /// Declares everything, and every partition queue of every lane. A quorum queue that lost its leader in a crash of
    /// the broker does not answer: it is deleted and made again, without what it held (commands, whose senders had no
    /// reply). The dead letters are nobody else's: their queue is never deleted.
    ///
    /// # Errors
    /// When the broker refuses a declaration, or does not answer in time.
    pub async fn declare(&self, connection: &Connection) -> Result<(), AmqpError> {
        let channel = within("open a channel", connection.create_channel()).await?;
        let mut commands = FieldTable::default();
        commands.insert("alternate-exchange".into(), text(UNROUTABLE_EXCHANGE));
        for (name, kind, arguments) in [
            (UNROUTABLE_EXCHANGE, ExchangeKind::Fanout, FieldTable::default()),
            (DEAD_EXCHANGE, ExchangeKind::Fanout, FieldTable::default()),
            (EVENTS_EXCHANGE, ExchangeKind::Topic, FieldTable::default()),
            (COMMANDS_EXCHANGE, ExchangeKind::Direct, commands),
        ] {
            let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
            within("declare an exchange", channel.exchange_declare(name.into(), kind, options, arguments)).await?;
        }
        self.declare_queue(connection, UNROUTABLE_QUEUE, UNROUTABLE_EXCHANGE, "", self.command_arguments()).await?;
        self.declare_queue(connection, DEAD_QUEUE, DEAD_EXCHANGE, "", dead_arguments()).await?;
        for lane in Lane::ALL {
            for partition in 0..self.partitions {
                let queue = queue_name(lane, partition);
                let key = routing_key(lane, partition);
                self.declare_queue(connection, &queue, COMMANDS_EXCHANGE, &key, self.command_arguments()).await?;
            }
        }
        within("close a channel", channel.close(200, "declared".into())).await
    }

    async fn declare_queue(
        &self,
        connection: &Connection,
        queue: &str,
        exchange: &str,
        key: &str,
        arguments: FieldTable,
    ) -> Result<(), AmqpError> {
        let made = Made::With(arguments.clone());
        if let Err(error) = declare_and_bind(connection, queue, exchange, key, made).await {
            if error.is_made_otherwise() {
                tracing::warn!(queue, "the queue keeps the bounds that it was first declared with");
                return declare_and_bind(connection, queue, exchange, key, Made::Before).await;
            }
            if queue == DEAD_QUEUE || !error.is_silence_at(DECLARE_QUEUE) {
                return Err(error);
            }
            // A broker that stood still for a moment was silent about everything. What it answers by now has a leader.
            answers_at_all(connection).await?;
            let again = declare_and_bind(connection, queue, exchange, key, Made::With(arguments.clone()));
            if let Ok(declared) = tokio::time::timeout(SECOND_LOOK, again).await {
                return declared;
            }
            tracing::warn!(queue, "the queue does not answer: it lost its leader and is made again");
            let channel = within("open a channel", connection.create_channel()).await?;
            within("delete a queue", channel.queue_delete(queue.into(), QueueDeleteOptions::default())).await?;
            declare_and_bind(connection, queue, exchange, key, Made::With(arguments)).await?;
        }
        Ok(())
    }

    fn command_arguments(&self) -> FieldTable {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), text("quorum"));
        arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(i64::from(self.queue_length_max)));
        // Refuse the newest with a negative confirm; drop-head would confirm what it throws away.
        arguments.insert("x-overflow".into(), text("reject-publish"));
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(DELIVERY_LIMIT));
        arguments.insert("x-dead-letter-exchange".into(), text(DEAD_EXCHANGE));
        arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(COMMAND_TTL.as_millis() as i64));
        arguments
    }
}

/// How a queue comes to be there.
enum Made {
    /// With these arguments, now or before.
    With(FieldTable),
    /// Before, whatever its arguments are.
    Before,
}

async fn declare_and_bind(
    connection: &Connection,
    queue: &str,
    exchange: &str,
    key: &str,
    made: Made,
) -> Result<(), AmqpError> {
    // A channel of its own: a refused declaration closes the channel it came on.
    let channel = within("open a channel", connection.create_channel()).await?;
    let (passive, arguments) = match made {
        Made::With(arguments) => (false, arguments),
        Made::Before => (true, FieldTable::default()),
    };
    let options = QueueDeclareOptions { durable: true, passive, ..Default::default() };
    within(DECLARE_QUEUE, channel.queue_declare(queue.into(), options, arguments)).await?;
    let bind = channel.queue_bind(
        queue.into(),
        exchange.into(),
        key.into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    within("bind a queue", bind).await?;
    within("close a channel", channel.close(200, "declared".into())).await
}

/// Has the broker make a queue that goes with its channel.
async fn answers_at_all(connection: &Connection) -> Result<(), AmqpError> {
    let channel = within("open a channel", connection.create_channel()).await?;
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
    let queue = within("declare a queue of its own", channel.queue_declare("".into(), options, FieldTable::default()));
    let name = queue.await?.name().clone();
    within("delete a queue", channel.queue_delete(name, QueueDeleteOptions::default())).await?;
    within("close a channel", channel.close(200, "asked".into())).await
}

fn dead_arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(DEAD_LETTERS_MAX));
    arguments
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}

/// The queue of a lane's partition.
pub fn queue_name(lane: Lane, partition: u16) -> String {
    format!("onsale.{lane}.{partition}")
}

/// The routing key of a lane's partition.
pub fn routing_key(lane: Lane, partition: u16) -> String {
    format!("{lane}.{partition}")
}
