//! What can go wrong at a broker, and what that means for the caller.

use std::error::Error;
use std::fmt;

/// What a broker's error means for whoever called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BrokerErrorKind {
    /// Not answered, not connected, no leader: the same call may succeed later.
    Transient,
    /// The broker refuses this message or call and always will: too large, denied, malformed.
    Permanent,
    /// Something outside this call has to be changed by a person: address, credentials, a broker object.
    Misconfigured,
}

/// An error at a broker. The text says what was tried, what happened, and what to do about it.
#[derive(Debug)]
pub struct BrokerError {
    kind: BrokerErrorKind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl BrokerError {
    /// An error after which the same call may succeed.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(BrokerErrorKind::Transient, message)
    }

    /// An error that repeating the call cannot cure.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(BrokerErrorKind::Permanent, message)
    }

    /// An error that a person has to cure outside the program.
    pub fn misconfigured(message: impl Into<String>) -> Self {
        Self::new(BrokerErrorKind::Misconfigured, message)
    }

    fn new(kind: BrokerErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Adds what caused it.
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What it means for the caller.
    pub fn kind(&self) -> BrokerErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        self.kind == BrokerErrorKind::Transient
    }
}

impl fmt::Display for BrokerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for BrokerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
