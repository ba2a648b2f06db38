//! Prints the table, and writes `target/bench.json`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::figure::Figure;

/// The folder that cargo builds into.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")
}

/// Prints the table, as Markdown.
pub(crate) fn print(figures: &[Figure]) {
    println!("| work | unit | ours | baseline | ratio | middle half | pairs | goal | fails at | |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for figure in figures {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        println!(
            "| {} | {} | {} | {} | {} | {} to {} | {} | {} | {} | {} |",
            figure.name,
            figure.unit,
            number(figure.ours),
            figure.baseline.map_or_else(|| "-".to_owned(), number),
            figure
                .ratio
                .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
            number(figure.spread[0]),
            number(figure.spread[1]),
            figure.pairs,
            text(&figure.goal),
            text(&figure.fails_at),
            verdict(figure)
        );
    }
}

fn verdict(figure: &Figure) -> &'static str {
    match (figure.goal.is_some(), figure.met, figure.ok) {
        (false, ..) => "",
        (true, true, _) => "met",
        (true, false, true) => "not met",
        (true, false, false) => "FAILS",
    }
}

/// Three digits that count.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Names the goals that are not met, after the table.
pub(crate) fn print_missed(figures: &[Figure]) {
    for figure in figures.iter().filter(|figure| !figure.met) {
        let goal = figure.goal.as_deref().unwrap_or_default();
        let fails_at = figure.fails_at.as_deref().unwrap_or_default();
        let worse = if figure.ok { "" } else { ", and fails at " };
        let fails_at = if figure.ok { "" } else { fails_at };
        println!("not met: {} should be {goal}{worse}{fails_at}", figure.name);
    }
}

/// Writes `target/bench.json`.
pub(crate) fn write(figures: &[Figure]) -> anyhow::Result<()> {
    let path = target().join("bench.json");
    let mut text = serde_json::to_string_pretty(figures)?;
    text.push('\n');
    fs::write(&path, text).with_context(|| format!("{} can't be written", path.display()))
}
