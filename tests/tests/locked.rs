//! `contracts/handlers.json`: what is in it has to be linked, and what is taken has to be in it.
//!
//! The library of these tests is not named here, so its handlers are not linked.

use std::panic::catch_unwind;
use std::path::Path;

use event_runtime::contracts::{assert_locked, export};
use event_runtime::handler::HandlerPlan;
use event_runtime::{App, Event, handler};
use expect_test::{Expect, expect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "task.given", version = 1, topic = "tasks.{kind}.given")]
struct Task {
    kind: String,
}

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "task.done", version = 1, topic = "tasks.{kind}.done")]
struct Done {
    kind: String,
}

#[handler]
async fn first(task: Task) -> Done {
    Done { kind: task.kind }
}

#[handler]
async fn second(_task: Task) {}

#[handler]
async fn third(_task: Task) {}

/// What `contracts export` writes.
fn exported(folder: &Path) -> Value {
    export(folder, "test", &HandlerPlan::linked()).unwrap();
    let text = std::fs::read_to_string(folder.join("handlers.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The lock of this program, changed.
fn lock(change: impl FnOnce(&mut Vec<Value>)) -> String {
    let mut lock = exported(tempfile::tempdir().unwrap().path());
    change(lock["handlers"].as_array_mut().unwrap());
    lock.to_string()
}

fn app(lock: &str) -> App {
    App::new()
        .service("test")
        .environment([("EVENT_BROKER", "memory://")])
        .locked(lock)
}

async fn starts(app: App) {
    app.start().await.unwrap().stop().await.unwrap();
}

async fn refused(app: App, expected: Expect) {
    let error = app.start().await.unwrap_err();
    expected.assert_eq(&without_lines(&error.to_string()));
}

/// Line numbers move with the files.
fn without_lines(text: &str) -> String {
    let mut parts = text.split(".rs:");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        result.push_str(".rs:…");
        result.push_str(part.trim_start_matches(|character: char| character.is_ascii_digit()));
    }
    result
}

#[tokio::test]
async fn what_is_exported_starts_whatever_runs_here() {
    let lock = lock(|_| {});
    starts(app(&lock)).await;
    starts(app(&lock).only((first,))).await;
    starts(app(&lock).publish_only()).await;
    starts(app(&lock).service("test-of-a-branch")).await;
    starts(app(&lock).environment([
        ("EVENT_BROKER", "memory://"),
        ("EVENT_HANDLERS", "first,third"),
    ]))
    .await;
}

#[tokio::test]
async fn a_handler_that_is_taken_has_to_be_in_the_lock() {
    let lock = lock(|handlers| handlers.retain(|handler| handler["name"] == "first"));
    starts(app(&lock).only((first,))).await;
    refused(app(&lock), expect![[r#"
        the program can't start, for 2 reasons:
          - the lock in `.locked(…)` does not hold the handler `second` (tests/tests/locked.rs:…): run the program with `contracts export` and commit the change
          - the lock in `.locked(…)` does not hold the handler `third` (tests/tests/locked.rs:…): run the program with `contracts export` and commit the change"#]]).await;
}

#[tokio::test]
async fn a_handler_in_the_lock_has_to_be_linked() {
    let lost = |name: &str, home: &str| json!({ "name": name, "crate": home, "event": "a.b.v1", "topics": "a.b", "returns": [] });
    let lock = lock(|handlers| {
        handlers.push(lost("record", "orders"));
        handlers.push(lost("fourth", "locked"));
    });
    refused(app(&lock), expect![[r#"
        the program can't start, for 2 reasons:
          - the lock in `.locked(…)` holds the handler `record`, and nothing of its crate `orders` is linked into this program: write `use orders as _;` in the file of `main`; if the handler is to go, run the program with `contracts export` and commit the change
          - the lock in `.locked(…)` holds the handler `fourth`, which the crate `locked` does not have any more: if the function was renamed, write `#[handler(name = "fourth")]`, since a name stands for its place in the stream; if the handler is to go, run the program with `contracts export` and commit the change"#]]).await;
    let error = app(&lock).only((first,)).start().await.unwrap_err();
    assert!(error.to_string().contains("for 2 reasons"), "{error}");
}

#[tokio::test]
async fn a_changed_handler_is_told_with_what_changed() {
    let lock = lock(|handlers| {
        let at = |name| {
            let named = |handler: &Value| handler["name"] == name;
            handlers.iter().position(named).unwrap()
        };
        let [first, third] = [at("first"), at("third")];
        handlers[first]["event"] = "task.given.v2".into();
        handlers[first]["returns"] = json!([]);
        handlers[third]["crate"] = "others".into();
        handlers[third]["topics"] = "tasks.a.given".into();
    });
    refused(app(&lock), expect![[r#"
        the program can't start, for 2 reasons:
          - the lock in `.locked(…)` holds the handler `first` in another form than tests/tests/locked.rs:…: `event` is `task.given.v1` and was `task.given.v2`, `returns` is `task.done.v1` and was `nothing`; if that is meant, run the program with `contracts export` and commit the change
          - the lock in `.locked(…)` holds the handler `third` in another form than tests/tests/locked.rs:…: `crate` is `locked` and was `others`, `topics` is `tasks.*.given` and was `tasks.a.given`; if that is meant, run the program with `contracts export` and commit the change"#]]).await;
}

#[tokio::test]
async fn a_lock_that_cannot_be_read_is_a_fault_beside_the_others() {
    let app = |text: &str| app(text).only((third,)).service("Test Dept");
    refused(app(""), expect![[r#"
        the program can't start, for 2 reasons:
          - the lock in `.locked(…)` is not what `contracts export` writes (EOF while parsing a value at line 1 column 0): run the program with `contracts export` and commit the change
          - the service's name is `Test Dept`, and it has to be of lower-case letters, digits and `-`: it is part of subjects"#]]).await;
    refused(app("{\n  \"handlers\": [ { \"name\": 3 } ]\n}"), expect![[r#"
        the program can't start, for 2 reasons:
          - the lock in `.locked(…)` is not what `contracts export` writes (invalid type: integer `3`, expected a string at line 2 column 27): run the program with `contracts export` and commit the change
          - the service's name is `Test Dept`, and it has to be of lower-case letters, digits and `-`: it is part of subjects"#]]).await;
    refused(app("{ \"service\": \"test\" }"), expect![[r#"
        the program can't start, for 2 reasons:
          - the lock in `.locked(…)` is not what `contracts export` writes (missing field `handlers` at line 1 column 21): run the program with `contracts export` and commit the change
          - the service's name is `Test Dept`, and it has to be of lower-case letters, digits and `-`: it is part of subjects"#]]).await;
    refused(app("<<<<<<< ours"), expect![[r#"
        the program can't start, for 2 reasons:
          - the lock in `.locked(…)` is not what `contracts export` writes (expected value at line 1 column 1): run the program with `contracts export` and commit the change
          - the service's name is `Test Dept`, and it has to be of lower-case letters, digits and `-`: it is part of subjects"#]]).await;
}

/// The message of the panic that `assert_locked` ends in.
fn panics(folder: &Path) -> String {
    let panic = catch_unwind(|| assert_locked(folder)).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    without_lines(&text.replace(&folder.display().to_string(), "contracts"))
}

#[test]
fn a_test_holds_the_committed_file() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, file) = (folder.path(), folder.path().join("handlers.json"));
    expect![[r#"
        the handlers are not those that are committed:
          - `contracts/handlers.json` can't be read (No such file or directory (os error 2)): run the program with `contracts export` and commit the change"#]].assert_eq(&panics(folder));

    let mut lock = exported(folder);
    assert_locked(folder);
    lock["service"] = "another".into();
    std::fs::write(&file, lock.to_string()).unwrap();
    assert_locked(folder);

    // Whether one is left out by `.only(…)` no test can know: all that is linked counts.
    lock["handlers"][0]["name"] = "zeroth".into();
    std::fs::write(&file, lock.to_string()).unwrap();
    expect![[r#"
        the handlers are not those that are committed:
          - `contracts/handlers.json` holds the handler `zeroth`, which the crate `locked` does not have any more: if the function was renamed, write `#[handler(name = "zeroth")]`, since a name stands for its place in the stream; if the handler is to go, run the program with `contracts export` and commit the change
          - `contracts/handlers.json` does not hold the handler `first` (tests/tests/locked.rs:…): run the program with `contracts export` and commit the change"#]].assert_eq(&panics(folder));

    std::fs::write(&file, "{}").unwrap();
    expect![[r#"
        the handlers are not those that are committed:
          - `contracts/handlers.json` is not what `contracts export` writes (missing field `handlers` at line 1 column 2): run the program with `contracts export` and commit the change"#]].assert_eq(&panics(folder));
}
