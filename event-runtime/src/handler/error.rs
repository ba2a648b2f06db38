//! Error classes: whether trying again can help.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What an error means for the event that was being handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// Trying again may help; after this time, if the error knows better than the handler's policy.
    Retry {
        /// The least time to wait.
        after: Option<Duration>,
    },
    /// Trying again can't help: the event becomes a dead letter at once.
    Reject,
}

/// An error type whose values know their class. Derive it with `#[derive(HandlerError)]`.
pub trait Classify: Error + 'static {
    /// The class of this error; `None` where it forwards to an inner error that has none.
    fn class(&self) -> Option<Class>;
}

/// What `#[derive(HandlerError)]` leaves for the program to find: asks one error type for its class.
///
/// Classes are found by walking the chain of sources and asking every registered type. So a class survives
/// `?`, `anyhow` and `.context()`, and nothing is paid before there is an error.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Classifier {
    /// `Some` if the error is of this type and has a class.
    pub classify: fn(&(dyn Error + 'static)) -> Option<Class>,
}

impl Classifier {
    /// The classifier of one type.
    pub const fn of<E: Classify>() -> Self {
        Self {
            classify: |error| error.downcast_ref::<E>()?.class(),
        }
    }
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classifier").finish_non_exhaustive()
    }
}

inventory::collect!(Classifier);

/// The class of an error: of the first in its chain of sources that has one.
pub fn classify(error: &(dyn Error + 'static)) -> Option<Class> {
    sources(error).find_map(|error| {
        inventory::iter::<Classifier>
            .into_iter()
            .find_map(|classifier| (classifier.classify)(error))
    })
}

/// Why a handler failed: the class, and the whole chain of causes as text.
///
/// A handler rarely names it. Returning it from a handler or helper collects any error with `?`, and the
/// constructors classify where no type does. Without a class an error means retry.
///
/// It is deliberately no [`Error`] itself, so that `?` works from every error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerError {
    class: Class,
    chain: Vec<String>,
}

impl HandlerError {
    /// Trying again may help.
    pub fn retry(error: impl fmt::Display) -> Self {
        Self {
            class: Class::Retry { after: None },
            chain: vec![error.to_string()],
        }
    }

    /// Trying again may help, but not before this time has passed.
    pub fn retry_after(error: impl fmt::Display, after: Duration) -> Self {
        Self {
            class: Class::Retry { after: Some(after) },
            chain: vec![error.to_string()],
        }
    }

    /// Trying again can't help.
    pub fn reject(error: impl fmt::Display) -> Self {
        Self {
            class: Class::Reject,
            chain: vec![error.to_string()],
        }
    }

    /// For generated code: takes an error's class and text from its chain of sources.
    #[doc(hidden)]
    pub fn walk(error: &(dyn Error + 'static)) -> Self {
        let mut chain: Vec<String> = Vec::new();
        for text in sources(error).map(ToString::to_string) {
            // A transparent wrapper says what its source says; once is enough.
            if chain.last() != Some(&text) {
                chain.push(text);
            }
        }
        Self {
            class: classify(error).unwrap_or(Class::Retry { after: None }),
            chain,
        }
    }

    /// What it means for the event.
    pub fn class(&self) -> Class {
        self.class
    }

    /// The error and its causes, outermost first.
    pub fn chain(&self) -> &[String] {
        &self.chain
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::walk(&error)
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain.join(": "))
    }
}

fn sources<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    // A chain that never ends would hang the pipeline, and nobody reads the 65th cause.
    std::iter::successors(Some(error), |&error| error.source()).take(64)
}
