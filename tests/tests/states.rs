//! What handlers ask the app for: values given, values opened late, and extractors of the user's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use event_runtime::adapters::memory::Memory;
use event_runtime::{App, Context, Event, Extract, HandlerError, Needs, State, handler};
use event_tests::service::{Seen, settle};
use expect_test::expect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
