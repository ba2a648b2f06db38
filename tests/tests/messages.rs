//! What people read when something is wrong, word for word, on a real server where one is part of it.

use std::time::Duration;

use event_runtime::adapters::memory::Memory;
use event_runtime::broker::Message;
use event_runtime::{App, Event};
use event_tests::nats::{TestNats, api};
use event_tests::service::{Done, Script, Task, World, first, task};
use expect_test::{Expect, expect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// The app that these tests start, in this environment.
fn app(variables: &[(&str, &str)]) -> App {
    let variables = variables.iter().copied();
    App::new()
        .service("test")
        .only((first,))
        .with_state(Script::new(|_| async { Ok(None) }))
        .environment(variables)
}

/// Starts in vain, and compares the message without what is chance in it.
async fn refused(variables: &[(&str, &str)], chance: &[&str], expected: Expect) {
    let error = app(variables).start().await.unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(source) = cause {
        text.push_str("\n  because: ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    for chance in chance {
        text = text.replace(chance, "…");
    }
    expected.assert_eq(&text);
    assert!(!text.contains("hunter2"), "no secret is shown");
    assert!(
        !format!("{error:?}").contains("hunter2"),
        "no secret is shown"
    );
}

#[tokio::test]
async fn an_address_that_is_none() {
    for address in [
        "hunter2.example:4222",
        "nats://[hunter2",
        "nats://us er:hunter2@x:y:z",
    ] {
        let error = app(&[("EVENT_BROKER", address)]).start().await.unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    refused(&[("EVENT_BROKER", "hunter2")], &[], expect!["the program can't start: EVENT_BROKER is no address: it is `nats://host:4222`, `tls://host:4222` or `memory://`"]).await;
    refused(
        &[("EVENT_BROKER", "nats://[hunter2")],
        &[],
        expect!["EVENT_BROKER can't be read: it is `nats://host:4222` or `tls://host:4222`, several with commas between them"],
    )
    .await;
}

#[tokio::test]
async fn a_server_needs_a_service_name() {
    let app = App::new().only(()).publish_only();
    let app = app.environment([("EVENT_BROKER", "nats://127.0.0.1:4222")]);
    expect![[r#"the program can't start: the service has no name: say `.service("billing")` or set EVENT_SERVICE; its place in the streams is kept under it"#]].assert_eq(&app.start().await.unwrap_err().to_string());
}

#[tokio::test]
async fn nobody_answers() {
    // The port is taken and released: nobody else listens there now.
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = port.local_addr().unwrap().to_string();
    drop(port);
    let url = format!("nats://ada:hunter2@{address}");
    refused(
        &[("EVENT_BROKER", &url)],
        &[&address],
        expect![[r#"
        no NATS server answers at nats://…: is it running, and is EVENT_BROKER right?
          because: Connection refused (os error 111)"#]],
    )
    .await;
}

#[tokio::test]
async fn an_unknown_host() {
    let url = "nats://no-such-host.invalid:4222";
    refused(
        &[("EVENT_BROKER", url)],
        &[],
        expect![[r#"
        the host in nats://no-such-host.invalid:4222 is unknown: check EVENT_BROKER
          because: failed to lookup address information: Name or service not known"#]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password() {
    let nats =
        TestNats::with_config("authorization { users: [ { user: ada, password: \"r/ght\" } ] }");
    let address = nats.url();
    let address = address.trim_start_matches("nats://");
    let wrong = format!("nats://ada:hunter2@{address}");
    let right = format!("nats://ada:r%2Fght@{address}");
    refused(&[("EVENT_BROKER", &wrong)], &[address], expect![[r#"
        the server at nats://… refuses this login: check EVENT_NATS_USER and EVENT_NATS_PASSWORD, EVENT_NATS_TOKEN, EVENT_NATS_CREDENTIALS, or the user in EVENT_BROKER
          because: nats: authorization violation"#]]).await;
    refused(
        &[("EVENT_BROKER", &nats.url())],
        &[address],
        expect![[r#"
            the server at nats://… refuses this login: check EVENT_NATS_USER and EVENT_NATS_PASSWORD, EVENT_NATS_TOKEN, EVENT_NATS_CREDENTIALS, or the user in EVENT_BROKER
              because: nats: authorization violation"#]],
    )
    .await;
    let url = nats.url();
    let user = ("EVENT_NATS_USER", "ada");
    let settings = [("EVENT_BROKER", url.as_str()), user];
    refused(
        &settings,
        &[address],
        expect!["EVENT_NATS_USER and EVENT_NATS_PASSWORD go together: set both, or none"],
    )
    .await;
    for good in [
        vec![("EVENT_BROKER", right.as_str())],
        vec![
            ("EVENT_BROKER", &url),
            user,
            ("EVENT_NATS_PASSWORD", "r/ght"),
        ],
    ] {
        app(&good).start().await.unwrap().stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token() {
    let nats = TestNats::with_config("authorization { token: right }");
    let url = nats.url();
    let address = url.trim_start_matches("nats://");
    let wrong = [
        ("EVENT_BROKER", url.as_str()),
        ("EVENT_NATS_TOKEN", "hunter2"),
    ];
    refused(&wrong, &[address], expect![[r#"
        the server at nats://… refuses this login: check EVENT_NATS_USER and EVENT_NATS_PASSWORD, EVENT_NATS_TOKEN, EVENT_NATS_CREDENTIALS, or the user in EVENT_BROKER
          because: nats: authorization violation"#]]).await;
    let with_token = format!("nats://right@{address}");
    for right in [
        vec![
            ("EVENT_BROKER", url.as_str()),
            ("EVENT_NATS_TOKEN", "right"),
        ],
        vec![("EVENT_BROKER", with_token.as_str())],
    ] {
        app(&right).start().await.unwrap().stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credentials_file_that_is_none() {
    let nats = TestNats::start();
    let url = nats.url();
    let file = nats.folder().join("user.creds");
    let path = file.display().to_string();
    let folder = nats.folder().display().to_string();
    let settings = [
        ("EVENT_BROKER", url.as_str()),
        ("EVENT_NATS_CREDENTIALS", path.as_str()),
    ];
    let chance = [folder.as_str()];
    refused(
        &settings,
        &chance,
        expect![[r#"
            the credentials file `…/user.creds` (EVENT_NATS_CREDENTIALS) can't be read
              because: No such file or directory (os error 2)"#]],
    )
    .await;
    std::fs::write(&file, "hunter2").unwrap();
    refused(&settings, &chance, expect!["the file `…/user.creds` (EVENT_NATS_CREDENTIALS) is no credentials file: it holds a user's JWT and its seed, as `nsc` writes them"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_none() {
    let nats = TestNats::start();
    let url = nats.url();
    let settings = [
        ("EVENT_BROKER", url.as_str()),
        ("EVENT_NATS_CA", "/no/such/ca.pem"),
    ];
    refused(
        &settings,
        &[],
        expect![[r#"
        the file `/no/such/ca.pem` (EVENT_NATS_CA) can't be read
          because: No such file or directory (os error 2)"#]],
    )
    .await;
    let settings = [
        ("EVENT_BROKER", url.as_str()),
        (
            "EVENT_NATS_KEY",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ),
    ];
    refused(
        &settings,
        &[],
        expect!["EVENT_NATS_CERT and EVENT_NATS_KEY go together: set both, or none"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_jetstream() {
    let nats = TestNats::without_jetstream();
    let url = nats.url();
    let address = url.trim_start_matches("nats://");
    refused(&[("EVENT_BROKER", &url)], &[address], expect!["the server at nats://… has no JetStream for this account: start it with `-js` (and a store folder), or enable it for the account"]).await;
}

/// A server that says that it is old, and answers pings.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_server() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (from, mut to) = stream.into_split();
                let info = br#"INFO {"server_id":"x","server_name":"x","version":"2.10.7","go":"go1","host":"127.0.0.1","port":4222,"headers":true,"max_payload":1048576,"proto":1}"#;
                to.write_all(info).await.unwrap();
                to.write_all(b"\r\n").await.unwrap();
                let mut lines = BufReader::new(from).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    if line.starts_with("PING") {
                        to.write_all(b"PONG\r\n").await.unwrap();
                    }
                }
            });
        }
    });
    let url = format!("nats://{address}");
    refused(&[("EVENT_BROKER", &url)], &[&address], expect!["the server at nats://… is nats-server 2.10.7, and retries need 2.12 or newer, which can delay messages: upgrade it"]).await;
    server.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_may_be_created() {
    let nats = TestNats::start();
    let url = nats.url();
    let check = [("EVENT_BROKER", url.as_str()), ("EVENT_PROVISION", "check")];
    refused(&check, &[], expect![[r#"
        the program can't start, for 4 reasons:
          - no stream holds `done.*`, and EVENT_PROVISION=check creates nothing: run the program once with `topology --apply`
          - no stream holds `tasks.*.given`, and EVENT_PROVISION=check creates nothing: run the program once with `topology --apply`
          - the lane stream `test_DEAD` is missing, and EVENT_PROVISION=check creates nothing: run the program once with `topology --apply`
          - the lane stream `test_RETRY` is missing, and EVENT_PROVISION=check creates nothing: run the program once with `topology --apply`"#]]).await;
    let publisher = App::new().service("x").only(()).publish_only();
    let publisher = publisher.environment(check).start().await.unwrap();
    let error = publisher.publisher().publish(&task("t1")).await;
    expect!["`task.given.v1` was not published to `tasks.a.given`: no stream holds `tasks.*.given`, and EVENT_PROVISION=check creates nothing: run the program once with `topology --apply`"].assert_eq(&chain(&error.unwrap_err()));
    publisher.stop().await.unwrap();
    app(&check[..1])
        .start()
        .await
        .unwrap()
        .stop()
        .await
        .unwrap();
    app(&check).start().await.unwrap().stop().await.unwrap();
}

/// An event with a stream of its own.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(
    name = "sale.made",
    version = 1,
    topic = "sales.{shop}.made",
    stream = "SALES"
)]
struct SaleMade {
    shop: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_in_the_way() {
    let nats = TestNats::start();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let create = async |name: &str, subjects: &[&str]| {
        let config = json!({ "name": name, "subjects": subjects });
        let created = api(&client, &format!("STREAM.CREATE.{name}"), config).await;
        assert!(created["error"].is_null(), "{created}");
    };
    let delete = async |name: &str| {
        api(&client, &format!("STREAM.DELETE.{name}"), json!(null)).await;
    };
    let url = nats.url();
    let broker = [("EVENT_BROKER", url.as_str())];
    // Another name is no fault: streams are found by what they hold.
    create("WORK", &["tasks.>"]).await;
    app(&broker).start().await.unwrap().stop().await.unwrap();
    delete("WORK").await;

    create("PART", &["tasks.a.>"]).await;
    refused(&broker, &[], expect!["the program can't start: the stream `PART` holds a part of `tasks.*.given`, by `tasks.a.>`: add `tasks.*.given` to its subjects, or change the event's topic"]).await;
    create("REST", &["tasks.b.>"]).await;
    refused(&broker, &[], expect!["the program can't start: `tasks.*.given` is spread over the streams `PART` and `REST`, and a handler reads one: let one stream hold all of `tasks.*.given`"]).await;
    delete("PART").await;
    delete("REST").await;

    create("TASKS", &["chores.>"]).await;
    refused(&broker, &[], expect![[r#"the program can't start: the stream `TASKS` exists and does not hold `tasks.*.given`, only `chores.>`: add the subject to it, or name another stream with `#[event(stream = "…")]`"#]]).await;
    delete("TASKS").await;

    delete("test_DEAD").await;
    create("test_DEAD", &["lane.dead.test.>"]).await;
    refused(&broker, &[], expect!["the program can't start: the stream `test_DEAD` exists and was not made for the lanes of `test`: remove it, or give this service another name"]).await;
    delete("test_DEAD").await;

    create("SHOP", &["sales.>"]).await;
    let running = App::new().service("shop").only(()).publish_only();
    let running = running.environment(broker).start().await.unwrap();
    let sale = SaleMade { shop: "a".into() };
    let error = running.publisher().publish(&sale).await.unwrap_err();
    expect![[r#"`sale.made.v1` was not published to `sales.a.made`: the event asks for the stream `SALES`, and `sales.*.made` is held by the stream `SHOP`: write `stream = "SHOP"`, leave the option out, or take the subject from that stream"#]].assert_eq(&chain(&error));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_of_another_shape() {
    let nats = TestNats::start();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let url = nats.url();
    let broker = [("EVENT_BROKER", url.as_str())];
    app(&broker).start().await.unwrap().stop().await.unwrap();
    let change = async |settings: serde_json::Value| {
        api(&client, "CONSUMER.DELETE.TASKS.test-first", json!(null)).await;
        let mut config = json!({
            "durable_name": "test-first", "ack_policy": "explicit", "ack_wait": 10_000_000_000_u64,
            "filter_subject": "tasks.*.given", "max_ack_pending": 1000, "max_deliver": -1,
            "metadata": { "event-runtime.service": "test" },
        });
        for (key, value) in settings.as_object().unwrap() {
            config[key] = value.clone();
        }
        let body = json!({ "stream_name": "TASKS", "config": config });
        let created = api(&client, "CONSUMER.CREATE.TASKS.test-first", body).await;
        assert!(created["error"].is_null(), "{created}");
    };
    change(json!({ "filter_subject": "tasks.a.given", "max_deliver": 5 })).await;
    refused(&broker, &[], expect![[r#"
        the program can't start, for 2 reasons:
          - the durable `test-first` on the stream `TASKS` has filter `tasks.a.given`, and the handler needs `tasks.*.given`: changing it would skip events that are stored already; give the handler a new `name`, which makes a new durable, or restore the old topic or filter
          - the durable `test-first` on the stream `TASKS` has max_deliver `5`, and the handler needs `unlimited`: correct it at the broker, or give the handler a new `name`, which makes a new durable"#]]).await;
    change(json!({ "metadata": { "event-runtime.service": "other" } })).await;
    refused(&broker, &[], expect![[r#"the program can't start: the durable `test-first` on the stream `TASKS` has owner `other`, and the handler needs `test`: give the service or the handler another name (`#[handler(name = "…")]`)"#]]).await;
    // What a newer generation of the service may have set is kept.
    change(json!({ "max_ack_pending": 5000 })).await;
    app(&broker).start().await.unwrap().stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_without_the_permission() {
    let nats = TestNats::with_config(
        "authorization { users: [ { user: ada, password: right, permissions: { publish: { deny: [\"tasks.>\"] } } } ] }",
    );
    let address = nats.url().replace("nats://", "nats://ada:right@");
    let running = App::new().service("x").only(()).publish_only();
    let running = running.environment([("EVENT_BROKER", address)]);
    let running = running.start().await.unwrap();
    let error = running.publisher().publish(&task("t1")).await.unwrap_err();
    assert!(!error.is_transient());
    expect!["`task.given.v1` was not published to `tasks.a.given`: the server denies publishing to `tasks.a.given`: give this user the permission"].assert_eq(&chain(&error));
    running.stop().await.unwrap();
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}

/// Publishes in vain, on both brokers, and returns what they say.
async fn not_published<E: Event>(event: &E, id: Option<&str>) -> [String; 2] {
    let mut texts = [String::new(), String::new()];
    let worlds = [World::Memory(Memory::new()), World::Nats(TestNats::start())];
    for (world, text) in worlds.into_iter().zip(&mut texts) {
        let running = world.app().only(()).publish_only().start().await.unwrap();
        let publisher = running.publisher();
        let error = match id {
            Some(id) => publisher.publish_with_id(id, event).await,
            None => publisher.publish(event).await,
        };
        let error = error.unwrap_err();
        assert!(!error.is_transient(), "{error}");
        *text = chain(&error);
        running.stop().await.unwrap();
    }
    texts
}

/// Publishes in vain; both brokers use the same words.
async fn refused_alike<E: Event>(event: &E, id: Option<&str>, expected: Expect) {
    let [memory, nats] = not_published(event, id).await;
    assert_eq!(memory, nats);
    expected.assert_eq(&memory);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_without_a_value() {
    let event = Task {
        id: "t1".into(),
        kind: String::new(),
    };
    refused_alike(&event, None, expect!["`task.given.v1` was not published: the topic `tasks.{kind}.given` can't be filled in: the value for `{kind}` is empty; give that field a value before publishing"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_too_long() {
    let event = Task {
        id: "t1".into(),
        kind: ".".repeat(500),
    };
    refused_alike(&event, None, expect!["`task.given.v1` was not published: its topic is 1512 bytes long, and the limit is 1024; shorten the values of its placeholders"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_too_large() {
    let event = Done {
        id: "t1".into(),
        kind: "a".into(),
        note: "x".repeat(1024 * 1024),
    };
    let [memory, nats] = not_published(&event, None).await;
    expect!["`task.done.v1` was not published to `done.a`: the message for `done.a` is 1048847 bytes, and the broker takes 1040384: publish a reference to the data instead"].assert_eq(&memory);
    expect!["`task.done.v1` was not published to `done.a`: the message for `done.a` is 1048847 bytes, and this server takes 1040384 (its max_payload less 8192 for headers): publish a reference to the data instead, or raise max_payload"].assert_eq(&nats);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_none() {
    let task = task("t1");
    refused_alike(
        &task,
        Some(""),
        expect!["`task.given.v1` was not published: its id is empty"],
    )
    .await;
    refused_alike(
        &task,
        Some(&"x".repeat(300)),
        expect!["`task.given.v1` was not published: its id is longer than 256 bytes"],
    )
    .await;
    refused_alike(
        &task,
        Some("a\nb"),
        expect!["`task.given.v1` was not published: its id has control characters"],
    )
    .await;
}

/// Its own `Serialize` fails.
#[derive(Event, Deserialize, JsonSchema)]
#[event(name = "never.written", version = 1, topic = "never.written")]
struct NeverWritten {}

impl Serialize for NeverWritten {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("the ink is dry"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_written() {
    refused_alike(
        &NeverWritten {},
        None,
        expect![
            "`never.written.v1` was not published: it could not be written as JSON: the ink is dry"
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_that_is_none() {
    let nats = World::Nats(TestNats::start());
    let memory = World::Memory(Memory::new());
    for (world, expected) in [
        (
            nats,
            expect![[r#"
        the subject `` is not valid: words between dots, without wildcards, spaces or control characters, 1024 bytes at most
        the subject `tasks..given` is not valid: words between dots, without wildcards, spaces or control characters, 1024 bytes at most
        the subject `tasks.*` is not valid: words between dots, without wildcards, spaces or control characters, 1024 bytes at most
        the subject `tasks.a b` is not valid: words between dots, without wildcards, spaces or control characters, 1024 bytes at most
        the subject `tasks.a\r\nPUB x 0` is not valid: words between dots, without wildcards, spaces or control characters, 1024 bytes at most"#]],
        ),
        (
            memory,
            expect![[r#"
        the subject `` is not valid: words between dots, without wildcards, spaces or control characters, 1024 bytes at most
        the subject `tasks..given` is not valid: words between dots, without wildcards, spaces or control characters, 1024 bytes at most
        the subject `tasks.*` is not valid: words between dots, without wildcards, spaces or control characters, 1024 bytes at most
        the subject `tasks.a b` is not valid: words between dots, without wildcards, spaces or control characters, 1024 bytes at most
        the subject `tasks.a\r\nPUB x 0` is not valid: words between dots, without wildcards, spaces or control characters, 1024 bytes at most"#]],
        ),
    ] {
        let running = world.app().only(()).publish_only().start().await.unwrap();
        let mut texts = Vec::new();
        for subject in [
            "",
            "tasks..given",
            "tasks.*",
            "tasks.a b",
            "tasks.a\r\nPUB x 0",
        ] {
            let error = match running.broker().publish(Message::new(subject, "x")).await {
                Err(error) => error,
                Ok(receipt) => receipt.await.unwrap_err(),
            };
            texts.push(chain(&error));
        }
        expected.assert_eq(&texts.join("\n"));
        running.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_may_be_as_large_as_the_server_takes() {
    let nats = TestNats::with_config("max_payload: 65536");
    let world = World::Nats(nats);
    let running = world.app().only(()).publish_only().start().await.unwrap();
    let event = |size: usize| Done {
        id: "t1".into(),
        kind: "a".into(),
        note: "x".repeat(size),
    };
    let publisher = running.publisher();
    publisher.publish(&event(56_000)).await.unwrap();
    let error = publisher.publish(&event(60_000)).await.unwrap_err();
    expect!["`task.done.v1` was not published to `done.a`: the message for `done.a` is 60271 bytes, and this server takes 57344 (its max_payload less 8192 for headers): publish a reference to the data instead, or raise max_payload"].assert_eq(&chain(&error));
    // The connection is as good as before.
    publisher.publish(&event(10)).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), running.stop())
        .await
        .unwrap()
        .unwrap();
}
