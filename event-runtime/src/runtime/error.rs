//! Why a program did not start, or had to stop.

use std::fmt;

use crate::broker::BrokerError;
use crate::handler::Fault;

/// Why a program did not start, or had to stop.
///
/// `main` may return it: its `Debug` is the text for people, since that is what Rust prints then.
#[non_exhaustive]
pub enum Error {
    /// What has to be changed before it can start; everything that was found, together.
    Start(Vec<Fault>),
    /// The broker can't be used.
    Broker(BrokerError),
    /// A handler gets no events any more.
    Handler {
        /// Its name.
        handler: String,
        /// Why.
        source: BrokerError,
    },
    /// Not everything was finished and acknowledged when the grace was over; the broker delivers again what is not acknowledged.
    Unclean {
        /// What was left.
        what: String,
    },
    /// A command could not do what it was asked for.
    Command(String),
}

impl From<BrokerError> for Error {
    fn from(error: BrokerError) -> Self {
        Self::Broker(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(faults) if faults.len() == 1 => {
                write!(f, "the program can't start: {}", faults[0])
            }
            Self::Start(faults) => {
                write!(f, "the program can't start, for {} reasons:", faults.len())?;
                faults
                    .iter()
                    .try_for_each(|fault| write!(f, "\n  - {fault}"))
            }
            Self::Broker(error) => write!(f, "{error}"),
            Self::Handler { handler, .. } => {
                write!(f, "the handler `{handler}` gets no events any more")
            }
            Self::Unclean { what } => write!(
                f,
                "stopped before all was done: {what}; the broker delivers again what is not acknowledged"
            ),
            Self::Command(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::consume::chain(self))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Its text is the first line already.
            Self::Broker(error) => std::error::Error::source(error),
            Self::Handler { source, .. } => Some(source),
            Self::Start(_) | Self::Unclean { .. } | Self::Command(_) => None,
        }
    }
}
