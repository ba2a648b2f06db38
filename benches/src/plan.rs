//! All that is measured: which programs run, how much they do, and what their figures should be.

use crate::child::{Side, Work};
use crate::row::Metric::{Cpu, Instructions, P50, P99, Peak, Throughput, Wall};
use crate::row::{Bound, Bounds, Row};

/// Programs that do the same work, and the rows that compare them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Experiment {
    /// As in `--only`.
    pub(crate) name: &'static str,
    /// What is done; `None` for the program of 500 handlers.
    pub(crate) work: Option<Work>,
    /// How many handlers may run at once.
    pub(crate) concurrency: usize,
    /// Who does it, in one round each.
    pub(crate) sides: &'static [Side],
    /// Events of a run, and of a quick one.
    pub(crate) events: [u64; 2],
    /// What the server has to hold before.
    pub(crate) stage: Stage,
    /// What is compared.
    pub(crate) rows: &'static [Row],
}

/// What the server has to hold before each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There is no server.
    None,
    /// Empty streams.
    Empty,
    /// As many orders as are consumed.
    Full,
    /// This many orders, of which most stay.
    Holding(u64),
}

const NO_GOAL: Bounds = Bounds {
    goal: None,
    fails_at: None,
};

const fn most(goal: f64, fails_at: f64) -> Bounds {
    Bounds {
        goal: Some(Bound::AtMost(goal)),
        fails_at: Some(Bound::AtMost(fails_at)),
    }
}

const fn least(goal: f64, fails_at: f64) -> Bounds {
    Bounds {
        goal: Some(Bound::AtLeast(goal)),
        fails_at: Some(Bound::AtLeast(fails_at)),
    }
}

const INSTRUCTIONS: Row = Row::new("instructions", Instructions, most(1.10, 1.25));
const CPU: Row = Row::new("client CPU", Cpu, most(1.10, 1.25));
const THROUGHPUT: Row = Row::new("throughput", Throughput, least(0.97, 0.90));
const TO_DEFAULT: Row = Row::new("throughput ÷ messages()", Throughput, least(1.25, 1.1))
    .between(Side::Ours, Side::Default);
/// Whether the baseline is worth its name.
const BASELINE: Row = Row::new("by hand ÷ messages()", Throughput, least(1.2, 1.1))
    .between(Side::ByHand, Side::Default);

/// Ours beside another framework.
const fn beside(peer: Side, throughput: Bounds) -> [Row; 2] {
    [
        Row::new("throughput", Throughput, throughput).between(Side::Ours, peer),
        Row::new("client CPU", Cpu, NO_GOAL).between(Side::Ours, peer),
    ]
}

const CONSUME: Experiment = Experiment {
    name: "consume-16",
    work: Some(Work::Consume),
    concurrency: 16,
    sides: &[Side::Ours, Side::ByHand, Side::Default],
    events: [300_000, 100_000],
    stage: Stage::Full,
    rows: &[INSTRUCTIONS, CPU, THROUGHPUT, TO_DEFAULT, BASELINE],
};

/// Everything, in the order of the table.
pub(crate) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "consume-1",
        concurrency: 1,
        rows: &[INSTRUCTIONS, CPU, THROUGHPUT, BASELINE],
        ..CONSUME
    },
    CONSUME,
    Experiment {
        name: "consume-256",
        concurrency: 256,
        ..CONSUME
    },
    Experiment {
        name: "publish",
        work: Some(Work::Publish),
        sides: &[Side::Ours, Side::ByHand],
        stage: Stage::Empty,
        rows: &[
            Row::new("instructions", Instructions, most(0.75, 0.9)),
            Row::new("client CPU", Cpu, most(0.75, 0.9)),
            Row::new("throughput", Throughput, least(1.1, 1.0)),
        ],
        ..CONSUME
    },
    Experiment {
        name: "latency",
        work: Some(Work::Latency),
        sides: &[Side::Ours, Side::ByHand],
        events: [4_000, 2_000],
        stage: Stage::Empty,
        rows: &[
            Row::new("p50", P50, most(1.1, 1.3)),
            // Scheduling on few cores decides it: too noisy for a bound.
            Row::new("p99", P99, NO_GOAL),
        ],
        ..CONSUME
    },
    Experiment {
        name: "memory",
        work: Some(Work::Memory),
        sides: &[Side::Ours, Side::ByHand],
        events: [400_000, 150_000],
        stage: Stage::None,
        rows: &[Row::new("throughput", Throughput, least(0.6, 0.4))],
        ..CONSUME
    },
    Experiment {
        name: "answer",
        work: Some(Work::Answer),
        sides: &[Side::Ours, Side::ByHand],
        events: [60_000, 25_000],
        rows: &[Row::new("throughput", Throughput, least(0.95, 0.88))],
        ..CONSUME
    },
    Experiment {
        name: "batch",
        work: Some(Work::Batch),
        sides: &[Side::Ours, Side::Plain],
        rows: &[
            Row::new("instructions ÷ single handler", Instructions, NO_GOAL)
                .between(Side::Ours, Side::Plain),
            Row::new("throughput ÷ single handler", Throughput, least(1.3, 1.1))
                .between(Side::Ours, Side::Plain),
        ],
        ..CONSUME
    },
    Experiment {
        name: "retry",
        work: Some(Work::Retry),
        sides: &[Side::Ours, Side::Plain],
        events: [300_000, 100_000],
        rows: &[
            Row::new("throughput ÷ none fail", Throughput, least(0.6, 0.4))
                .between(Side::Ours, Side::Plain),
        ],
        ..CONSUME
    },
    Experiment {
        name: "start",
        work: None,
        sides: &[Side::Ours],
        events: [500, 500],
        stage: Stage::None,
        rows: &[Row::new("500 handlers ready", Wall, most(50.0, 200.0)).alone()],
        ..CONSUME
    },
    Experiment {
        name: "pending",
        sides: &[Side::Ours, Side::ByHand],
        events: [100_000, 30_000],
        stage: Stage::Holding(1_000_000),
        rows: &[Row::new("peak memory above by hand", Peak, most(10.0, 40.0)).difference()],
        ..CONSUME
    },
];

/// Beside other frameworks, for `--peers`, each at the concurrency that is best for it.
pub(crate) const PEERS: &[Experiment] = &[
    Experiment {
        name: "watermill-consume",
        sides: &[Side::Ours, Side::Watermill],
        rows: &beside(Side::Watermill, least(2.0, 1.6)),
        ..CONSUME
    },
    Experiment {
        name: "watermill-publish",
        work: Some(Work::Publish),
        concurrency: 256,
        sides: &[Side::Ours, Side::Watermill],
        stage: Stage::Empty,
        rows: &beside(Side::Watermill, least(2.5, 2.0)),
        ..CONSUME
    },
    Experiment {
        name: "faststream-consume",
        sides: &[Side::Ours, Side::Faststream],
        events: [60_000, 20_000],
        rows: &beside(Side::Faststream, least(15.0, 12.0)),
        ..CONSUME
    },
    Experiment {
        name: "faststream-publish",
        work: Some(Work::Publish),
        concurrency: 64,
        sides: &[Side::Ours, Side::Faststream],
        events: [60_000, 20_000],
        stage: Stage::Empty,
        rows: &beside(Side::Faststream, NO_GOAL),
    },
    Experiment {
        name: "ruststream-consume-16",
        sides: &[Side::Ours, Side::Ruststream],
        rows: &beside(Side::Ruststream, least(1.1, 0.88)),
        ..CONSUME
    },
    Experiment {
        name: "ruststream-consume-1",
        concurrency: 1,
        sides: &[Side::Ours, Side::Ruststream],
        rows: &beside(Side::Ruststream, NO_GOAL),
        ..CONSUME
    },
    Experiment {
        name: "ruststream-publish",
        work: Some(Work::Publish),
        concurrency: 256,
        sides: &[Side::Ours, Side::Ruststream],
        stage: Stage::Empty,
        rows: &beside(Side::Ruststream, NO_GOAL),
        ..CONSUME
    },
];
