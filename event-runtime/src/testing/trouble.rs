//! What a test lets go wrong: publishes that fail, and processes that end.

use std::future::Future;
use std::panic::Location;

use super::app::{TestApp, or_panic};
use super::checks::handler_name;
use super::faults::Moment;
use super::history::Happened;
use crate::broker::{BrokerError, Message};
use crate::runtime::App;

impl TestApp {
    /// Lets one publish of an event fail, counted from now and from 1: of what handlers return, and of what the
    /// app's publishers publish. After a transient error the runtime tries again, and that counts again.
    ///
    /// # Panics
    ///
    /// When `number` is 0.
    pub fn fail_publish(&self, number: usize, error: BrokerError) {
        assert!(number > 0, "`fail_publish` counts from 1");
        self.seat.faults.fail_publish(number, error);
    }

    /// Asks about every message of the app before the broker gets it, those to its lanes too; an error is
    /// what the app gets then. Takes the place of an earlier one.
    pub fn refuse(&self, refuse: impl FnMut(&Message) -> Option<BrokerError> + Send + 'static) {
        self.seat.faults.refuse(Box::new(refuse));
    }

    /// Ends the app's process now, as a power cut would: nothing is finished, settled or handed back.
    pub fn crash(&self) {
        self.seat.crash();
    }

    /// Ends the process as soon as an event has arrived at this handler, before it runs. Once.
    ///
    /// # Panics
    ///
    /// When the function is no handler.
    #[track_caller]
    pub fn crash_before<H: 'static>(&self, handler: H) {
        let name = handler_name(&handler);
        self.seat.faults.crash(Moment::Arrived, name);
    }

    /// Ends the process as soon as this handler is done with an event and what it returned is stored, before
    /// the broker is told. Once.
    ///
    /// # Panics
    ///
    /// When the function is no handler.
    #[track_caller]
    pub fn crash_after<H: 'static>(&self, handler: H) {
        let name = handler_name(&handler);
        self.seat.faults.crash(Moment::Done, name);
    }

    /// Ends the app's process well, as `Running::stop` does; nothing happens if it has ended.
    ///
    /// # Panics
    ///
    /// When it does not end well.
    #[track_caller]
    pub fn stop(&self) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            self.bench.bury_the_crashed();
            let stopped = self.seat.stop(&self.bench.history).await;
            or_panic(stopped, "does not end well", caller);
        }
    }

    /// Starts the app again on the same broker, after its end; one that runs is ended well first. What its
    /// last process left unsettled comes again, after the broker's ack wait (10 s).
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
    /// let test = TestApp::start(app()).await;
    /// test.crash_after(greet);
    /// test.publish(&GuestMet { name: "Ada".into() }).await;
    /// test.restart(app()).await;
    /// test.settled().await;
    /// // It ran twice, and its answer is stored once, for it had the same id.
    /// assert_eq!(test.received::<GuestMet>(greet)[0].times, 2);
    /// test.assert_published([GuestGreeted { name: "Ada".into() }]);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When it can't start.
    #[track_caller]
    pub fn restart(&self, app: App) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            self.bench.bury_the_crashed();
            let stopped = self.seat.stop(&self.bench.history).await;
            or_panic(stopped, "does not end well", caller);
            self.bench
                .history
                .add(self.seat.app, Happened::StartedAgain);
            let begun = self.bench.begin(&self.seat, app).await;
            or_panic(begun, "can't start", caller);
        }
    }
}
