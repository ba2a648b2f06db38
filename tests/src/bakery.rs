//! The service of the chapter `docs/testing.md`, which shows the rest of this file.

use event_runtime::{App, Event, HandlerError, Metadata, State, handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bread is wanted.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "bread.ordered", version = 1, topic = "bread.{town}.ordered", key = order)]
pub struct BreadOrdered {
    pub order: String,
    pub town: String,
    pub loaves: u32,
}

impl BreadOrdered {
    /// An order from Rome.
    pub fn new(order: &str, loaves: u32) -> Self {
        Self {
            order: order.into(),
            town: "rome".into(),
            loaves,
        }
    }
}

/// Bread is ready.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "bread.baked", version = 1, topic = "bread.{town}.baked", key = order)]
pub struct BreadBaked {
    pub order: String,
    pub town: String,
}

/// Something that the service works with; tests bring their own.
#[derive(Clone, Default)]
pub struct Oven {
    /// So many attempts find it cold.
    pub cold_for: u32,
}

#[handler]
pub async fn bake(
    bread: BreadOrdered,
    metadata: Metadata,
    State(oven): State<Oven>,
) -> Result<BreadBaked, HandlerError> {
    if bread.loaves > 12 {
        return Err(HandlerError::reject("the oven holds 12 loaves"));
    }
    if metadata.attempt <= oven.cold_for {
        return Err(HandlerError::retry("the oven is cold"));
    }
    Ok(BreadBaked {
        order: bread.order,
        town: bread.town,
    })
}

/// The whole service: `main` says `app(Oven::default()).run().await`.
pub fn app(oven: Oven) -> App {
    App::new().service("bakery").with_state(oven).only((bake,))
}
