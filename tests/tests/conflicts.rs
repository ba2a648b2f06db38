//! What stands in the way of a start is reported together, before the first connection.

use event_runtime::{App, Event, Metadata, Publisher, State, handler};
use expect_test::{Expect, expect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An event.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "a.happened", version = 1, topic = "things.{place}")]
struct Happened {
    place: String,
}

/// Another form under the same name and version.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "a.happened", version = 1, topic = "things.{place}")]
struct HappenedToo {
    place: u32,
}

/// Its topic differs from the first one's in case only.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "b.happened", version = 1, topic = "Things.all")]
struct Shouted {}

/// A first version.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "c.happened", version = 1, topic = "cases.{place}")]
struct Closed {
    place: String,
}

/// The second, which can't be made out of the first.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "c.happened", version = 2, topic = "cases.{place}")]
struct ClosedV2 {
    place: String,
    why: String,
}

/// The third, which skips the second, as if that had never been written.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "c.happened", version = 3, topic = "cases.{name}", upcast_from = Closed)]
struct ClosedV3 {
    name: String,
}

impl From<Closed> for ClosedV3 {
    fn from(closed: Closed) -> Self {
        Self { name: closed.place }
    }
}

/// Another first version.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "d.happened", version = 1, topic = "deals.{place}")]
struct Dealt {
    place: String,
}

/// It moved.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "d.happened", version = 2, topic = "deals.{place}.closed")]
struct DealtV2 {
    place: String,
}

/// A version whose forerunners were deleted, as nobody has such events any more.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "e.happened", version = 2, topic = "ends.{place}")]
struct EndedV2 {
    place: String,
}

/// One that leaves a gap, where version 3 was.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "e.happened", version = 4, topic = "ends.{place}", upcast_from = EndedV2)]
struct EndedV4 {
    place: String,
}

impl From<EndedV2> for EndedV4 {
    fn from(ended: EndedV2) -> Self {
        Self { place: ended.place }
    }
}

#[derive(Clone)]
struct Store;

#[derive(Clone)]
struct Cache;

#[handler(name = "same", start = "2026-99-01T00:00:00Z")]
async fn one(_event: Happened, State(_): State<Store>, State(_): State<Cache>) {}

#[handler(name = "same", filter(town = "x"))]
async fn other(_event: &Happened, _metadata: Metadata, _publisher: Publisher) {}

#[handler(filter(place = ""))]
async fn third(_event: Shouted, State(_): State<Store>) {}

fn no_handler() {}

/// The message without line numbers, which move with this file.
async fn refused(app: App, expected: Expect) {
    let error = app.start().await.unwrap_err();
    let mut text = String::new();
    let message = error.to_string();
    let mut parts = message.split("conflicts.rs:");
    text.push_str(parts.next().unwrap());
    for part in parts {
        text.push_str("conflicts.rs:…");
        text.push_str(part.trim_start_matches(|character: char| character.is_ascii_digit()));
    }
    expected.assert_eq(&text);
    assert_eq!(
        format!("{error:?}"),
        message,
        "what `main` prints is the text for people"
    );
}

#[tokio::test]
async fn all_faults_are_reported_together() {
    let app = App::new()
        .service("Billing Dept")
        .with_state(Cache)
        .with_state(Cache)
        .environment([
            ("EVENT_BROKER", "kafka://nowhere"),
            ("EVENT_GRACE", "soon"),
            ("EVENT_PROVISION", "maybe"),
            ("EVENT_HANDLERS", "same,missing"),
            ("EVENT_HANDLER_SAME_CONCURRENCY", "0"),
            ("EVENT_HANDLER_SAME_RETRY_CAP", "long"),
            ("EVENT_HANDLER_SAME_SPEED", "1"),
            ("EVENT_HANDLER_NOBODY_TIMEOUT", "5s"),
        ]);
    refused(app, expect![[r#"
        the program can't start, for 21 reasons:
          - EVENT_PROVISION=`maybe` means nothing: it is `create` or `check`
          - EVENT_GRACE=`soon` is no duration: write it as `200ms`, `5s`, `10m`, `1h` or `30d`
          - EVENT_HANDLER_SAME_CONCURRENCY=`0` is not a whole number above 0
          - EVENT_HANDLER_SAME_RETRY_CAP=`long` is not a duration such as `200ms`, `5s` or `10m`
          - EVENT_HANDLER_SAME_SPEED is no setting: a handler's name is followed by one of `_CONCURRENCY`, `_TASKS`, `_BATCH_MAX`, `_BATCH_WAIT`, `_TIMEOUT`, `_RETRY_MAX`, `_RETRY_BASE`, `_RETRY_CAP`
          - two handlers have the name `same`, at tests/tests/conflicts.rs:… and tests/tests/conflicts.rs:…: give one of them `#[handler(name = "…")]`, since a name stands for its place in the stream
          - the handler `same` (tests/tests/conflicts.rs:…): `start = "2026-99-01T00:00:00Z"` is no time: write `"all"`, `"new"` or an RFC 3339 time such as `"2026-11-24T00:00:00Z"`
          - the handler `same` (tests/tests/conflicts.rs:…): `filter(town = …)` names no placeholder of the topic `things.{place}`: it has `place`
          - the handler `third` (tests/tests/conflicts.rs:…): `filter(place = …)` names no placeholder of the topic `Things.all`: it has none
          - EVENT_HANDLER_NOBODY_… is set, and there is no handler `nobody`; there are `same`, `same`, `third`
          - two events are `a.happened` version 1: `Happened` at tests/tests/conflicts.rs:… and `HappenedToo` at tests/tests/conflicts.rs:…; a changed form needs the next version, another event another name
          - version 2 of `c.happened` (`ClosedV2` at tests/tests/conflicts.rs:…) can't be made out of version 1 (`Closed` at tests/tests/conflicts.rs:…), so every event of that version would be a dead letter: write `upcast_from = Closed` in the `#[event(…)]` of `ClosedV2`, and `impl From<Closed> for ClosedV2`
          - version 3 of `c.happened` (`ClosedV3` at tests/tests/conflicts.rs:…) can't be made out of version 2 (`ClosedV2` at tests/tests/conflicts.rs:…), so every event of that version would be a dead letter: write `upcast_from = ClosedV2` in the `#[event(…)]` of `ClosedV3`, and `impl From<ClosedV2> for ClosedV3`
          - version 1 of `d.happened` has the topic `deals.{place}` (`Dealt` at tests/tests/conflicts.rs:…), and version 2 has `deals.{place}.closed` (`DealtV2` at tests/tests/conflicts.rs:…): write `topic = "deals.{place}"` in both, since handlers of the event read one topic, or give the newer one another name
          - the topics `things.{place}` and `Things.all` differ in the case of their first word, and streams are named after it in upper case: write it the same
          - the app was given two values of type `conflicts::Cache`, and `State<conflicts::Cache>` means one: leave one out, or wrap it in a type of its own
          - the handler `same` (tests/tests/conflicts.rs:…) asks for `State<conflicts::Store>`, and the app has no such value: add `.with_state(…)` or `.state(…)`
          - the handler `third` (tests/tests/conflicts.rs:…) asks for `State<conflicts::Store>`, and the app has no such value: add `.with_state(…)` or `.state(…)`
          - EVENT_HANDLERS names `missing`, and there is no such handler; there are `same`, `same`, `third`
          - the service's name is `Billing Dept`, and it has to be of lower-case letters, digits and `-`: it is part of subjects
          - EVENT_BROKER begins with `kafka://`, and there is no such broker: it is `nats://host:4222`, `tls://host:4222` or `memory://`"#]]).await;
}

#[tokio::test]
async fn a_name_that_is_no_handler_is_refused() {
    let app = App::new().service("billing").only((no_handler,));
    refused(app, expect![[r#"
        the program can't start, for 7 reasons:
          - `.only(…)` names `conflicts::no_handler`, which is no handler: write `#[handler]` above that function
          - two events are `a.happened` version 1: `Happened` at tests/tests/conflicts.rs:… and `HappenedToo` at tests/tests/conflicts.rs:…; a changed form needs the next version, another event another name
          - version 2 of `c.happened` (`ClosedV2` at tests/tests/conflicts.rs:…) can't be made out of version 1 (`Closed` at tests/tests/conflicts.rs:…), so every event of that version would be a dead letter: write `upcast_from = Closed` in the `#[event(…)]` of `ClosedV2`, and `impl From<Closed> for ClosedV2`
          - version 3 of `c.happened` (`ClosedV3` at tests/tests/conflicts.rs:…) can't be made out of version 2 (`ClosedV2` at tests/tests/conflicts.rs:…), so every event of that version would be a dead letter: write `upcast_from = ClosedV2` in the `#[event(…)]` of `ClosedV3`, and `impl From<ClosedV2> for ClosedV3`
          - version 1 of `d.happened` has the topic `deals.{place}` (`Dealt` at tests/tests/conflicts.rs:…), and version 2 has `deals.{place}.closed` (`DealtV2` at tests/tests/conflicts.rs:…): write `topic = "deals.{place}"` in both, since handlers of the event read one topic, or give the newer one another name
          - the topics `things.{place}` and `Things.all` differ in the case of their first word, and streams are named after it in upper case: write it the same
          - no handler is linked into this program: write `#[handler]` above a function, name the crate that has them (`use orders as _;`), or say `.publish_only()`"#]]).await;
}
