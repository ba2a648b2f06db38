//! Faults in what a broker is told about a delivery.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_runtime::broker::{
    Broker, BrokerError, Delivery, Heartbeat, Settle, Settlement, Subscription, Verdict,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Broken;
use crate::faulty::{Answer, Changed, Fault};

pub(super) const ALL: &[Broken] = &[
    Broken::new(
        "acknowledges before the work is done",
        &[
            "what_is_not_settled_comes_again_after_the_ack_wait",
            "what_is_handed_back_comes_again_at_once",
            "a_lost_connection_loses_nothing",
            "an_unsettled_retry_comes_again",
        ],
        || Arc::new(Early),
    ),
    Broken::new(
        "forgets what is unsettled when somebody subscribes",
        &[
            "a_lost_connection_loses_nothing",
            "an_unsettled_retry_comes_again",
        ],
        || Arc::new(Forgetful::default()),
    ),
    Broken::new(
        "acknowledges nothing",
        &[
            "what_is_settled_never_comes_again",
            "a_retry_lane_empties_itself",
            "closing_at_the_same_time_loses_nothing",
        ],
        || telling(|verdict| Some(verdict).filter(|verdict| *verdict != Verdict::Done)),
    ),
    Broken::new(
        "takes a hand-back for an acknowledgement",
        &[
            "what_is_handed_back_comes_again_at_once",
            "hand_backs_by_several_lose_nothing",
        ],
        || telling(|_| Some(Verdict::Done)),
    ),
    Broken::new(
        "leaves what is handed back to the ack wait",
        &[
            "what_is_handed_back_comes_again_at_once",
            "hand_backs_by_several_lose_nothing",
        ],
        || telling(|verdict| Some(verdict).filter(|verdict| *verdict == Verdict::Done)),
    ),
    Broken::new(
        "hands back at once where there is a delay",
        &["what_is_handed_back_with_a_delay_waits"],
        || {
            telling(|verdict| match verdict {
                Verdict::HandBack(_) => Some(Verdict::HandBack(None)),
                Verdict::Done => Some(Verdict::Done),
            })
        },
    ),
    Broken::new(
        "ignores progress",
        &["progress_keeps_redelivery_away"],
        || Arc::new(Deaf),
    ),
    Broken::new(
        "settles nothing once its subscription is closed",
        &["a_delivery_outlives_its_subscription"],
        || Arc::new(Mortal),
    ),
];

type Tell = Arc<dyn Fn(Verdict) -> Option<Verdict> + Send + Sync>;
/// What settles a delivery, until it has.
type Shared = Arc<Mutex<Option<Settle>>>;

/// Tells the broker something else, or nothing.
struct Altered {
    inner: Shared,
    /// `None` where progress is not told.
    heartbeat: Option<Heartbeat>,
    tell: Tell,
}

impl Settlement for Altered {
    fn settle(&self, verdict: Verdict) -> BoxFuture<'_, Result<(), BrokerError>> {
        let settle = self.inner.lock().unwrap().take();
        let verdict = (self.tell)(verdict);
        async move {
            match (settle, verdict) {
                (Some(settle), Some(Verdict::Done)) => settle.done().await,
                (Some(settle), Some(Verdict::HandBack(delay))) => settle.hand_back(delay).await,
                _ => Ok(()),
            }
        }
        .boxed()
    }

    fn progress(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        async {
            match &self.heartbeat {
                Some(heartbeat) => heartbeat.beat().await,
                None => Ok(()),
            }
        }
        .boxed()
    }
}

impl fmt::Debug for Altered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Altered")
    }
}

fn altered(mut delivery: Delivery, tell: Tell) -> (Delivery, Shared) {
    let heartbeat = Some(delivery.settle.heartbeat());
    let inner = Arc::new(Mutex::new(Some(delivery.settle)));
    delivery.settle = Settle::new(Altered {
        inner: Arc::clone(&inner),
        heartbeat,
        tell,
    });
    (delivery, inner)
}

/// What settles nothing.
pub(super) fn detached() -> Settle {
    Settle::new(Altered {
        inner: Arc::default(),
        heartbeat: None,
        tell: Arc::new(Some),
    })
}

/// Tells the broker another verdict, or none.
struct Telling(fn(Verdict) -> Option<Verdict>);

fn telling(tell: fn(Verdict) -> Option<Verdict>) -> Arc<dyn Fault> {
    Arc::new(Telling(tell))
}

impl Fault for Telling {
    fn consumes(&self, inner: Box<dyn Subscription>) -> Box<dyn Subscription> {
        let tell: Tell = Arc::new(self.0);
        Changed::each(inner, move |delivery| {
            altered(delivery, Arc::clone(&tell)).0
        })
    }
}

struct Early;

impl Fault for Early {
    fn consumes(&self, inner: Box<dyn Subscription>) -> Box<dyn Subscription> {
        Changed::batches(inner, |mut batch| async move {
            for delivery in &mut batch {
                let settle = std::mem::replace(&mut delivery.settle, detached());
                settle.done().await.unwrap();
            }
            batch
        })
    }
}

#[derive(Default)]
struct Forgetful(Arc<Mutex<HashMap<String, Vec<Shared>>>>);

impl Fault for Forgetful {
    fn subscribe<'a>(
        &'a self,
        inner: &'a dyn Broker,
        stream: &'a str,
        durable: &'a str,
    ) -> Answer<'a, Box<dyn Subscription>> {
        async move {
            let pending = self.0.lock().unwrap().remove(durable);
            for settle in pending.into_iter().flatten() {
                let settle = settle.lock().unwrap().take();
                if let Some(settle) = settle {
                    settle.done().await?;
                }
            }
            let subscription = inner.subscribe(stream, durable).await?;
            let (pending, durable) = (Arc::clone(&self.0), durable.to_owned());
            Ok(Changed::each(subscription, move |delivery| {
                let (delivery, settle) = altered(delivery, Arc::new(Some));
                let mut pending = pending.lock().unwrap();
                pending.entry(durable.clone()).or_default().push(settle);
                delivery
            }))
        }
        .boxed()
    }
}

struct Deaf;

impl Fault for Deaf {
    fn consumes(&self, inner: Box<dyn Subscription>) -> Box<dyn Subscription> {
        Changed::each(inner, |mut delivery| {
            delivery.settle = Settle::new(Altered {
                inner: Arc::new(Mutex::new(Some(delivery.settle))),
                heartbeat: None,
                tell: Arc::new(Some),
            });
            delivery
        })
    }
}

struct Mortal;

impl Fault for Mortal {
    fn consumes(&self, inner: Box<dyn Subscription>) -> Box<dyn Subscription> {
        let closed = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&closed);
        let tell: Tell =
            Arc::new(move |verdict| Some(verdict).filter(|_| !ends.load(Ordering::SeqCst)));
        let inner = Changed::each(inner, move |delivery| {
            altered(delivery, Arc::clone(&tell)).0
        });
        Box::new(Ending { inner, closed })
    }
}

/// Says when it is closed.
#[derive(Debug)]
struct Ending {
    inner: Box<dyn Subscription>,
    closed: Arc<AtomicBool>,
}

impl Subscription for Ending {
    fn generation(&self) -> &str {
        self.inner.generation()
    }

    fn ack_wait(&self) -> Duration {
        self.inner.ack_wait()
    }

    fn next(&mut self, demand: usize) -> Answer<'_, Vec<Delivery>> {
        self.inner.next(demand)
    }

    fn close(self: Box<Self>) -> Answer<'static, ()> {
        self.closed.store(true, Ordering::SeqCst);
        self.inner.close()
    }
}
