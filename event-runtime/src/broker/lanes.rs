//! The names of a service's lanes: where a failed delivery waits, and where it ends.
//!
//! ```text
//! lane.delay.{service}.{handler}.{hash}   waits at the broker's clock, then goes to
//! lane.retry.{service}.{handler}          on stream {service}_RETRY, for this handler only
//! lane.dead.{service}.{handler}.{topic}   on stream {service}_DEAD
//! ```
//! An event's topic can't begin with the word `lane`, so lanes and events never meet.

use sha2::{Digest, Sha256};

use super::subject;

/// A subject is at most this long, in bytes: far below a server's control line.
pub const MAX_SUBJECT: usize = 1024;

/// The stream of a service's retries.
pub fn retry_stream(service: &str) -> String {
    format!("{service}_RETRY")
}

/// The stream of a service's dead letters.
pub fn dead_stream(service: &str) -> String {
    format!("{service}_DEAD")
}

/// The durable of a handler, on the events' stream and on the retry stream.
pub fn durable(service: &str, handler: &str) -> String {
    format!("{service}-{handler}")
}

/// Where a handler's retries arrive.
pub fn retry_subject(service: &str, handler: &str) -> String {
    format!("lane.retry.{service}.{handler}")
}

/// All that a service's retry stream holds.
pub fn retry_subjects(service: &str) -> Vec<String> {
    vec![
        format!("lane.delay.{service}.>"),
        format!("lane.retry.{service}.>"),
    ]
}

/// Where a message for the retry lane `target` waits; `None` if `target` is no retry lane.
///
/// The broker keeps one delayed message for each subject, so the whole message id is part of it.
pub fn delay_subject(target: &str, message_id: &str) -> Option<String> {
    let rest = target.strip_prefix("lane.retry.")?;
    Some(format!("lane.delay.{rest}.{}", short_hash(message_id)))
}

/// Where a handler's dead letter from `topic` goes. A topic that can't be part of a subject (too long, or with
/// the wildcards and control characters that a foreign producer may have used) becomes `long.{hash}`; the full
/// one is in a header.
pub fn dead_subject(service: &str, handler: &str, topic: &str) -> String {
    let subject = format!("lane.dead.{service}.{handler}.{topic}");
    if subject::is_valid(&subject) {
        return subject;
    }
    format!("lane.dead.{service}.{handler}.long.{}", short_hash(topic))
}

/// All that a service's dead letter stream holds.
pub fn dead_subjects(service: &str) -> Vec<String> {
    vec![format!("lane.dead.{service}.>")]
}

/// A body's SHA-256, in hex.
pub fn digest(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

fn short_hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes())[..16])
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
