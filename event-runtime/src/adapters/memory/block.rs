//! Room for what stays.

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

/// So many bytes share an allocation.
const BLOCK: usize = 64 * 1024;
/// More bytes stay in their own.
const SMALL: usize = 4 * 1024;

/// Keeps side by side what stays for as long as its neighbours: bodies of events, and ids. Had each an allocation of its own, the allocator would ask the system for memory
/// all the time; so what the publisher allocated is free for its next event.
#[derive(Debug, Default)]
pub(super) struct Block(BytesMut);

impl Block {
    pub(super) fn keep(&mut self, bytes: Bytes) -> Bytes {
        if bytes.len() > SMALL {
            bytes
        } else {
            self.copy(&bytes)
        }
    }

    pub(super) fn keep_text(&mut self, text: &str) -> ByteString {
        let kept = self.copy(text.as_bytes());
        kept.try_into().expect("what was text is text")
    }

    fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if self.0.capacity() < bytes.len() {
            self.0 = BytesMut::with_capacity(BLOCK.max(bytes.len()));
        }
        self.0.extend_from_slice(bytes);
        self.0.split().freeze()
    }
}
