//! The window of messages that are published and not acknowledged yet.
//!
//! One inbox for all answers, with a number as its last word: an inbox, a channel and timers for each
//! message cost a third more of the client's time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use super::link::{CALL, Link, timed};
use super::publish::{Ack, read_ack};
use crate::broker::{BrokerError, Stored};

/// How long closing waits for the answers that are still to come.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Messages on their way at once.
const SIZE: u32 = 1024;

#[derive(Clone)]
pub(super) struct Window {
    inbox: String,
    room: Arc<Semaphore>,
    next: Arc<AtomicU64>,
    open: Arc<Mutex<Opened>>,
    reader: Arc<tokio::task::JoinHandle<()>>,
}

/// What is on its way; `None` once the window is closed, and nobody would hear an answer any more.
type Opened = Option<BTreeMap<u64, Open>>;

/// A message that has its place in the window.
pub(super) struct Registered {
    pub(super) number: u64,
    /// Where the server answers.
    pub(super) reply: String,
    pub(super) answer: oneshot::Receiver<Result<Stored, BrokerError>>,
}

/// A message that is on its way.
struct Open {
    since: Instant,
    subject: String,
    answer: oneshot::Sender<Result<Stored, BrokerError>>,
    _room: OwnedSemaphorePermit,
}

impl Window {
    pub(super) async fn open(link: Link) -> Result<Self, BrokerError> {
        let inbox = link.client.new_inbox();
        let all = format!("{inbox}.*");
        let mut answers = timed("subscribing to acknowledgements", async {
            link.client
                .subscribe(all)
                .await
                .map_err(|error| error.to_string())
        })
        .await?;
        let open: Arc<Mutex<Opened>> = Arc::new(Mutex::new(Some(BTreeMap::new())));
        let waiting = Arc::clone(&open);
        let skip = inbox.len() + 1;
        let reader = tokio::spawn(async move {
            let mut sweep = tokio::time::interval(Duration::from_millis(500));
            loop {
                tokio::select! {
                    message = answers.next() => {
                        let Some(message) = message else { return close(&waiting) };
                        let number = message.subject.get(skip..).and_then(|number| number.parse().ok());
                        let found = number.and_then(|number: u64| lock(&waiting).as_mut()?.remove(&number));
                        if let Some(found) = found {
                            let answer = read_ack(Ack::of(&message), &found.subject);
                            let _ = found.answer.send(answer);
                        }
                    }
                    _ = sweep.tick() => expire(&waiting, &link),
                }
            }
        });
        Ok(Self {
            inbox,
            room: Arc::new(Semaphore::new(SIZE as usize)),
            next: Arc::default(),
            open,
            reader: Arc::new(reader),
        })
    }

    /// Waits for room; what has no answer makes room when its time is over, so this ends.
    pub(super) async fn room(&self) -> Result<OwnedSemaphorePermit, BrokerError> {
        let acquire = Arc::clone(&self.room).acquire_owned();
        match tokio::time::timeout(CALL * 3, acquire).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(BrokerError::transient(
                "the connection to the server was closed by this program",
            )),
            Err(_) => Err(BrokerError::transient(
                "the window of unacknowledged messages is full, and the server does not answer",
            )),
        }
    }

    /// Registers a message: where its answer goes, and who hears of it.
    pub(super) fn register(
        &self,
        subject: &str,
        room: OwnedSemaphorePermit,
    ) -> Result<Registered, BrokerError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let entry = Open {
            since: Instant::now(),
            subject: subject.to_owned(),
            answer,
            _room: room,
        };
        match lock(&self.open).as_mut() {
            Some(open) => open.insert(number, entry),
            None => return Err(closed()),
        };
        let reply = format!("{}.{number}", self.inbox);
        Ok(Registered {
            number,
            reply,
            answer: answered,
        })
    }

    /// The message was never sent.
    pub(super) fn forget(&self, number: u64) {
        if let Some(open) = lock(&self.open).as_mut() {
            open.remove(&number);
        }
    }

    /// Waits a moment for the answers that are still to come. Then nothing is published any more, and what has no
    /// answer is told that none will come.
    pub(super) async fn close(&self) {
        // Each message on its way has a permit: whoever gets all of them knows that all is answered.
        let _ = tokio::time::timeout(LAST_ANSWERS, self.room.acquire_many(SIZE)).await;
        self.reader.abort();
        close(&self.open);
    }
}

fn lock(open: &Mutex<Opened>) -> std::sync::MutexGuard<'_, Opened> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

fn close(open: &Mutex<Opened>) {
    for (_, open) in lock(open).take().unwrap_or_default() {
        let _ = open.answer.send(Err(closed()));
    }
}

fn closed() -> BrokerError {
    BrokerError::permanent(
        "the connection is closed, since the service has stopped: publish before `Running::stop`",
    )
}

/// Answers for the server where it has not, so that no receipt waits for ever.
fn expire(open: &Mutex<Opened>, link: &Link) {
    let mut open = lock(open);
    let Some(open) = open.as_mut() else { return };
    while let Some(entry) = open.first_entry() {
        if entry.get().since.elapsed() < CALL {
            break;
        }
        let Open {
            subject, answer, ..
        } = entry.remove();
        let error = if link.events.is_denied(&subject) {
            BrokerError::permanent(format!(
                "the server denies publishing to `{subject}`: give this user the permission"
            ))
        } else {
            BrokerError::transient(format!(
                "the server did not acknowledge a message for `{subject}` within {CALL:?}; publishing it again with the same id is safe"
            ))
        };
        let _ = answer.send(Err(error));
    }
}
