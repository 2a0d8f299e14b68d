//! Which reply addresses can be answered at all, and what every reply carries.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lapin::BasicProperties;

use super::topology::REPLY_TYPE;

/// What the broker writes before the address of a consumer of `amq.rabbitmq.reply-to`: an Erlang process, and a key.
const DIRECT: &str = "amq.rabbitmq.reply-to.";

/// Whether a reply to this address harms nobody. The broker reads a direct address as an Erlang term, and closes the
/// whole connection of whoever publishes to one that is none (RabbitMQ 3.10: 541, INTERNAL_ERROR).
pub fn can_be_answered(reply_to: &str) -> bool {
    let Some((process, _key)) = reply_to.strip_prefix(DIRECT).and_then(|rest| rest.split_once('.')) else {
        return true;
    };
    STANDARD.decode(process).is_ok_and(|term| is_process(&term))
}

/// The properties of the reply to a message: how its sender tells it from others.
pub fn reply_properties(message: &BasicProperties) -> BasicProperties {
    let mut properties =
        BasicProperties::default().with_content_type("application/json".into()).with_type(REPLY_TYPE.into());
    if let Some(id) = message.correlation_id() {
        properties = properties.with_correlation_id(id.clone());
    }
    if let Some(id) = message.message_id() {
        properties = properties.with_message_id(id.clone());
    }
    properties
}

/// Whether this is a process in Erlang's external term format: a version, and PID_EXT or NEW_PID_EXT, which end with the
/// node's name (an atom of one of three kinds) and the numbers of the process.
fn is_process(term: &[u8]) -> bool {
    let (name, numbers) = match term {
        [131, 103, name @ ..] => (name, 9),
        [131, 88, name @ ..] => (name, 12),
        _ => return false,
    };
    let length = match name {
        [119, length, ..] => 2 + usize::from(*length),
        [100 | 118, high, low, ..] => 3 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => return false,
    };
    name.len() == length + numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_would_cost_the_connection_is_told_apart() {
        let process =
            |name: &[u8]| STANDARD.encode([&[131, 88], name, &[0, 0, 3, 1, 0, 0, 0, 0, 101, 0, 0, 1]].concat());
        let made = format!("{DIRECT}{}.nUmbEr==", process(b"w\x06rabbit"));
        let long_name = format!("{DIRECT}{}.key", process(b"d\0\x0erabbit@machine"));
        for good in [made.as_str(), &long_name, "amq.gen-XYZ", "replies", "", "amq.rabbitmq.reply-to.bogus"] {
            assert!(can_be_answered(good), "{good}");
        }
        for bad in ["g1h2AA==.abc", "not base64!.abc", ".abc", "AAAA.abc", "g2Q=.abc", "g1h3BnJhYmJpdA==.abc"] {
            assert!(!can_be_answered(&format!("{DIRECT}{bad}")), "{bad}");
        }
    }
}
