//! Why an event is a dead letter.

use std::fmt;

/// Why an event is a dead letter; written into its header `Event-Reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// The handler's attempts are used up.
    Attempts,
    /// The handler's error says that trying again can't help.
    Rejected,
    /// The message is no event, or its data does not fit its type.
    Undecodable,
    /// An event of another name.
    UnknownName,
    /// A version newer than this program knows, for longer than a rolling deploy takes.
    NewerVersion,
    /// What the handler returned can never be published.
    Output,
}

impl Reason {
    /// The word on the wire and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Rejected => "rejected",
            Self::Undecodable => "undecodable",
            Self::UnknownName => "unknown_name",
            Self::NewerVersion => "newer_version",
            Self::Output => "output",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
