//! Stores what a handler returned, before its input is settled.

use super::failure::{Failure, chain};
use super::job::Job;
use super::lane::Cancelled;
use super::pipeline::Pipeline;
use crate::broker::{BrokerErrorKind, Message};
use crate::handler::Reason;

impl Pipeline {
    /// Stores all messages, or says why one never can be. The handler does not run again for broker trouble;
    /// should this process die, its next run returns the same ids, and the broker drops what it has.
    pub(super) async fn store_output(
        &self,
        job: &Job,
        messages: Vec<Message>,
    ) -> Result<Result<(), Failure>, Cancelled> {
        let mut on_their_way = Vec::with_capacity(messages.len());
        for message in messages {
            let receipt = self.broker.publish(message.clone()).await;
            on_their_way.push((message, receipt));
        }
        for (message, receipt) in on_their_way {
            let stored = match receipt {
                Ok(receipt) => receipt.await,
                Err(error) => Err(error),
            };
            let Err(error) = stored else {
                continue;
            };
            let topic = message.subject.clone();
            let refused = if error.kind() == BrokerErrorKind::Permanent {
                // Asking again can't cure it.
                self.report_refused(job, "a returned event", &error);
                Err(error)
            } else {
                self.store(job, message, "a returned event").await?
            };
            if let Err(error) = refused {
                let error = format!(
                    "an event returned for `{topic}` can't be published: {}",
                    chain(&error)
                );
                return Ok(Err(Failure::last(Reason::Output, error)));
            }
        }
        Ok(Ok(()))
    }
}
