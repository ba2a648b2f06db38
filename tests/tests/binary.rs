//! Binary mode: attributes as headers, the data alone as the body, on each broker.

use std::time::Duration;

use event_runtime::broker::{Message, StoredMessage};
use event_runtime::dead_letters::DeadLetters;
use event_runtime::envelope::{Headers, Mode};
use event_runtime::{App, HandlerError, Running};
use event_tests::on_each_broker;
use event_tests::service::{
    Call, Done, Script, Seen, World, dead_letters, first, give, settle, task,
};
use expect_test::expect;

on_each_broker!(
    a_binary_event_survives_retry_dead_letter_and_redrive,
    what_others_write_in_binary_mode_is_read,
    what_breaks_a_rule_in_binary_mode_is_a_dead_letter_with_the_rule,
    the_builder_says_how_events_are_written,
);

const BINARY: &[(&str, &str)] = &[("EVENT_ENVELOPE", "binary")];

/// The message at this place of a stream.
async fn stored(running: &Running, stream: &str, sequence: u64) -> StoredMessage {
    let found = running.broker().read(stream, ">", sequence).await.unwrap();
    found.unwrap_or_else(|| panic!("{stream} has a message {sequence}"))
}

/// The headers of an event, sorted, without what is chance.
fn shown(headers: &Headers) -> String {
    let mut lines: Vec<String> = headers
        .iter()
        .filter(|(name, _)| name.to_ascii_lowercase().starts_with('c'))
        .map(|(name, value)| match name {
            "ce-time" => format!("{name}: {} bytes", value.len()),
            _ => format!("{name}: {value}"),
        })
        .collect();
    lines.sort();
    lines.join("\n")
}

async fn a_binary_event_survives_retry_dead_letter_and_redrive(world: World) {
    let seen = Seen::default();
    let notes = seen.clone();
    let script = Script::new(move |call: Call| {
        let Call { task, metadata, .. } = call;
        notes.note(format!(
            "run {} of {} {:?} from {} as {} in {}",
            metadata.attempt,
            metadata.id,
            task,
            metadata.source,
            metadata.event_type,
            metadata.topic
        ));
        let rejected = !notes.of("dead: rejected").is_empty();
        async move {
            match metadata.attempt {
                1 if !rejected => Err(HandlerError::retry_after("busy", Duration::from_secs(6))),
                1 => Ok(Some(Done {
                    id: task.id,
                    kind: "a".into(),
                    note: String::new(),
                })),
                _ => Err(HandlerError::reject("no")),
            }
        }
    });
    let app = world.app_with(BINARY).only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    give(&running, &[task("t 1€")]).await;

    let original = stored(&running, "TASKS", 1).await;
    expect![[r#"
        ce-datacontenttype: application/json
        ce-dataschema: urn:test:task.given:1
        ce-id: t%201%E2%82%AC
        ce-partitionkey: t%201%E2%82%AC
        ce-source: /test
        ce-specversion: 1.0
        ce-time: 24 bytes
        ce-type: task.given.v1"#]]
    .assert_eq(&shown(&original.headers));
    assert_eq!(original.payload, r#"{"id":"t 1€","kind":"a"}"#);

    let letters = dead_letters(&running).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].event_id.as_deref(), Some("t 1€"));
    assert_eq!(letters[0].payload(), Some(&*original.payload));
    assert_eq!(shown(letters[0].headers()), shown(&original.headers));

    let kept = DeadLetters::new(running.broker(), "test");
    kept.redrive(&letters[0], false).await.unwrap();
    settle(&running).await;
    expect![[r#"
        first t 1€ received
        run 1 of t 1€ Task { id: "t 1€", kind: "a" } from /test as task.given.v1 in tasks.a.given
        first t 1€ failed at attempt 1
        first t 1€ received
        run 2 of t 1€ Task { id: "t 1€", kind: "a" } from /test as task.given.v1 in tasks.a.given
        first t 1€ dead: rejected
        first t 1€ received
        run 1 of t 1€ Task { id: "t 1€", kind: "a" } from /test as task.given.v1 in tasks.a.given
        first t 1€ handled at attempt 1"#]]
    .assert_eq(&seen.lines().join("\n"));
    let answer = stored(&running, "DONE", 1).await;
    assert_eq!(
        answer.headers.get("ce-causationid"),
        Some("t%201%E2%82%AC"),
        "answers are written in the same mode"
    );
    running.stop().await.unwrap();
}

/// Publishes foreign messages; returns what was seen, and the errors of the dead letters.
async fn run_raw(world: &World, messages: &[(&[(&str, &str)], &str)]) -> String {
    let seen = Seen::default();
    let notes = seen.clone();
    let script = Script::new(move |call: Call| {
        let Call { task, metadata, .. } = call;
        notes.note(format!(
            "{} from {}: {task:?}",
            metadata.id, metadata.source
        ));
        async { Ok(None) }
    });
    let app = world.app().only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    for (headers, body) in messages {
        let headers = headers.iter().copied().collect();
        let message = Message::new("tasks.a.given", body.as_bytes().to_vec()).headers(headers);
        let receipt = running.broker().publish(message).await.unwrap();
        receipt.await.unwrap();
        settle(&running).await;
    }
    let mut lines = seen.lines();
    lines.retain(|line| line.contains(" from "));
    lines.extend(dead_letters(&running).await.into_iter().map(|letter| {
        format!(
            "{}: {}",
            letter.event_id.as_deref().unwrap_or("-"),
            letter.error
        )
    }));
    running.stop().await.unwrap();
    lines.join("\n")
}

const DATA: &str = r#"{"id":"x","kind":"a"}"#;

async fn what_others_write_in_binary_mode_is_read(world: World) {
    let type_ = ("ce-type", "task.given.v1");
    let version = ("ce-specversion", "1.0");
    let source = ("ce-source", "/s");
    let structured = r#"{"specversion":"1.0","id":"body","source":"/s","type":"task.given.v1","data":{"id":"x","kind":"a"}}"#;
    let found = run_raw(
        &world,
        &[
            (
                &[
                    ("CE-SpecVersion", "1.0"),
                    ("Ce-Id", "any case"),
                    ("cE-sOURCE", "/s"),
                    ("CE-TYPE", "task.given.v1"),
                ],
                DATA,
            ),
            (
                &[version, ("ce-id", "lower %e2%82%ac"), source, type_],
                DATA,
            ),
            (&[version, ("ce-id", "raw € 100%"), source, type_], DATA),
            (
                &[version, ("ce-id", r#""quoted \"1\"%20""#), source, type_],
                DATA,
            ),
            (
                &[
                    version,
                    ("ce-id", "go sdk"),
                    source,
                    type_,
                    ("content-type", "application/json; charset=utf-8"),
                ],
                DATA,
            ),
            (
                &[
                    version,
                    ("ce-id", "both"),
                    source,
                    type_,
                    ("Content-Type", "text/plain"),
                    ("ce-datacontenttype", "text/json"),
                ],
                DATA,
            ),
            (
                &[
                    version,
                    ("ce-id", "extensions"),
                    source,
                    type_,
                    ("ce-level", "7"),
                    ("cents", "1"),
                    ("X-Other", "y"),
                ],
                DATA,
            ),
            (
                &[
                    version,
                    ("ce-id", "headers"),
                    source,
                    type_,
                    ("content-type", "Application/CloudEvents+json"),
                ],
                structured,
            ),
        ],
    )
    .await;
    expect![[r#"
        any case from /s: Task { id: "x", kind: "a" }
        lower € from /s: Task { id: "x", kind: "a" }
        raw € 100% from /s: Task { id: "x", kind: "a" }
        quoted "1"  from /s: Task { id: "x", kind: "a" }
        go sdk from /s: Task { id: "x", kind: "a" }
        both from /s: Task { id: "x", kind: "a" }
        extensions from /s: Task { id: "x", kind: "a" }
        body from /s: Task { id: "x", kind: "a" }"#]]
    .assert_eq(&found);
}

async fn what_breaks_a_rule_in_binary_mode_is_a_dead_letter_with_the_rule(world: World) {
    let version = ("ce-specversion", "1.0");
    let id = ("ce-id", "1");
    let source = ("ce-source", "/s");
    let type_ = ("ce-type", "task.given.v1");
    let found = run_raw(
        &world,
        &[
            (&[("ce-specversion", "0.3"), id, source, type_], DATA),
            (&[version, source, type_], DATA),
            (&[version, ("ce-id", ""), source, type_], DATA),
            (&[version, ("ce-id", "%c3%28"), source, type_], DATA),
            (&[version, ("ce-id", "a%0Ab"), source, type_], DATA),
            (&[version, id, source, type_, ("ce-my-own", "x")], DATA),
            (
                &[version, id, source, type_, ("ce-time", "yesterday")],
                DATA,
            ),
            (
                &[version, id, source, type_, ("content-type", "text/xml")],
                "<task/>",
            ),
            (&[version, id, source, ("ce-type", "parcel.sent.v1")], DATA),
            (&[version, id, source, type_], r#"{"id":7}"#),
            (&[version, id, source, type_], ""),
        ],
    )
    .await;
    expect![[r#"
        -: not a CloudEvent: the attribute `specversion` breaks the rule that it is "1.0"
        -: not a CloudEvent: the attribute `id` is missing
        -: not a CloudEvent: the attribute `id` breaks the rule that it is not empty
        -: not a CloudEvent: the attribute `id` breaks the rule that it is UTF-8 once it is percent-decoded
        -: not a CloudEvent: the attribute `id` breaks the rule that it has no control characters
        -: not a CloudEvent: the attribute `my-own` breaks the rule that it has a name of lower-case letters and digits
        -: not a CloudEvent: the attribute `time` breaks the rule that it is an RFC 3339 timestamp
        -: not a CloudEvent: the attribute `datacontenttype` breaks the rule that it is a JSON media type for an event with JSON data
        1: the event is a `parcel.sent.v1`, and this handler takes `task.given`
        1: the event's data does not fit its type: invalid type: integer `7`, expected a string at line 1 column 7
        1: the event's data does not fit its type: invalid type: null, expected struct Task at line 1 column 4"#]].assert_eq(&found);
}

async fn the_builder_says_how_events_are_written(world: World) {
    let app = world.app_with(BINARY).envelope(Mode::Structured);
    let script = Script::new(|_| async { Ok(None) });
    let running = app.only((first,)).with_state(script).start().await.unwrap();
    give(&running, &[task("t1")]).await;
    let message = stored(&running, "TASKS", 1).await;
    expect!["Content-Type: application/cloudevents+json"].assert_eq(&shown(&message.headers));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_word_that_is_no_mode_is_named_with_its_rule() {
    let app = App::new().service("test").default_broker("memory://");
    let app = app.only(()).publish_only();
    let app = app.environment([("EVENT_ENVELOPE", "xml")]);
    expect![[r#"the program can't start: EVENT_ENVELOPE=`xml` means nothing: it is `structured` or `binary`"#]].assert_eq(&app.start().await.unwrap_err().to_string());
}
