//! The deliveries that a worker has begun.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::FuturesUnordered;

/// The deliveries that a worker has begun, each a future of the same kind.
///
/// Most handlers either wait for something else or don't wait at all. A delivery is taken as far as it comes at once;
/// only what has to wait becomes one of many, which costs as much as a short handler's whole run.
pub(super) struct Running<F> {
    pub(super) waiting: FuturesUnordered<Pin<Box<F>>>,
    /// The memory of one that did not have to wait, for the next.
    place: Option<Pin<Box<F>>>,
}

impl<F: Future> Running<F> {
    pub(super) fn new() -> Self {
        Self {
            waiting: FuturesUnordered::new(),
            place: None,
        }
    }

    /// Begins one: ready if it is over already.
    pub(super) fn begin(&mut self, delivery: F, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut delivery = match self.place.take() {
            Some(mut place) => {
                place.set(delivery);
                place
            }
            None => Box::pin(delivery),
        };
        let polled = delivery.as_mut().poll(cx);
        if polled.is_ready() {
            self.place = Some(delivery);
        } else {
            self.waiting.push(delivery);
        }
        polled
    }
}

/// Polls a future once.
pub(super) async fn once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}
