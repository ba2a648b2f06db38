//! The event that all programs send and receive, in the envelope that event-runtime writes around it.

use ruststream_nats::prelude::*;
use serde::{Deserialize, Serialize};

/// An order was accepted.
#[allow(clippy::struct_field_names, reason = "the name on the wire")]
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) order_id: String,
    pub(crate) region: String,
    pub(crate) number: u64,
    pub(crate) customer: Customer,
    pub(crate) amount_cents: i64,
    pub(crate) currency: String,
    pub(crate) items: u32,
    pub(crate) sent_nanos: u64,
}

/// Who pays for an order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: String,
}

/// What has to be read of an event: who it is, what it is, and its data.
#[derive(Debug, Deserialize)]
pub(crate) struct Received {
    #[expect(dead_code, reason = "read, as every program reads it")]
    pub(crate) id: String,
    #[expect(dead_code, reason = "read, as every program reads it")]
    pub(crate) source: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) data: Order,
}

/// A whole event.
#[derive(Debug, Serialize, Outgoing)]
#[outgoing(headers = Headers)]
pub(crate) struct Sent<'a> {
    pub(crate) specversion: &'static str,
    pub(crate) id: &'a str,
    pub(crate) source: &'static str,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) time: String,
    pub(crate) datacontenttype: &'static str,
    pub(crate) dataschema: &'static str,
    pub(crate) partitionkey: &'a str,
    pub(crate) data: &'a Order,
}

/// The header beside the message id, which ruststream writes itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Headers {
    #[serde(rename = "Content-Type")]
    pub(crate) content_type: String,
}

impl Order {
    /// The order with this number.
    pub(crate) fn numbered(number: u64) -> Self {
        let regions = ["eu", "us", "asia"];
        let region = regions[usize::try_from(number % 3).unwrap_or_default()];
        Self {
            order_id: format!("ord-{number:010}"),
            region: region.to_owned(),
            number,
            customer: Customer {
                id: format!("c-{:05}", number % 50_000),
                name: "Grace Hopper".to_owned(),
                email: "grace.hopper@example.com".to_owned(),
            },
            amount_cents: 12_999,
            currency: "EUR".to_owned(),
            items: 3,
            sent_nanos: 1_000_000_000_000,
        }
    }
}
