//! The window of messages that are published and not acknowledged yet.
//!
//! One inbox for all answers, with a number as its last word: an inbox, a channel and timers for each
//! message cost a third more of the client's time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_nats::{Message, Subject, Subscriber};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;

use super::link::{CALL, Link, timed};
use super::places::{Heard, Places, closed, read_number, write_number};
use super::publish::{Ack, read_ack};
use crate::broker::{Answers, BrokerError, Receipt, Stored};

/// How long closing waits for the answers that are still to come.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Messages on their way at once.
const SIZE: u32 = 1024;
/// How often is looked for messages that were not answered in time.
const SWEEP: Duration = Duration::from_millis(500);
/// Sweeps that a message outlives: as many as there are in its time, and the one that may come right after it.
#[allow(
    clippy::cast_possible_truncation,
    reason = "a small number by a small number"
)]
const SWEEPS: u32 = (CALL.as_millis() / SWEEP.as_millis()) as u32 + 1;

#[derive(Clone)]
pub(super) struct Window {
    shared: Arc<Shared>,
    reader: Arc<tokio::task::JoinHandle<()>>,
}

struct Shared {
    inbox: String,
    /// A permit for each message that may be sent. One that was is without an owner, and comes back with the answer.
    room: Semaphore,
    places: Mutex<Places>,
}

/// Room for one message: it is given back unless the message is registered.
pub(super) struct Room<'a>(tokio::sync::SemaphorePermit<'a>);

/// A message that has its place in the window.
pub(super) struct Registered<'a> {
    pub(super) place: Unsent<'a>,
    /// Where the server answers.
    pub(super) reply: Subject,
    pub(super) receipt: Receipt,
}

/// The place of a message that is not sent yet: without that, nobody would ever answer, so it is given back.
pub(super) struct Unsent<'a> {
    window: &'a Window,
    number: Option<u64>,
}

impl Unsent<'_> {
    /// The server has to answer now.
    pub(super) fn sent(mut self) {
        self.number = None;
    }
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.window.forget(number);
        }
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
        let shared = Arc::new(Shared {
            inbox: format!("{inbox}."),
            room: Semaphore::new(SIZE as usize),
            places: Mutex::default(),
        });
        let reader = tokio::spawn(read(answers, Reading(Arc::clone(&shared)), link));
        Ok(Self {
            shared,
            reader: Arc::new(reader),
        })
    }

    /// Room, if there is some and nobody waits for it.
    pub(super) fn free_room(&self) -> Option<Room<'_>> {
        self.shared.room.try_acquire().ok().map(Room)
    }

    /// Waits for room; what has no answer makes room when its time is over, so this ends.
    pub(super) async fn room(&self) -> Result<Room<'_>, BrokerError> {
        match tokio::time::timeout(CALL * 3, self.shared.room.acquire()).await {
            Ok(Ok(permit)) => Ok(Room(permit)),
            Ok(Err(_)) => Err(BrokerError::transient(
                "the connection to the server was closed by this program",
            )),
            Err(_) => Err(BrokerError::transient(
                "the window of unacknowledged messages is full, and the server does not answer",
            )),
        }
    }

    /// Registers a message: where its answer goes.
    pub(super) fn register(
        &self,
        subject: &str,
        room: Room<'_>,
    ) -> Result<Registered<'_>, BrokerError> {
        let number = self.shared.lock().put(subject)?;
        room.0.forget();
        let shared = Arc::clone(&self.shared);
        Ok(Registered {
            place: Unsent {
                window: self,
                number: Some(number),
            },
            reply: write_number(&self.shared.inbox, number).into(),
            receipt: Receipt::at(shared, number),
        })
    }

    /// The message was never sent.
    fn forget(&self, number: u64) {
        let forgotten = self.shared.lock().forget(number);
        self.shared.room.add_permits(usize::from(forgotten));
    }

    /// Waits a moment for the answers that are still to come. Then nothing is published any more, and what has no
    /// answer is told that none will come.
    pub(super) async fn close(&self) {
        // Each message on its way has a permit: whoever gets all of them knows that all is answered.
        let all = self.shared.room.acquire_many(SIZE);
        let _ = tokio::time::timeout(LAST_ANSWERS, all).await;
        self.reader.abort();
        self.shared.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, message: &Message, heard: &mut Heard) {
        let Some(number) = read_number(&message.subject, self.inbox.len()) else {
            return;
        };
        let ack = Ack::of(message);
        let answer = ack.plain();
        let mut places = self.lock();
        let answer = match answer {
            Some(stored) => Ok(stored),
            None => match places.subject(number) {
                Some(subject) => read_ack(ack, &subject),
                None => return,
            },
        };
        places.answer(number, answer, heard);
    }

    /// Whoever waits for room or an answer is woken when all that came at once is read: one woken at the first answer
    /// would sleep again after it.
    fn tell(&self, heard: &mut Heard) {
        if heard.answered > 0 {
            self.room.add_permits(heard.answered);
            heard.answered = 0;
        }
        heard.wakers.drain(..).for_each(Waker::wake);
    }

    /// Answers for the server where it has not, so that no receipt waits for ever.
    fn expire(&self, link: &Link, heard: &mut Heard) {
        let mut places = self.lock();
        for number in places.sweep(SWEEPS) {
            let Some(subject) = places.subject(number) else {
                continue;
            };
            let error = if link.events.is_denied(&subject) {
                BrokerError::permanent(format!(
                    "the server denies publishing to `{subject}`: give this user the permission"
                ))
            } else {
                BrokerError::transient(format!(
                    "the server did not acknowledge a message for `{subject}` within {CALL:?}; publishing it again with the same id is safe"
                ))
            };
            places.answer(number, Err(error), heard);
        }
    }

    fn close(&self) {
        let mut heard = Heard::default();
        let mut places = self.lock();
        for number in places.close() {
            places.answer(number, Err(closed()), &mut heard);
        }
        drop(places);
        self.tell(&mut heard);
    }
}

impl Answers for Shared {
    fn poll(&self, number: u64, cx: &mut Context<'_>) -> Poll<Result<Stored, BrokerError>> {
        let mut before = None;
        self.lock().poll(number, cx.waker(), &mut before)
    }

    fn unheard(&self, number: u64) {
        let waker = self.lock().unheard(number);
        drop(waker);
    }
}

/// However reading ends, nobody waits for an answer after it.
struct Reading(Arc<Shared>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Takes answers in, for as long as there is a connection.
async fn read(mut answers: Subscriber, reading: Reading, link: Link) {
    let Reading(shared) = &reading;
    let mut sweep = tokio::time::interval(SWEEP);
    // A process that was stopped for long had no time to hear what was answered meanwhile.
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Heard::default();
    loop {
        tokio::select! {
            message = answers.next() => {
                let Some(message) = message else { return };
                shared.hear(&message, &mut heard);
                // Most answers come many at a time.
                while let Some(Some(message)) = answers.next().now_or_never() {
                    shared.hear(&message, &mut heard);
                }
            }
            _ = sweep.tick() => shared.expire(&link, &mut heard),
        }
        shared.tell(&mut heard);
    }
}
