//! What the code of a handler of batches may name.

pub use crate::handler::{Batch, BatchOptions, ReturnedFromBatch};

use super::{BoxedEvent, HandlerError, Outcome};
use crate::event::EventDescriptor;
use crate::handler::Collected;

/// The batch as its own type again. The descriptor's `decode` and `invoke` are made for the same type; a type that
/// is no event is refused at the former.
pub fn batch<E: 'static>(batch: BoxedEvent) -> Result<Batch<E>, Outcome> {
    let collected = batch.downcast::<Collected>().ok();
    collected.and_then(|batch| batch.typed()).ok_or_else(|| {
        Outcome::Failed(HandlerError::reject(
            "the batch is not of the handler's type: this is a bug of event-runtime",
        ))
    })
}

/// The events that a handler of batches may return: none.
pub fn describe_batch<R: ReturnedFromBatch>(_: &mut Vec<&'static EventDescriptor>) {}
