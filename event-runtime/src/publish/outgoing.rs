//! The events that one run of a handler returns.

use super::{PublishError, Publisher};
use crate::broker::Message;
use crate::event::Event;

/// Collects the events that one run of a handler returns, as messages.
#[derive(Debug)]
pub struct Outgoing<'a> {
    publisher: &'a Publisher,
    messages: Result<Vec<Message>, PublishError>,
}

impl<'a> Outgoing<'a> {
    /// Nothing collected.
    pub(crate) fn new(publisher: &'a Publisher) -> Self {
        Self {
            publisher,
            messages: Ok(Vec::new()),
        }
    }

    /// Adds an event. After one that can't be published, nothing more is taken.
    pub fn push<E: Event>(&mut self, event: &E) {
        if let Ok(messages) = &mut self.messages {
            match self.publisher.message(event, None) {
                Ok(message) => messages.push(message),
                Err(error) => self.messages = Err(error),
            }
        }
    }

    pub(crate) fn finish(self) -> Result<Vec<Message>, PublishError> {
        self.messages
    }
}
