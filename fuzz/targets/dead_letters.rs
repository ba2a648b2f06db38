//! Any message among the dead letters: listed, shown and sent back, or left where it is.
//!
//! The input is the rest of its subject, its headers and its body, with `---` between them.

#![no_main]

use std::sync::Arc;

use event_fuzz::text::{headers, sections};
use event_runtime::adapters::memory::Memory;
use event_runtime::broker::{Broker, Message, StreamKind, StreamSpec, lanes};
use event_runtime::dead_letters::{DeadLetters, Filter};
use libfuzzer_sys::fuzz_target;

const SERVICE: &str = "billing";

fuzz_target!(|data: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(check(data));
});

async fn check(data: &[u8]) {
    let sections = sections(data);
    let rest = sections.first().map(String::as_str).unwrap_or_default();
    let body = sections.get(2).cloned().unwrap_or_default();
    let broker: Arc<dyn Broker> = Arc::new(Memory::new());
    let dead = lanes::dead_stream(SERVICE);
    let retry = lanes::retry_stream(SERVICE);
    create(&*broker, &dead, lanes::dead_subjects(SERVICE)).await;
    create(&*broker, &retry, lanes::retry_subjects(SERVICE)).await;
    let message = Message::new(format!("lane.dead.{SERVICE}.{rest}"), body.clone())
        .headers(headers(sections.get(1)));
    let stored = async { broker.publish(message).await?.await };
    let Ok(stored) = stored.await else {
        return;
    };
    let letters = DeadLetters::new(Arc::clone(&broker), SERVICE);
    let filter = Filter::default();
    let listed = letters.list(&filter, 10).await.expect("memory answers");
    let got = letters.get(stored.sequence).await.expect("memory answers");
    assert_eq!(listed.len(), usize::from(got.is_some()));
    let Some(letter) = got else {
        return;
    };
    assert!(letter.to_json().is_object());
    for fresh in [false, true] {
        let before = broker.count(&retry, ">").await.expect("memory answers");
        if letters.redrive(&letter, fresh).await.is_err() {
            assert!(letter.payload().is_none());
            continue;
        }
        let after = broker.count(&retry, ">").await.expect("memory answers");
        assert_eq!(after, before + 1);
        let subject = lanes::retry_subject(SERVICE, &letter.handler);
        let sent = broker.read(&retry, &subject, after).await;
        let sent = sent.expect("memory answers").expect("it is in the lane");
        assert_eq!(sent.payload, body);
        assert_eq!(broker.count(&dead, ">").await.expect("memory answers"), 0);
    }
}

async fn create(broker: &dyn Broker, name: &str, subjects: Vec<String>) {
    let spec = StreamSpec {
        name: name.to_owned(),
        subjects,
        kind: StreamKind::Events {
            topic: String::new(),
            named: false,
        },
    };
    broker.create_stream(&spec).await.expect("it is new");
}
