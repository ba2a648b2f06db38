//! When a failed run is followed by another, and when by none.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::failure::Kind;
use crate::broker::lane_headers::Mark;
use crate::handler::{Reason, RetryPolicy};

/// Delays up to this wait in place; longer ones move to the retry lane.
pub(super) const IN_PLACE: Duration = Duration::from_secs(5);

/// How long an event of a newer version is tried again: a rolling deploy should be over by then. In all
/// about a quarter of an hour.
const NEWER: RetryPolicy = RetryPolicy {
    max: 17,
    base: Duration::from_secs(1),
    cap: Duration::from_mins(2),
};

/// No delay is longer, whatever an error asks for: it may have its wish from a stranger.
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// What follows a failed run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Another run after this time: the one that failed had this number, of so many in all.
    Again {
        delay: Duration,
        number: u32,
        max: u32,
    },
    /// No other run.
    Dead(Reason),
}

/// Decides what follows the run that the mark names. `seed` names it too, and makes its jitter repeatable.
///
/// Runs that a newer version never let begin, and runs of the handler, are counted apart: neither uses up the
/// other's budget.
pub(super) fn decide(policy: RetryPolicy, kind: Kind, mark: &Mark, seed: &str) -> Next {
    let (policy, after, number, reason) = match kind {
        Kind::Final(reason) => return Next::Dead(reason),
        Kind::Retry { after } => (policy, after, mark.run(), Reason::Attempts),
        Kind::Newer => (
            NEWER,
            None,
            mark.newer.saturating_add(1),
            Reason::NewerVersion,
        ),
    };
    // A count at its end would name two runs alike, and the second would be taken for the first.
    if number >= policy.max || mark.attempt == u32::MAX {
        return Next::Dead(reason);
    }
    Next::Again {
        delay: after
            .unwrap_or_else(|| delay(policy, number, seed))
            .min(LONGEST),
        number,
        max: policy.max,
    }
}

/// The delay after run number `attempt`: doubling up to the cap, with equal jitter (half of it is random), so
/// that events which failed together don't come back together.
fn delay(policy: RetryPolicy, attempt: u32, seed: &str) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    let full = policy.base.saturating_mul(1 << doublings).min(policy.cap);
    let half = full / 2;
    half + half.mul_f64(fraction(seed))
}

/// A number between 0 and 1 made from a text.
fn fraction(seed: &str) -> f64 {
    let hash = Sha256::digest(seed.as_bytes());
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    f64::from(number) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Kind, LONGEST, NEWER, Next, decide, delay};
    use crate::broker::lane_headers::{Mark, Origin};
    use crate::handler::{Reason, RetryPolicy};
    use std::time::Duration;

    #[test]
    fn the_defaults_last_between_62_and_124_minutes() {
        let policy = RetryPolicy::default();
        let longest: Duration = (1..policy.max)
            .map(|attempt| {
                policy
                    .base
                    .saturating_mul(1 << (attempt - 1).min(31))
                    .min(policy.cap)
            })
            .sum();
        assert_eq!(longest.as_secs().div_ceil(60), 124);
        let all: Duration = (1..policy.max)
            .map(|attempt| delay(policy, attempt, &attempt.to_string()))
            .sum();
        assert!(
            all >= longest / 2 && all <= longest,
            "{all:?} of {longest:?}"
        );
    }

    #[test]
    fn a_newer_version_is_tried_for_about_a_quarter_of_an_hour() {
        let all: Duration = (1..NEWER.max)
            .map(|attempt| delay(NEWER, attempt, &attempt.to_string()))
            .sum();
        assert!((10..=20).contains(&(all.as_secs() / 60)), "{all:?}");
        let last = mark(NEWER.max, NEWER.max - 1);
        assert_eq!(
            decide(RetryPolicy::default(), Kind::Newer, &last, ""),
            Next::Dead(Reason::NewerVersion)
        );
    }

    #[test]
    fn the_error_may_name_the_delay_but_not_more_runs() {
        let policy = RetryPolicy {
            max: 2,
            ..RetryPolicy::default()
        };
        let kind = Kind::Retry {
            after: Some(Duration::from_secs(6)),
        };
        let six_seconds = Next::Again {
            delay: Duration::from_secs(6),
            number: 1,
            max: 2,
        };
        assert_eq!(decide(policy, kind, &mark(1, 0), ""), six_seconds);
        assert_eq!(
            decide(policy, kind, &mark(2, 0), ""),
            Next::Dead(Reason::Attempts)
        );
    }

    #[test]
    fn newer_versions_and_failures_have_budgets_of_their_own() {
        let policy = RetryPolicy {
            max: 2,
            ..RetryPolicy::default()
        };
        let failed = Kind::Retry { after: None };
        let waited = mark(11, 10);
        assert!(matches!(
            decide(policy, failed, &waited, ""),
            Next::Again { number: 1, .. }
        ));
        let failed_often = mark(NEWER.max + 3, 0);
        assert!(matches!(
            decide(policy, Kind::Newer, &failed_often, ""),
            Next::Again { number: 1, .. }
        ));
    }

    #[test]
    fn no_error_may_ask_for_ever() {
        let kind = Kind::Retry {
            after: Some(Duration::MAX),
        };
        let next = decide(RetryPolicy::default(), kind, &mark(1, 0), "");
        assert!(matches!(next, Next::Again { delay, .. } if delay == LONGEST));
    }

    /// The mark of run number `attempt`, of which `newer` were over before they began.
    fn mark(attempt: u32, newer: u32) -> Mark {
        Mark {
            origin: Origin {
                subject: "tasks.a".into(),
                stream: "TASKS".into(),
                sequence: 1,
                generation: "g".into(),
                stored_at: jiff::Timestamp::UNIX_EPOCH,
            },
            attempt,
            redrives: 0,
            fresh: 0,
            newer,
            first_failed: None,
        }
    }
}
