//! What the handlers of a service have left to do.

use std::fmt;
use std::sync::Arc;

use super::provision::Ready;
use crate::broker::{Broker, BrokerError, lanes};

/// Where the handlers of a service take their work from.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) service: String,
    pub(crate) broker: Arc<dyn Broker>,
    pub(super) durables: Vec<Ready>,
}

/// Something that is left to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Left {
    /// At one durable of a handler.
    Events {
        handler: String,
        pending: u64,
        unsettled: u64,
    },
    /// In the service's retry lane.
    Retries { service: String, messages: u64 },
}

impl Work {
    /// All that is left; nothing if the service is quiet.
    pub(crate) async fn left(&self) -> Result<Vec<Left>, BrokerError> {
        let mut left = Vec::new();
        for Ready { spec, stream } in &self.durables {
            let found = self.broker.durable(stream, &spec.name).await?;
            let position = found.map(|found| found.position).unwrap_or_default();
            if position.pending + position.unsettled > 0 {
                left.push(Left::Events {
                    handler: spec.handler.clone(),
                    pending: position.pending,
                    unsettled: position.unsettled,
                });
            }
        }
        if !self.durables.is_empty() {
            let lane = lanes::retry_stream(&self.service);
            let messages = self
                .broker
                .stream(&lane)
                .await?
                .map_or(0, |lane| lane.messages);
            if messages > 0 {
                left.push(Left::Retries {
                    service: self.service.clone(),
                    messages,
                });
            }
        }
        Ok(left)
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events {
                handler,
                pending,
                unsettled,
            } => {
                let parts = [
                    (*pending, "not begun"),
                    (*unsettled, "begun and not settled"),
                ];
                let parts: Vec<String> = parts
                    .iter()
                    .filter(|(events, _)| *events > 0)
                    .map(|(events, how)| format!("{events} {how}"))
                    .collect();
                write!(f, "`{handler}` has {}", parts.join(", "))
            }
            Self::Retries { service, messages } => {
                write!(f, "the retry lane of `{service}` has {messages} waiting")
            }
        }
    }
}
