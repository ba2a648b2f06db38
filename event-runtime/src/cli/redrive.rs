//! `dead-letters redrive`: one that can't be sent back does not keep the others.

use serde_json::{Value, json};

use super::dead_letters::unknown;
use super::{print, print_json};
use crate::broker::{BrokerError, BrokerErrorKind};
use crate::consume::chain;
use crate::dead_letters::{DeadLetter, DeadLetters, Filter};
use crate::runtime::Error;

/// Which dead letters are to be sent back.
pub(super) enum Chosen {
    /// Those that fit, and are there when it begins.
    All(Filter),
    /// Those of these numbers.
    Numbers(Vec<u64>),
}

/// What became of one of them.
struct Tried {
    sequence: u64,
    /// Unknown where there is no such dead letter.
    handler: Option<String>,
    error: Option<String>,
}

/// Sends back what can be sent, says what was, and ends in an error if something is left.
pub(super) async fn run(
    letters: &DeadLetters,
    chosen: Chosen,
    fresh: bool,
    json: bool,
) -> Result<(), Error> {
    let mut tried = Vec::new();
    let ended = match chosen {
        Chosen::All(filter) => all(letters, &filter, fresh, &mut tried).await,
        Chosen::Numbers(numbers) => each(letters, numbers, fresh, &mut tried).await,
    };
    if json {
        print_json(&to_json(&tried));
    } else {
        print(&sent(&tried, ended.is_ok()));
    }
    let mut left: Vec<String> = tried.into_iter().filter_map(|tried| tried.error).collect();
    match ended {
        Err(error) if left.is_empty() => return Err(Error::Broker(error)),
        Err(error) => left.push(format!("then it ended: {}", chain(&error))),
        Ok(()) => {}
    }
    match left.len() {
        0 => Ok(()),
        1 => Err(Error::Command(left.remove(0))),
        _ => Err(Error::Command(format!(
            "not all was sent back:\n  - {}",
            left.join("\n  - ")
        ))),
    }
}

async fn all(
    letters: &DeadLetters,
    filter: &Filter,
    fresh: bool,
    tried: &mut Vec<Tried>,
) -> Result<(), BrokerError> {
    let mut walk = letters.walk(filter).await?;
    while let Some(letter) = walk.next().await? {
        tried.push(send(letters, &letter, fresh).await?);
    }
    Ok(())
}

async fn each(
    letters: &DeadLetters,
    numbers: Vec<u64>,
    fresh: bool,
    tried: &mut Vec<Tried>,
) -> Result<(), BrokerError> {
    for sequence in numbers {
        tried.push(match letters.get(sequence).await? {
            Some(letter) => send(letters, &letter, fresh).await?,
            None => Tried {
                sequence,
                handler: None,
                error: Some(unknown(sequence)),
            },
        });
    }
    Ok(())
}

/// Sends one back. What the broker refuses for this one alone is no error: the next may be sent.
async fn send(
    letters: &DeadLetters,
    letter: &DeadLetter,
    fresh: bool,
) -> Result<Tried, BrokerError> {
    let error = match letters.redrive(letter, fresh).await {
        Ok(()) => None,
        Err(error) if error.kind() == BrokerErrorKind::Permanent => Some(chain(&error)),
        Err(error) => return Err(error),
    };
    Ok(Tried {
        sequence: letter.sequence,
        handler: Some(letter.handler.clone()),
        error,
    })
}

fn to_json(tried: &[Tried]) -> Value {
    let tried = tried.iter().map(|tried| {
        json!({ "sequence": tried.sequence, "handler": tried.handler, "error": tried.error })
    });
    Value::Array(tried.collect())
}

/// What was sent, for people; nothing where the error says it all.
fn sent(tried: &[Tried], complete: bool) -> String {
    let sent: Vec<&Tried> = tried.iter().filter(|tried| tried.error.is_none()).collect();
    match (sent.as_slice(), tried.is_empty() && complete) {
        ([], true) => "no dead letters to send back\n".into(),
        ([], false) => String::new(),
        ([one], _) => format!(
            "sent back to `{}`\n",
            one.handler.as_deref().unwrap_or_default()
        ),
        (several, _) => format!("{} sent back to their handlers\n", several.len()),
    }
}
