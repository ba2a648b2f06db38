//! Makes sure that an event has a stream before it is published.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::broker::{Broker, BrokerError, StreamInfo, StreamSpec, plan};
use crate::event::EventDescriptor;

/// What happens with broker objects that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provision {
    /// They are created; nothing that exists is altered.
    #[default]
    Create,
    /// They are an error, and `topology --apply` creates them: for services without the right to create.
    Check,
}

impl FromStr for Provision {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "create" => Ok(Self::Create),
            "check" => Ok(Self::Check),
            _ => Err("is `create` or `check`"),
        }
    }
}

/// The streams of events.
pub(super) struct Streams {
    broker: Arc<dyn Broker>,
    provision: Provision,
    /// The streams that people were told of.
    warned: Mutex<HashSet<String>>,
}

impl Streams {
    pub(super) fn new(broker: Arc<dyn Broker>, provision: Provision) -> Self {
        Self {
            broker,
            provision,
            warned: Mutex::default(),
        }
    }

    /// Finds the stream of an event's topic, or creates it where that is allowed.
    pub(super) async fn ensure(&self, event: &'static EventDescriptor) -> Result<(), BrokerError> {
        let spec = plan::event_stream(event);
        let found = plan::find_stream(&*self.broker, &spec).await?;
        match (found, self.provision) {
            (Some(found), _) => self.warn_of_window(&spec, &found),
            (None, Provision::Create) => {
                self.broker.create_stream(&spec).await?;
            }
            (None, Provision::Check) => return Err(plan::missing_stream(&spec)),
        }
        Ok(())
    }

    /// Once for each stream.
    fn warn_of_window(&self, spec: &StreamSpec, found: &StreamInfo) {
        let warning = plan::short_window(&*self.broker, spec, found);
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(warning) = warning.filter(|_| warned.insert(found.name.clone())) {
            tracing::warn!(stream = found.name, "{warning}");
        }
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams")
            .field("provision", &self.provision)
            .finish_non_exhaustive()
    }
}
