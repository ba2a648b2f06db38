//! One run of one program: what the driver starts as a process of its own, so that nothing of one run is left
//! for the next. Prints one line of JSON.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::meter::{Meter, Sample};
use crate::{by_hand, ours};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// Events of a stream are decoded, handled and acknowledged one by one.
    Consume,
    /// Events are published, 1,024 in flight.
    Publish,
    /// Events are consumed, and each is answered by another one.
    Answer,
    /// Events are published and handled by one process, 1,000 a second.
    Latency,
    /// Events are published and handled without a server.
    Memory,
    /// Events are consumed, 500 by one run of the handler.
    Batch,
    /// Events are consumed, and one in ten fails once.
    Retry,
}

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Side {
    /// A program on event-runtime.
    Ours,
    /// The same on the client, as good as we can make it.
    ByHand,
    /// The same on the client, as its documentation shows it.
    Default,
    /// On event-runtime too, without what is measured.
    Plain,
    /// The same on Watermill, in Go.
    Watermill,
    /// The same on `FastStream`, in Python.
    Faststream,
    /// The same on ruststream.
    Ruststream,
}

impl Side {
    /// Whether it is another framework, whose program is none of ours.
    pub(crate) fn is_peer(self) -> bool {
        matches!(self, Self::Watermill | Self::Faststream | Self::Ruststream)
    }
}

/// One run.
#[derive(Debug, Clone, Args)]
pub(crate) struct Run {
    /// What is done.
    pub work: Work,
    /// Who does it.
    pub side: Side,
    /// How many events.
    #[arg(long)]
    pub(crate) events: u64,
    /// How many handlers may run at once.
    #[arg(long, default_value_t = 16)]
    pub concurrency: usize,
    /// The server, where one is needed.
    #[arg(long, default_value = "")]
    pub server: String,
    /// The stream holds more events than these, which stay: nothing waits for acknowledgements.
    #[arg(long)]
    pub(crate) part: bool,
    /// Run on one thread, so that instructions can be counted.
    #[arg(long)]
    pub one_thread: bool,
}

impl Run {
    /// Does it, and prints what was measured.
    pub(crate) fn measure(self) -> anyhow::Result<()> {
        let mut builder = if self.one_thread {
            tokio::runtime::Builder::new_current_thread()
        } else {
            tokio::runtime::Builder::new_multi_thread()
        };
        let runtime = builder.enable_all().build()?;
        // On a worker thread: what runs in `block_on` itself is woken across threads, and slower for it.
        let sample = runtime.block_on(async { tokio::spawn(self.run()).await })??;
        println!("{}", serde_json::to_string(&sample)?);
        Ok(())
    }

    async fn run(self) -> anyhow::Result<Sample> {
        let meter = Meter::new(self.events);
        match (self.work, self.side) {
            (Work::Consume, Side::Ours) | (Work::Batch, Side::Plain) => {
                ours::consume::run(&self, &meter).await?;
            }
            (Work::Consume, Side::ByHand) => by_hand::consume::run(&self, &meter).await?,
            (Work::Consume, Side::Default) => by_hand::consume::run_default(&self, &meter).await?,
            (Work::Publish, Side::Ours) => ours::publish::run(&self, &meter).await?,
            (Work::Publish, Side::ByHand) => by_hand::publish::run(&self, &meter).await?,
            (Work::Answer, Side::Ours) => ours::answer::run(&self, &meter).await?,
            (Work::Answer, Side::ByHand) => by_hand::answer::run(&self, &meter).await?,
            (Work::Latency, Side::Ours) => ours::latency::run(&self, &meter).await?,
            (Work::Latency, Side::ByHand) => by_hand::latency::run(&self, &meter).await?,
            (Work::Memory, Side::Ours) => ours::memory::run(&self, &meter).await?,
            (Work::Memory, Side::ByHand) => by_hand::memory::run(&meter).await?,
            (Work::Batch, Side::Ours) => ours::batch::run(&self, &meter).await?,
            (Work::Retry, Side::Ours) => ours::retry::run(&self, &meter, true).await?,
            (Work::Retry, Side::Plain) => ours::retry::run(&self, &meter, false).await?,
            (work, side) => anyhow::bail!("{work:?} is not done by {side:?}"),
        }
        meter.sample()
    }
}
