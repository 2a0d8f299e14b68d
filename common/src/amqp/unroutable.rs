//! Answers commands that no queue takes, at once: they come here through the alternate exchange.

use futures_util::StreamExt;
use lapin::Connection;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions};
use lapin::types::FieldTable;
use serde_json::value::RawValue;

use super::connection::{AmqpError, within};
use super::reply_to::{can_be_answered, reply_properties};
use super::topology::UNROUTABLE_QUEUE;
use crate::contract::envelope::find_id;
use crate::contract::{Code, Outcome, Rejection};

/// Answers until the queue or the connection ends.
///
/// # Errors
/// When the broker refuses or the consumer ends.
pub async fn answer(connection: &Connection) -> Result<(), AmqpError> {
    let channel = within("open a channel", connection.create_channel()).await?;
    within("set the prefetch", channel.basic_qos(64, BasicQosOptions::default())).await?;
    let consume = channel.basic_consume(
        UNROUTABLE_QUEUE.into(),
        "".into(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    let mut deliveries = within("consume the unroutable", consume).await?;
    while let Some(delivery) = deliveries.next().await {
        let delivery = delivery.map_err(|source| AmqpError::Broker { step: "consume the unroutable", source })?;
        let routing_key = delivery.routing_key.as_str();
        tracing::warn!(routing_key, "a command came with a routing key that no queue takes");
        let reply_to = delivery.properties.reply_to().as_ref();
        if let Some(reply_to) = reply_to.filter(|reply_to| can_be_answered(reply_to.as_str())) {
            let properties = reply_properties(&delivery.properties);
            let body = reply_body(&delivery.data, routing_key);
            let publish =
                channel.basic_publish("".into(), reply_to.clone(), BasicPublishOptions::default(), &body, properties);
            within("answer the unroutable", publish).await?;
        }
        let ack = channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default());
        within("ack the unroutable", ack).await?;
    }
    Err(AmqpError::Ended(format!("the consumer of {UNROUTABLE_QUEUE}")))
}

fn reply_body(command: &[u8], routing_key: &str) -> Vec<u8> {
    let outcome = Outcome::rejected(&Rejection::of(Code::Unroutable).with("routingKey", routing_key));
    let mut body = Vec::new();
    match serde_json::from_slice::<Vec<&RawValue>>(command) {
        Ok(commands) => {
            body.push(b'[');
            for (n, command) in commands.iter().enumerate() {
                if n > 0 {
                    body.push(b',');
                }
                outcome.write_reply(find_id(command.get()), &mut body);
            }
            body.push(b']');
        }
        Err(_) => outcome.write_reply(std::str::from_utf8(command).ok().and_then(find_id), &mut body),
    }
    body
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_array_is_answered_as_an_array() {
        let id = Uuid::now_v7();
        let body = reply_body(format!("[{{\"id\":\"{id}\"}},{{}},{{\"id\":\"bad\"}},1]").as_bytes(), "hold.99");
        let replies: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(replies[0]["id"], id.to_string());
        for reply in replies.as_array().unwrap() {
            assert_eq!(reply["error"]["code"], "UNROUTABLE");
        }
        let one: serde_json::Value =
            serde_json::from_slice(&reply_body(format!("{{\"id\":\"{id}\"}}").as_bytes(), "hold.99")).unwrap();
        assert_eq!(one["id"], id.to_string());
    }
}
