//! One event through everything, on a real server: retried by the lane, and its answer handled too.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_runtime::{App, Event, Metadata, State, handler};
use event_tests::nats::TestNats;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something to handle.
#[derive(Debug, Clone, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "work.given", version = 1, topic = "work.{kind}.given", key = id)]
struct WorkGiven {
    id: String,
    kind: String,
}

/// The answer.
#[derive(Debug, Clone, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "work.done", version = 1, topic = "work.done", key = id)]
struct WorkDone {
    id: String,
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

#[handler(retry(max = 3, base = "6s"))]
async fn work(given: WorkGiven, metadata: Metadata) -> Result<WorkDone, std::io::Error> {
    if metadata.attempt < 2 {
        return Err(std::io::Error::other("not yet"));
    }
    Ok(WorkDone { id: given.id })
}

#[handler]
async fn note(done: &WorkDone, metadata: Metadata, State(seen): State<Seen>) {
    seen.0.lock().unwrap().push(format!(
        "{} after {:?}",
        done.id,
        metadata.causation_id.is_some()
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_retried_by_the_lane_and_its_answer_is_handled() {
    let nats = TestNats::start();
    let seen = Seen::default();
    let running = App::new()
        .service("test")
        .environment([("EVENT_BROKER", nats.url())])
        .with_state(seen.clone())
        .only((work, note))
        .start()
        .await
        .unwrap();
    for _ in 0..3 {
        running
            .publisher()
            .publish(&WorkGiven {
                id: "1".into(),
                kind: "a b".into(),
            })
            .await
            .unwrap();
    }
    assert!(running.settled(Duration::from_secs(30)).await.unwrap());
    assert_eq!(*seen.0.lock().unwrap(), vec!["1 after true"; 3]);
    running.stop().await.unwrap();
}
