//! What has to be on the server before a run, and what has to be true of it after one.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::{self, Context, stream};

use crate::by_hand::envelope::{SENT_ORDER, body};
use crate::by_hand::publish;
use crate::order::Order;
use crate::plan::Stage;

/// The stream that holds the orders.
pub(crate) const ORDERS: &str = "ORDERS";
/// The topic of orders, for any region.
pub(crate) const FILTER: &str = "orders.*.placed";
/// The stream that holds the answers.
pub(crate) const SHIPMENTS: &str = "SHIPMENTS";

/// How long the last acknowledgements may take to arrive.
const LIMIT: Duration = Duration::from_mins(1);

/// Somebody who looks at a server, on a connection apart.
#[derive(Debug, Clone)]
pub(crate) struct Watch(Context);

impl Watch {
    /// Connects.
    pub(crate) async fn connect(server: &str) -> anyhow::Result<Self> {
        let client = async_nats::connect(server)
            .await
            .with_context(|| format!("the server at {server} answers"))?;
        Ok(Self(jetstream::new(client)))
    }

    /// Waits until the server has taken in the acknowledgements of all messages: only then the work is done.
    pub(crate) async fn acknowledged(&self, stream: &str, durable: &str) -> anyhow::Result<()> {
        let stream = self.0.get_stream_no_info(stream).await?;
        let wait = async {
            loop {
                let info = stream.consumer_info(durable).await?;
                if info.num_pending == 0 && info.num_ack_pending == 0 {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait)
            .await
            .with_context(|| format!("{durable} has acknowledged all within {LIMIT:?}"))?
    }

    /// Makes a stream anew, empty, with the settings that event-runtime gives to its own.
    pub(crate) async fn renew(&self, name: &str) -> anyhow::Result<()> {
        // It may not be there yet.
        let _ = self.0.delete_stream(name).await;
        let first = name.to_lowercase();
        let config = stream::Config {
            name: name.to_owned(),
            subjects: vec![first.clone(), format!("{first}.>")],
            duplicate_window: Duration::from_mins(10),
            ..Default::default()
        };
        self.0.create_stream(config).await?;
        Ok(())
    }

    /// Deletes the durables of earlier runs, so that the next one begins at the first event.
    pub(crate) async fn forget_durables(&self, stream: &str) -> anyhow::Result<()> {
        use futures_util::TryStreamExt;
        let stream = self.0.get_stream(stream).await?;
        let names: Vec<String> = stream.consumer_names().try_collect().await?;
        for name in names {
            stream.delete_consumer(&name).await?;
        }
        Ok(())
    }

    /// Deletes what an earlier run consumed with, or published.
    pub(crate) async fn prepare(&self, stage: Stage) -> anyhow::Result<()> {
        match stage {
            Stage::None => return Ok(()),
            Stage::Empty => self.renew(ORDERS).await?,
            Stage::Full | Stage::Holding(_) => self.forget_durables(ORDERS).await?,
        }
        // Answers have the same ids again.
        self.renew(SHIPMENTS).await
    }

    /// Makes sure that another framework has published this many orders, and the last one as event-runtime would.
    pub(crate) async fn stored(&self, events: u64) -> anyhow::Result<()> {
        let stream = self.0.get_stream(ORDERS).await?;
        let held = stream.get_info().await?.state.messages;
        ensure!(held == events, "{held} of {events} events are stored");
        let message = stream.get_raw_message(events).await?;
        let (attributes, order) = event_runtime::envelope::decode::<Order>(&message.payload[..])?;
        let id = message
            .headers
            .get(NATS_MESSAGE_ID)
            .map(async_nats::HeaderValue::as_str);
        ensure!(
            id == Some(&*attributes.id),
            "the message id is {id:?}, and the event's {}",
            attributes.id
        );
        let same = Order::numbered(order.number);
        let same = body(SENT_ORDER, &attributes.id, &same.order_id, None, &same)?;
        ensure!(
            message.payload.len() == same.len(),
            "an event has {} bytes, and {} in event-runtime",
            message.payload.len(),
            same.len()
        );
        Ok(())
    }

    /// Adds orders to the stream until it holds this many.
    pub(crate) async fn fill(&self, events: u64) -> anyhow::Result<()> {
        let stream = self.0.get_stream(ORDERS).await?;
        let held = stream.get_info().await?.state.messages;
        ensure!(
            held <= events,
            "the stream holds {held} events, and {events} are wanted"
        );
        publish::orders(&self.0, held..events).await
    }
}
