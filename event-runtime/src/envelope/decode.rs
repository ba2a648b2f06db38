//! Reads an event: in one pass where it is what we expect, and with care where it is not.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::given::Name;
use super::incoming::{Incoming, Mode};
use super::seen::{ONCE, Seen};
use super::{Attributes, DecodeError, EnvelopeError, binary};
use crate::event::{self, Event};

/// Reads a message as the event `E`, in either mode, whatever version of it was written.
pub fn decode<'a, E: Event>(
    message: impl Into<Incoming<'a>>,
) -> Result<(Attributes, E), DecodeError> {
    let message = message.into();
    let mut seen = Seen::default();
    let event = read_event::<E>(message, &mut seen)?;
    Ok((seen.attributes(message.payload), event))
}

/// Reads a message as the event `E`, and its attributes as places in the body.
#[cfg(feature = "runtime")]
pub(crate) fn decode_boxed<E: Event>(
    message: Incoming<'_>,
    seen: &mut Seen,
) -> Result<Box<E>, DecodeError> {
    read_event::<E>(message, seen).map(Box::new)
}

/// Reads the attributes alone.
pub fn read_attributes<'a>(message: impl Into<Incoming<'a>>) -> Result<Attributes, EnvelopeError> {
    let message = message.into();
    let seen = see_attributes(message)?;
    Ok(seen.attributes(message.payload))
}

/// Reads the attributes alone, as places in the body.
pub(crate) fn see_attributes(message: Incoming<'_>) -> Result<Seen, EnvelopeError> {
    match message.mode() {
        Mode::Binary => binary::read_attributes(message.headers),
        Mode::Structured => {
            let mut seen = Seen::default();
            read::<Raw>(text(message.payload)?, &mut seen).map_err(EnvelopeError::NotJson)??;
            Ok(seen)
        }
    }
}

fn read_event<E: Event>(message: Incoming<'_>, seen: &mut Seen) -> Result<E, DecodeError> {
    let data = if E::BARE {
        let (bare, event) = message.bare()?;
        *seen = bare;
        return Ok(event);
    } else if message.mode() == Mode::Binary {
        *seen = binary::read_attributes(message.headers)?;
        data(message.payload)?
    } else {
        match structured(message.payload, seen)? {
            Data::Typed(event) => return Ok(event),
            Data::Raw(raw) => raw,
        }
    };
    let found = seen.event_type.text(message.payload).unwrap_or_default();
    let Some((_, version)) = event::parse_wire_type(found).filter(|(name, _)| *name == E::NAME)
    else {
        return Err(DecodeError::OtherEvent {
            found: found.to_owned(),
            wanted: E::NAME,
        });
    };
    Ok(event::read::<E>(version, data)?)
}

fn structured<'a, E: Event>(
    payload: &'a [u8],
    seen: &mut Seen,
) -> Result<Data<'a, E>, EnvelopeError> {
    let text = text(payload)?;
    // As nearly all events arrive. Whatever is amiss is found again, and said, by the reader that takes its time.
    if let Some(event) = plain(text, seen) {
        return Ok(Data::Typed(event));
    }
    *seen = Seen::default();
    if let Ok(data) = read::<Typed<E>>(text, seen) {
        return data;
    }
    // Either the envelope is broken or the data is; only a second look can tell.
    *seen = Seen::default();
    let raw = read::<Raw>(text, seen).map_err(EnvelopeError::NotJson)??;
    Ok(Data::Raw(raw))
}

/// An event of exactly this type, in an envelope as this library writes it.
fn plain<E: Event>(text: &str, seen: &mut Seen) -> Option<E> {
    let data = seen.take_plain(text)?;
    if seen.event_type.of_text(text)? != E::WIRE_TYPE {
        return None;
    }
    let event::Read(event) = serde_json::from_str(data).ok()?;
    Some(event)
}

/// The body of an event in binary mode: its data, or none.
fn data(payload: &[u8]) -> Result<&str, EnvelopeError> {
    if payload.is_empty() {
        return Ok(Raw::absent());
    }
    text(payload)
}

fn text(payload: &[u8]) -> Result<&str, EnvelopeError> {
    if payload.is_empty() {
        return Err(EnvelopeError::Empty);
    }
    std::str::from_utf8(payload).map_err(|error| EnvelopeError::NotUtf8 {
        valid_up_to: error.valid_up_to(),
    })
}

/// Reads an envelope: the outer error is one of JSON or of the data, the inner one breaks a rule of attributes.
fn read<'de, R: ReadData<'de>>(
    text: &'de str,
    seen: &mut Seen,
) -> Result<Result<R::Data, EnvelopeError>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let reader = Reader::<R> {
        text,
        seen,
        data: PhantomData,
    };
    let data = reader.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(data)
}

/// How `data` is read, given the type if that was seen before it.
trait ReadData<'de> {
    type Data;
    fn read<A: MapAccess<'de>>(event_type: &str, map: &mut A) -> Result<Self::Data, A::Error>;
    fn absent() -> Self::Data;
}

enum Data<'de, E> {
    Typed(E),
    Raw(&'de str),
}

struct Typed<E>(PhantomData<E>);

impl<'de, E: Event> ReadData<'de> for Typed<E> {
    type Data = Data<'de, E>;

    fn read<A: MapAccess<'de>>(event_type: &str, map: &mut A) -> Result<Self::Data, A::Error> {
        if event_type == E::WIRE_TYPE {
            map.next_value()
                .map(|event::Read(event)| Data::Typed(event))
        } else {
            Raw::read(event_type, map).map(Data::Raw)
        }
    }

    fn absent() -> Self::Data {
        Data::Raw(Raw::absent())
    }
}

struct Raw;

impl<'de> ReadData<'de> for Raw {
    type Data = &'de str;

    fn read<A: MapAccess<'de>>(_: &str, map: &mut A) -> Result<Self::Data, A::Error> {
        map.next_value::<&RawValue>().map(RawValue::get)
    }

    fn absent() -> Self::Data {
        "null"
    }
}

/// Reads an envelope into what is seen of it.
struct Reader<'a, R> {
    text: &'a str,
    seen: &'a mut Seen,
    data: PhantomData<R>,
}

impl<'de, R: ReadData<'de>> DeserializeSeed<'de> for Reader<'_, R> {
    type Value = Result<R::Data, EnvelopeError>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, R: ReadData<'de>> Visitor<'de> for Reader<'_, R> {
    type Value = Result<R::Data, EnvelopeError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object with the attributes of a CloudEvent")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self { text, seen, .. } = self;
        let mut broken = None;
        let mut data = None;
        let mut base64 = false;
        while let Some(Name(name)) = map.next_key()? {
            match &*name {
                "data" => {
                    let event_type = seen.event_type.of_text(text).unwrap_or_default();
                    let read = R::read(event_type, &mut map)?;
                    if data.replace(read).is_some() {
                        broken.get_or_insert(EnvelopeError::rule(&name, ONCE));
                    }
                }
                "data_base64" => base64 |= map.next_value::<Option<IgnoredAny>>()?.is_some(),
                _ => {
                    if let Err(error) = seen.set(&name, map.next_value()?, text.as_bytes()) {
                        broken.get_or_insert(error);
                    }
                }
            }
        }
        if base64 {
            let both = || EnvelopeError::rule("data_base64", "is never beside `data`");
            let error = data.as_ref().map_or(EnvelopeError::BinaryData, |_| both());
            broken.get_or_insert(error);
        }
        let checked = broken.map_or_else(|| seen.check(), Err);
        Ok(checked.map(|()| data.unwrap_or_else(R::absent)))
    }
}
