//! `crate = path`: a crate that re-exports the runtime under a name of its own.

mod facade {
    pub mod events {
        pub use event_runtime::*;
    }
}

use facade::events::{Event, Events, HandlerError, handler};

#[derive(Event, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[event(name = "bell.rung", version = 1, topic = "bells", crate = crate::facade::events)]
struct BellRung {}

#[derive(Events)]
#[events(crate = crate::facade::events)]
enum Answer {
    Again(BellRung),
}

#[derive(Debug, thiserror::Error, HandlerError)]
#[handler_error(crate = crate::facade::events)]
#[error("no")]
#[reject]
struct No;

#[handler(crate = crate::facade::events)]
async fn ring(bell: BellRung) -> Result<Answer, No> {
    if false {
        return Err(No);
    }
    Ok(Answer::Again(bell))
}

fn main() {}
