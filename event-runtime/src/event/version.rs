//! The chain of versions: an old event is read as what it was, and made into what is wanted.

use std::error::Error;
use std::fmt::Display;

use super::{Event, Read, TopicTemplate};

/// The end of a chain of versions. No value of it exists.
#[derive(Debug, Clone, Copy)]
pub enum NoPrevious {}

/// The version before, if there is one: any [`Event`], or [`NoPrevious`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event, so it can't be the version before one",
    label = "not an event",
    note = "`upcast_from` names the struct of the version before, with its own `#[derive(Event)]`"
)]
pub trait PreviousVersion: Sized + sealed::Sealed {
    /// Name, version and topic, if there is one.
    #[doc(hidden)]
    const FORM: Option<(&'static str, u32, TopicTemplate)>;

    /// Whether its messages have no envelope, and so no version.
    #[doc(hidden)]
    const BARE: bool;

    /// Reads `data`, which was written as `version`.
    #[doc(hidden)]
    fn read(version: u32, data: &str, newest: u32) -> Result<Self, VersionError>;

    /// What is before, as data.
    #[doc(hidden)]
    fn descriptor() -> Option<&'static super::EventDescriptor>;
}

mod sealed {
    pub trait Sealed {}
    impl<E: super::Event> Sealed for E {}
    impl Sealed for super::NoPrevious {}
}

#[diagnostic::do_not_recommend]
impl<E: Event> PreviousVersion for E {
    const FORM: Option<(&'static str, u32, TopicTemplate)> = Some((E::NAME, E::VERSION, E::TOPIC));
    const BARE: bool = <E as Event>::BARE;

    fn read(version: u32, data: &str, newest: u32) -> Result<Self, VersionError> {
        if version == E::VERSION {
            return serde_json::from_str(data)
                .map(|Read(event)| event)
                .map_err(VersionError::Data);
        }
        if version > E::VERSION {
            // Between two links of the chain, or after its end: nobody here knows its form.
            return Err(if version > newest {
                VersionError::Newer {
                    found: version,
                    newest,
                }
            } else {
                VersionError::Unknown {
                    found: version,
                    newest,
                }
            });
        }
        let previous = E::Previous::read(version, data, newest)?;
        E::upcast(previous).map_err(VersionError::Upcast)
    }

    fn descriptor() -> Option<&'static super::EventDescriptor> {
        Some(<E as Event>::descriptor())
    }
}

impl PreviousVersion for NoPrevious {
    const FORM: Option<(&'static str, u32, TopicTemplate)> = None;
    const BARE: bool = false;

    fn read(version: u32, _: &str, newest: u32) -> Result<Self, VersionError> {
        Err(VersionError::Unknown {
            found: version,
            newest,
        })
    }

    fn descriptor() -> Option<&'static super::EventDescriptor> {
        None
    }
}

/// Reads `data`, which was written as `version` of the event `E`, and makes `E` out of it.
pub(crate) fn read<E: Event>(version: u32, data: &str) -> Result<E, VersionError> {
    <E as PreviousVersion>::read(version, data, E::VERSION)
}

/// Splits a wire type into name and version: `order.placed.v2`. `None` where it has no version.
pub fn parse_wire_type(wire_type: &str) -> Option<(&str, u32)> {
    let (name, version) = wire_type.rsplit_once(".v")?;
    let plain = !version.starts_with(['0', '+']);
    (plain && !name.is_empty()).then_some((name, version.parse().ok()?))
}

/// An event of an earlier version couldn't be made into the next one.
#[derive(Debug, thiserror::Error)]
#[error("version {from} of `{name}` could not be made into version {to}")]
pub struct UpcastError {
    name: &'static str,
    from: u32,
    to: u32,
    source: Box<dyn Error + Send + Sync>,
}

impl UpcastError {
    /// For generated code: wraps what `TryFrom` answered.
    #[doc(hidden)]
    pub fn new<E: Event>(from: u32, source: impl Display) -> Self {
        Self {
            name: E::NAME,
            from,
            to: E::VERSION,
            source: source.to_string().into(),
        }
    }
}

/// The data of an event couldn't be read as the wanted version.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// Written by a newer program; a newer one of ours may read it.
    #[error(
        "the event is version {found}, and this program knows versions up to {newest}: deploy one that knows it"
    )]
    Newer {
        /// The version that the event says it is.
        found: u32,
        /// The newest version known here.
        newest: u32,
    },
    /// A version that is not in the chain.
    #[error(
        "the event is version {found}, which is not in the chain of `upcast_from` that ends in version {newest}"
    )]
    Unknown {
        /// The version that the event says it is.
        found: u32,
        /// The newest version known here.
        newest: u32,
    },
    /// The data is not what the version says.
    #[error("the event's data does not fit its type")]
    Data(#[source] serde_json::Error),
    /// The conversion from an earlier version failed.
    #[error(transparent)]
    Upcast(UpcastError),
}

#[cfg(test)]
mod tests {
    use super::parse_wire_type;

    #[test]
    fn a_wire_type_ends_in_its_version() {
        assert_eq!(
            parse_wire_type("order.placed.v2"),
            Some(("order.placed", 2))
        );
        assert_eq!(parse_wire_type("a.v1.v12"), Some(("a.v1", 12)));
        for other in [
            "order.placed",
            "order.placed.v",
            "order.placed.v02",
            ".v1",
            "order.placed.v-1",
            "x.v+1",
        ] {
            assert_eq!(parse_wire_type(other), None, "{other}");
        }
    }
}
