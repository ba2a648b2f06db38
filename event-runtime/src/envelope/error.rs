//! Why a message is no event of ours.

use crate::event::VersionError;

/// A message that is no valid CloudEvent, with the rule that it breaks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// No bytes at all.
    #[error("not a CloudEvent: the message is empty")]
    Empty,
    /// JSON is UTF-8.
    #[error("not a CloudEvent: the message is not UTF-8 after byte {valid_up_to}")]
    NotUtf8 {
        /// How many bytes are valid.
        valid_up_to: usize,
    },
    /// Not JSON, or no object.
    #[error("not a CloudEvent: the message is not a JSON object")]
    NotJson(#[source] serde_json::Error),
    /// A required attribute is not there.
    #[error("not a CloudEvent: the attribute `{attribute}` is missing")]
    Missing {
        /// Its name.
        attribute: &'static str,
    },
    /// An attribute breaks a rule of the specification.
    #[error("not a CloudEvent: the attribute `{attribute}` breaks the rule that it {rule}")]
    Rule {
        /// Its name.
        attribute: String,
        /// The rule.
        rule: &'static str,
    },
    /// Data in a form that typed events don't have.
    #[error("the event's data is binary (`data_base64`), and this handler reads JSON")]
    BinaryData,
}

impl EnvelopeError {
    pub(super) fn rule(attribute: &str, rule: &'static str) -> Self {
        // A hostile name would fill the log.
        Self::Rule {
            attribute: attribute.chars().take(64).collect(),
            rule,
        }
    }
}

/// A message couldn't be read as the wanted event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No valid CloudEvent.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// A valid CloudEvent of another name.
    #[error("the event is a `{found}`, and this handler takes `{wanted}`")]
    OtherEvent {
        /// The type on the wire.
        found: String,
        /// The event's name.
        wanted: &'static str,
    },
    /// The right name, but a version or data that can't be read.
    #[error(transparent)]
    Version(#[from] VersionError),
}

impl DecodeError {
    /// Whether a newer program may be able to read it.
    pub fn is_newer(&self) -> bool {
        matches!(self, Self::Version(VersionError::Newer { .. }))
    }
}
