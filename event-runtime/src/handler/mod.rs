//! What a handler is to the runtime: a descriptor found at link time, what its arguments are made from, and
//! what becomes of what it returns.

mod batch;
mod catalog;
mod context;
mod descriptor;
mod error;
mod events;
mod extract;
mod middleware;
mod outcome;
mod plan;
mod reason;
mod set;
mod state;

pub(crate) use self::batch::{Arrivals, Collected, Failures};
pub use self::batch::{Batch, BatchPolicy, IntoHandlerError};
#[doc(hidden)]
pub use self::batch::{BatchOptions, Plain, Reported, ReturnedFromBatch};
pub(crate) use self::catalog::Catalog;
pub use self::catalog::Fault;
pub(crate) use self::context::Arrival;
pub use self::context::{Context, Metadata};
pub use self::descriptor::{
    BoxedEvent, HandlerDescriptor, HandlerOptions, Received, RetryPolicy, StartOption,
};
pub use self::error::{Class, Classifier, Classify, HandlerError, classify};
pub use self::extract::{Extract, Needs, State};
pub use self::middleware::{BoxFuture, Call, Middleware, Next};
pub use self::outcome::{IntoEvents, Outcome, Returned};
pub(crate) use self::plan::{Defaults, FETCHED_AHEAD};
pub use self::plan::{HandlerPlan, Overrides};
pub use self::reason::Reason;
pub use self::set::HandlerSet;
pub use self::state::States;
