//! The linker drops a crate that nothing names. In a workspace as users have it, built by the real cargo, each
//! of the nets catches a handler that would be lost so, with the fix in its message.

use std::sync::LazyLock;

use event_tests::workspace::{Said, Workspace};
use expect_test::expect;

const WORKSPACE: &str = r#"
[workspace]
members = ["lost", "named", "optimized", "orders"]
resolver = "3"

[workspace.lints.rust]
unused_crate_dependencies = "warn"

[profile.dev]
debug = false
incremental = false

# Linking as a whole is what could drop a handler; the rest is only made quick.
[profile.release]
lto = "fat"
opt-level = 1

[profile.release.package."*"]
opt-level = 0
"#;

/// Optimizes for size what is not a foreign crate; those are taken as they were built for the other tests.
const SMALL: [&str; 4] = [
    "--config",
    "profile.dev.opt-level='z'",
    "--config",
    "profile.dev.package.'*'.opt-level=0",
];

const ORDERS: &str = r#"
[package]
name = "orders"
edition = "2024"

[dependencies]
event-runtime = { path = "{event-runtime}", default-features = false, features = ["runtime"] }
schemars = "1"
serde = "1"
"#;

const HANDLER: &str = r#"
use event_runtime::{Event, handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.placed", version = 1, topic = "orders.{region}.placed")]
pub struct OrderPlaced {
    pub region: String,
}

#[handler]
pub async fn record(_order: OrderPlaced) {}
"#;

const SERVICE: &str = r#"
[package]
name = "{service}"
edition = "2024"

[dependencies]
event-runtime = { path = "{event-runtime}", default-features = false, features = ["{feature}"] }
orders = { path = "../orders" }
schemars = "1"
serde = "1"
tokio = "1"

[lints]
workspace = true
"#;

/// `main`, and a handler of its own.
const MAIN: &str = r#"
use event_runtime::{App, Event, handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "guest.arrived", version = 1, topic = "guests.arrived")]
struct GuestArrived {}

#[handler]
async fn greet(_guest: GuestArrived) {}

#[tokio::main]
async fn main() -> Result<(), event_runtime::Error> {
    let app = App::new().service("shop").locked(include_str!("../contracts/handlers.json"));
    if std::env::args().nth(1).as_deref() == Some("start-and-stop") {
        return app.start().await?.stop().await;
    }
    app.run().await
}

#[test]
fn contracts_are_locked() {
    event_runtime::contracts::assert_locked("contracts");
}
"#;

/// Without a command line, which takes an optimizer long.
const LISTING_MAIN: &str = r#"
use event_runtime::App;
use event_runtime::handler::HandlerPlan;
use orders as _;

#[tokio::main]
async fn main() -> Result<(), event_runtime::Error> {
    let running = App::new().service("shop").start().await?;
    for handler in HandlerPlan::linked() {
        println!("{}", handler.name());
    }
    running.stop().await
}
"#;

const LOCK: &str = r#"{
  "handlers": [
    {
      "crate": "{service}",
      "event": "guest.arrived.v1",
      "name": "greet",
      "returns": [],
      "topics": "guests.arrived"
    },
    {
      "crate": "orders",
      "event": "order.placed.v1",
      "name": "record",
      "returns": [],
      "topics": "orders.*.placed"
    }
  ],
  "service": "shop"
}
"#;

const IN_MEMORY: &[(&str, &str)] = &[("EVENT_BROKER", "memory://")];

/// A service that names the crate `orders`, and one that doesn't.
static SERVICES: LazyLock<Workspace> = LazyLock::new(|| {
    let named = format!("use orders as _;\n{MAIN}");
    let of = |text: &str, service| text.replace("{service}", service);
    let service = |name, feature| of(SERVICE, name).replace("{feature}", feature);
    Workspace::new(
        concat!(env!("CARGO_TARGET_TMPDIR"), "/users"),
        "shop",
        &[
            ("Cargo.toml", WORKSPACE),
            ("orders/Cargo.toml", ORDERS),
            ("orders/src/lib.rs", HANDLER),
            ("lost/Cargo.toml", &service("lost", "cli")),
            ("lost/src/main.rs", MAIN),
            ("lost/contracts/handlers.json", &of(LOCK, "lost")),
            ("named/Cargo.toml", &service("named", "cli")),
            ("named/src/main.rs", &named),
            ("named/contracts/handlers.json", &of(LOCK, "named")),
            ("optimized/Cargo.toml", &service("optimized", "runtime")),
            ("optimized/src/main.rs", LISTING_MAIN),
        ],
    )
});

/// The names that the command `handlers` lists.
fn handlers(said: &Said) -> Vec<&str> {
    said.output
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

/// The part of a text from one mark up to another.
fn part<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text
        .find(from)
        .unwrap_or_else(|| panic!("no `{from}` in:\n{text}"));
    let text = &text[start..];
    &text[..text.find(to).unwrap_or(text.len())]
}

#[test]
fn the_first_net_is_part_of_what_newcomers_copy() {
    let readme = include_str!("../../README.md");
    assert!(readme.contains("unused_crate_dependencies = \"warn\""));
}

#[test]
fn a_crate_that_nothing_names_is_reported_by_every_net() {
    // Said again at each build, also of what is built already.
    let build = SERVICES.cargo(&["build", "--package", "lost"]).well();
    expect![[r#"
        warning: extern crate `orders` is unused in crate `lost`
         --> lost/src/main.rs:2:1
          |
        2 | use event_runtime::{App, Event, handler};
          | ^
          |
          = help: remove the dependency or add `use orders as _;` to the crate root
          = note: requested on the command line with `-W unused-crate-dependencies`

    "#]]
    .assert_eq(part(&build.error, "warning: extern", "warning: `lost`"));

    let listed = SERVICES.program("debug", "lost", &["handlers"], IN_MEMORY);
    assert_eq!(handlers(&listed.well()), ["greet"]);

    let started = |arguments| {
        let said = SERVICES.program("debug", "lost", arguments, IN_MEMORY);
        said.badly().error
    };
    let refused = started(&[]);
    expect![[r#"
        Error: the program can't start: the lock in `.locked(…)` holds the handler `record`, and nothing of its crate `orders` is linked into this program: write `use orders as _;` in the file of `main`; if the handler is to go, run the program with `contracts export` and commit the change
    "#]].assert_eq(&refused);
    assert_eq!(started(&["start-and-stop"]), refused);
    assert_eq!(started(&["topology"]), refused);

    let tested = SERVICES.cargo(&["test", "--package", "lost"]).badly();
    expect![[r#"
        the handlers are not those that are committed:
          - `contracts/handlers.json` holds the handler `record`, and nothing of its crate `orders` is linked into this program: write `use orders as _;` in the file of `main`; if the handler is to go, run the program with `contracts export` and commit the change
    "#]].assert_eq(part(
        &tested.output,
        "the handlers are not",
        "note: run with",
    ));
}

#[test]
fn a_crate_that_is_named_brings_its_handlers() {
    let build = SERVICES.cargo(&["build", "--package", "named"]).well();
    assert!(!build.error.contains("warning"), "{}", build.error);

    let listed = SERVICES.program("debug", "named", &["handlers"], IN_MEMORY);
    assert_eq!(handlers(&listed.well()), ["greet", "record"]);

    SERVICES
        .program("debug", "named", &["start-and-stop"], IN_MEMORY)
        .well();
    SERVICES.cargo(&["test", "--package", "named"]).well();

    let export = ["contracts", "export", "--out", "written"];
    SERVICES
        .program("debug", "named", &export, IN_MEMORY)
        .well();
    let [written, lock] = ["written/handlers.json", "named/contracts/handlers.json"]
        .map(|path| std::fs::read_to_string(SERVICES.path(path)).unwrap());
    assert_eq!(written, lock, "the lock is what `contracts export` writes");
}

#[test]
fn optimizers_keep_handlers() {
    let build = ["build", "--package", "optimized"];
    for (profile, options) in [("debug", &SMALL[..]), ("release", &["--release"])] {
        SERVICES.cargo(&[&build[..], options].concat()).well();
        let listed = SERVICES.program(profile, "optimized", &[], IN_MEMORY);
        assert_eq!(listed.well().output, "record\n");
    }
    // Only a debug build falls back to the memory.
    let started = SERVICES.program("release", "optimized", &[], &[]).badly();
    expect![[r#"
        Error: the program can't start: no broker: set EVENT_BROKER (`nats://host:4222`), or say `.default_broker("memory://")` for a program that is to run without a server
    "#]].assert_eq(&started.error);
}
