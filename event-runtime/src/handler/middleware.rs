//! What runs around every handler, for what nobody here thought of.

use std::fmt;
use std::sync::Arc;

pub use futures_util::future::BoxFuture;

use super::{BoxedEvent, Context, HandlerDescriptor, Metadata, Outcome};

/// Runs around each run of each handler: `App::middleware` adds one.
///
/// It is called once the event is decoded, within the handler's timeout, and again for each further attempt.
/// A panic in it is like one in the handler. To end a run before the handler, return
/// `Outcome::Failed(HandlerError::reject("…"))` or `HandlerError::retry("…")` without calling [`Next::run`].
/// The first one added is the outermost.
///
/// Around a handler of batches it is called once for each run of a batch, the runs of its halves included:
/// [`Call::metadata`] is that of the first event, and `call.context().batch()` has each event's. A panic or error in
/// it fails the run, so the batch is split.
///
/// ```
/// use event_runtime::handler::{BoxFuture, Call, Middleware, Next, Outcome};
///
/// #[derive(Debug)]
/// struct Timing;
///
/// impl Middleware for Timing {
///     fn around<'a>(&'a self, call: &'a Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
///         Box::pin(async move {
///             let start = std::time::Instant::now();
///             let outcome = next.run().await;
///             let (handler, attempt) = (call.handler(), call.metadata().attempt);
///             println!("{handler}, attempt {attempt}: {:?} after {:?}", outcome, start.elapsed());
///             outcome
///         })
///     }
/// }
///
/// let app = event_runtime::App::new().middleware(Timing);
/// ```
pub trait Middleware: fmt::Debug + Send + Sync + 'static {
    /// Does something before, calls `next`, does something after, and returns what the run comes to.
    fn around<'a>(&'a self, call: &'a Call, next: Next<'a>) -> BoxFuture<'a, Outcome>;
}

/// One run of one handler, as middleware sees it.
#[derive(Debug)]
pub struct Call {
    handler: &'static str,
    context: Context,
}

impl Call {
    /// The handler's name.
    pub fn handler(&self) -> &'static str {
        self.handler
    }

    /// The event's id, topic, attempt and the like; those of the first event of a batch.
    pub fn metadata(&self) -> &Metadata {
        self.context.metadata()
    }

    /// What the handler's arguments are made from: the app's state, and a publisher whose events are caused
    /// by this one.
    pub fn context(&self) -> &Context {
        &self.context
    }
}

/// What is left to run: the middleware added later, and the handler.
pub struct Next<'a> {
    rest: &'a [Arc<dyn Middleware>],
    call: &'a Call,
    event: BoxedEvent,
    invoke: Invoke,
}

type Invoke = fn(BoxedEvent, Context) -> BoxFuture<'static, Outcome>;

impl<'a> Next<'a> {
    /// Runs it, to its outcome.
    pub fn run(self) -> BoxFuture<'a, Outcome> {
        match self.rest.split_first() {
            Some((first, rest)) => first.around(self.call, Next { rest, ..self }),
            None => (self.invoke)(self.event, self.call.context.clone()),
        }
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next")
            .field("rest", &self.rest)
            .finish_non_exhaustive()
    }
}

impl HandlerDescriptor {
    /// Runs the handler once on this event, with the middleware around it.
    pub(crate) fn run<'a>(
        &'a self,
        event: BoxedEvent,
        context: Context,
        middleware: &'a [Arc<dyn Middleware>],
    ) -> BoxFuture<'a, Outcome> {
        if middleware.is_empty() {
            return (self.invoke)(event, context);
        }
        Box::pin(async move {
            let call = Call {
                handler: self.name,
                context,
            };
            let next = Next {
                rest: middleware,
                call: &call,
                event,
                invoke: self.invoke,
            };
            next.run().await
        })
    }
}
