//! Events to decode: two versions, with all that serde does.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use event_runtime::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How something is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Carrier {
    Post,
    Courier { name: String, express: bool },
}

/// Sent, as it was.
#[derive(Debug, Clone, PartialEq, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.sent", version = 1, topic = "orders.{region}.sent")]
pub struct OrderSentV1 {
    pub region: String,
    pub count: i64,
}

/// Sent, as it is.
#[derive(Debug, Clone, PartialEq, Event, Serialize, Deserialize, JsonSchema)]
#[event(
    name = "order.sent",
    version = 2,
    topic = "orders.{region}.sent",
    key = region,
    upcast_from = OrderSentV1
)]
pub struct OrderSent {
    pub region: String,
    pub count: NonZeroU32,
    pub weight: Option<f64>,
    pub carrier: Option<Carrier>,
    #[serde(default)]
    pub parts: Vec<(char, i8)>,
    #[serde(flatten)]
    pub rest: BTreeMap<String, serde_json::Value>,
}

impl TryFrom<OrderSentV1> for OrderSent {
    type Error = std::num::TryFromIntError;

    fn try_from(old: OrderSentV1) -> Result<Self, Self::Error> {
        Ok(Self {
            region: old.region,
            count: u32::try_from(old.count)?.try_into()?,
            weight: None,
            carrier: None,
            parts: Vec::new(),
            rest: BTreeMap::new(),
        })
    }
}
