//! `dead-letters`

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::redrive::{self, Chosen};
use super::{DeadLettersCommand, Which, print, print_json};
use crate::dead_letters::{DeadLetter, DeadLetters, Filter};
use crate::runtime::{Error, Prepared, table};

pub(super) async fn run(prepared: Prepared, command: DeadLettersCommand) -> Result<(), Error> {
    let (prepared, broker) = prepared.connect_for("dead-letters").await?;
    let letters = DeadLetters::new(std::sync::Arc::clone(&broker), prepared.service.clone());
    let done = act(&letters, command).await;
    broker.close().await?;
    done
}

async fn act(letters: &DeadLetters, command: DeadLettersCommand) -> Result<(), Error> {
    match command {
        DeadLettersCommand::List { which, limit, json } => {
            let found = letters.list(&which.into(), limit).await?;
            list(&found, json);
        }
        DeadLettersCommand::Show { sequence, json } => {
            let letter = letters
                .get(sequence)
                .await?
                .ok_or_else(|| Error::Command(unknown(sequence)))?;
            show(&letter, json);
        }
        DeadLettersCommand::Redrive {
            sequences,
            all,
            which,
            fresh,
            json,
        } => {
            let chosen = if all {
                Chosen::All(which.into())
            } else {
                Chosen::Numbers(sequences)
            };
            redrive::run(letters, chosen, fresh, json).await?;
        }
    }
    Ok(())
}

pub(super) fn unknown(sequence: u64) -> String {
    format!("there is no dead letter {sequence}: see `dead-letters list` for the numbers")
}

fn list(letters: &[DeadLetter], json: bool) {
    if json {
        return print_json(&Value::Array(
            letters.iter().map(DeadLetter::to_json).collect(),
        ));
    }
    if letters.is_empty() {
        return print("no dead letters\n");
    }
    let header = [
        "NUMBER", "STORED", "HANDLER", "REASON", "TOPIC", "EVENT", "ERROR",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(letters.iter().map(|letter| {
        vec![
            letter.sequence.to_string(),
            format!("{:.0}", letter.stored_at),
            letter.handler.clone(),
            letter.reason.clone(),
            letter.topic().to_owned(),
            letter.event_id.clone().unwrap_or_else(|| "-".into()),
            letter.error.chars().take(100).collect(),
        ]
    }));
    print(&table::columns(&rows));
}

fn show(letter: &DeadLetter, json: bool) {
    if json {
        return print_json(&letter.to_json());
    }
    let (stream, sequence) = letter.origin();
    let rows = [
        ("number", letter.sequence.to_string()),
        ("handler", letter.handler.clone()),
        ("reason", letter.reason.clone()),
        ("error", letter.error.clone()),
        (
            "event",
            letter.event_id.clone().unwrap_or_else(|| "-".into()),
        ),
        ("topic", letter.topic().to_owned()),
        ("origin", format!("message {sequence} of {stream}")),
        ("attempts", letter.attempts().to_string()),
        ("redrives", letter.redrives().to_string()),
        ("stored", letter.stored_at.to_string()),
    ];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    print(&table::columns(&rows));
    let headers: Vec<Vec<String>> = letter
        .headers()
        .iter()
        .filter(|(name, _)| !name.starts_with("Event-"))
        .map(|(name, value)| vec![format!("{name}:"), value.to_owned()])
        .collect();
    print(&format!("\n{}", table::columns(&headers)));
    match letter.payload() {
        Some(payload) => match std::str::from_utf8(payload) {
            Ok(text) => print(&format!("\n{text}\n")),
            Err(_) => print(&format!(
                "\nThe body is not UTF-8; as base64:\n{}\n",
                STANDARD.encode(payload)
            )),
        },
        None => print("\nThe body was too large for a dead letter; it is at its origin.\n"),
    }
}

impl From<Which> for Filter {
    fn from(
        Which {
            handler,
            topic,
            reason,
        }: Which,
    ) -> Self {
        Self {
            handler,
            topic,
            reason,
        }
    }
}
