//! `docs/first-mistakes.md`: what it quotes is what is really said, and what no other test shows of it.

use std::path::Path;

use event_runtime::adapters::memory::Memory;
use event_runtime::broker::Message;
use event_runtime::dead_letters::{DeadLetters, Filter};
use event_runtime::{App, Event, handler};
use event_tests::service::settle;
use expect_test::expect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// As it is after the change: the amount was a text before, and there was no currency.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.placed", version = 1, topic = "orders.placed")]
struct OrderPlaced {
    total_cents: i64,
    currency: String,
}

#[handler]
async fn bill(_order: OrderPlaced) {}

#[tokio::test]
async fn a_struct_that_changed_under_its_version() {
    let broker = Memory::new();
    let app = App::new().service("billing").broker(broker).only((bill,));
    let running = app.start().await.unwrap();
    let order = |id: &str, data: &str| {
        let envelope = format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/shop","type":"order.placed.v1","data":{data}}}"#
        );
        Message::new("orders.placed", envelope)
    };
    for (id, data) in [
        ("1", r#"{"total_cents":"12.50","currency":"EUR"}"#),
        ("2", r#"{"total_cents":1250}"#),
    ] {
        let sent = running.broker().publish(order(id, data)).await.unwrap();
        sent.await.unwrap();
    }
    settle(&running).await;
    let letters = DeadLetters::new(running.broker(), "billing");
    let letters = letters.list(&Filter::default(), 10).await.unwrap();
    let lines: Vec<String> = letters
        .iter()
        .map(|letter| format!("{} {}: {}", letter.handler, letter.reason, letter.error))
        .collect();
    expect![[r#"
        bill undecodable: the event's data does not fit its type: invalid type: string "12.50", expected i64 at line 1 column 22
        bill undecodable: the event's data does not fit its type: missing field `currency` at line 1 column 20"#]].assert_eq(&lines.join("\n"));
    running.stop().await.unwrap();
}

/// The text between fences: what stands behind the opening one, and the lines.
fn blocks(markdown: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((info.to_owned(), block.join("\n")));
        }
    }
    blocks
}

/// Without indentation and line breaks, which tests write as they like.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_the_document_quotes_is_what_is_said() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let document = std::fs::read_to_string(root.join("docs/first-mistakes.md")).unwrap();
    let sections: Vec<&str> = document.split("\n## ").skip(1).collect();
    assert!(sections.len() >= 10, "{} sections", sections.len());
    for section in sections {
        let title = section.lines().next().unwrap();
        let mut quotes = 0;
        for (info, block) in blocks(section) {
            let Some((kind, path)) = info.split_once(' ') else {
                continue;
            };
            let said = std::fs::read_to_string(root.join(path))
                .unwrap_or_else(|error| panic!("{title}: {path}: {error}"));
            assert!(!block.is_empty(), "{title}: an empty quote of {path}");
            assert!(
                words(&said).contains(&words(&block)),
                "{title}: {path} does not say:\n{block}"
            );
            quotes += usize::from(kind == "text");
        }
        assert!(
            quotes > 0,
            "{title}: no message with the file that shows it"
        );
        assert!(section.contains("\n**Fix:** "), "{title}: no fix");
    }
}
