//! The messages of a stream, by their sequence.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use tokio::time::Instant;

use crate::broker::Message;
use crate::envelope::Headers;

/// So many sequences share a piece.
const PIECE: usize = 64;

/// A message in a stream.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) subject: Arc<str>,
    pub(super) headers: Headers,
    pub(super) payload: Bytes,
    pub(super) id: Option<ByteString>,
    pub(super) at: Instant,
}

impl Kept {
    /// What is kept of a message that comes now.
    pub(super) fn new(message: Message, now: Instant) -> Self {
        let mut headers = message.headers;
        headers.retain(|name| {
            let start = name.as_bytes().first_chunk();
            !start.is_some_and(|start: &[u8; 5]| start.eq_ignore_ascii_case(b"nats-"))
        });
        Self {
            subject: message.subject.into(),
            headers,
            payload: message.payload,
            id: None,
            at: now,
        }
    }
}

/// What a stream holds: an array in pieces, by the first sequence of each, since sequences only rise. A piece goes with
/// its last message, so an old message that stays keeps no more than its piece.
#[derive(Debug, Default)]
pub(super) struct Messages {
    pieces: BTreeMap<u64, Piece>,
    held: usize,
}

#[derive(Debug)]
struct Piece {
    places: Vec<Option<Kept>>,
    held: usize,
}

impl Messages {
    pub(super) fn len(&self) -> usize {
        self.held
    }

    /// Keeps a message under a sequence above all that were kept before.
    pub(super) fn push(&mut self, sequence: u64, kept: Kept) {
        self.held += 1;
        if let Some(mut last) = self.pieces.last_entry()
            && let Some(place) = place(sequence, *last.key())
        {
            let Piece { places, held } = last.get_mut();
            // What was removed before it came has a place as well, and what waits for its time.
            places.resize_with(place, || None);
            places.push(Some(kept));
            *held += 1;
        } else {
            let mut places = Vec::with_capacity(PIECE);
            places.push(Some(kept));
            self.pieces.insert(sequence, Piece { places, held: 1 });
        }
    }

    pub(super) fn first(&self) -> Option<(u64, &Kept)> {
        self.from(0).next()
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&Kept> {
        let (first, piece) = self.pieces.range(..=sequence).next_back()?;
        piece.places.get(place(sequence, *first)?)?.as_ref()
    }

    pub(super) fn remove(&mut self, sequence: u64) {
        let Some((&first, piece)) = self.pieces.range_mut(..=sequence).next_back() else {
            return;
        };
        let kept = place(sequence, first).and_then(|place| piece.places.get_mut(place)?.take());
        if kept.is_some() {
            self.held -= 1;
            piece.held -= 1;
            if piece.held == 0 {
                self.pieces.remove(&first);
            }
        }
    }

    /// The messages at this sequence and after it, in order.
    pub(super) fn from(&self, sequence: u64) -> impl Iterator<Item = (u64, &Kept)> {
        let before = self.pieces.range(..=sequence).next_back();
        let start = before.map_or(sequence, |(first, _)| *first);
        self.pieces.range(start..).flat_map(move |(first, piece)| {
            let skipped = sequence.saturating_sub(*first);
            let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
            let sequences = (*first..).zip(&piece.places).skip(skipped);
            sequences.filter_map(|(sequence, kept)| Some((sequence, kept.as_ref()?)))
        })
    }
}

/// Where a sequence is in the piece that begins with this one, if it belongs to it.
fn place(sequence: u64, first: u64) -> Option<usize> {
    let place = usize::try_from(sequence - first).ok()?;
    (place < PIECE).then_some(place)
}
