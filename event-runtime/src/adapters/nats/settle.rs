//! Settles one delivery.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Subject;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::link::{Link, Links, timed};
use crate::broker::{BrokerError, Settlement, Verdict};

/// Tells the server that a delivery is done.
const ACK: &[u8] = b"+ACK";

pub(super) struct NatsSettlement {
    pub(super) links: Arc<Links>,
    pub(super) reply: Subject,
}

impl NatsSettlement {
    /// Nothing answers: an acknowledgement that is lost is a delivery that comes again.
    async fn tell(&self, what: Bytes) -> Result<(), BrokerError> {
        let told = self.tell_on(&self.links.consume, what.clone()).await;
        // Any connection reaches the server.
        if told.is_err() && self.links.has_ended() {
            return self.tell_on(&self.links.publish, what).await;
        }
        told
    }

    async fn tell_on(&self, link: &Link, what: Bytes) -> Result<(), BrokerError> {
        timed("settling", async {
            link.client
                .publish(self.reply.clone(), what)
                .await
                .map_err(|error| error.to_string())
        })
        .await
    }
}

impl Settlement for NatsSettlement {
    fn settle(&self, verdict: Verdict) -> BoxFuture<'_, Result<(), BrokerError>> {
        let what = match verdict {
            Verdict::Done => Bytes::from_static(ACK),
            Verdict::HandBack(None) => Bytes::from_static(b"-NAK"),
            Verdict::HandBack(Some(delay)) => nak(delay),
        };
        self.tell(what).boxed()
    }

    fn done_now(&self) -> Option<Result<(), BrokerError>> {
        let ack = Bytes::from_static(ACK);
        let told = self.links.consume.client.publish(self.reply.clone(), ack);
        // What fails is told again, with all the care that it needs.
        told.now_or_never().filter(Result::is_ok).map(|_| Ok(()))
    }

    fn progress(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.tell(Bytes::from_static(b"+WPI")).boxed()
    }
}

fn nak(delay: Duration) -> Bytes {
    format!("-NAK {{\"delay\":{}}}", delay.as_nanos()).into()
}

impl fmt::Debug for NatsSettlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsSettlement")
            .field("reply", &self.reply)
            .finish_non_exhaustive()
    }
}
