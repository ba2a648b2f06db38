//! One event through everything, on the in-memory broker with the clock under control: handled at the third
//! run, and its answer handled too.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_runtime::adapters::memory::Memory;
use event_runtime::{App, Event, Metadata, State, handler};
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

#[handler]
async fn work(
    given: WorkGiven,
    State(tries): State<Arc<AtomicU32>>,
) -> Result<WorkDone, std::io::Error> {
    if tries.fetch_add(1, Ordering::SeqCst) < 2 {
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

#[tokio::test(start_paused = true)]
async fn an_event_is_retried_and_its_answer_is_handled() {
    let seen = Seen::default();
    let running = App::new()
        .service("test")
        .broker(Memory::new())
        .with_state(Arc::new(AtomicU32::new(0)))
        .with_state(seen.clone())
        .only((work, note))
        .start()
        .await
        .unwrap();
    running
        .publisher()
        .publish(&WorkGiven {
            id: "1".into(),
            kind: "a b".into(),
        })
        .await
        .unwrap();
    assert!(running.settled(Duration::from_mins(1)).await.unwrap());
    assert_eq!(*seen.0.lock().unwrap(), ["1 after true"]);
    running.stop().await.unwrap();
}
