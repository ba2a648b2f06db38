//! Error classes: whether trying again can help is known wherever a classified error is, through `?`, `anyhow`,
//! `.context()`, and reports inside of errors; and nothing else decides it.

use std::time::Duration;

use anyhow::Context as _;
use event_runtime::adapters::memory::Memory;
use event_runtime::dead_letters::DeadLetter;
use event_runtime::{App, Event, HandlerError, handler};
use event_tests::service::{Seen, dead_letters, settle};
use expect_test::{Expect, expect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that is refused in many ways.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "case.given", version = 1, topic = "cases")]
struct Case {}

#[derive(Debug, thiserror::Error, HandlerError)]
#[error("the card is stolen")]
#[reject]
struct Stolen;

#[derive(Debug, thiserror::Error, HandlerError)]
enum Payment {
    #[error("the card was refused")]
    #[forward]
    Card(#[from] Stolen),
    #[error("the gateway asks for a pause")]
    #[retry(after = wait)]
    Busy { wait: Option<Duration> },
    #[error("the report was not written")]
    #[forward]
    Report(#[source] anyhow::Error),
    #[error("all broken")]
    #[reject]
    Broken(#[source] std::io::Error),
}

/// Knows nothing of classes.
#[derive(Debug, thiserror::Error)]
#[error("the step failed")]
struct Plain(#[source] Stolen);

/// Transparent, so that its text is the inner error's.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Transparent(#[from] Plain);

fn stolen() -> Result<(), Stolen> {
    Err(Stolen)
}

#[handler(retry(max = 2, base = "1ms"))]
async fn by_itself(_: Case) -> Result<(), Stolen> {
    stolen()
}

#[handler(retry(max = 2, base = "1ms"))]
async fn forwarded(_: Case) -> Result<(), Payment> {
    stolen()?;
    Ok(())
}

#[handler(retry(max = 2, base = "1ms"))]
async fn by_question_mark(_: Case) -> Result<(), HandlerError> {
    stolen()?;
    Ok(())
}

#[handler(retry(max = 2, base = "1ms"))]
async fn by_anyhow(_: Case) -> anyhow::Result<()> {
    stolen()?;
    Ok(())
}

#[handler(retry(max = 2, base = "1ms"))]
async fn by_context(_: Case) -> anyhow::Result<()> {
    stolen().context("charging").context("order o-1")
}

#[handler(retry(max = 2, base = "1ms"))]
async fn by_anyhow_in_an_error(_: Case) -> Result<(), Payment> {
    Err(Payment::Report(
        anyhow::Error::new(Stolen).context("writing"),
    ))
}

#[handler(retry(max = 2, base = "1ms"))]
async fn by_its_cause(_: Case) -> Result<(), Plain> {
    Err(Plain(Stolen))
}

#[handler(retry(max = 2, base = "1ms"))]
async fn by_a_transparent_one(_: Case) -> Result<(), Transparent> {
    Err(Plain(Stolen))?
}

#[handler(retry(max = 2, base = "1ms"))]
async fn by_an_anyhow_of_a_handler_error_to_be(_: Case) -> Result<(), HandlerError> {
    let report: anyhow::Result<()> = stolen().context("charging");
    report.map_err(|report| HandlerError::reject(format!("{report:#}")))
}

#[handler(retry(max = 2, base = "1ms"))]
async fn outermost_wins(_: Case) -> Result<(), Payment> {
    Err(Payment::Broken(std::io::Error::other(Payment::Busy {
        wait: None,
    })))
}

/// A message on `cases` for all handlers, and what became of it at the one.
async fn outcome(app: App) -> (Vec<String>, Vec<DeadLetter>) {
    let seen = Seen::default();
    let running = app
        .service("test")
        .broker(Memory::new())
        .observe(seen.clone())
        .start()
        .await
        .unwrap();
    running.publisher().publish(&Case {}).await.unwrap();
    settle(&running).await;
    let letters = dead_letters(&running).await;
    running.stop().await.unwrap();
    (seen.of("failed at attempt"), letters)
}

/// Rejected at the first attempt, with this chain of causes.
async fn rejected(app: App, expected: Expect) {
    let (retried, letters) = outcome(app).await;
    assert_eq!(retried, Vec::<String>::new());
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (letters[0].reason.as_str(), letters[0].attempts()),
        ("rejected", 1)
    );
    expected.assert_eq(&letters[0].error);
}

#[tokio::test(start_paused = true)]
async fn an_error_has_its_own_class() {
    rejected(App::new().only((by_itself,)), expect!["the card is stolen"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_error_may_forward_to_the_one_inside() {
    rejected(
        App::new().only((forwarded,)),
        expect!["the card was refused: the card is stolen"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_class_survives_a_bare_question_mark() {
    rejected(
        App::new().only((by_question_mark,)),
        expect!["the card is stolen"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_class_survives_anyhow() {
    rejected(App::new().only((by_anyhow,)), expect!["the card is stolen"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_class_survives_context() {
    rejected(
        App::new().only((by_context,)),
        expect!["order o-1: charging: the card is stolen"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_class_survives_anyhow_inside_of_an_error() {
    rejected(
        App::new().only((by_anyhow_in_an_error,)),
        expect!["the report was not written: writing: the card is stolen"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_class_is_found_below_errors_that_have_none() {
    rejected(
        App::new().only((by_its_cause,)),
        expect!["the step failed: the card is stolen"],
    )
    .await;
    rejected(
        App::new().only((by_a_transparent_one,)),
        expect!["the step failed: the card is stolen"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_class_may_be_given_by_hand() {
    rejected(
        App::new().only((by_an_anyhow_of_a_handler_error_to_be,)),
        expect!["charging: the card is stolen"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_outermost_class_wins() {
    rejected(
        App::new().only((outermost_wins,)),
        expect!["all broken: the gateway asks for a pause"],
    )
    .await;
}

#[handler(retry(max = 2, base = "1ms"))]
async fn without_a_class(_: Case) -> anyhow::Result<()> {
    anyhow::bail!("something broke")
}

#[tokio::test(start_paused = true)]
async fn an_error_without_a_class_is_tried_again() {
    let (retried, letters) = outcome(App::new().only((without_a_class,))).await;
    assert_eq!(retried.len(), 1, "{retried:?}");
    assert_eq!(
        (letters[0].reason.as_str(), letters[0].attempts()),
        ("attempts", 2)
    );
}

#[handler(retry(max = 3, base = "1ms"))]
async fn asks_for_a_pause(_: Case) -> Result<(), Payment> {
    Err(Payment::Busy {
        wait: Some(Duration::from_secs(3)),
    })
}

#[handler(retry(max = 3, base = "1ms"))]
async fn asks_for_no_certain_pause(_: Case) -> Result<(), Payment> {
    Err(Payment::Busy { wait: None })
}

#[tokio::test(start_paused = true)]
async fn an_error_may_say_when_to_come_back() {
    let start = tokio::time::Instant::now();
    let (retried, letters) = outcome(App::new().only((asks_for_a_pause,))).await;
    assert_eq!((retried.len(), letters.len()), (2, 1));
    assert!(
        start.elapsed() >= Duration::from_secs(6),
        "{:?}",
        start.elapsed()
    );
    let start = tokio::time::Instant::now();
    let (retried, letters) = outcome(App::new().only((asks_for_no_certain_pause,))).await;
    assert_eq!((retried.len(), letters.len()), (2, 1));
    assert!(
        start.elapsed() < Duration::from_secs(6),
        "{:?}",
        start.elapsed()
    );
}
