//! One handler with all its settings decided: attribute over environment over app over default.

use std::time::Duration;

use super::batch::MOST;
use super::{BatchPolicy, Fault, HandlerDescriptor, RetryPolicy};
use crate::broker::Start;
use crate::event::{EventDescriptor, TopicTemplate};

/// Never more than this is asked of a broker at once, nor fetched ahead.
pub(crate) const MOST_AHEAD: usize = 5000;

/// Settings for handlers that say nothing themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Defaults {
    /// Events handled at once by one process. Default 16.
    pub(crate) concurrency: usize,
    /// The longest that one run may take. Default 20 s.
    pub(crate) timeout: Duration,
    /// How often and after which delays a failed event is run again.
    pub(crate) retry: RetryPolicy,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            concurrency: 16,
            timeout: Duration::from_secs(20),
            retry: RetryPolicy::default(),
        }
    }
}

/// What the environment says about one handler, over what its attribute says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overrides {
    /// `EVENT_HANDLER_…_CONCURRENCY`
    pub concurrency: Option<usize>,
    /// `EVENT_HANDLER_…_TASKS`
    pub tasks: Option<usize>,
    /// `EVENT_HANDLER_…_BATCH_MAX`
    pub batch_max: Option<usize>,
    /// `EVENT_HANDLER_…_BATCH_WAIT`
    pub batch_wait: Option<Duration>,
    /// `EVENT_HANDLER_…_TIMEOUT`
    pub timeout: Option<Duration>,
    /// `EVENT_HANDLER_…_RETRY_MAX`
    pub retry_max: Option<u32>,
    /// `EVENT_HANDLER_…_RETRY_BASE`
    pub retry_base: Option<Duration>,
    /// `EVENT_HANDLER_…_RETRY_CAP`
    pub retry_cap: Option<Duration>,
}

/// One handler with all its settings decided.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HandlerPlan {
    pub(crate) descriptor: &'static HandlerDescriptor,
    /// The event that it takes.
    pub event: &'static EventDescriptor,
    /// The events that it may return.
    pub returns: Vec<&'static EventDescriptor>,
    /// The subjects that it consumes.
    pub filter: String,
    /// Where it begins on a stream that already holds matching events.
    pub start: Option<Start>,
    /// Events, or batches, handled at once by one process.
    pub concurrency: usize,
    /// Tasks that share the runs: so many of them can use a thread each.
    pub tasks: usize,
    /// How large batches are, for a handler that takes them.
    pub batch: Option<BatchPolicy>,
    /// The longest that one run may take.
    pub timeout: Duration,
    /// How often and after which delays a failed event is run again.
    pub retry: RetryPolicy,
    /// Whether events of other names are passed over (`others = "skip"`) instead of kept as dead letters.
    pub skips_others: bool,
    /// Whether this process runs it (`EVENT_HANDLERS`).
    pub runs_here: bool,
}

impl HandlerPlan {
    /// All handlers that are linked into this program, with the defaults, sorted by name: also those that
    /// `App::only` leaves out.
    pub fn linked() -> Vec<Self> {
        let defaults = Defaults::default();
        HandlerDescriptor::linked()
            .into_iter()
            .map(|handler| Self::new(handler, &defaults, &Overrides::default()).0)
            .collect()
    }

    pub(super) fn new(
        descriptor: &'static HandlerDescriptor,
        defaults: &Defaults,
        own: &Overrides,
    ) -> (Self, Vec<Fault>) {
        let mut faults = Vec::new();
        let mut fault = |problem: &str| {
            let HandlerDescriptor {
                name, file, line, ..
            } = descriptor;
            faults.push(Fault::new(format!(
                "the handler `{name}` ({file}:{line}): {problem}"
            )));
        };
        let event = (descriptor.event)();
        let options = descriptor.options;
        let mut returns = Vec::new();
        (descriptor.returns)(&mut returns);
        let filter = filter(event.topic, options.filter).unwrap_or_else(|problem| {
            fault(&problem);
            event.topic.pattern()
        });
        let start = match options.start.map(super::StartOption::start).transpose() {
            Ok(start) => start,
            Err(problem) => {
                fault(&problem);
                None
            }
        };
        let retry = RetryPolicy {
            max: own
                .retry_max
                .or(options.retry_max)
                .unwrap_or(defaults.retry.max),
            base: own
                .retry_base
                .or(options.retry_base)
                .unwrap_or(defaults.retry.base),
            cap: own
                .retry_cap
                .or(options.retry_cap)
                .unwrap_or(defaults.retry.cap),
        };
        let concurrency = own
            .concurrency
            .or(options.concurrency)
            .unwrap_or(defaults.concurrency);
        let timeout = own.timeout.or(options.timeout).unwrap_or(defaults.timeout);
        if concurrency == 0 {
            fault("`concurrency` is 0, and nothing would ever run: write at least 1");
        }
        let tasks = own.tasks.or(options.tasks).unwrap_or(1);
        if tasks == 0 {
            fault("`tasks` is 0, and nothing would ever run: write at least 1");
        }
        if tasks > concurrency {
            fault(&format!(
                "`tasks = {tasks}` is more than the {concurrency} that run at once, and the others would idle: write `concurrency = {tasks}` as well, or fewer tasks"
            ));
        }
        let batch = options.batch.map(|options| {
            let BatchPolicy { max, wait } = BatchPolicy::default();
            BatchPolicy {
                max: own.batch_max.or(options.max).unwrap_or(max),
                wait: own.batch_wait.or(options.wait).unwrap_or(wait),
            }
        });
        if batch.is_none() && (own.batch_max.is_some() || own.batch_wait.is_some()) {
            fault(
                "its environment has a `…_BATCH_…`, and it takes one event at a time: leave the variable out, or take a `Batch<…>`",
            );
        }
        if batch.is_some_and(|batch| !(1..=MOST).contains(&batch.max)) {
            fault(&format!("`max` of a batch is a number from 1 to {MOST}"));
        }
        if timeout.is_zero() {
            fault("`timeout` is 0, and nothing would ever finish: write a longer one");
        }
        if retry.max == 0 {
            fault("`retry(max = …)` is 0, and an event runs at least once: write at least 1");
        }
        let plan = Self {
            descriptor,
            event,
            returns,
            filter,
            start,
            concurrency,
            tasks,
            batch,
            timeout,
            retry,
            skips_others: options.skip_others,
            runs_here: true,
        };
        (plan, faults)
    }

    /// The handler's name.
    pub fn name(&self) -> &'static str {
        self.descriptor.name
    }

    /// The source file and line of its function.
    pub fn place(&self) -> (&'static str, u32) {
        (self.descriptor.file, self.descriptor.line)
    }

    /// The crate of its function, as code names it.
    pub fn home(&self) -> &'static str {
        let module = self.descriptor.module;
        module.split_once("::").map_or(module, |(home, _)| home)
    }

    /// How many events one process handles at once: the runs, times the events of a batch.
    pub fn events_at_once(&self) -> usize {
        let each = self.batch.map_or(1, |batch| batch.max);
        self.concurrency.saturating_mul(each)
    }

    /// How many deliveries may be unsettled at once over all instances: four times what one process asks for, which is
    /// what it handles, or the 5,000 that it fetches ahead where events are quick. With less the broker would stop in
    /// the middle of what was asked for, until the first of it is settled.
    pub fn max_ack_pending(&self) -> usize {
        self.events_at_once().max(MOST_AHEAD).saturating_mul(4)
    }

    /// How many failed events may wait in place for their next run, where their bodies are small: so few that several
    /// instances can have as many, and all go on.
    pub(crate) fn waiting_in_place(&self) -> usize {
        self.max_ack_pending() / 8
    }
}

/// The topic's pattern, with some placeholders narrowed to one value.
fn filter(topic: TopicTemplate, values: &[(&str, &str)]) -> Result<String, String> {
    for (name, value) in values {
        if !topic.placeholders().any(|placeholder| placeholder == *name) {
            let known: Vec<String> = topic
                .placeholders()
                .map(|name| format!("`{name}`"))
                .collect();
            let known = if known.is_empty() {
                "it has none".into()
            } else {
                format!("it has {}", known.join(", "))
            };
            return Err(format!(
                "`filter({name} = …)` names no placeholder of the topic `{topic}`: {known}"
            ));
        }
        if value.is_empty() {
            return Err(format!(
                "`filter({name} = \"\")` is empty, and no event has an empty value there"
            ));
        }
    }
    let tokens: Vec<String> = topic
        .as_str()
        .split('.')
        .map(|token| {
            match token
                .strip_prefix('{')
                .and_then(|token| token.strip_suffix('}'))
            {
                None => token.to_owned(),
                Some(name) => values
                    .iter()
                    .find(|(named, _)| *named == name)
                    .map_or_else(|| "*".to_owned(), |(_, value)| TopicTemplate::encode(value)),
            }
        })
        .collect();
    Ok(tokens.join("."))
}
