//! A pull loop on a plain subscription: asks again when half has come, as event-runtime does.
//!
//! The client's own streams ask for 200 at a time, and clone their context into each message. This loop is
//! faster than they are; the table shows by how much.

use std::time::Duration;

use anyhow::{Context, bail};
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::{Client, Message, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt};

/// Asked for at once: what event-runtime fetches ahead at most.
const BATCH: usize = 5000;
/// The server says this often that it is still there; two silences are an error.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The durable that programs by hand consume, with the settings that event-runtime gives to its own: also the room
/// for four times what is fetched ahead or handled at once.
pub(crate) async fn consumer(
    client: &Client,
    stream: &str,
    filter: &str,
    concurrency: usize,
) -> anyhow::Result<PullConsumer> {
    let stream = async_nats::jetstream::new(client.clone())
        .get_stream(stream)
        .await
        .with_context(|| format!("the stream {stream} is there"))?;
    let config = pull::Config {
        durable_name: Some("by-hand".to_owned()),
        filter_subject: filter.to_owned(),
        ack_policy: AckPolicy::Explicit,
        ack_wait: Duration::from_secs(10),
        max_ack_pending: i64::try_from(4 * concurrency.max(BATCH))?,
        ..Default::default()
    };
    let consumer = stream.create_consumer(config).await;
    consumer.context("the durable by-hand is created")
}

/// The messages of a durable, for ever.
#[derive(Debug)]
pub(crate) struct Pull {
    client: Client,
    subject: String,
    inbox: String,
    messages: Subscriber,
    outstanding: usize,
}

impl Pull {
    /// Subscribes; asks for nothing yet.
    pub(crate) async fn new(client: &Client, consumer: &PullConsumer) -> anyhow::Result<Self> {
        let info = consumer.cached_info();
        let inbox = client.new_inbox();
        Ok(Self {
            subject: format!(
                "$JS.API.CONSUMER.MSG.NEXT.{}.{}",
                info.stream_name, info.name
            ),
            messages: client.subscribe(inbox.clone()).await?,
            client: client.clone(),
            inbox,
            outstanding: 0,
        })
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Message> {
        loop {
            if self.outstanding <= BATCH / 2 {
                self.ask().await?;
            }
            // A timer only where there is something to wait for.
            let message = match self.messages.next().now_or_never() {
                Some(message) => message,
                None => tokio::time::timeout(HEARTBEAT * 2, self.messages.next())
                    .await
                    .context("the server is silent")?,
            };
            let message = message.context("the connection is closed")?;
            match message.status.map(|status| status.as_u16()) {
                None => {
                    self.outstanding -= 1;
                    return Ok(message);
                }
                Some(100) => {}
                Some(404 | 408) => self.outstanding = 0,
                Some(status) => bail!(
                    "the server ended a pull: {status} {}",
                    message.description.unwrap_or_default()
                ),
            }
        }
    }

    async fn ask(&mut self) -> anyhow::Result<()> {
        let batch = BATCH - self.outstanding;
        let request = format!(
            "{{\"batch\":{batch},\"expires\":30000000000,\"idle_heartbeat\":{}}}",
            HEARTBEAT.as_nanos()
        );
        let (subject, inbox) = (self.subject.clone(), self.inbox.clone());
        self.client
            .publish_with_reply(subject, inbox, request.into())
            .await?;
        self.outstanding = BATCH;
        Ok(())
    }

    /// The next messages of this number, as a stream.
    pub(crate) fn take(self, number: u64) -> impl Stream<Item = anyhow::Result<Message>> {
        futures_util::stream::unfold((self, number), |(mut pull, left)| async move {
            if left == 0 {
                return None;
            }
            let message = pull.next().await;
            Some((message, (pull, left - 1)))
        })
    }
}

/// Acknowledges a message; nothing answers.
pub(crate) async fn acknowledge(client: &Client, message: &mut Message) -> anyhow::Result<()> {
    let reply = message.reply.take().context("a message has a reply")?;
    client.publish(reply, Bytes::from_static(b"+ACK")).await?;
    Ok(())
}
