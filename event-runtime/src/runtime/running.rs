//! A service that runs, and its end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Error;
use super::provision::Ready;
use super::work::Work;
use crate::broker::{Broker, BrokerError};
use crate::consume::{Phase, Stopper};
use crate::publish::Publisher;

/// How long the end may take after the grace, twice: to hand back, and to confirm the last acknowledgements. With
/// the default grace of 25 s, the program is gone before the 30 s are over after which Kubernetes kills it.
const LAST: Duration = Duration::from_secs(2);

/// A worker that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) handler: &'static str,
    pub(super) error: Option<BrokerError>,
}

/// A service that runs. Dropping it cancels everything at once; [`stop`](Self::stop) ends it well.
pub struct Running {
    pub(super) service: String,
    pub(super) broker: Arc<dyn Broker>,
    pub(super) publisher: Publisher,
    pub(super) stopper: Stopper,
    pub(super) tasks: JoinSet<Ended>,
    /// Keep deliveries alive; they end when this is dropped.
    pub(super) beats: JoinSet<()>,
    pub(super) grace: Duration,
    pub(super) ready: Vec<Ready>,
    /// The handlers that run in this process.
    #[cfg(feature = "testing")]
    pub(super) here: Vec<&'static str>,
}

impl Running {
    /// Publishes events of this service.
    pub fn publisher(&self) -> Publisher {
        self.publisher.clone()
    }

    /// The broker itself, for what events don't cover.
    pub fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.broker)
    }

    /// Waits until the handlers of this service (of all its processes) have nothing left to do: nothing
    /// pending, nothing unsettled, nothing in the retry lane. `false` if that takes longer than `limit`. A broker that
    /// does not answer is asked again until then.
    pub async fn settled(&self, limit: Duration) -> Result<bool, Error> {
        let deadline = after(limit);
        let work = self.work();
        let mut quiet = 0;
        // One handler may have settled its event just before the next one's durable was looked at, so the
        // whole picture has to be quiet twice.
        while quiet < 2 {
            let left = work.left().await;
            let is_over = Instant::now() >= deadline;
            quiet = match left {
                Ok(left) if left.is_empty() => quiet + 1,
                Ok(_) => 0,
                Err(error) if error.is_transient() && !is_over => 0,
                Err(error) => return Err(error.into()),
            };
            if quiet < 2 {
                if is_over {
                    return Ok(false);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(true)
    }

    /// What all handlers of the service have to do, in whatever process they run.
    fn work(&self) -> Work {
        Work {
            service: self.service.clone(),
            broker: Arc::clone(&self.broker),
            durables: self.ready.clone(),
        }
    }

    /// What the handlers have to do that run in this process.
    #[cfg(feature = "testing")]
    pub(crate) fn work_here(&self) -> Work {
        let mut work = self.work();
        work.durables
            .retain(|ready| self.here.contains(&ready.spec.handler.as_str()));
        work
    }

    /// Resolves when a handler can't go on, with the reason; never while all is well.
    pub async fn failed(&mut self) -> Error {
        loop {
            match self.tasks.join_next().await {
                Some(ended) => {
                    if let Some(error) = failure(ended) {
                        return error;
                    }
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Ends the service: nothing new is begun and what has not begun goes back to the broker, running
    /// handlers may finish within the grace, acknowledgements are sent, connections closed.
    pub async fn stop(mut self) -> Result<(), Error> {
        self.stopper.advance(Phase::Draining);
        let mut first = None;
        let deadline = after(self.grace);
        let mut cut = false;
        loop {
            match tokio::time::timeout_at(deadline, self.tasks.join_next()).await {
                Ok(None) => break,
                Ok(Some(ended)) => first = first.or(failure(ended)),
                Err(_) => {
                    cut = true;
                    break;
                }
            }
        }
        if cut {
            self.stopper.advance(Phase::Cancelled);
            // Handing back takes one call to the broker for each; a handler that blocks its thread can't be cut.
            let hand_back = async { while self.tasks.join_next().await.is_some() {} };
            let finished = tokio::time::timeout(LAST, hand_back).await.is_ok();
            let rest = if finished {
                "their events were handed back".to_owned()
            } else {
                format!(
                    "not all of their events could be handed back within {LAST:?}: a handler blocks its thread, or the broker does not answer"
                )
            };
            let grace = self.grace;
            let what = format!("handlers still ran after the grace of {grace:?}, and {rest}");
            first = first.or(Some(Error::Unclean { what }));
        }
        self.beats.abort_all();
        let closed = tokio::time::timeout(LAST, self.broker.close()).await;
        let closed = closed.unwrap_or_else(|_| {
            Err(BrokerError::transient(format!(
                "the broker did not confirm the last acknowledgements within {LAST:?}"
            )))
        });
        match (first, closed) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(Error::Unclean {
                what: crate::consume::chain(&error),
            }),
            (None, Ok(())) => Ok(()),
        }
    }
}

/// The time after `wait`, or far away where there is none.
fn after(wait: Duration) -> Instant {
    Instant::now() + wait.min(Duration::from_hours(365 * 24))
}

fn failure(ended: Result<Ended, tokio::task::JoinError>) -> Option<Error> {
    match ended {
        Ok(Ended { error: None, .. }) => None,
        Ok(Ended {
            handler,
            error: Some(source),
        }) => Some(Error::Handler {
            handler: handler.to_owned(),
            source,
        }),
        Err(error) => Some(Error::Command(format!(
            "a worker of event-runtime failed, which is a bug: {error}"
        ))),
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}
