//! Generated code survives names of the user's own that look like the prelude's.
#![allow(non_camel_case_types, dead_code)]

use event_runtime::{handler, Event};

struct Option;
struct Some;
struct None;
struct Result;
struct Ok;
struct Err;
struct Box;
struct Vec;
struct String;
struct Send;
struct Sync;
mod std {}
mod core {}
mod event_runtime_ {}

#[derive(Event, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
#[event(name = "bell.rung", version = 1, topic = "bells.{count}", key = count)]
struct BellRung {
    count: u64,
}

#[handler]
async fn ring(event: BellRung) -> BellRung {
    event
}

fn main() {}
