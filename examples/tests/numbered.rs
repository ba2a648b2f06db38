//! The numbered examples print what they say.
#![allow(
    clippy::unwrap_used,
    clippy::needless_raw_string_hashes,
    reason = "a failure here is the test's own message, and expect-test writes its literals so"
)]

use std::process::Command;

use expect_test::{Expect, expect};

fn prints(program: &str, expected: Expect) {
    let output = Command::new(program)
        .env_remove("EVENT_BROKER")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    expected.assert_eq(&String::from_utf8_lossy(&output.stdout));
}

#[test]
fn hello() {
    prints(
        env!("CARGO_BIN_EXE_01_hello"),
        expect![[r#"
        Hello, Ada!
    "#]],
    );
}

#[test]
fn state_and_replies() {
    prints(
        env!("CARGO_BIN_EXE_02_state_and_replies"),
        expect![[r#"
        rome: candles for Ada
        paris: no table for Cleo (an answer: true)
    "#]],
    );
}

#[test]
fn errors_and_dead_letters() {
    prints(
        env!("CARGO_BIN_EXE_03_errors_and_dead_letters"),
        expect![[r#"
            Ada: delivered at attempt 3
            Ben: delivered at attempt 2
            dead letter: rejected, 1 attempts: there is no `Nowhere`
            dead letter: attempts, 3 attempts: the bridge is down
            Island: delivered at attempt 1
        "#]],
    );
}

#[test]
fn versions() {
    prints(
        env!("CARGO_BIN_EXE_04_versions"),
        expect![[r#"
        p-1: 1250 g, fragile: false, written as parcel.weighed.v1
        p-2: 400 g, fragile: true, written as parcel.weighed.v2
    "#]],
    );
}

/// Its tests run with `cargo test`, as those of any program do.
#[test]
fn testing() {
    prints(
        env!("CARGO_BIN_EXE_05_testing"),
        expect![[r#"
        Ben: not enough money
        Ada: 1600 cents left
    "#]],
    );
}
