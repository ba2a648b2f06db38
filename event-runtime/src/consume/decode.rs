//! From a message to an event: whatever can't be read is a failure with its reason.

use super::failure::{Failure, Kind, chain};
use super::job::Job;
use crate::envelope::DecodeError;
use crate::handler::{HandlerPlan, Reason, Received};

/// The event; `None` for one of another name that the handler passes over.
pub(super) fn decode(plan: &HandlerPlan, job: &Job) -> Result<Option<Received>, Failure> {
    let error = match (plan.descriptor.decode)(job.message()) {
        Ok(received) => return Ok(Some(received)),
        Err(DecodeError::OtherEvent { found, wanted })
            if plan.skips_others && !is_form_of(&found, wanted) =>
        {
            return Ok(None);
        }
        Err(error) => error,
    };
    let kind = match &error {
        newer if newer.is_newer() => Kind::Newer,
        DecodeError::OtherEvent { .. } => Kind::Final(Reason::UnknownName),
        _ => Kind::Final(Reason::Undecodable),
    };
    Err(Failure {
        kind,
        error: chain(&error),
    })
}

/// `order.placed` or `order.placed.v01`: meant for this handler, though its version is none.
fn is_form_of(found: &str, name: &str) -> bool {
    let Some(version) = found.strip_prefix(name) else {
        return false;
    };
    let digits = |version: &str| version.bytes().all(|byte| byte.is_ascii_digit());
    version.is_empty() || version.strip_prefix(".v").is_some_and(digits)
}
