//! The broker's answer to a published message, some time later.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use tokio::task::coop;

use super::{BrokerError, Stored};

/// The broker's answer to a published message, some time later.
///
/// Dropping it neither cancels the message nor loses it; only the answer is not seen, and a broker that did not
/// answer is not asked again.
#[must_use = "a message is stored only when its receipt resolves to `Ok`"]
pub struct Receipt {
    answer: Answer,
    again: Option<Again>,
}

enum Answer {
    /// Until it was given.
    Known(Option<Stored>),
    Later(BoxFuture<'static, Result<Stored, BrokerError>>),
    Place(Place),
}

const POLLED: &str = "a receipt is not polled after its answer";

/// Asks a broker that did not answer once more.
type Again = Box<dyn FnOnce() -> BoxFuture<'static, Result<Stored, BrokerError>> + Send>;

/// Where an adapter of ours keeps the answers to many messages: a receipt that only has a place there needs no memory
/// of its own.
pub(crate) trait Answers: Send + Sync {
    /// The answer to the message with this number. Not asked again once it was given.
    fn poll(&self, number: u64, cx: &mut Context<'_>) -> Poll<Result<Stored, BrokerError>>;

    /// Nobody will ask for the answer to this message.
    fn unheard(&self, number: u64);
}

/// The place of one answer.
struct Place {
    /// Until it was given.
    answers: Option<Arc<dyn Answers>>,
    number: u64,
}

impl Receipt {
    /// A receipt that resolves as the future does.
    pub fn new(answer: impl Future<Output = Result<Stored, BrokerError>> + Send + 'static) -> Self {
        Self {
            answer: Answer::Later(Box::pin(answer)),
            again: None,
        }
    }

    /// The receipt of a message that is stored already.
    pub fn stored(stored: Stored) -> Self {
        Self {
            answer: Answer::Known(Some(stored)),
            again: None,
        }
    }

    /// A receipt that resolves as soon as the answer is at its place.
    #[cfg_attr(
        not(feature = "nats"),
        expect(dead_code, reason = "the one who uses it")
    )]
    pub(crate) fn at(answers: Arc<dyn Answers>, number: u64) -> Self {
        let answers = Some(answers);
        Self {
            answer: Answer::Place(Place { answers, number }),
            again: None,
        }
    }

    /// After an error that may pass, what this returns is awaited instead.
    pub(crate) fn or_again(
        self,
        again: impl FnOnce() -> BoxFuture<'static, Result<Stored, BrokerError>> + Send + 'static,
    ) -> Self {
        match self.answer {
            // Nobody has to ask again, so nothing is kept for that.
            Answer::Known(_) => self,
            _ => Self {
                again: Some(Box::new(again)),
                ..self
            },
        }
    }
}

impl Future for Receipt {
    type Output = Result<Stored, BrokerError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let answer = match &mut self.answer {
                Answer::Known(stored) => Ok(stored.take().expect(POLLED)),
                Answer::Later(answer) => ready!(answer.as_mut().poll(cx)),
                Answer::Place(place) => ready!(place.poll(cx)),
            };
            match (&answer, self.again.take()) {
                (Err(error), Some(again)) if error.is_transient() => {
                    self.answer = Answer::Later(again());
                }
                _ => return Poll::Ready(answer),
            }
        }
    }
}

impl Place {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Stored, BrokerError>> {
        let answers = self.answers.as_ref().expect(POLLED);
        // As the answers that tokio's channels carry: whoever fetches many that are there lets others run now and then.
        let coop = ready!(coop::poll_proceed(cx));
        let answer = ready!(answers.poll(self.number, cx));
        coop.made_progress();
        self.answers = None;
        Poll::Ready(answer)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(answers) = &self.answers {
            answers.unheard(self.number);
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").finish_non_exhaustive()
    }
}
