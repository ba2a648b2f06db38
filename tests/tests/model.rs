//! The in-memory broker behaves as a real server: random sequences of steps on both. What is compared, and
//! what is not, is told in `event_tests::model`.
//!
//! A failure prints the shortest sequence that was found, to be pasted into a test of its own below, and the
//! seed: `PROPTEST_RNG_SEED=… cargo test -p event-tests --test model` runs the same sequences again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_runtime::adapters::memory::Memory;
use event_runtime::broker::Broker;
use event_tests::model::{
    Altered, Failure, Fault, Op, Pair, SHORT, Sequence, Server, expiring, quick,
};
use event_tests::nats::TestNats;
use proptest::collection::vec;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

/// Sequences that run at the same time.
const TOGETHER: usize = 10;
/// So many times that number without expiry, and with it.
const QUICK: u32 = 47;
const EXPIRING: u32 = 3;

/// One at a time: expiry needs a machine that keeps pace.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // What another test found wrong is no concern of this one.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the machine was too slow for is done again, with so many times the ack wait.
const SLOWER: [u32; 5] = [1, 2, 4, 8, 16];

/// Makes an in-memory broker.
type Make = fn() -> Arc<dyn Broker>;

fn memory() -> Arc<dyn Broker> {
    Arc::new(Memory::new())
}

/// Settings whose seed is known: chance, or what `PROPTEST_RNG_SEED` says.
fn config(cases: u32) -> Config {
    let mut config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 100,
        ..Config::default()
    };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(uuid::Uuid::now_v7().as_u64_pair().1);
    }
    config
}

/// Runs so many cases, and tells the seed where one fails.
fn check<S: Strategy>(
    cases: u32,
    strategy: S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let config = config(cases);
    let seed = config.rng_seed;
    println!("PROPTEST_RNG_SEED={seed}");
    if let Err(error) = TestRunner::new(config).run(&strategy, test) {
        panic!("with PROPTEST_RNG_SEED={seed}: {error}");
    }
}

/// Runs sequences at the same time, each on a thread of its own.
fn together<T: Send, R: Send>(items: Vec<T>, run: impl Fn(T) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = items
            .into_iter()
            .map(|item| scope.spawn(|| run(item)))
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.collect()
    })
}

/// The failure of the first sequence that failed, and on a line each what failed.
fn first_failure(
    sequences: &[&Sequence],
    ended: Vec<Result<(), Failure>>,
) -> Result<(), TestCaseError> {
    let ended = sequences.iter().zip(ended);
    let mut failures = ended.filter_map(|(sequence, ended)| Some((sequence, ended.err()?)));
    match failures.next() {
        Some((sequence, failure)) => {
            eprintln!("{sequence:?}\n  {failure}");
            Err(TestCaseError::fail(failure.to_string()))
        }
        None => Ok(()),
    }
}

fn compare(server: &Server, memory: Make, sequence: &Sequence) -> Result<(), Failure> {
    let attempt = |slower| {
        let mut pair = Pair::new(server, memory, sequence, SHORT * slower);
        pair.before()?;
        pair.end()
    };
    let mut ended = SLOWER.into_iter().map(attempt);
    ended
        .find(|ended| *ended != Err(Failure::TooSlow))
        .unwrap_or(Err(Failure::TooSlow))
}

#[test]
fn sequences_end_alike() {
    let _alone = alone();
    let nats = TestNats::start();
    let server = Server::connect(&nats);
    check(QUICK, vec(quick(), TOGETHER), |sequences| {
        let sequences: Vec<&Sequence> = sequences.iter().collect();
        let ended = together(sequences.clone(), |sequence| {
            compare(&server, memory, sequence)
        });
        first_failure(&sequences, ended)
    });
}

/// Sequences whose deliveries expire, with a server that is killed in the middle of them.
#[test]
fn sequences_with_expiry_and_a_killed_server_end_alike() {
    let _alone = alone();
    let nats = Mutex::new(TestNats::start());
    let server = Server::connect(&nats.lock().unwrap());
    check(EXPIRING, vec(expiring(), TOGETHER), |sequences| {
        let mut left: Vec<&Sequence> = sequences.iter().collect();
        for slower in SLOWER {
            let pairs = left.iter();
            let pairs = pairs.map(|sequence| Pair::new(&server, memory, sequence, SHORT * slower));
            let before = together(pairs.collect(), |mut pair| pair.before().map(|()| pair));
            nats.lock().unwrap().restart();
            server.reconnected();
            let ended = together(before, |pair| {
                let mut pair = pair?;
                pair.after()?;
                pair.end()
            });
            let ended = left.into_iter().zip(ended);
            let (slow, told): (Vec<_>, Vec<_>) =
                ended.partition(|(_, ended)| *ended == Err(Failure::TooSlow));
            let (sequences, told): (Vec<_>, Vec<_>) = told.into_iter().unzip();
            first_failure(&sequences, told)?;
            if slow.is_empty() {
                return Ok(());
            }
            eprintln!("{} sequences again: the machine was too slow", slow.len());
            left = slow.into_iter().map(|(sequence, _)| sequence).collect();
        }
        Err(TestCaseError::fail(Failure::TooSlow.to_string()))
    });
}

/// The comparison finds what is wrong: each fault within a few random sequences.
#[test]
fn an_altered_broker_is_found_out() {
    let _alone = alone();
    let nats = TestNats::start();
    let server = Server::connect(&nats);
    let faults: [(Fault, Make); 6] = [
        (Fault::ForgetsHandBacks, || altered(Fault::ForgetsHandBacks)),
        (Fault::ForgetsSettling, || altered(Fault::ForgetsSettling)),
        (Fault::ForgetsProgress, || altered(Fault::ForgetsProgress)),
        (Fault::Miscounts, || altered(Fault::Miscounts)),
        (Fault::StoresTwice, || altered(Fault::StoresTwice)),
        (Fault::HidesUnsettled, || altered(Fault::HidesUnsettled)),
    ];
    let seed = config(1).rng_seed;
    let found = together(faults.to_vec(), |(fault, memory)| {
        let mut runner = TestRunner::new(Config {
            rng_seed: seed,
            ..config(1)
        });
        // Progress shows only where deliveries expire.
        let sequences = if fault == Fault::ForgetsProgress {
            expiring().boxed()
        } else {
            quick().boxed()
        };
        let differs = (0..40).any(|_| {
            let sequence = sequences.new_tree(&mut runner).unwrap().current();
            matches!(compare(&server, memory, &sequence), Err(Failure::Differ(_)))
        });
        (fault, differs)
    });
    for (fault, differs) in found {
        assert!(
            differs,
            "with PROPTEST_RNG_SEED={seed}: {fault:?} is not found"
        );
    }
}

fn altered(fault: Fault) -> Arc<dyn Broker> {
    Arc::new(Altered::new(fault))
}

/// One sequence that is written down.
fn alike(sequence: &Sequence) {
    let _alone = alone();
    let nats = TestNats::start();
    let server = Server::connect(&nats);
    let ended = compare(&server, memory, sequence);
    assert_eq!(ended, Ok(()), "{}", ended.clone().unwrap_err());
}

const PUBLISH: Op = Op::Publish {
    subject: 0,
    id: None,
};

#[test]
fn a_message_that_is_removed_counts_as_unsettled_no_more() {
    alike(&Sequence::of(&[PUBLISH, Op::Pull(1), Op::Remove(1)]));
}

#[test]
fn removing_a_message_that_is_gone_is_no_error() {
    let ops = [PUBLISH; 3].into_iter();
    let ops = ops.chain([2, 2, 1, 1, 9].map(Op::Remove));
    let events = Sequence::of(&ops.collect::<Vec<_>>());
    let queue = Sequence {
        queue: true,
        ..events.clone()
    };
    alike(&events);
    alike(&queue);
}

/// Late progress does not stop a delivery whose ack wait is over.
#[test]
fn progress_after_the_ack_wait_comes_too_late() {
    alike(&Sequence::of(&[
        PUBLISH,
        Op::Pull(1),
        Op::Wait,
        Op::Wait,
        Op::Wait,
        Op::Progress(0),
        Op::Pull(1),
    ]));
}
