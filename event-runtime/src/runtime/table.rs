//! The table of handlers that a program prints when it starts.

use crate::handler::HandlerPlan;

/// One line for each handler, in columns.
pub(crate) fn handlers(handlers: &[HandlerPlan]) -> String {
    let mut rows = vec![
        ["HANDLER", "EVENT", "TOPICS", "AT ONCE", "RETRIES", "SOURCE"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for handler in handlers {
        let retry = handler.retry;
        let (file, line) = handler.place();
        rows.push(vec![
            if handler.runs_here {
                handler.name().to_owned()
            } else {
                format!("{} (not here)", handler.name())
            },
            handler.event.wire_type.to_owned(),
            handler.filter.clone(),
            at_once(handler),
            format!(
                "{}, {:?} to {}",
                retry.max.saturating_sub(1),
                retry.base,
                human(retry.cap)
            ),
            format!("{file}:{line}"),
        ]);
    }
    columns(&rows)
}

/// `16`, `4 batches of 500`, `8 in 8 tasks`.
fn at_once(handler: &HandlerPlan) -> String {
    let runs = handler.concurrency;
    let batches = handler.batch.map_or_else(String::new, |batch| {
        let s = if runs == 1 { "" } else { "es" };
        format!(" batch{s} of {}", batch.max)
    });
    match handler.tasks {
        1 => format!("{runs}{batches}"),
        tasks => format!("{runs}{batches} in {tasks} tasks"),
    }
}

/// Rows of equal length as left-aligned columns.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn human(duration: std::time::Duration) -> String {
    match duration.as_secs() {
        seconds if seconds >= 60 && seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{duration:?}"),
    }
}
