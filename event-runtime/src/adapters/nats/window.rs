//! The window of messages that are published and not acknowledged yet.
//!
//! One inbox for all answers, with a number as its last word: an inbox, a channel and timers for each
//! message cost a third more of the client's time.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Message, Subject, Subscriber};
use futures_util::{FutureExt, StreamExt};
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
    open: Arc<Mutex<Opened>>,
    reader: Arc<tokio::task::JoinHandle<()>>,
}

/// What is on its way; `None` once the window is closed, and nobody would hear an answer any more.
type Opened = Option<Places>;

/// A place for each message that may be on its way. A message's number modulo the places is its own, so that an
/// answer is found without a search; numbers never come again, so that a late one is nobody else's.
struct Places {
    taken: Vec<Option<Open>>,
    free: Vec<u32>,
    round: u64,
}

/// A message that has its place in the window.
pub(super) struct Registered {
    pub(super) number: u64,
    /// Where the server answers.
    pub(super) reply: Subject,
    pub(super) answer: oneshot::Receiver<Result<Stored, BrokerError>>,
}

/// A message that is on its way.
struct Open {
    number: u64,
    since: Instant,
    subject: Subject,
    answer: oneshot::Sender<Result<Stored, BrokerError>>,
    _room: OwnedSemaphorePermit,
}

impl Places {
    fn new() -> Self {
        Self {
            taken: (0..SIZE).map(|_| None).collect(),
            free: (0..SIZE).collect(),
            round: 0,
        }
    }

    /// The next message's number. Whoever has room gets one.
    fn next(&mut self) -> Option<u64> {
        self.round += 1;
        let place = self.free.pop()?;
        Some(self.round * u64::from(SIZE) + u64::from(place))
    }

    fn place(number: u64) -> Option<(usize, u32)> {
        let place = number % u64::from(SIZE);
        usize::try_from(place).ok().zip(u32::try_from(place).ok())
    }

    fn put(&mut self, open: Open) {
        if let Some((place, _)) = Self::place(open.number) {
            self.taken[place] = Some(open);
        }
    }

    fn take(&mut self, number: u64) -> Option<Open> {
        let (place, free) = Self::place(number)?;
        let open = self.taken[place].take_if(|open| open.number == number)?;
        self.free.push(free);
        Some(open)
    }
}

impl Window {
    pub(super) async fn open(link: Link) -> Result<Self, BrokerError> {
        let inbox = link.client.new_inbox();
        let all = format!("{inbox}.*");
        let answers = timed("subscribing to acknowledgements", async {
            link.client
                .subscribe(all)
                .await
                .map_err(|error| error.to_string())
        })
        .await?;
        let open: Arc<Mutex<Opened>> = Arc::new(Mutex::new(Some(Places::new())));
        let inbox = format!("{inbox}.");
        let reader = read(answers, inbox.len(), Arc::clone(&open), link);
        Ok(Self {
            inbox,
            room: Arc::new(Semaphore::new(SIZE as usize)),
            open,
            reader: Arc::new(tokio::spawn(reader)),
        })
    }

    /// Room, if there is some and nobody waits for it.
    pub(super) fn free_room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
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
        subject: &Subject,
        room: OwnedSemaphorePermit,
    ) -> Result<Registered, BrokerError> {
        let (sender, answer) = oneshot::channel();
        let since = Instant::now();
        let number = {
            let mut open = lock(&self.open);
            let places = open.as_mut().ok_or_else(closed)?;
            let number = places.next().ok_or_else(closed)?;
            places.put(Open {
                number,
                since,
                subject: subject.clone(),
                answer: sender,
                _room: room,
            });
            number
        };
        // Of the exact length: then it becomes a subject as it is.
        let digits = number.checked_ilog10().unwrap_or_default() as usize + 1;
        let mut reply = String::with_capacity(self.inbox.len() + digits);
        reply.push_str(&self.inbox);
        // Writing to a text never fails.
        let _ = write!(reply, "{number}");
        Ok(Registered {
            number,
            reply: reply.into(),
            answer,
        })
    }

    /// The message was never sent.
    pub(super) fn forget(&self, number: u64) {
        lock(&self.open).as_mut().and_then(|open| open.take(number));
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

/// Takes answers in, for as long as there is a connection.
async fn read(mut answers: Subscriber, skip: usize, open: Arc<Mutex<Opened>>, link: Link) {
    let mut sweep = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            message = answers.next() => {
                let Some(message) = message else { return close(&open) };
                answer(&message, skip, &open);
                // Most answers come many at a time.
                while let Some(Some(message)) = answers.next().now_or_never() {
                    answer(&message, skip, &open);
                }
            }
            _ = sweep.tick() => expire(&open, &link),
        }
    }
}

fn answer(message: &Message, skip: usize, open: &Mutex<Opened>) {
    let number = message.subject.get(skip..);
    let number = number.and_then(|number| number.parse().ok());
    let found = number.and_then(|number| lock(open).as_mut()?.take(number));
    if let Some(found) = found {
        let answer = read_ack(Ack::of(message), &found.subject);
        let _ = found.answer.send(answer);
    }
}

fn close(open: &Mutex<Opened>) {
    let places = lock(open).take();
    for open in places.into_iter().flat_map(|places| places.taken).flatten() {
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
    let Some(places) = open.as_mut() else { return };
    let late = |open: &&Open| open.since.elapsed() >= CALL;
    let late = places.taken.iter().flatten().filter(late);
    let late: Vec<u64> = late.map(|open| open.number).collect();
    for Open {
        subject, answer, ..
    } in late.into_iter().filter_map(|number| places.take(number))
    {
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
