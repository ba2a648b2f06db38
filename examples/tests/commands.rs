//! The commands of a service, as people use them: on the shop, with a real server where they look into one.
#![allow(
    clippy::unwrap_used,
    reason = "a failure here is the test's own message"
)]
#![allow(
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes its literals so"
)]

use std::path::Path;
use std::process::{Command, Stdio};

use event_tests::nats::TestNats;
use expect_test::{Expect, expect};
use serde_json::Value;

/// Runs `shop service …`; standard output where it succeeds, standard error where it fails.
fn service(broker: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    let output = command
        .arg("service")
        .args(arguments)
        .env("EVENT_BROKER", broker)
        .env("EVENT_LOG", "warn")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

/// Compares a table without what is chance in it: the columns' widths, times and line numbers.
fn same(table: &str, chance: &[&str], expected: Expect) {
    let mut lines = String::new();
    for line in table.lines() {
        let cells: Vec<&str> = line.split("  ").map(str::trim).collect();
        let cells: Vec<&str> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
        lines.push_str(&cells.join(" | "));
        lines.push('\n');
    }
    for chance in chance {
        lines = lines.replace(chance, "…");
    }
    expected.assert_eq(&lines);
}

/// Makes two dead letters, the foreign one first.
fn with_dead_letters(nats: &TestNats, folder: &Path) {
    let thief = r#"{"order_id":"thief-1","customer":"card-thief","region":"eu","items":[{"sku":"tea","qty":1}],"total_cents":100}"#;
    for line in [r#"{"as_is":"no event at all"}"#, thief] {
        let file = folder.join("orders.jsonl");
        std::fs::write(&file, line).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
        let status = command
            .arg("--orders")
            .arg(&file)
            .env("EVENT_BROKER", nats.url())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.unwrap().success());
    }
}

#[test]
fn handlers_are_listed_without_a_broker() {
    let table = service("memory://", &["handlers"]).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 6, "{table}");
    assert!(
        lines[1].starts_with("charge_payment"),
        "sorted by name: {table}"
    );
    assert!(
        lines[1].contains("examples/src/shop/handlers.rs:"),
        "{table}"
    );
    let json = service("memory://", &["handlers", "--json"]).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    expect![[r#"{"crate":"examples","event":"stock.reserved.v1","name":"charge_payment","returns":["order.refused.v1","payment.taken.v1"],"topics":"stock.*.reserved"}"#]]
        .assert_eq(&json["handlers"][0].to_string());
}

#[test]
fn what_looks_into_a_broker_says_why_it_cannot_look_into_memory() {
    for command in [&["topology"][..], &["dead-letters", "list"]] {
        let error = service("memory://", command).unwrap_err();
        let name = command[0];
        assert_eq!(
            error,
            format!(
                "shop: `{name}` looks into the broker, and `memory://` ends with the program that uses it: set EVENT_BROKER to the server that the service runs on\n"
            )
        );
    }
}

#[test]
fn topology_shows_what_is_missing_and_creates_it_when_told() {
    let nats = TestNats::start();
    let url = nats.url();
    same(
        &service(&url, &["topology"]).unwrap(),
        &[],
        expect![[r#"
            KIND | NAME | WANTED | FOUND
            stream | ORDERS | holds orders.*.placed | missing; `topology --apply` creates it
            stream | ORDERS | holds orders.*.refused | missing; `topology --apply` creates it
            stream | ORDERS | holds orders.*.shipped | missing; `topology --apply` creates it
            stream | PAYMENTS | holds payments.*.taken | missing; `topology --apply` creates it
            stream | STOCK | holds stock.*.reserved | missing; `topology --apply` creates it
            stream | shop_RETRY | holds lane.delay.shop.>, lane.retry.shop.> | missing; `topology --apply` creates it
            stream | shop_DEAD | holds lane.dead.shop.> | missing; `topology --apply` creates it
            durable | shop-charge_payment | stock.*.reserved from a stream to be created | missing; `topology --apply` creates it
            durable | shop-charge_payment | lane.retry.shop.charge_payment from a stream to be created | missing; `topology --apply` creates it
            durable | shop-notify_refused | orders.*.refused from a stream to be created | missing; `topology --apply` creates it
            durable | shop-notify_refused | lane.retry.shop.notify_refused from a stream to be created | missing; `topology --apply` creates it
            durable | shop-notify_shipped | orders.*.shipped from a stream to be created | missing; `topology --apply` creates it
            durable | shop-notify_shipped | lane.retry.shop.notify_shipped from a stream to be created | missing; `topology --apply` creates it
            durable | shop-reserve_stock | orders.*.placed from a stream to be created | missing; `topology --apply` creates it
            durable | shop-reserve_stock | lane.retry.shop.reserve_stock from a stream to be created | missing; `topology --apply` creates it
            durable | shop-ship_order | payments.*.taken from a stream to be created | missing; `topology --apply` creates it
            durable | shop-ship_order | lane.retry.shop.ship_order from a stream to be created | missing; `topology --apply` creates it
        "#]],
    );
    let applied = service(&url, &["topology", "--apply"]).unwrap();
    same(
        &applied,
        &[],
        expect![[r#"
            KIND | NAME | WANTED | FOUND
            stream | ORDERS | holds orders.*.placed | 0 messages; retention limits, storage file, num_replicas 1, max_age unlimited, max_bytes unlimited, max_msgs unlimited, discard old, duplicate_window 600s
            stream | ORDERS | holds orders.*.refused | 0 messages; retention limits, storage file, num_replicas 1, max_age unlimited, max_bytes unlimited, max_msgs unlimited, discard old, duplicate_window 600s
            stream | ORDERS | holds orders.*.shipped | 0 messages; retention limits, storage file, num_replicas 1, max_age unlimited, max_bytes unlimited, max_msgs unlimited, discard old, duplicate_window 600s
            stream | PAYMENTS | holds payments.*.taken | 0 messages; retention limits, storage file, num_replicas 1, max_age unlimited, max_bytes unlimited, max_msgs unlimited, discard old, duplicate_window 600s
            stream | STOCK | holds stock.*.reserved | 0 messages; retention limits, storage file, num_replicas 1, max_age unlimited, max_bytes unlimited, max_msgs unlimited, discard old, duplicate_window 600s
            stream | shop_RETRY | holds lane.delay.shop.>, lane.retry.shop.> | 0 messages; retention workqueue, storage file, num_replicas 1, max_age unlimited, max_bytes unlimited, max_msgs unlimited, discard old, duplicate_window 600s
            stream | shop_DEAD | holds lane.dead.shop.> | 0 messages; retention limits, storage file, num_replicas 1, max_age 30 days, max_bytes 1073741824, max_msgs unlimited, discard new, duplicate_window 600s
            durable | shop-charge_payment | stock.*.reserved from STOCK | as wanted; 0 pending, 0 unsettled
            durable | shop-charge_payment | lane.retry.shop.charge_payment from shop_RETRY | as wanted; 0 pending, 0 unsettled
            durable | shop-notify_refused | orders.*.refused from ORDERS | as wanted; 0 pending, 0 unsettled
            durable | shop-notify_refused | lane.retry.shop.notify_refused from shop_RETRY | as wanted; 0 pending, 0 unsettled
            durable | shop-notify_shipped | orders.*.shipped from ORDERS | as wanted; 0 pending, 0 unsettled
            durable | shop-notify_shipped | lane.retry.shop.notify_shipped from shop_RETRY | as wanted; 0 pending, 0 unsettled
            durable | shop-reserve_stock | orders.*.placed from ORDERS | as wanted; 0 pending, 0 unsettled
            durable | shop-reserve_stock | lane.retry.shop.reserve_stock from shop_RETRY | as wanted; 0 pending, 0 unsettled
            durable | shop-ship_order | payments.*.taken from PAYMENTS | as wanted; 0 pending, 0 unsettled
            durable | shop-ship_order | lane.retry.shop.ship_order from shop_RETRY | as wanted; 0 pending, 0 unsettled
        "#]],
    );
    assert_eq!(applied, service(&url, &["topology"]).unwrap());
}

#[test]
fn dead_letters_are_listed_shown_and_sent_back() {
    let folder = tempfile::tempdir().unwrap();
    let nats = TestNats::start();
    let url = nats.url();
    let list = ["dead-letters", "list", "--json"];
    assert_eq!(
        service(&url, &["dead-letters", "list"]).unwrap(),
        "no dead letters\n"
    );
    with_dead_letters(&nats, folder.path());
    let found: Value = serde_json::from_str(&service(&url, &list).unwrap()).unwrap();
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), 2);
    let of = |handler: &str| {
        found
            .iter()
            .find(|letter| letter["handler"] == handler)
            .unwrap()
    };
    let (thief, foreign) = (of("charge_payment"), of("reserve_stock"));
    assert_eq!(foreign["payload"], "no event at all");
    assert_eq!(foreign["topic"], "orders.eu.placed");
    assert_eq!(thief["attempts"], 1);
    let number = thief["sequence"].to_string();
    let time = thief["stored_at"].as_str().unwrap();
    let minute = &time[..time.len() - 1].split('.').next().unwrap();
    let second = format!("{minute}Z");
    let event = thief["event_id"].as_str().unwrap();

    let thieves = ["dead-letters", "list", "--handler", "charge_payment"];
    same(
        &service(&url, &thieves).unwrap(),
        &[event, &second],
        expect![[r#"
            NUMBER | STORED | HANDLER | REASON | TOPIC | EVENT | ERROR
            2 | … | charge_payment | rejected | stock.eu.reserved | … | the card of `card-thief` is reported as stolen
        "#]],
    );
    for (filter, value, fits) in [
        ("--topic", "orders.*.placed", 1),
        ("--topic", "orders.>", 1),
        ("--topic", "nothing.>", 0),
        ("--reason", "rejected", 1),
        ("--handler", "ship_order", 0),
    ] {
        let listed = service(&url, &["dead-letters", "list", "--json", filter, value]).unwrap();
        let listed: Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed.as_array().unwrap().len(), fits, "{filter} {value}");
    }

    let shown = service(&url, &["dead-letters", "show", &number]).unwrap();
    let origin = thief["payload"].as_str().unwrap();
    assert!(
        shown.ends_with(&format!("\n{origin}\n")),
        "the body as it was: {shown}"
    );
    let head = shown.split(origin).next().unwrap();
    same(
        head,
        &[event, time],
        expect![[r#"
        number | 2
        handler | charge_payment
        reason | rejected
        error | the card of `card-thief` is reported as stolen
        event | …
        topic | stock.eu.reserved
        origin | message 1 of STOCK
        attempts | 1
        redrives | 0
        stored | …

        Content-Type: | application/cloudevents+json

    "#]],
    );

    let unknown = service(&url, &["dead-letters", "show", "999"]).unwrap_err();
    assert_eq!(
        unknown,
        "shop: there is no dead letter 999: see `dead-letters list` for the numbers\n"
    );

    let sent = service(&url, &["dead-letters", "redrive", &number]).unwrap();
    assert_eq!(sent, "sent back to `charge_payment`\n");
    let left = service(&url, &list).unwrap();
    let left: Value = serde_json::from_str(&left).unwrap();
    assert_eq!(left.as_array().unwrap().len(), 1);
    let sent = service(&url, &["dead-letters", "redrive", "--all", "--json"]).unwrap();
    let sent: Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(sent[0]["handler"], "reserve_stock");
    assert_eq!(
        service(&url, &["dead-letters", "redrive", "--all"]).unwrap(),
        "no dead letters to send back\n"
    );
}

/// The files that `contracts export` writes, with their names.
fn exported() -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("contracts");
    let printed = service(
        "memory://",
        &["contracts", "export", "--out", &out.display().to_string()],
    );
    let mut files: Vec<(String, String)> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    assert_eq!(printed.unwrap().lines().count(), files.len());
    files
}

#[test]
fn contracts_are_the_same_bytes_each_time() {
    let files = exported();
    assert_eq!(files, exported());
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "handlers.json",
            "order.placed.v1.schema.json",
            "order.placed.v2.schema.json",
            "order.refused.v1.schema.json",
            "order.shipped.v1.schema.json",
            "payment.taken.v1.schema.json",
            "stock.reserved.v1.schema.json",
        ]
    );
}

#[test]
fn a_contract_is_a_schema_with_the_place_of_its_event() {
    let files = exported();
    assert_eq!(files[2].0, "order.placed.v2.schema.json");
    expect![[r##"
        {
          "$schema": "http://json-schema.org/draft-07/schema#",
          "definitions": {
            "Item": {
              "description": "Some pieces of one article.",
              "properties": {
                "qty": {
                  "description": "How many pieces.",
                  "format": "uint32",
                  "minimum": 0,
                  "type": "integer"
                },
                "sku": {
                  "description": "The article.",
                  "type": "string"
                }
              },
              "required": [
                "sku",
                "qty"
              ],
              "type": "object"
            }
          },
          "description": "An order was accepted.",
          "properties": {
            "customer": {
              "description": "Who ordered.",
              "type": "string"
            },
            "items": {
              "description": "What.",
              "items": {
                "$ref": "#/definitions/Item"
              },
              "type": "array"
            },
            "order_id": {
              "description": "The order.",
              "type": "string"
            },
            "region": {
              "description": "Where.",
              "type": "string"
            },
            "total_cents": {
              "description": "The total in cents.",
              "format": "uint64",
              "minimum": 0,
              "type": "integer"
            }
          },
          "required": [
            "order_id",
            "customer",
            "region",
            "items",
            "total_cents"
          ],
          "title": "OrderPlaced",
          "type": "object",
          "x-event": {
            "key": "order_id",
            "name": "order.placed",
            "topic": "orders.{region}.placed",
            "type": "order.placed.v2",
            "version": 2
          }
        }
    "##]]
    .assert_eq(&files[2].1);
}

#[test]
fn contracts_that_cannot_be_written_say_where() {
    let error = service(
        "memory://",
        &["contracts", "export", "--out", "/dev/null/x"],
    )
    .unwrap_err();
    assert!(
        error.starts_with("shop: the contracts can't be written to `/dev/null/x`: "),
        "{error}"
    );
}

#[test]
fn an_unknown_command_shows_its_usage() {
    let error = service("memory://", &["dead-letters", "redrive"]).unwrap_err();
    assert!(error.contains("<SEQUENCES>..."), "{error}");
    // A number says it all: what would be ignored is refused.
    for filter in ["--handler", "--topic", "--reason"] {
        let redrive = ["dead-letters", "redrive", "1", filter, "x"];
        let error = service("memory://", &redrive).unwrap_err();
        assert!(error.contains("cannot be used with"), "{error}");
    }
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = include_str!("../../README.md");
    let table = service("memory://", &["handlers"]).unwrap();
    assert!(
        readme.contains(&table),
        "README.md does not hold the start table:\n{table}"
    );
    let shop = Command::new(env!("CARGO_BIN_EXE_shop"))
        .env("EVENT_BROKER", "memory://")
        .output()
        .unwrap();
    let summary = String::from_utf8(shop.stdout).unwrap();
    assert!(
        readme.contains(&summary),
        "README.md does not hold the shop's summary:\n{summary}"
    );
}
