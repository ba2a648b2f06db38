//! What the macros say about mistakes, word for word, and what they accept.
//!
//! `TRYBUILD=overwrite cargo test -p event-tests --test ui` writes the `.stderr` files anew; read them in the
//! diff. `cargo test -p event-tests --test ui -- mistakes trybuild=topic` runs the cases whose
//! path holds `topic`.

#[test]
fn mistakes_and_what_is_legal() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/event/*.rs");
    cases.compile_fail("tests/ui/events/*.rs");
    cases.compile_fail("tests/ui/handler/*.rs");
    cases.compile_fail("tests/ui/handler_error/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
