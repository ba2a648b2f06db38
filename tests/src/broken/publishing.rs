//! Faults on the way to the broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use event_runtime::broker::{Broker, BrokerErrorKind, Capabilities, Message, Receipt, Stored};
use event_runtime::envelope::Headers;
use futures_util::FutureExt;

use super::Broken;
use crate::faulty::{Answer, Fault};

pub(super) const ALL: &[Broken] = &[
    Broken::new(
        "acknowledges one message in 500 without storing it",
        &[
            "acknowledged_messages_are_stored_in_order",
            "publishes_at_the_same_time_are_all_stored",
        ],
        || Arc::new(Unstored(AtomicU64::new(0))),
    ),
    Broken::new(
        "publishes only once somebody waits for the receipt",
        &[
            "a_dropped_receipt_loses_nothing",
            "closing_sends_what_is_queued",
        ],
        || Arc::new(Lazy),
    ),
    Broken::new(
        "de-duplicates by the event's id instead of the message id",
        &[
            "two_handlers_that_fail_on_one_event_keep_both_retries",
            "two_handlers_that_fail_on_one_event_keep_both_dead_letters",
            "equal_messages_are_told_apart_by_their_ids",
        ],
        || changing(by_event_id),
    ),
    Broken::new(
        "forgets message ids",
        &[
            "a_repeated_id_is_stored_once",
            "delayed_messages_never_replace_each_other",
            "a_repeated_delayed_message_comes_once",
        ],
        || changing(|message| message.id = None),
    ),
    Broken::new(
        "forgets headers",
        &[
            "messages_arrive_as_they_were_published",
            "headers_arrive_as_they_were_written",
            "a_dead_letter_is_kept_before_its_original_is_let_go",
        ],
        || changing(|message| message.headers = Headers::new()),
    ),
    Broken::new(
        "writes header names in capitals",
        &["headers_arrive_as_they_were_written"],
        || changing(capitals),
    ),
    Broken::new(
        "cuts payloads at their first NUL",
        &[
            "messages_arrive_as_they_were_published",
            "the_largest_payload_arrives_and_one_byte_more_is_refused",
        ],
        || changing(c_string),
    ),
    Broken::new(
        "delivers delayed messages at once",
        &[
            "a_delayed_message_waits_and_then_comes",
            "only_retry_lanes_delay",
        ],
        || changing(|message| message.delay = None),
    ),
    Broken::new(
        "keeps delays in the memory of the connection",
        &["a_delayed_message_outlives_its_publisher"],
        || Arc::new(OwnDelays),
    ),
    Broken::new(
        "says that it stored what the broker refuses",
        &[
            "what_no_stream_holds_is_an_error",
            "bad_subjects_are_refused",
            "hostile_headers_are_refused",
            "the_largest_payload_arrives_and_one_byte_more_is_refused",
        ],
        || Arc::new(Optimist),
    ),
    Broken::new(
        "takes no empty payloads",
        &["an_empty_payload_is_a_message"],
        || Arc::new(NoEmpty),
    ),
    Broken::new(
        "states a maximum that it does not take",
        &["the_largest_payload_arrives_and_one_byte_more_is_refused"],
        || Arc::new(Boaster),
    ),
];

/// What is answered for a message that went nowhere.
fn lie() -> Receipt {
    Receipt::new(std::future::ready(Ok(Stored::new("CONF", 1_000_000))))
}

struct Unstored(AtomicU64);

impl Fault for Unstored {
    fn publish<'a>(&'a self, inner: &'a Arc<dyn Broker>, message: Message) -> Answer<'a, Receipt> {
        if self.0.fetch_add(1, Ordering::SeqCst) % 500 == 499 {
            return std::future::ready(Ok(lie())).boxed();
        }
        inner.publish(message)
    }
}

struct Lazy;

impl Fault for Lazy {
    fn publish<'a>(&'a self, inner: &'a Arc<dyn Broker>, message: Message) -> Answer<'a, Receipt> {
        let inner = Arc::clone(inner);
        let later = async move { inner.publish(message).await?.await };
        std::future::ready(Ok(Receipt::new(later))).boxed()
    }
}

/// Changes each message before it is published.
struct Changing(fn(&mut Message));

fn changing(change: fn(&mut Message)) -> Arc<dyn Fault> {
    Arc::new(Changing(change))
}

impl Fault for Changing {
    fn publish<'a>(
        &'a self,
        inner: &'a Arc<dyn Broker>,
        mut message: Message,
    ) -> Answer<'a, Receipt> {
        (self.0)(&mut message);
        inner.publish(message)
    }
}

fn by_event_id(message: &mut Message) {
    let event: Option<serde_json::Value> = serde_json::from_slice(&message.payload).ok();
    if let Some(id) = event.as_ref().and_then(|event| event["id"].as_str()) {
        message.id = Some(id.to_owned());
    }
}

fn capitals(message: &mut Message) {
    message.headers = message
        .headers
        .iter()
        .map(|(name, value)| (name.to_uppercase(), value))
        .collect();
}

fn c_string(message: &mut Message) {
    if let Some(end) = message.payload.iter().position(|byte| *byte == 0) {
        message.payload.truncate(end);
    }
}

struct OwnDelays;

impl Fault for OwnDelays {
    fn publish<'a>(
        &'a self,
        inner: &'a Arc<dyn Broker>,
        mut message: Message,
    ) -> Answer<'a, Receipt> {
        let Some(delay) = message
            .delay
            .filter(|_| message.subject.starts_with("lane.retry."))
        else {
            return inner.publish(message);
        };
        message.delay = None;
        let connection = Arc::downgrade(inner);
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            if let Some(inner) = connection.upgrade() {
                drop(inner.publish(message).await);
            }
        });
        std::future::ready(Ok(lie())).boxed()
    }
}

struct Optimist;

impl Fault for Optimist {
    fn publish<'a>(&'a self, inner: &'a Arc<dyn Broker>, message: Message) -> Answer<'a, Receipt> {
        async move {
            match inner.publish(message).await {
                Err(error) if error.kind() != BrokerErrorKind::Transient => Ok(lie()),
                answer => answer,
            }
        }
        .boxed()
    }
}

struct NoEmpty;

impl Fault for NoEmpty {
    fn publish<'a>(&'a self, inner: &'a Arc<dyn Broker>, message: Message) -> Answer<'a, Receipt> {
        if message.payload.is_empty() {
            return std::future::ready(Ok(lie())).boxed();
        }
        inner.publish(message)
    }
}

struct Boaster;

impl Fault for Boaster {
    fn capabilities(&self, honest: Capabilities) -> Capabilities {
        honest.max_payload(honest.max_payload + 1)
    }
}
