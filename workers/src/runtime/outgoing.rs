//! The way out of a worker: replies, and dead letters.

use std::pin::pin;

use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Connection, ConnectionStatus};
use onsale_common::amqp::connection::{AmqpError, within};

/// A channel to publish on, and what is known of its connection.
#[derive(Clone)]
pub(super) struct Outgoing {
    channel: Channel,
    connection: ConnectionStatus,
}

impl Outgoing {
    pub(super) async fn open(connection: &Connection) -> Result<Self, AmqpError> {
        let channel = within("open a channel", connection.create_channel()).await?;
        Ok(Self { channel, connection: connection.status().clone() })
    }

    /// Publishes without a confirm. While an alarm of the broker (its memory, its disk) blocks the connection this waits, and
    /// so do the commands behind it: whoever gave up and came back would be given the same ones, until they are dead letters.
    pub(super) async fn publish(
        &self,
        step: &'static str,
        exchange: &str,
        routing_key: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<(), AmqpError> {
        let options = BasicPublishOptions::default();
        let mut publish =
            pin!(self.channel.basic_publish(exchange.into(), routing_key.into(), options, body, properties));
        loop {
            match within(step, publish.as_mut()).await {
                Err(AmqpError::Silent(_)) if self.connection.blocked() => {}
                done => return done.map(drop),
            }
        }
    }
}
