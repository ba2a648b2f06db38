//! The conformance suite can fail: it refuses every broken adapter, and each behaviour refuses at least one.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use event_runtime::broker::conformance::{BEHAVIOURS, Behaviour, Outcome};
use event_tests::broken::{self, FaultyWorld};

/// Whether the behaviour refuses this adapter. The clock is paused, so that waiting takes no time.
fn refuses(behaviour: &Behaviour, mut world: FaultyWorld) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let check = AssertUnwindSafe(|| runtime.block_on(behaviour.check(&mut world)));
    match std::panic::catch_unwind(check) {
        Ok(Outcome::Kept) => false,
        Ok(Outcome::Skipped(reason)) => panic!("{} was skipped: {reason}", behaviour.name),
        Err(_) => true,
    }
}

#[test]
fn the_honest_wrapper_passes() {
    for behaviour in BEHAVIOURS {
        assert!(
            !refuses(behaviour, FaultyWorld::honest()),
            "{} refuses an honest adapter",
            behaviour.name
        );
    }
}

#[test]
fn every_broken_adapter_is_refused_and_every_behaviour_refuses_one() {
    let mut sharp = BTreeSet::new();
    let mut escaped = Vec::new();
    for broken in broken::all() {
        for name in broken.refused_by {
            let behaviour = BEHAVIOURS.iter().find(|behaviour| behaviour.name == *name);
            let behaviour = behaviour.unwrap_or_else(|| panic!("there is no behaviour `{name}`"));
            if refuses(behaviour, broken.world()) {
                sharp.insert(*name);
            } else {
                escaped.push(format!("an adapter that {broken:?} passes {name}"));
            }
        }
    }
    assert!(escaped.is_empty(), "{escaped:#?}");
    let blunt: Vec<_> = BEHAVIOURS
        .iter()
        .map(|behaviour| behaviour.name)
        .filter(|name| !sharp.contains(name))
        .collect();
    assert!(
        blunt.is_empty(),
        "no broken adapter is made to be refused by {blunt:#?}"
    );
}
