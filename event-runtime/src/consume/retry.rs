//! When a failed run is followed by another, and when by none.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::failure::Kind;
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

/// What follows a failed run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Another run after this time, of so many in all.
    Again { delay: Duration, max: u32 },
    /// No other run.
    Dead(Reason),
}

/// Decides what follows run number `attempt`. `seed` names the run, and makes its jitter repeatable.
pub(super) fn decide(policy: RetryPolicy, kind: Kind, attempt: u32, seed: &str) -> Next {
    let (policy, after, reason) = match kind {
        Kind::Final(reason) => return Next::Dead(reason),
        Kind::Retry { after } => (policy, after, Reason::Attempts),
        Kind::Newer => (NEWER, None, Reason::NewerVersion),
    };
    if attempt >= policy.max {
        return Next::Dead(reason);
    }
    Next::Again {
        delay: after.unwrap_or_else(|| delay(policy, attempt, seed)),
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
    use super::{Kind, NEWER, Next, decide, delay};
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
        assert_eq!(
            decide(RetryPolicy::default(), Kind::Newer, NEWER.max, ""),
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
        assert_eq!(
            decide(policy, kind, 1, ""),
            Next::Again {
                delay: Duration::from_secs(6),
                max: 2
            }
        );
        assert_eq!(decide(policy, kind, 2, ""), Next::Dead(Reason::Attempts));
    }
}
