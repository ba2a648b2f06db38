//! From a message to an event: whatever can't be read is a failure with its reason.

use super::failure::{Failure, Kind, chain};
use super::job::Job;
use crate::envelope::DecodeError;
use crate::handler::{HandlerDescriptor, Reason, Received};

pub(super) fn decode(handler: &HandlerDescriptor, job: &Job) -> Result<Received, Failure> {
    (handler.decode)(job.message()).map_err(|error| {
        let kind = match &error {
            newer if newer.is_newer() => Kind::Newer,
            DecodeError::OtherEvent { .. } => Kind::Final(Reason::UnknownName),
            _ => Kind::Final(Reason::Undecodable),
        };
        Failure {
            kind,
            error: chain(&error),
        }
    })
}
