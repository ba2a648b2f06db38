//! Reads an event: in one pass where it is what we expect, and with care where it is not.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::attributes::ONCE;
use super::given::{Given, Name};
use super::incoming::{Incoming, Mode};
use super::{Attributes, DecodeError, EnvelopeError, binary};
use crate::event::{self, Event};

/// Reads a message as the event `E`, in either mode, whatever version of it was written.
pub fn decode<'a, E: Event>(
    message: impl Into<Incoming<'a>>,
) -> Result<(Attributes, E), DecodeError> {
    let message = message.into();
    if E::BARE {
        return Ok(message.bare()?);
    }
    let (attributes, data) = match message.mode() {
        Mode::Binary => {
            let attributes = binary::read_attributes(message.headers)?;
            (attributes, data(message.payload)?)
        }
        Mode::Structured => match structured(&message)? {
            (attributes, Data::Typed(event)) => return Ok((attributes, event)),
            (attributes, Data::Raw(raw)) => (attributes, raw),
        },
    };
    let found = event::parse_wire_type(&attributes.event_type);
    let Some((_, version)) = found.filter(|(name, _)| *name == E::NAME) else {
        return Err(DecodeError::OtherEvent {
            found: attributes.event_type.into(),
            wanted: E::NAME,
        });
    };
    let event = event::read::<E>(version, data)?;
    Ok((attributes, event))
}

/// Reads the attributes alone.
pub fn read_attributes<'a>(message: impl Into<Incoming<'a>>) -> Result<Attributes, EnvelopeError> {
    let message = message.into();
    match message.mode() {
        Mode::Binary => binary::read_attributes(message.headers),
        Mode::Structured => {
            let text = text(message.payload)?;
            let envelope = read::<Raw>(text, message.bytes).map_err(EnvelopeError::NotJson)?;
            Ok(envelope.check()?.0)
        }
    }
}

fn structured<'a, E: Event>(
    message: &Incoming<'a>,
) -> Result<(Attributes, Data<'a, E>), EnvelopeError> {
    let text = text(message.payload)?;
    if let Ok(envelope) = read::<Typed<E>>(text, message.bytes) {
        return envelope.check();
    }
    // Either the envelope is broken or the data is; only a second look can tell.
    let envelope = read::<Raw>(text, message.bytes).map_err(EnvelopeError::NotJson)?;
    let (attributes, raw) = envelope.check()?;
    Ok((attributes, Data::Raw(raw)))
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

fn read<'de, R: ReadData<'de>>(
    text: &'de str,
    bytes: Option<&Bytes>,
) -> Result<Envelope<R::Data>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let envelope = Reader::<R>(bytes, PhantomData).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(envelope)
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

struct Envelope<D> {
    attributes: Attributes,
    saw_spec_version: bool,
    broken: Option<EnvelopeError>,
    data: D,
}

impl<D> Envelope<D> {
    fn check(self) -> Result<(Attributes, D), EnvelopeError> {
        match self.broken {
            Some(error) => Err(error),
            None => Ok((self.attributes.check(self.saw_spec_version)?, self.data)),
        }
    }
}

/// Reads a message, whose bytes its attributes may share.
struct Reader<'a, R>(Option<&'a Bytes>, PhantomData<R>);

impl<'de, R: ReadData<'de>> DeserializeSeed<'de> for Reader<'_, R> {
    type Value = Envelope<R::Data>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, R: ReadData<'de>> Visitor<'de> for Reader<'_, R> {
    type Value = Envelope<R::Data>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object with the attributes of a CloudEvent")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut attributes = Attributes::default();
        let mut saw_spec_version = false;
        let mut broken = None;
        let mut data = None;
        let mut base64 = false;
        while let Some(Name(name)) = map.next_key()? {
            match &*name {
                "data" => {
                    let read = R::read(&attributes.event_type, &mut map)?;
                    if data.replace(read).is_some() {
                        broken.get_or_insert(EnvelopeError::rule(&name, ONCE));
                    }
                }
                "data_base64" => base64 |= map.next_value::<Option<IgnoredAny>>()?.is_some(),
                _ => {
                    let value = map.next_value::<Given<'_>>()?;
                    saw_spec_version |= name == "specversion" && !matches!(value, Given::Null);
                    if let Err(error) = attributes.set(&name, value, self.0) {
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
        Ok(Envelope {
            attributes,
            saw_spec_version,
            broken,
            data: data.unwrap_or_else(R::absent),
        })
    }
}
