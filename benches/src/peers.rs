//! Other frameworks: how their programs are started, and measured from outside.
//!
//! The programs are in `benches/peers`, and `scripts/install-peers` builds them. Each says `begin` at its first event
//! and `end` after its last one. In between runs the clock, as it does inside a [`child`](crate::child); and as there,
//! consuming is over when the server has taken in the last acknowledgement.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, ensure};
use procfs::process::Process;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader, Lines};
use tokio::process::Command;

use crate::child::{Side, Work};
use crate::load::cpu_of_process;
use crate::meter::{Sample, peak};
use crate::rounds::name;
use crate::stage::{ORDERS, Watch};
use crate::table;

/// The durable that they consume.
const DURABLE: &str = "peer";

/// One run of another framework's program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) work: Work,
    pub(crate) side: Side,
    pub(crate) events: u64,
    /// Handlers at once, or events whose acknowledgement is awaited.
    pub(crate) concurrency: usize,
    pub(crate) server: &'a str,
    pub(crate) watch: &'a Watch,
}

/// The folder that the programs are built into.
pub(crate) fn folder() -> PathBuf {
    table::target().join("peers")
}

/// Why another framework is left out: its program was not built into this folder. `None` for all others.
pub(crate) fn absent(side: Side, folder: &Path) -> Option<String> {
    if !side.is_peer() || program(side, folder).exists() {
        return None;
    }
    let name = name(side);
    let why = fs::read_to_string(folder.join(format!("{name}.failed")));
    let why = why.unwrap_or_else(|_| "run `scripts/install-peers`".to_owned());
    Some(format!(
        "{name} is not built, so its rows are absent: {}",
        why.trim()
    ))
}

fn program(side: Side, folder: &Path) -> PathBuf {
    folder.join("bin").join(name(side))
}

impl Run<'_> {
    /// Starts the program, measures it, ends it, and looks whether it has done its work.
    pub(crate) async fn measure(self) -> anyhow::Result<Sample> {
        let mut child = Command::new(program(self.side, &folder()))
            .args([name(self.work), self.events.to_string()])
            .args([&self.concurrency.to_string(), self.server])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let process = Process::new(i32::try_from(child.id().context("it has ended")?)?)?;
        let output = child.stdout.take().context("it has an output")?;
        let mut lines = BufReader::new(output).lines();

        said(&mut lines, "begin").await?;
        let (began, before) = (Instant::now(), cpu_of_process(&process)?);
        let sum = said(&mut lines, "end").await?;
        if self.work == Work::Consume {
            self.watch.acknowledged(ORDERS, DURABLE).await?;
        }
        let (wall, after) = (began.elapsed(), cpu_of_process(&process)?);
        let sample = Sample {
            events: self.events,
            wall: wall.as_secs_f64(),
            cpu: after.saturating_sub(before).as_secs_f64(),
            peak_kib: peak(&process)?,
            latency: None,
        };
        child.kill().await?;

        let numbers: u64 = (0..self.events).sum();
        ensure!(
            sum.parse() == Ok(numbers),
            "the numbers of its orders add up to {sum}, and to {numbers} if each came once"
        );
        if self.work == Work::Publish {
            self.watch.stored(self.events).await?;
        }
        Ok(sample)
    }
}

/// What the program's next line says after this word.
async fn said(lines: &mut Lines<impl AsyncBufRead + Unpin>, word: &str) -> anyhow::Result<String> {
    let line = lines.next_line().await?;
    let line = line.with_context(|| format!("it ended before it said `{word}`"))?;
    let rest = line.strip_prefix(word);
    let rest = rest.with_context(|| format!("it said `{line}` in place of `{word}`"))?;
    Ok(rest.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::io::AsyncBufReadExt;

    use super::{absent, said};
    use crate::child::Side;

    #[tokio::test]
    async fn a_program_says_when_it_begins_and_ends() {
        let mut lines = "begin\nend 45\nand more\n".as_bytes().lines();
        assert_eq!(said(&mut lines, "begin").await.unwrap(), "");
        assert_eq!(said(&mut lines, "end").await.unwrap(), "45");
        let wrong = said(&mut lines, "end").await.unwrap_err();
        assert_eq!(wrong.to_string(), "it said `and more` in place of `end`");
        let ended = said(&mut lines, "end").await.unwrap_err();
        assert_eq!(ended.to_string(), "it ended before it said `end`");
    }

    #[test]
    fn what_is_not_built_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let why = |side| absent(side, folder.path());
        assert_eq!(why(Side::ByHand), None);
        assert_eq!(
            why(Side::Watermill).unwrap(),
            "watermill is not built, so its rows are absent: run `scripts/install-peers`"
        );
        fs::write(folder.path().join("watermill.failed"), "no Go here\n").unwrap();
        assert_eq!(
            why(Side::Watermill).unwrap(),
            "watermill is not built, so its rows are absent: no Go here"
        );
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::write(folder.path().join("bin/watermill"), "").unwrap();
        assert_eq!(why(Side::Watermill), None);
    }
}
