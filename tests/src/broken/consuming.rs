//! Faults on the way from the broker to the consumer.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use event_runtime::broker::{Broker, BrokerErrorKind, Delivery, Subscription};
use futures_util::FutureExt;

use super::Broken;
use super::settling::detached;
use crate::faulty::{Answer, Changed, Fault};

pub(super) const ALL: &[Broken] = &[
    Broken::new(
        "drops one delivery in 1,000",
        &[
            "the_order_of_publishes_is_kept",
            "instances_share_a_durable_without_doubling",
            "reopened_subscriptions_lose_nothing",
        ],
        || Arc::new(Drops(Arc::new(AtomicU64::new(0)))),
    ),
    Broken::new(
        "delivers everything twice",
        &[
            "each_durable_gets_every_message",
            "instances_share_a_durable_without_doubling",
            "a_call_returns_at_least_one_and_at_most_the_demand",
        ],
        || consuming(twice),
    ),
    Broken::new(
        "swaps neighbours",
        &[
            "the_order_of_publishes_is_kept",
            "a_call_returns_at_least_one_and_at_most_the_demand",
        ],
        || consuming(swapped),
    ),
    Broken::new(
        "says that each delivery is the first",
        &["deliveries_are_counted"],
        || consuming(|inner| Changed::each(inner, first)),
    ),
    Broken::new(
        "numbers deliveries by itself",
        &["a_delivery_says_where_it_is_stored"],
        || consuming(|inner| Changed::each(inner, numbered)),
    ),
    Broken::new(
        "fetches ahead of the demand",
        &["a_slow_consumer_is_never_sent_more_than_it_can_take"],
        || consuming(|inner| buffered(inner, Ahead::Everything)),
    ),
    Broken::new(
        "keeps what has arrived when a subscription closes",
        &["closing_hands_back_what_was_not_returned"],
        || consuming(|inner| buffered(inner, Ahead::WhatWasAsked)),
    ),
    Broken::new(
        "loses what arrives while a call is dropped",
        &["a_dropped_call_loses_nothing"],
        || consuming(slow),
    ),
    Broken::new(
        "returns nothing when it looks too early",
        &["a_waiting_call_gets_what_is_published_later"],
        || consuming(|inner| Box::new(Impatient(inner))),
    ),
    Broken::new(
        "has one generation for all lives of a durable",
        &["each_life_of_a_durable_has_a_generation"],
        || consuming(|inner| Box::new(Eternal(inner))),
    ),
    Broken::new(
        "waits for ever when a durable is deleted",
        &["deleting_a_durable_ends_its_subscriptions"],
        || consuming(|inner| Box::new(Patient(inner))),
    ),
    Broken::new(
        "waits for a durable that is missing",
        &["a_missing_durable_is_misconfigured"],
        || Arc::new(Hopeful),
    ),
];

/// Puts something in place of each subscription.
struct Consuming(fn(Box<dyn Subscription>) -> Box<dyn Subscription>);

fn consuming(change: fn(Box<dyn Subscription>) -> Box<dyn Subscription>) -> Arc<dyn Fault> {
    Arc::new(Consuming(change))
}

impl Fault for Consuming {
    fn consumes(&self, inner: Box<dyn Subscription>) -> Box<dyn Subscription> {
        (self.0)(inner)
    }
}

struct Drops(Arc<AtomicU64>);

impl Fault for Drops {
    fn consumes(&self, inner: Box<dyn Subscription>) -> Box<dyn Subscription> {
        let count = Arc::clone(&self.0);
        Changed::batches(inner, move |batch| {
            let count = Arc::clone(&count);
            async move {
                let mut kept = Vec::new();
                for delivery in batch {
                    if count.fetch_add(1, Ordering::SeqCst) % 1_000 == 999 {
                        delivery.settle.done().await.unwrap();
                    } else {
                        kept.push(delivery);
                    }
                }
                kept
            }
        })
    }
}

fn twice(inner: Box<dyn Subscription>) -> Box<dyn Subscription> {
    Changed::batches(inner, |batch| {
        let doubled = batch.into_iter().flat_map(|delivery| {
            let double = Delivery {
                message_id: delivery.message_id.clone(),
                subject: delivery.subject.clone(),
                headers: delivery.headers.clone(),
                payload: delivery.payload.clone(),
                origin: delivery.origin.clone(),
                settle: detached(),
            };
            [delivery, double]
        });
        std::future::ready(doubled.collect())
    })
}

fn swapped(inner: Box<dyn Subscription>) -> Box<dyn Subscription> {
    Changed::batches(inner, |mut batch| {
        for pair in batch.chunks_exact_mut(2) {
            pair.swap(0, 1);
        }
        std::future::ready(batch)
    })
}

fn first(mut delivery: Delivery) -> Delivery {
    delivery.origin.deliveries = 1;
    delivery
}

fn numbered(mut delivery: Delivery) -> Delivery {
    delivery.origin.sequence += 1_000;
    delivery
}

/// How much a buffer asks for.
#[derive(Clone, Copy, PartialEq)]
enum Ahead {
    Everything,
    WhatWasAsked,
}

/// Keeps what has arrived, and hands nothing back.
struct Buffered {
    inner: Box<dyn Subscription>,
    ahead: Ahead,
    asked: usize,
    buffer: Vec<Delivery>,
}

fn buffered(inner: Box<dyn Subscription>, ahead: Ahead) -> Box<dyn Subscription> {
    Box::new(Buffered {
        inner,
        ahead,
        asked: 0,
        buffer: Vec::new(),
    })
}

impl Subscription for Buffered {
    fn generation(&self) -> &str {
        self.inner.generation()
    }

    fn ack_wait(&self) -> Duration {
        self.inner.ack_wait()
    }

    fn next(&mut self, demand: usize) -> Answer<'_, Vec<Delivery>> {
        async move {
            self.asked = self.asked.max(demand);
            if self.buffer.is_empty() {
                let wanted = match self.ahead {
                    Ahead::Everything => demand + 50,
                    Ahead::WhatWasAsked => self.asked,
                };
                self.buffer = self.inner.next(wanted).await?;
                self.asked = 0;
            }
            let count = demand.min(self.buffer.len());
            Ok(self.buffer.drain(..count).collect())
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> Answer<'static, ()> {
        async move {
            // The fault of the other one is that it fetches, not that it keeps.
            if self.ahead == Ahead::Everything {
                for delivery in self.buffer {
                    delivery.settle.hand_back(None).await?;
                }
            }
            self.inner.close().await
        }
        .boxed()
    }
}

impl fmt::Debug for Buffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Buffered")
    }
}

/// Holds deliveries across an await: who drops the call there has lost them until the ack wait is over.
fn slow(inner: Box<dyn Subscription>) -> Box<dyn Subscription> {
    Changed::batches(inner, |batch| async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        batch
    })
}

macro_rules! as_inner {
    () => {
        fn ack_wait(&self) -> Duration {
            self.0.ack_wait()
        }

        fn close(self: Box<Self>) -> Answer<'static, ()> {
            self.0.close()
        }
    };
    (generation) => {
        as_inner!();

        fn generation(&self) -> &str {
            self.0.generation()
        }
    };
}

#[derive(Debug)]
struct Impatient(Box<dyn Subscription>);

impl Subscription for Impatient {
    as_inner!(generation);

    fn next(&mut self, demand: usize) -> Answer<'_, Vec<Delivery>> {
        let now = self.0.next(demand).now_or_never();
        std::future::ready(now.unwrap_or_else(|| Ok(Vec::new()))).boxed()
    }
}

#[derive(Debug)]
struct Eternal(Box<dyn Subscription>);

impl Subscription for Eternal {
    as_inner!();

    fn generation(&self) -> &'static str {
        "1"
    }

    fn next(&mut self, demand: usize) -> Answer<'_, Vec<Delivery>> {
        self.0.next(demand)
    }
}

#[derive(Debug)]
struct Patient(Box<dyn Subscription>);

impl Subscription for Patient {
    as_inner!(generation);

    fn next(&mut self, demand: usize) -> Answer<'_, Vec<Delivery>> {
        async move {
            match self.0.next(demand).await {
                Err(error) if error.kind() == BrokerErrorKind::Misconfigured => {
                    std::future::pending().await
                }
                answer => answer,
            }
        }
        .boxed()
    }
}

struct Hopeful;

impl Fault for Hopeful {
    fn subscribe<'a>(
        &'a self,
        inner: &'a dyn Broker,
        stream: &'a str,
        durable: &'a str,
    ) -> Answer<'a, Box<dyn Subscription>> {
        async move {
            match inner.subscribe(stream, durable).await {
                Err(error) if error.kind() == BrokerErrorKind::Misconfigured => {
                    std::future::pending().await
                }
                answer => answer,
            }
        }
        .boxed()
    }
}
