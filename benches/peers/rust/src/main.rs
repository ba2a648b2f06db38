//! The work on ruststream, as its documentation shows it, at its best settings: docs/performance.md says which.
//!
//! ```text
//! peer-ruststream consume|publish EVENTS IN_FLIGHT SERVER
//! ```
//!
//! Says `begin` at its first event and `end NUMBER` after its last one, where NUMBER is the sum of all orders'
//! numbers; then it waits to be ended.

mod order;

use std::convert::Infallible;
use std::error::Error;
use std::hint::black_box;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use ruststream_nats::prelude::*;
use uuid::Uuid;

use order::{Headers, Order, Received, Sent};

type Failure = Box<dyn Error + Send + Sync>;

/// Counts events.
#[derive(Debug, Default)]
struct Progress {
    total: u64,
    seen: AtomicU64,
    sum: AtomicU64,
}

#[derive(Debug, Clone, FromRef)]
struct AppState {
    progress: Arc<Progress>,
}

#[subscriber(JetStreamSubject::new("orders.*.placed", "ORDERS").durable("peer").max_ack_pending(4096))]
async fn count(event: &Received, State(progress): State<Arc<Progress>>) -> HandlerOutcome {
    if event.kind != "order.placed.v1" {
        return HandlerOutcome::drop();
    }
    black_box(event);
    let number = event.data.number;
    let sum = progress.sum.fetch_add(number, Ordering::AcqRel) + number;
    let seen = progress.seen.fetch_add(1, Ordering::AcqRel) + 1;
    if seen == 1 {
        println!("begin");
    }
    if seen == progress.total {
        println!("end {sum}");
    }
    HandlerOutcome::ack()
}

async fn consume(events: u64, workers: NonZeroUsize, server: String) -> Result<(), Failure> {
    let state = AppState {
        progress: Arc::new(Progress {
            total: events,
            ..Progress::default()
        }),
    };
    let app = RustStream::new(AppInfo::new("bench", "0.1.0"))
        .on_startup(async move |()| Ok::<_, Infallible>(state))
        .with_broker(NatsBroker::new(server), |b| {
            b.include(count.workers(workers));
        });
    let _running = app.start().await?;
    std::future::pending().await
}

async fn publish(events: u64, in_flight: usize, server: String) -> Result<(), Failure> {
    let app =
        RustStream::new(AppInfo::new("bench", "0.1.0")).with_broker(NatsBroker::new(server), |b| {
            b.after_startup(
                JetStreamPublish::default(),
                async move |publisher| -> io::Result<()> {
                    println!("begin");
                    let sum = stream::iter(0..events)
                        .map(|number| send(&publisher, number))
                        .buffer_unordered(in_flight)
                        .try_fold(0, async |sum, number| Ok(sum + number))
                        .await;
                    println!("end {}", sum.map_err(io::Error::other)?);
                    Ok(())
                },
            );
        });
    let _running = app.start().await?;
    std::future::pending().await
}

async fn send(
    publisher: &impl Publisher<Options = JetStreamOptions>,
    number: u64,
) -> Result<u64, Failure> {
    let order = Order::numbered(number);
    let id = Uuid::now_v7().to_string();
    let subject = format!("orders.{}.placed", order.region);
    let event = Sent {
        specversion: "1.0",
        id: &id,
        source: "/bench",
        kind: "order.placed.v1",
        time: format!("{:.3}", Timestamp::now()),
        datacontenttype: "application/json",
        dataschema: "urn:bench:order.placed:1",
        partitionkey: &order.order_id,
        data: &order,
    };
    publisher
        .message(&event)
        .with_headers(&Headers {
            content_type: "application/cloudevents+json".to_owned(),
        })
        .to(subject)
        .message_id(&*id)
        .publish()
        .await?;
    Ok(number)
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [work, events, in_flight, server] = arguments.as_slice() else {
        return Err("usage: peer-ruststream consume|publish EVENTS IN_FLIGHT SERVER".into());
    };
    let (events, in_flight) = (events.parse()?, in_flight.parse::<NonZeroUsize>()?);
    let (work, server) = (work.clone(), server.clone());
    let runtime = tokio::runtime::Runtime::new()?;
    // On a worker thread, as event-runtime's program is: what runs in `block_on` itself is woken across threads.
    runtime.block_on(async {
        tokio::spawn(async move {
            match work.as_str() {
                "publish" => publish(events, in_flight.get(), server).await,
                _ => consume(events, in_flight, server).await,
            }
        })
        .await
    })?
}
