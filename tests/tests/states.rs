//! What handlers ask the app for: values given, values opened late, and extractors of the user's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use event_runtime::adapters::memory::Memory;
use event_runtime::broker::{DurableSpec, Start};
use event_runtime::{App, Context, Event, Extract, HandlerError, Needs, State, handler};
use event_tests::on_each_broker;
use event_tests::service::{Script, Seen, World, first, settle, task};
use expect_test::expect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

on_each_broker!(state_and_broker_are_found_wanting_together);

/// Something to price.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "price.asked", version = 1, topic = "prices.{article}")]
struct PriceAsked {
    article: String,
}

/// A connection that has to be opened.
#[derive(Clone)]
struct Tariff {
    cents: u32,
    broker: String,
}

/// Made from state for each event.
struct Price(u32);

impl Extract for Price {
    fn needs(needs: &mut Needs) {
        State::<Tariff>::needs(needs);
    }

    async fn extract(context: &Context) -> Result<Self, HandlerError> {
        let State(tariff) = State::<Tariff>::extract(context).await?;
        match context.metadata().topic.as_str() {
            "prices.unknown" => Err(HandlerError::reject("nobody knows this article")),
            _ => Ok(Self(tariff.cents)),
        }
    }
}

#[handler]
async fn tell(
    _: PriceAsked,
    Price(cents): Price,
    State(tariff): State<Tariff>,
    State(seen): State<Seen>,
) {
    seen.note(format!("{cents} cents, on {}", tariff.broker));
}

fn app(opened: &Arc<AtomicU32>) -> App {
    let opened = Arc::clone(opened);
    App::new()
        .service("test")
        .only((tell,))
        .broker(Memory::new())
        .environment([("EVENT_BROKER", "memory://")])
        .state(move |settings| async move {
            opened.fetch_add(1, Ordering::SeqCst);
            let broker = settings.broker.ok_or("no broker was given")?;
            Ok::<_, &str>(Tariff {
                cents: 250,
                broker: broker.reveal().to_owned(),
            })
        })
}

#[tokio::test(start_paused = true)]
async fn state_is_opened_once_with_the_settings_and_reaches_extractors() {
    let (opened, seen) = (Arc::new(AtomicU32::new(0)), Seen::default());
    let app = app(&opened).with_state(seen.clone()).observe(seen.clone());
    let running = app.start().await.unwrap();
    for article in ["tea", "coffee", "unknown"] {
        let asked = PriceAsked {
            article: article.into(),
        };
        running.publisher().publish(&asked).await.unwrap();
    }
    settle(&running).await;
    assert_eq!(seen.of("cents"), ["250 cents, on memory://"; 2]);
    assert_eq!(
        seen.of("dead: rejected").len(),
        1,
        "an extractor's error is the handler's"
    );
    assert_eq!(opened.load(Ordering::SeqCst), 1);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn state_that_cannot_be_opened_stops_the_start() {
    let opened = Arc::new(AtomicU32::new(0));
    let app = app(&opened)
        .with_state(Seen::default())
        .environment([("EVENT_SERVICE", "test")]);
    expect!["the program can't start: the state `states::Tariff` could not be opened: no broker was given"]
        .assert_eq(&app.start().await.unwrap_err().to_string());
}

async fn state_and_broker_are_found_wanting_together(world: World) {
    let publisher = world.app().only(()).publish_only().start().await.unwrap();
    publisher.publisher().publish(&task("t1")).await.unwrap();
    // Somebody made the durable for another topic.
    let spec = DurableSpec {
        name: "test-first".into(),
        service: "test".into(),
        handler: "first".into(),
        filter: "tasks.b.given".into(),
        start: Some(Start::All),
        ack_wait: Duration::from_secs(10),
        max_ack_pending: 1000,
    };
    let broker = publisher.broker();
    broker.create_durable("TASKS", &spec).await.unwrap();
    let app = world.app().only((first,));
    let app = app.state(|_| async { Err::<Script, _>("the script is lost") });
    let error = app.start().await.unwrap_err();
    expect![[r#"
        the program can't start, for 2 reasons:
          - the durable `test-first` on the stream `TASKS` has filter `tasks.b.given`, and the handler needs `tasks.*.given`: changing it would skip events that are stored already; give the handler a new `name`, which makes a new durable, or restore the old topic or filter
          - the state `event_tests::service::Script` could not be opened: the script is lost"#]]
    .assert_eq(&error.to_string());
    publisher.stop().await.unwrap();
}

#[tokio::test]
async fn state_that_an_extractor_needs_is_missed_at_the_start() {
    let app = App::new()
        .service("test")
        .only((tell,))
        .broker(Memory::new());
    let error = app.with_state(Seen::default()).start().await.unwrap_err();
    let text = error.to_string();
    let (before, after) = text.split_once("states.rs:").unwrap();
    let after = after.trim_start_matches(|character: char| character.is_ascii_digit());
    expect!["the program can't start: the handler `tell` (tests/tests/states.rs:…) asks for `State<states::Tariff>`, and the app has no such value: add `.with_state(…)` or `.state(…)`"]
        .assert_eq(&format!("{before}states.rs:…{after}"));
}

#[tokio::test]
async fn state_is_not_opened_by_commands_that_run_no_handler() {
    let opened = Arc::new(AtomicU32::new(0));
    let app = app(&opened).with_state(Seen::default());
    app.run_from(["test", "handlers", "--json"]).await.unwrap();
    assert_eq!(opened.load(Ordering::SeqCst), 0);
}
