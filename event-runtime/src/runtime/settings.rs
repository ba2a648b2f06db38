//! Settings: what the builder says, else the environment, else a default.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use crate::broker::Secret;
use crate::envelope::Mode;
use crate::handler::{Fault, Overrides};
use crate::publish::Provision;

/// What the environment says, read once at start.
///
/// | variable | meaning | default |
/// |---|---|---|
/// | `EVENT_BROKER` | where the broker is: `nats://host:4222`, `tls://…`, several with commas; `memory://` | none in release builds, `memory://` in debug builds |
/// | `EVENT_SERVICE` | the service's name, `[a-z0-9-]` | the builder's |
/// | `EVENT_PROVISION` | `create`: create what is missing; `check`: only look | `create` |
/// | `EVENT_HANDLERS` | the handlers that run here, with commas | all |
/// | `EVENT_GRACE` | how long running handlers may take to finish at the end | `25s` |
/// | `EVENT_ENVELOPE` | how events are written: `structured` JSON, or `binary` (attributes as headers); both are read | `structured` |
/// | `EVENT_LOG` | what is logged, as in `info,event_runtime=debug` | `info` |
/// | `EVENT_DEAD_LETTER_AGE` | how long a dead letter is kept, at least `1s`; set when its stream is created | `30d` |
/// | `EVENT_HANDLER_<NAME>_CONCURRENCY`, `_TASKS`, `_TIMEOUT`, `_RETRY_MAX`, `_RETRY_BASE`, `_RETRY_CAP`, `_BATCH_MAX`, `_BATCH_WAIT` | one handler's settings, over its attribute | |
/// | `EVENT_NATS_CREDENTIALS` | a credentials file | |
/// | `EVENT_NATS_USER`, `EVENT_NATS_PASSWORD`, `EVENT_NATS_TOKEN` | secrets; better here than in the address | |
/// | `EVENT_NATS_CA`, `EVENT_NATS_CERT`, `EVENT_NATS_KEY` | PEM files for TLS | the system's authorities |
///
/// Durations are written `200ms`, `5s`, `10m`, `1h`, `30d`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Where the broker is. May hold a password, so it is a secret.
    pub broker: Option<Secret>,
    /// The service's name.
    pub service: Option<String>,
    /// What happens with missing broker objects.
    pub provision: Provision,
    /// The handlers that run here; `None` for all.
    pub handlers: Option<Vec<String>>,
    /// How long running handlers may take to finish at the end.
    pub grace: Option<Duration>,
    /// How published events are written.
    pub envelope: Option<Mode>,
    /// How long a dead letter is kept.
    pub dead_letter_age: Duration,
    /// Single handlers' settings.
    pub overrides: BTreeMap<String, Overrides>,
    /// How to log in to NATS.
    pub nats: NatsSettings,
}

/// How to log in to NATS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct NatsSettings {
    /// A credentials file.
    pub credentials: Option<String>,
    /// A user.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// A token.
    pub token: Option<Secret>,
    /// A PEM file with the authorities to trust.
    pub ca: Option<String>,
    /// A PEM file with the client's certificate.
    pub cert: Option<String>,
    /// A PEM file with the client's key.
    pub key: Option<String>,
}

impl Settings {
    /// Reads variables; whatever can't be read is a fault, and all of them are found.
    pub(crate) fn read(variables: &BTreeMap<String, String>) -> (Self, Vec<Fault>) {
        let mut faults = Vec::new();
        let get = |name: &str| {
            variables
                .get(name)
                .map(|value| value.trim())
                .filter(|value| !value.is_empty())
        };
        let text = |name: &str| get(name).map(str::to_owned);
        let secret = |name: &str| get(name).map(Secret::new);
        let duration = |faults: &mut Vec<Fault>, name: &str| {
            let value = get(name)?;
            let parsed = parse_duration(value);
            if parsed.is_none() {
                faults.push(Fault::new(format!("{name}=`{value}` is no duration: write it as `200ms`, `5s`, `10m`, `1h` or `30d`")));
            }
            parsed
        };
        let provision = word(get("EVENT_PROVISION"), "EVENT_PROVISION", &mut faults);
        let envelope = word(get("EVENT_ENVELOPE"), "EVENT_ENVELOPE", &mut faults);
        let handlers = get("EVENT_HANDLERS").map(|names| {
            names
                .split(',')
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect()
        });
        let grace = duration(&mut faults, "EVENT_GRACE");
        let age = duration(&mut faults, "EVENT_DEAD_LETTER_AGE");
        if age.is_some_and(|age| age < Duration::from_secs(1)) {
            faults.push(Fault::new(format!(
                "EVENT_DEAD_LETTER_AGE=`{}` keeps no dead letter for long enough to read it: at least `1s`",
                get("EVENT_DEAD_LETTER_AGE").unwrap_or_default()
            )));
        }
        let settings = Self {
            broker: secret("EVENT_BROKER"),
            service: text("EVENT_SERVICE"),
            provision: provision.unwrap_or_default(),
            handlers,
            grace,
            envelope,
            dead_letter_age: age.unwrap_or(Duration::from_hours(30 * 24)),
            overrides: overrides(variables, &mut faults),
            nats: NatsSettings {
                credentials: text("EVENT_NATS_CREDENTIALS"),
                user: text("EVENT_NATS_USER"),
                password: secret("EVENT_NATS_PASSWORD"),
                token: secret("EVENT_NATS_TOKEN"),
                ca: text("EVENT_NATS_CA"),
                cert: text("EVENT_NATS_CERT"),
                key: text("EVENT_NATS_KEY"),
            },
        };
        (settings, faults)
    }
}

/// One of a few words.
fn word<T: FromStr<Err = &'static str>>(
    value: Option<&str>,
    name: &str,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let value = value?;
    value
        .parse()
        .map_err(|rule| {
            faults.push(Fault::new(format!(
                "{name}=`{value}` means nothing: it {rule}"
            )));
        })
        .ok()
}

const HANDLER: &str = "EVENT_HANDLER_";

fn overrides(
    variables: &BTreeMap<String, String>,
    faults: &mut Vec<Fault>,
) -> BTreeMap<String, Overrides> {
    let mut all: BTreeMap<String, Overrides> = BTreeMap::new();
    for (variable, value) in variables {
        let Some(rest) = variable.strip_prefix(HANDLER) else {
            continue;
        };
        let settings = [
            "CONCURRENCY",
            "TASKS",
            "BATCH_MAX",
            "BATCH_WAIT",
            "TIMEOUT",
            "RETRY_MAX",
            "RETRY_BASE",
            "RETRY_CAP",
        ];
        let found = settings.iter().find_map(|setting| {
            Some((
                rest.strip_suffix(setting)?
                    .strip_suffix('_')?
                    .to_ascii_lowercase(),
                *setting,
            ))
        });
        let Some((handler, setting)) = found.filter(|(handler, _)| !handler.is_empty()) else {
            faults.push(Fault::new(format!(
                "{variable} is no setting: a handler's name is followed by one of `_{}`",
                settings.join("`, `_")
            )));
            continue;
        };
        let own = all.entry(handler).or_default();
        let value = value.trim();
        let whole: Option<u32> = value.parse().ok().filter(|number| *number > 0);
        let size = whole.and_then(|number| usize::try_from(number).ok());
        let (good, rule) = match setting {
            "CONCURRENCY" | "TASKS" | "BATCH_MAX" => {
                match setting {
                    "CONCURRENCY" => own.concurrency = size,
                    "TASKS" => own.tasks = size,
                    _ => own.batch_max = size,
                }
                (size.is_some(), "a whole number above 0")
            }
            "RETRY_MAX" => {
                own.retry_max = whole;
                (whole.is_some(), "a whole number above 0")
            }
            _ => {
                let duration = parse_duration(value);
                match setting {
                    "TIMEOUT" => own.timeout = duration,
                    "BATCH_WAIT" => own.batch_wait = duration,
                    "RETRY_BASE" => own.retry_base = duration,
                    _ => own.retry_cap = duration,
                }
                (
                    duration.is_some(),
                    "a duration such as `200ms`, `5s` or `10m`",
                )
            }
        };
        if !good {
            faults.push(Fault::new(format!("{variable}=`{value}` is not {rule}")));
        }
    }
    all
}

/// Reads `200ms`, `5s`, `10m`, `1h`, `30d`.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}
