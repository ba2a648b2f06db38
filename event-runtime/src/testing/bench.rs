//! What the apps of one test share: a broker, a history, and the wait until all is settled.

use std::fmt::Write as _;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::clock;
use super::faults::Faults;
use super::history::{Happened, History};
use super::isolation::{Isolated, Names};
use super::line::Line;
use super::story;
use crate::adapters::memory::Memory;
use crate::broker::{Broker, BrokerError, Secret};
use crate::runtime::{App, Error, Running, Settings, Work, connect};

/// Where tests run: `nats://localhost:4222`, for example. In memory where it is not set.
pub(super) const VARIABLE: &str = "EVENT_TEST_BROKER";
/// How long all may take on a paused clock: longer than any policy of retries, and it takes no time.
const PAUSED_LIMIT: Duration = Duration::from_hours(24);
/// How long all may take on a clock that runs: longer than an ack wait, after which a crash shows.
const REAL_LIMIT: Duration = Duration::from_secs(30);
/// How often a server is asked; it does not tell by itself.
const POLL: Duration = Duration::from_millis(20);

/// Where the broker is.
pub(super) enum Place {
    Memory(Memory),
    Server {
        address: Secret,
        names: Names,
        settings: Box<Settings>,
    },
}

/// What the apps of one test share.
pub(super) struct Bench {
    place: Place,
    /// The test's own way to the broker: nothing on it fails by request.
    pub(super) broker: Arc<dyn Broker>,
    pub(super) history: Arc<History>,
    seats: Mutex<Vec<Arc<Seat>>>,
    limit: Mutex<Option<Duration>>,
}

/// One app: the faults that it is to meet, and its process while it has one.
pub(super) struct Seat {
    pub(super) app: usize,
    pub(super) faults: Arc<Faults>,
    process: Mutex<Option<Process>>,
}

pub(super) struct Process {
    pub(super) running: Running,
    pub(super) line: Line,
    work: Work,
}

impl Place {
    /// The place that the setting names.
    pub(super) fn chosen(app: &App) -> Self {
        let variables = app.variables();
        let address = variables.get(VARIABLE).map_or("", |address| address.trim());
        if address.is_empty() || address.starts_with("memory://") {
            return Self::memory();
        }
        Self::Server {
            address: Secret::new(address),
            names: Names::new(),
            settings: Box::new(Settings::read(&variables).0),
        }
    }

    pub(super) fn memory() -> Self {
        Self::Memory(Memory::new())
    }

    /// A connection of its own, as each process has one.
    async fn connect(&self) -> Result<Arc<dyn Broker>, Error> {
        match self {
            Self::Memory(memory) => Ok(Arc::new(memory.clone())),
            Self::Server {
                address,
                names,
                settings,
            } => {
                let broker = Box::pin(connect(address.reveal(), VARIABLE, settings)).await?;
                Ok(Arc::new(Isolated::new(broker, names.clone())))
            }
        }
    }
}

impl Bench {
    pub(super) async fn open(place: Place) -> Result<Self, Error> {
        if matches!(place, Place::Server { .. }) {
            clock::let_run();
        }
        let broker = place.connect().await?;
        Ok(Self {
            place,
            broker,
            history: Arc::default(),
            seats: Mutex::default(),
            limit: Mutex::default(),
        })
    }

    pub(super) fn new_seat(&self) -> Arc<Seat> {
        let seat = Arc::new(Seat {
            app: self.history.new_app(),
            faults: Arc::default(),
            process: Mutex::default(),
        });
        lock(&self.seats).push(Arc::clone(&seat));
        seat
    }

    /// Starts a process for an app; returns the name of its service.
    pub(super) async fn begin(&self, seat: &Seat, app: App) -> Result<String, Error> {
        let broker = self.place.connect().await?;
        let line = Line::new(
            broker,
            Arc::clone(&seat.faults),
            Arc::clone(&self.history),
            seat.app,
        );
        let app = app.broker(line.clone()).observe(line.clone());
        // Boxed, as tests hold these futures on their stacks, often several.
        let running = Box::pin(app.start()).await?;
        let mut work = running.work_here();
        // Looking must neither fail by request nor end with the process.
        work.broker = Arc::clone(&self.broker);
        let service = work.service.clone();
        self.history.name_app(seat.app, &service);
        *seat.process() = Some(Process {
            running,
            line,
            work,
        });
        Ok(service)
    }

    pub(super) fn set_limit(&self, limit: Duration) {
        *lock(&self.limit) = Some(limit);
    }

    pub(super) fn limit(&self) -> Duration {
        let default = if clock::is_paused() {
            PAUSED_LIMIT
        } else {
            REAL_LIMIT
        };
        lock(&self.limit).unwrap_or(default)
    }

    /// Waits until no app has anything left to do.
    pub(super) async fn settle(&self, caller: &Location<'_>) {
        let limit = self.limit();
        let deadline = Instant::now() + limit;
        loop {
            // Listening begins before looking, so that nothing can come in between.
            let mut next = std::pin::pin!(self.history.next_change());
            next.as_mut().enable();
            let changes = self.history.changes();
            self.bury_the_crashed();
            let left = self.left().await;
            let quiet = matches!(&left, Ok(left) if left.is_empty());
            if quiet && changes == self.history.changes() {
                return;
            }
            let now = Instant::now();
            assert!(now < deadline, "{}", self.unsettled(limit, &left, caller));
            if quiet {
                // Something moved while the broker was looked at.
                continue;
            }
            let look_again = match self.place {
                Place::Memory(_) => deadline,
                Place::Server { .. } => deadline.min(now + POLL),
            };
            let _ = tokio::time::timeout_at(look_again, next).await;
        }
    }

    /// Ends the processes that have come to where the test asked them to end.
    pub(super) fn bury_the_crashed(&self) {
        for seat in lock(&self.seats).iter() {
            let crashed = seat.process().take_if(|process| process.line.is_cut());
            drop(crashed);
        }
    }

    async fn left(&self) -> Result<Vec<String>, BrokerError> {
        let works: Vec<Work> = lock(&self.seats)
            .iter()
            .filter_map(|seat| seat.process().as_ref().map(|process| process.work.clone()))
            .collect();
        let mut lines = Vec::new();
        for work in works {
            let left = work.left().await?;
            lines.extend(left.iter().map(ToString::to_string));
        }
        Ok(lines)
    }

    fn unsettled(
        &self,
        limit: Duration,
        left: &Result<Vec<String>, BrokerError>,
        caller: &Location<'_>,
    ) -> String {
        let mut text = format!("not settled within {limit:?}, waited for at {caller}:");
        match left {
            Ok(left) if left.is_empty() => text.push_str("\n  all the time something new happens"),
            Ok(left) => {
                for line in left {
                    let _ = write!(text, "\n  {line}");
                }
            }
            Err(error) => {
                let _ = write!(text, "\n  {}", crate::consume::chain(error));
            }
        }
        if !clock::is_paused() {
            text.push_str(
                "\n  (the clock is not paused: in memory, `#[tokio::test(start_paused = true)]` makes every delay take no time)",
            );
        }
        let _ = write!(text, "\n{}", self.story());
        text
    }

    /// All that happened, under a heading, for messages.
    pub(super) fn story(&self) -> String {
        let told = story::tell(&self.history.read());
        let lines: Vec<&str> = told.lines().collect();
        let mut text = "all that happened, in order:".to_owned();
        if lines.is_empty() {
            text.push_str("\n    (nothing)");
        }
        let skipped = lines.len().saturating_sub(MOST_LINES);
        if skipped > 0 {
            let _ = write!(text, "\n    … {skipped} lines, see `history()`");
        }
        for line in &lines[skipped..] {
            let _ = write!(text, "\n    {line}");
        }
        text
    }
}

/// A message shows at most so many lines of the history, the last ones.
const MOST_LINES: usize = 200;

impl Seat {
    pub(super) fn process(&self) -> MutexGuard<'_, Option<Process>> {
        lock(&self.process)
    }

    /// Ends the process as a power cut would.
    pub(super) fn crash(&self) {
        let process = self.process().take();
        if let Some(process) = process {
            process.line.cut();
        }
    }

    /// Ends the process well.
    pub(super) async fn stop(&self, history: &History) -> Result<(), Error> {
        let process = self.process().take();
        if let Some(process) = process {
            process.running.stop().await?;
            history.add(self.app, Happened::Stopped);
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A failed assertion in one task says nothing about what is in here.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
