//! The in-memory broker held against a real server: the same random steps on both, and what can be seen of
//! them compared after each.
//!
//! Both are used through the port [`Broker`](event_runtime::broker::Broker) alone, and the server decides:
//! where they differ, the in-memory broker is wrong.
//!
//! # What is compared
//!
//! | after each step | how |
//! |---|---|
//! | a receipt: sequence, whether it is a repetition | exactly |
//! | the durable: pending, unsettled | exactly, once the server has worked off what it was told |
//! | the stream: how many messages, how many that match the filter | exactly |
//! | what a pull delivers: sequence, subject, headers, body, delivery count | as a set, see below |
//! | first deliveries | in the order of the stream, on both |
//! | what can be read at a sequence; at the end, all of it | exactly, without the time |
//!
//! # What is not
//!
//! - **The order of redeliveries, and who comes first where a pull takes less than there is.** JetStream
//!   promises neither: a hand-back and the pull after it are worked off by two of its tasks. So both brokers
//!   have to deliver equally many; where these are not the same ones, both are emptied, and must have
//!   delivered the same in the end.
//! - **Messages asked for in advance.** The server's subscription may have asked for more than came, and gets
//!   what is stored later without a step. Here it is asked for just as many as the in-memory broker
//!   delivered; asked for more, nothing more may come for 15 ms, and the subscription is replaced.
//! - **Delivery counts after the server was killed.** It may have forgotten the last of them, and the last
//!   acknowledgements: a count may be lower (by the same number until the message is settled), and what was
//!   acknowledged may come again. Nothing may be missing.
//! - **Ids of removed messages after the server was killed.** It finds ids again in stored messages only.
//! - **Times.** Each broker has a clock of its own: the in-memory broker a paused one, moved by [`Op::Wait`]
//!   alone, and the server the real one, which has to keep pace ([`Failure::TooSlow`]).
//! - **Delayed messages, limits of size and age, and error texts**: the tests of lanes and of messages have
//!   them.

mod altered;
mod pair;
mod pull;
mod server;

use std::fmt;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

pub use self::altered::{Altered, Fault};
pub use self::pair::Pair;
pub use self::server::Server;

/// Why a sequence failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The brokers differ.
    Differ(String),
    /// The steps between two waits took so long that deliveries may have expired in between: nothing can be
    /// said.
    TooSlow,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differ(text) => f.write_str(text),
            Self::TooSlow => f.write_str("the machine is too slow to tell what has expired"),
        }
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Differ(text)
    }
}

/// The ack wait of durables whose deliveries are to expire, on a machine that keeps pace.
pub const SHORT: Duration = Duration::from_millis(600);
/// The ack wait of durables whose deliveries do not expire within a test.
pub const LONG: Duration = Duration::from_mins(1);

/// The last words of the subjects that are published to; the first of them does not match every filter.
pub const SUBJECTS: [&str; 3] = ["other.a", "work.a", "work.b"];
/// What a durable's filter may end in.
const FILTERS: [&str; 3] = [">", "work.*", "work.b"];

/// Something that is done to both brokers. Numbers choose among what is there, by their remainder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Publishes to one of [`SUBJECTS`], perhaps with an id that was used before.
    Publish { subject: usize, id: Option<u8> },
    /// Takes so many deliveries at most.
    Pull(usize),
    /// Settles a delivery, which may have come again since.
    Done(usize),
    /// Gives a delivery back, to come again at once.
    HandBack(usize),
    /// Gives a delivery back, to come again after half of the ack wait.
    HandBackLater(usize),
    /// Starts the ack wait of a delivery anew.
    Progress(usize),
    /// Drops the subscription and all unsettled deliveries. The next pull subscribes again.
    Crash,
    /// Ends the subscription in order. Deliveries stay valid.
    Close,
    /// Reads the first message at or after a sequence.
    Read(u64),
    /// Removes a message from the stream.
    Remove(u64),
    /// Half of the ack wait passes.
    Wait,
}

/// One run, on a stream and a durable of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Whether the stream is a work queue, as retry lanes are.
    pub queue: bool,
    /// Which of the filters the durable has.
    pub filter: usize,
    /// How many deliveries may be unsettled at once.
    pub limit: usize,
    /// What is done.
    pub ops: Vec<Op>,
    /// What is done after the server was killed and started again; nothing where it is not.
    pub after: Vec<Op>,
}

impl Sequence {
    /// On a stream of events, all of which are delivered.
    pub fn of(ops: &[Op]) -> Self {
        Self {
            queue: false,
            filter: 0,
            limit: 100,
            ops: ops.to_vec(),
            after: Vec::new(),
        }
    }

    fn filter(&self) -> &'static str {
        FILTERS[self.filter % FILTERS.len()]
    }
}

fn publish() -> impl Strategy<Value = Op> {
    // Few ids, so that some are repeated.
    let id = prop_oneof![2 => Just(None), 1 => (0_u8..4).prop_map(Some)];
    (0..SUBJECTS.len(), id).prop_map(|(subject, id)| Op::Publish { subject, id })
}

/// Any step that takes no time.
fn op() -> impl Strategy<Value = Op> {
    let which = 0_usize..8;
    prop_oneof![
        10 => publish(),
        6 => (1_usize..6).prop_map(Op::Pull),
        4 => which.clone().prop_map(Op::Done),
        5 => which.clone().prop_map(Op::HandBack),
        1 => which.clone().prop_map(Op::HandBackLater),
        1 => which.prop_map(Op::Progress),
        1 => Just(Op::Crash),
        1 => Just(Op::Close),
        1 => (0_u64..12).prop_map(Op::Read),
        1 => (1_u64..12).prop_map(Op::Remove),
    ]
}

/// Few steps between two waits: the real clock runs while they are taken. All that has expired is taken at
/// once: what late progress means to it depends on the server's timer.
fn timed() -> impl Strategy<Value = Vec<Op>> {
    let which = 0_usize..8;
    let quick = prop_oneof![
        4 => op(),
        2 => which.clone().prop_map(Op::HandBackLater),
        3 => which.prop_map(Op::Progress),
    ];
    let round = vec(quick, 1..6).prop_map(|mut ops| {
        ops.extend([Op::Wait, Op::Pull(100)]);
        ops
    });
    let start = vec(publish(), 2..5);
    (start, vec(round, 1..4)).prop_map(|(start, rounds)| {
        let first = start.into_iter().chain([Op::Pull(5)]);
        first.chain(rounds.into_iter().flatten()).collect()
    })
}

fn sequence(
    ops: impl Strategy<Value = Vec<Op>>,
    after: impl Strategy<Value = Vec<Op>>,
) -> impl Strategy<Value = Sequence> {
    // A low limit now and then: it holds new messages back.
    let limit = prop_oneof![1 => 2_usize..4, 2 => Just(100_usize)];
    (any::<bool>(), 0..FILTERS.len(), limit, ops, after).prop_map(
        |(queue, filter, limit, ops, after)| Sequence {
            queue,
            filter,
            limit,
            ops,
            after,
        },
    )
}

/// Sequences in which no delivery expires.
pub fn quick() -> impl Strategy<Value = Sequence> {
    sequence(vec(op(), 5..40), Just(Vec::new()))
}

/// Sequences in which deliveries expire, before and after the server is killed.
pub fn expiring() -> impl Strategy<Value = Sequence> {
    sequence(timed(), timed())
}
