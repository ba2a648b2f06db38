//! What a subscription has to know of its durable on the server.

use std::time::Duration;

use super::link::Link;
use super::topology::{consumer_info, text};
use crate::broker::BrokerError;

/// What a subscription has to know of its durable.
pub(super) struct Consumer {
    pub(super) generation: String,
    pub(super) ack_wait: Duration,
    pub(super) unsettled: Unsettled,
}

/// Where what is delivered and not settled lies in the stream, between other messages.
pub(super) struct Unsettled {
    pub(super) filter: String,
    pub(super) first: u64,
    pub(super) last: u64,
    /// The last delivery in the durable's own count.
    pub(super) delivery: u64,
}

/// What a subscription has to know, or that the durable is gone.
pub(super) async fn consumer(
    link: &Link,
    stream: &str,
    name: &str,
) -> Result<Consumer, BrokerError> {
    let Some(found) = consumer_info(link, stream, name).await? else {
        return Err(BrokerError::misconfigured(format!(
            "the durable `{name}` on the stream `{stream}` is gone: was it or the stream deleted? Restart the service to create it again"
        )));
    };
    let ack_wait =
        Duration::from_nanos(found.config["ack_wait"].as_u64().unwrap_or(30_000_000_000));
    Ok(Consumer {
        generation: generation(&found.created),
        ack_wait,
        unsettled: Unsettled {
            filter: text(&found.config["filter_subject"]),
            first: found.ack_floor.stream_seq + 1,
            last: match found.num_ack_pending {
                0 => 0,
                _ => found.delivered.stream_seq,
            },
            delivery: found.delivered.consumer_seq,
        },
    })
}

/// The time of creation, to the nanosecond, as a word for subjects and ids.
fn generation(created: &str) -> String {
    match created.parse::<jiff::Timestamp>() {
        Ok(time) => format!("{:x}", time.as_nanosecond()),
        Err(_) => created
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect(),
    }
}
