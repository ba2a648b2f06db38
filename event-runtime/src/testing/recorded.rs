//! What tests read: events with their envelopes, and failed runs.

use std::ops::Deref;
use std::time::Duration;

use crate::envelope::Attributes;

/// An event that a handler received or an app published, with its envelope. It reads like the event itself,
/// and compares to one.
///
/// ```rust,standalone_crate
/// # use event_runtime::testing::TestApp;
/// # use event_runtime::{App, Event, handler};
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Event, Serialize, Deserialize, JsonSchema)]
/// # #[event(name = "guest.met", version = 1, topic = "guests.met")]
/// # struct GuestMet { name: String }
/// # #[derive(Event, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
/// # #[event(name = "guest.greeted", version = 1, topic = "guests.greeted")]
/// # struct GuestGreeted { name: String }
/// # #[handler]
/// # async fn greet(guest: GuestMet) -> GuestGreeted { GuestGreeted { name: guest.name } }
/// # fn app() -> App { App::new().service("hello") }
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let app = TestApp::start(app()).await;
/// app.publish_with_id("g-1", &GuestMet { name: "Ada".into() }).await;
/// let greeted = app.published::<GuestGreeted>();
/// assert_eq!(greeted, [GuestGreeted { name: "Ada".into() }]);
/// assert_eq!(greeted[0].name, "Ada");
/// assert_eq!(greeted[0].attributes.causation_id.as_deref(), Some("g-1"));
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Recorded<E> {
    /// The event, as its newest version.
    pub event: E,
    /// The envelope: `id`, `causation_id`, `partition_key` and the others.
    pub attributes: Attributes,
    /// The topic that it was published to.
    pub topic: String,
    /// The handler that received or published it; `None` for what the app's own publisher published.
    pub handler: Option<String>,
    /// How often it came: more than once where a handler got it again (from the retry lane, or after a
    /// crash), or where it was published again under the same id, which the broker stores once.
    pub times: u32,
}

impl<E> Deref for Recorded<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.event
    }
}

impl<E: PartialEq> PartialEq<E> for Recorded<E> {
    fn eq(&self, other: &E) -> bool {
        self.event == *other
    }
}

/// A run that failed and was followed by another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// The event's id.
    pub event_id: String,
    /// The run that failed, from 1.
    pub attempt: u32,
    /// The time from then to the next run.
    pub delay: Duration,
    /// The error, with its causes.
    pub error: String,
}
