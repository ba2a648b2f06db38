//! The events that one run of a handler returns.

use std::fmt;

use super::{PublishError, Publisher};
use crate::broker::Message;
use crate::event::Event;

/// Collects the events that one run of a handler returns, as messages.
pub struct Outgoing<'a> {
    /// Most runs return nothing, and then nobody needs a publisher.
    publisher: &'a dyn Fn() -> &'a Publisher,
    messages: Result<Vec<Message>, PublishError>,
}

impl<'a> Outgoing<'a> {
    /// Nothing collected.
    pub(crate) fn new(publisher: &'a dyn Fn() -> &'a Publisher) -> Self {
        Self {
            publisher,
            messages: Ok(Vec::new()),
        }
    }

    /// Adds an event. After one that can't be published, nothing more is taken.
    pub fn push<E: Event>(&mut self, event: &E) {
        if let Ok(messages) = &mut self.messages {
            match (self.publisher)().message(event, None) {
                Ok(message) => messages.push(message),
                Err(error) => self.messages = Err(error),
            }
        }
    }

    pub(crate) fn finish(self) -> Result<Vec<Message>, PublishError> {
        self.messages
    }
}

impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("messages", &self.messages)
            .finish_non_exhaustive()
    }
}
