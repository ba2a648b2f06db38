//! The envelope by hand: read in one pass of serde that borrows what it can, and written between constant texts.

use std::borrow::Cow;
use std::io::Write;

use anyhow::{Context, ensure};
use async_nats::header::{HeaderMap, HeaderName, NATS_MESSAGE_ID};
use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The wire type of an order.
pub(crate) const ORDER: &str = "order.placed.v1";

/// What has to be read of an event: who it is, what it is, and its data.
#[derive(Debug, Deserialize)]
pub(crate) struct Received<'a, T> {
    /// Unique together with the source.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Who sent it.
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    /// What it is.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// The event itself.
    pub data: T,
}

/// Reads an event of one type.
pub(crate) fn read<'a, T: DeserializeOwned>(
    payload: &'a [u8],
    kind: &str,
) -> anyhow::Result<Received<'a, T>> {
    // Looking at the whole text once is cheaper than at each of its strings.
    let text = std::str::from_utf8(payload).context("an event is text")?;
    let received: Received<'a, T> = serde_json::from_str(text).context("an event is read")?;
    ensure!(
        received.kind == kind,
        "an event of the type `{}` came, not `{kind}`",
        received.kind
    );
    Ok(received)
}

/// What is constant for all events of a type: the text between what is not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// From the id to the time.
    before_time: &'static str,
    /// From the time to the key.
    before_key: &'static str,
}

/// An order, as this service sends it.
pub(crate) const SENT_ORDER: Kind = Kind {
    before_time: r#"","source":"/bench","type":"order.placed.v1","time":""#,
    before_key: r#"","datacontenttype":"application/json","dataschema":"urn:bench:order.placed:1","partitionkey":"#,
};
/// An answer, as this service sends it.
pub(crate) const SENT_SHIPPED: Kind = Kind {
    before_time: r#"","source":"/bench","type":"order.shipped.v1","time":""#,
    before_key: r#"","datacontenttype":"application/json","dataschema":"urn:bench:order.shipped:1","partitionkey":"#,
};

const CONTENT_TYPE: HeaderName = HeaderName::from_static("Content-Type");

/// Writes an event: its headers, with the id by which the server knows it again, and its body.
pub(crate) fn write<T: Serialize>(
    kind: Kind,
    id: Uuid,
    key: &str,
    cause: Option<&str>,
    data: &T,
) -> anyhow::Result<(HeaderMap, Bytes)> {
    let id = id.to_string();
    let body = body(kind, &id, key, cause, data)?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, "application/cloudevents+json");
    headers.insert(NATS_MESSAGE_ID, id);
    Ok((headers, body))
}

/// Writes an event's body: its attributes and its data, as event-runtime does and in its order. An id is a UUID,
/// which needs no escapes.
pub(crate) fn body<T: Serialize>(
    kind: Kind,
    id: &str,
    key: &str,
    cause: Option<&str>,
    data: &T,
) -> anyhow::Result<Bytes> {
    let mut body = Vec::with_capacity(512);
    body.extend_from_slice(br#"{"specversion":"1.0","id":""#);
    body.extend_from_slice(id.as_bytes());
    body.extend_from_slice(kind.before_time.as_bytes());
    write!(body, "{:.3}", Timestamp::now())?;
    body.extend_from_slice(kind.before_key.as_bytes());
    serde_json::to_writer(&mut body, key)?;
    if let Some(cause) = cause {
        for name in [",\"correlationid\":", ",\"causationid\":"] {
            body.extend_from_slice(name.as_bytes());
            serde_json::to_writer(&mut body, cause)?;
        }
    }
    body.extend_from_slice(br#","data":"#);
    serde_json::to_writer(&mut body, data)?;
    body.push(b'}');
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use event_runtime::telemetry::{Observation, Observer};
    use event_runtime::{App, handler};
    use uuid::Uuid;

    use super::{SENT_ORDER, write};
    use crate::order::Order;

    /// Keeps the body that was seen last.
    #[derive(Debug, Clone, Default)]
    struct Keep(Arc<Mutex<String>>);

    impl Observer for Keep {
        fn observe(&self, observation: &Observation<'_>) {
            *self.0.lock().unwrap() = String::from_utf8(observation.payload.to_vec()).unwrap();
        }
    }

    #[handler]
    async fn see(order: Order) {
        drop(order);
    }

    /// The same text with nothing in place of what differs each time; both have one length.
    fn blank(text: &str) -> String {
        let mut text = text.to_owned();
        for (name, length) in [("\"id\":\"", 36), ("\"time\":\"", 24)] {
            let start = text.find(name).unwrap() + name.len();
            text.replace_range(start..start + length, "");
        }
        text
    }

    #[tokio::test]
    async fn by_hand_the_same_bytes_are_written() {
        let order = Order::numbered(7);
        let (_, body) = write(SENT_ORDER, Uuid::now_v7(), &order.order_id, None, &order).unwrap();
        let keep = Keep::default();
        let running = App::new()
            .service("bench")
            .environment([("EVENT_BROKER", "memory://")])
            .only((see,))
            .observe(keep.clone())
            .start()
            .await
            .unwrap();
        running.publisher().publish(&order).await.unwrap();
        assert!(running.settled(Duration::from_secs(5)).await.unwrap());
        running.stop().await.unwrap();
        let ours = keep.0.lock().unwrap().clone();
        assert_eq!(blank(std::str::from_utf8(&body).unwrap()), blank(&ours));
    }
}
