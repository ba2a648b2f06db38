//! What is linked where only events are wanted, and what a published package holds.

use std::collections::BTreeSet;
use std::process::Command;

use event_tests::workspace::Workspace;
use expect_test::expect;

const WORKSPACE: &str = r#"
[workspace]
members = ["events"]
resolver = "3"
"#;

/// As several services share it.
const EVENTS: &str = r#"
[package]
name = "events"
edition = "2024"

[dependencies]
event-runtime = { path = "{event-runtime}", default-features = false }
schemars = "1"
serde = "1"
"#;

const SOURCE: &str = r##"
use event_runtime::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(name = "order.placed", version = 1, topic = "orders.{region}.placed")]
pub struct OrderPlacedV1 {
    pub region: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(name = "order.placed", version = 2, topic = "orders.{region}.placed", key = id, upcast_from = OrderPlacedV1)]
pub struct OrderPlaced {
    pub id: Option<String>,
    pub region: String,
}

impl From<OrderPlacedV1> for OrderPlaced {
    fn from(old: OrderPlacedV1) -> Self {
        Self { id: None, region: old.region }
    }
}

#[test]
fn events_can_be_written_and_read() {
    use event_runtime::envelope;
    use event_runtime::event::EventDescriptor;
    use event_runtime::schema;

    let names: Vec<_> = EventDescriptor::linked().iter().map(|event| event.wire_type).collect();
    assert_eq!(names, ["order.placed.v1", "order.placed.v2"]);
    assert_eq!(schema::contract(OrderPlaced::descriptor())["x-event"]["version"], 2);

    let old = br#"{"specversion":"1.0","id":"1","source":"/shop","type":"order.placed.v1","data":{"region":"eu"}}"#;
    let (_, event) = envelope::decode::<OrderPlaced>(old).unwrap();
    assert_eq!((event.id, event.region.as_str()), (None, "eu"));
}
"##;

fn events() -> Workspace {
    Workspace::new(
        concat!(env!("CARGO_TARGET_TMPDIR"), "/users"),
        "light",
        &[
            ("Cargo.toml", WORKSPACE),
            ("events/Cargo.toml", EVENTS),
            ("events/src/lib.rs", SOURCE),
        ],
    )
}

/// The names of the packages in a tree, without the first one's own.
fn tree(workspace: &Workspace, arguments: &[&str]) -> BTreeSet<String> {
    let options = [
        "tree", "--edges", "normal", "--prefix", "none", "--format", "{p}",
    ];
    let listed = workspace.cargo(&[&options, arguments].concat()).well();
    let name = |line: &str| line.split(' ').next().map(str::to_owned);
    listed.output.lines().skip(1).filter_map(name).collect()
}

#[test]
fn a_crate_of_events_needs_no_runtime_and_no_client() {
    let workspace = events();
    workspace.cargo(&["test"]).well();

    let all = tree(&workspace, &["--package", "events"]);
    let heavy = all.iter().filter(|name| {
        let clients = [
            "tokio", "async", "futures", "nats", "mio", "rustls", "hyper", "ring",
        ];
        let others = ["tracing", "clap", "regex", "socket2", "signal"];
        clients
            .iter()
            .chain(&others)
            .any(|word| name.starts_with(word))
    });
    assert_eq!(heavy.collect::<Vec<_>>(), [""; 0], "in {all:?}");
    assert!(all.len() <= 50, "{} packages: {all:?}", all.len());

    let direct = tree(&workspace, &["--package", "event-runtime", "--depth", "1"]);
    let direct: Vec<_> = direct.iter().map(String::as_str).collect();
    expect!["bytes bytestring event-macros inventory jiff percent-encoding schemars serde serde_json sha2 thiserror uuid"]
        .assert_eq(&direct.join(" "));
}

/// The files of a package besides its source.
fn packaged(package: &str) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let listed = Command::new(cargo)
        .args(["package", "--list", "--allow-dirty", "--offline"])
        .args(["--package", package])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    let files = String::from_utf8(listed.stdout).unwrap();
    assert!(files.contains("src/lib.rs"), "{files}");
    // Git's own note is there where the source is a clone.
    let others = files
        .lines()
        .filter(|file| !file.starts_with("src/") && !file.starts_with(".cargo_vcs"));
    others.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_package_holds_its_source_its_licences_and_what_to_read_first() {
    expect!["Cargo.lock Cargo.toml Cargo.toml.orig LICENSE-APACHE LICENSE-MIT"]
        .assert_eq(&packaged("event-macros"));
    expect!["Cargo.lock Cargo.toml Cargo.toml.orig LICENSE-APACHE LICENSE-MIT README.md"]
        .assert_eq(&packaged("event-runtime"));
}
