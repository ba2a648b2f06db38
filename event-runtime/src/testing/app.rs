//! The one type that tests use.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::bench::{Bench, Place, Seat, VARIABLE};
use super::history::Happened;
use super::{clock, story};
use crate::broker::Broker;
use crate::consume::chain;
use crate::dead_letters::{DeadLetter, DeadLetters, Filter};
use crate::envelope::Mode;
use crate::event::Event;
use crate::publish::{Provision, Published, Publisher, PublisherSettings};
use crate::runtime::App;

/// An app that runs in a test, and all that happens to it.
///
/// Everything here that can fail panics, with what was expected and all that happened. Dropping it ends the
/// app at once.
pub struct TestApp {
    pub(super) bench: Arc<Bench>,
    pub(super) seat: Arc<Seat>,
    service: String,
    /// The test's own publisher.
    publisher: Publisher,
}

impl TestApp {
    /// Starts an app: in memory, or on the server that `EVENT_TEST_BROKER` names.
    ///
    /// On a server, each `TestApp::start` has subjects and streams of its own, so tests run side by side, and
    /// the app sees the usual names. A paused clock is let run, for the server has its own.
    ///
    /// # Panics
    ///
    /// When the app can't start, or the server can't be reached.
    #[track_caller]
    pub fn start(app: App) -> impl Future<Output = Self> {
        let caller = Location::caller();
        async move {
            let place = Place::chosen(&app);
            Self::open(place, app, caller).await
        }
    }

    /// Starts an app in memory, whatever `EVENT_TEST_BROKER` says: for tests that need the paused clock.
    ///
    /// # Panics
    ///
    /// When the app can't start.
    #[track_caller]
    pub fn in_memory(app: App) -> impl Future<Output = Self> {
        Self::open(Place::memory(), app, Location::caller())
    }

    /// Starts another app on the same broker: a second service, or a second instance of one.
    ///
    /// Waiting until all is settled means all apps on that broker.
    ///
    /// # Panics
    ///
    /// When the app can't start.
    #[track_caller]
    pub fn beside(&self, app: App) -> impl Future<Output = Self> {
        Self::seat(Arc::clone(&self.bench), app, Location::caller())
    }

    async fn open(place: Place, app: App, caller: &Location<'_>) -> Self {
        let what = match place {
            Place::Memory(_) => "can't start".to_owned(),
            Place::Server { .. } => format!("can't start on the server that {VARIABLE} names"),
        };
        let bench = or_panic(Bench::open(place).await, &what, caller);
        Self::seat(Arc::new(bench), app, caller).await
    }

    async fn seat(bench: Arc<Bench>, app: App, caller: &Location<'_>) -> Self {
        let seat = bench.new_seat();
        // The history is read as structured events; what a handler sees is the same in both modes.
        let app = app.envelope(Mode::Structured);
        let service = or_panic(bench.begin(&seat, app).await, "can't start", caller);
        let publisher = Publisher::new(PublisherSettings {
            broker: Arc::clone(&bench.broker),
            service: service.clone(),
            provision: Provision::Create,
            mode: Mode::default(),
        });
        Self {
            bench,
            seat,
            service,
            publisher,
        }
    }

    /// Publishes an event, and waits until all is settled: handlers have done what there was to do, and what
    /// waited for another run has had it, however long the delay.
    ///
    /// What a test publishes so neither counts for [`fail_publish`](Self::fail_publish) nor fails, and is not
    /// among what the app has [`published`](Self::published).
    ///
    /// # Panics
    ///
    /// When it can't be published, or when not all is settled within the limit
    /// ([`set_limit`](Self::set_limit)).
    #[track_caller]
    pub fn publish<E: Event>(&self, event: &E) -> impl Future<Output = Published> {
        self.give(event, None, Location::caller())
    }

    /// As [`publish`](Self::publish), under an id of the test's choice.
    ///
    /// # Panics
    ///
    /// As [`publish`](Self::publish).
    #[track_caller]
    pub fn publish_with_id<E: Event>(
        &self,
        id: &str,
        event: &E,
    ) -> impl Future<Output = Published> {
        self.give(event, Some(id), Location::caller())
    }

    async fn give<E: Event>(
        &self,
        event: &E,
        id: Option<&str>,
        caller: &Location<'_>,
    ) -> Published {
        let prepared = self.publisher.prepare(event, id);
        let prepared = or_panic(prepared, "did not get its event", caller);
        let payload = prepared.message.payload.clone();
        self.bench
            .history
            .add(self.seat.app, Happened::Given { payload });
        let stored = self.publisher.store(prepared).await;
        let published = or_panic(stored, "did not get its event", caller);
        self.bench.settle(caller).await;
        published
    }

    /// Waits until all is settled: for what was published by the app itself.
    ///
    /// # Panics
    ///
    /// When not all is settled within the limit; the message says what is left, and all that happened.
    #[track_caller]
    pub fn settled(&self) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move { self.bench.settle(caller).await }
    }

    /// How long waiting until all is settled may take. Default 24 h where the clock is paused, as that takes
    /// no time, and 30 s where it runs.
    pub fn set_limit(&self, limit: Duration) {
        self.bench.set_limit(limit);
    }

    /// The app's own publisher, as `Running::publisher` gives it to the code beside the handlers.
    ///
    /// # Panics
    ///
    /// When the app does not run.
    #[track_caller]
    pub fn publisher(&self) -> Publisher {
        self.bench.bury_the_crashed();
        let publisher = self
            .seat
            .process()
            .as_ref()
            .map(|process| process.running.publisher());
        publisher.unwrap_or_else(|| {
            panic!(
                "`{}` does not run: `restart` it\n{}",
                self.service,
                self.bench.story()
            )
        })
    }

    /// The broker itself, for what events don't cover, such as a message that is no event.
    pub fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.bench.broker)
    }

    /// Lets time pass: what is due meanwhile runs, in its order. Takes no time where the clock is paused.
    ///
    /// # Panics
    ///
    /// When the clock runs and this would take longer than the limit.
    #[track_caller]
    pub fn advance(&self, time: Duration) -> impl Future<Output = ()> {
        let limit = self.bench.limit();
        assert!(
            clock::is_paused() || time <= limit,
            "`advance({time:?})` would take {time:?}, for the clock is not paused: say `#[tokio::test(start_paused = true)]`, and `TestApp::in_memory` for a test that is never to run on a server"
        );
        async move {
            tokio::time::sleep(time).await;
            // The clock moves on only when there is nothing left to do at that time.
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.bench.bury_the_crashed();
        }
    }

    /// The dead letters that the service has now, oldest first; see
    /// [`DeadLetters::redrive`](crate::dead_letters::DeadLetters::redrive) for their way back.
    ///
    /// # Panics
    ///
    /// When the broker does not answer.
    #[track_caller]
    pub fn dead_letters(&self) -> impl Future<Output = Vec<DeadLetter>> {
        let caller = Location::caller();
        async move {
            let letters = DeadLetters::new(self.broker(), &self.service);
            let found = letters.list(&Filter::default(), usize::MAX).await;
            or_panic(found, "can't read its dead letters", caller)
        }
    }

    /// All that happened to the apps on this broker, one line each, in order. Events are numbered as they
    /// come and no line has an id or a time in it, so it can be compared to a text.
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
    /// app.publish(&GuestMet { name: "Ada".into() }).await;
    /// assert_eq!(
    ///     app.history(),
    ///     "\
    /// the test published #1 guest.met.v1 {\"name\":\"Ada\"}
    /// greet received #1
    /// greet published #2 guest.greeted.v1 {\"name\":\"Ada\"}
    /// greet handled #1
    /// "
    /// );
    /// # }
    /// ```
    pub fn history(&self) -> String {
        story::tell(&self.bench.history.read())
    }
}

pub(super) fn or_panic<T, E: Error>(result: Result<T, E>, what: &str, caller: &Location<'_>) -> T {
    result.unwrap_or_else(|error| panic!("the app {what}, at {caller}: {}", chain(&error)))
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let process = self.seat.process().take();
        drop(process);
    }
}

impl fmt::Debug for TestApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestApp")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}
