//! Many events at once.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::kept::{Kept, Prepared};
use super::store::Store;
use super::{PublishError, Published, Publisher};
use crate::broker::{BrokerError, Receipt, Stored};
use crate::event::Event;

/// Events whose answers are awaited at once: as many as may be on their way to JetStream.
const AT_ONCE: usize = 1024;
/// Events that are to be sent once more are gathered for so long: long enough to wait for a broker only once, and far
/// below the time for which it knows their ids.
const GATHERED: Duration = Duration::from_secs(5);

impl Publisher {
    /// Publishes many events of one type, with many of them on their way at once, and waits until all are stored.
    ///
    /// Takes events or references to them, and answers in their order. It is many times faster than one
    /// [`publish`](Self::publish) after another, since the broker's answer to one is not awaited before the next is
    /// sent (1,024 at most wait for theirs). Each is an event of its own as with `publish`: they are stored in
    /// their order unless the broker had to be asked again, and in a handler their ids are the same on every run.
    ///
    /// An event that can't be published stops none of the others. Once a broker has not answered for 30 s, no more
    /// are sent. The error says which were not published, and which were.
    ///
    /// ```standalone_crate
    /// # use event_runtime::{App, Event};
    /// # use schemars::JsonSchema;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Event, Serialize, Deserialize, JsonSchema)]
    /// # #[event(name = "price.changed", version = 1, topic = "prices.changed", key = article)]
    /// # struct PriceChanged { article: u32 }
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = App::new().service("prices").default_broker("memory://").publish_only();
    /// # let running = app.start().await?;
    /// let publisher = running.publisher();
    /// let changes = vec![PriceChanged { article: 1 }, PriceChanged { article: 2 }];
    /// let stored = publisher.publish_all(&changes).await?;
    /// assert_eq!(stored.len(), 2);
    ///
    /// publisher.publish_all((3..5000).map(|article| PriceChanged { article })).await?;
    /// # running.stop().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn publish_all<I, How>(&self, events: I) -> Result<Vec<Published>, PublishAllError>
    where
        I: IntoIterator<Item: AsEvent<How>>,
    {
        let mut all = All::new(self.stores());
        for (index, event) in events.into_iter().enumerate() {
            all.make_room().await;
            let prepared = if all.gone {
                let event = <I::Item as AsEvent<How>>::Event::WIRE_TYPE;
                Err(PublishError::Unsent { event })
            } else {
                self.prepare(event.as_event(), None)
            };
            drop(event);
            match prepared {
                Ok(prepared) => all.send(index, prepared).await,
                Err(error) => all.failed.push((index, error)),
            }
        }
        all.finish().await
    }
}

/// An event, or a reference to one: what [`Publisher::publish_all`] takes. `How` is found by the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "neither an event nor a reference to one"
)]
pub trait AsEvent<How> {
    /// The event's type.
    type Event: Event;

    /// The event.
    fn as_event(&self) -> &Self::Event;
}

#[doc(hidden)]
#[derive(Debug)]
pub struct ByValue;

#[doc(hidden)]
#[derive(Debug)]
pub struct ByReference;

impl<E: Event> AsEvent<ByValue> for E {
    type Event = E;

    fn as_event(&self) -> &E {
        self
    }
}

impl<E: Event> AsEvent<ByReference> for &E {
    type Event = E;

    fn as_event(&self) -> &E {
        self
    }
}

/// Some of many events were not published. All others are stored.
#[derive(Debug)]
#[non_exhaustive]
pub struct PublishAllError {
    /// Those that were not published, each with its place, counted from 0. Where the broker did not answer, nobody
    /// knows whether it has the event.
    pub failed: Vec<(usize, PublishError)>,
    /// Those that were, each with its place, counted from 0.
    pub published: Vec<(usize, Published)>,
}

impl fmt::Display for PublishAllError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.failed.len();
        let all = failed + self.published.len();
        write!(f, "{failed} of {all} events were not published")?;
        match self.failed.first() {
            Some((first, _)) => write!(f, ", the first of them at index {first}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for PublishAllError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.failed.first().map(|(_, error)| error as _)
    }
}

/// Many events on their way.
struct All<'a> {
    store: &'a Store,
    /// Sent, in order; the broker has not answered yet.
    open: VecDeque<(Sent, Receipt)>,
    /// To be sent once more. Together, since each takes as long as the broker does not answer.
    again: FuturesUnordered<BoxFuture<'a, (Sent, Result<Stored, BrokerError>)>>,
    /// Since when one of these waits: the broker knows its id for some minutes only.
    again_since: Option<Instant>,
    published: Vec<(usize, Published)>,
    failed: Vec<(usize, PublishError)>,
    /// The broker has used up our patience with it.
    gone: bool,
}

/// One of them.
struct Sent {
    index: usize,
    kept: Kept,
}

impl<'a> All<'a> {
    fn new(store: &'a Store) -> Self {
        Self {
            store,
            open: VecDeque::new(),
            again: FuturesUnordered::new(),
            again_since: None,
            published: Vec::new(),
            failed: Vec::new(),
            gone: false,
        }
    }

    async fn send(&mut self, index: usize, prepared: Prepared) {
        let Prepared { kept, message } = prepared;
        let sent = Sent { index, kept };
        match self.store.first(&sent.kept, message).await {
            Ok(receipt) => self.open.push_back((sent, receipt)),
            Err(error) => {
                self.take(sent, Err(error));
                // It could not even be sent, and neither could the next.
                self.hear_again().await;
            }
        }
    }

    /// Waits until one more may be sent.
    async fn make_room(&mut self) {
        if self.open.len() == AT_ONCE {
            self.hear_oldest().await;
        }
        let waits = self.again_since.map(|since| since.elapsed());
        if self.again.len() == AT_ONCE || waits.is_some_and(|waits| waits > GATHERED) {
            self.hear_again().await;
        }
    }

    /// Waits for the first answer to the oldest. As the broker's time for it runs already, so does that of all others.
    async fn hear_oldest(&mut self) {
        if let Some((sent, receipt)) = self.open.pop_front() {
            let answer = receipt.await;
            self.take(sent, answer);
        }
    }

    /// Takes a first answer.
    fn take(&mut self, sent: Sent, answer: Result<Stored, BrokerError>) {
        if !self.gone && answer.as_ref().is_err_and(BrokerError::is_transient) {
            self.again_since.get_or_insert_with(Instant::now);
            let store = self.store;
            let again = async move {
                let stored = store.again(&sent.kept).await;
                (sent, stored)
            };
            self.again.push(again.boxed());
        } else {
            self.take_last(sent, answer);
        }
    }

    async fn hear_again(&mut self) {
        while let Some((sent, answer)) = self.again.next().await {
            self.gone |= answer.as_ref().is_err_and(BrokerError::is_transient);
            self.take_last(sent, answer);
        }
        self.again_since = None;
    }

    fn take_last(&mut self, sent: Sent, answer: Result<Stored, BrokerError>) {
        let Sent { index, kept } = sent;
        match answer {
            Ok(stored) => {
                let published = Published::new(kept.id(), stored);
                self.published.push((index, published));
            }
            Err(error) => self.failed.push((index, kept.failed(error))),
        }
    }

    async fn finish(mut self) -> Result<Vec<Published>, PublishAllError> {
        while !self.open.is_empty() {
            self.hear_oldest().await;
        }
        self.hear_again().await;
        let Self {
            mut published,
            mut failed,
            ..
        } = self;
        published.sort_by_key(|(index, _)| *index);
        failed.sort_by_key(|(index, _)| *index);
        if failed.is_empty() {
            let published = published.into_iter().map(|(_, published)| published);
            return Ok(published.collect());
        }
        Err(PublishAllError { failed, published })
    }
}
