//! How a run failed.

use std::time::Duration;

use crate::handler::{Class, HandlerError, Reason};

/// A run that failed: what may be done about it, and the text for people.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    /// The error and its causes, outermost first.
    pub(super) error: String,
}

/// What may be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Run again, by the handler's policy, or after the time that the error names.
    Retry { after: Option<Duration> },
    /// Run again, by the budget for rolling deploys.
    Newer,
    /// Never run again.
    Final(Reason),
}

impl Failure {
    pub(super) fn last(reason: Reason, error: String) -> Self {
        Self {
            kind: Kind::Final(reason),
            error,
        }
    }
}

impl From<HandlerError> for Failure {
    fn from(error: HandlerError) -> Self {
        let kind = match error.class() {
            Class::Retry { after } => Kind::Retry { after },
            Class::Reject => Kind::Final(Reason::Rejected),
        };
        Self {
            kind,
            error: error.to_string(),
        }
    }
}

/// An error and its causes, as one text.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // A transparent wrapper says what its source says; once is enough.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
