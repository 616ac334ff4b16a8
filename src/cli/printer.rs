//! The only user of stdout and stderr: data on stdout, everything for people on stderr.
//!
//! Readable without colour: colour only repeats what the words say. A reader that went away
//! (`| head`) is success; any other failure to write data is an error, because a report cut short by
//! a full disk must not look whole. What goes to stderr is best effort.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

const RED: &str = "\x1b[1;31m";
const RESET: &str = "\x1b[0m";
/// Back to the line's start, and clear it.
const CLEAR_LINE: &str = "\r\x1b[K";

/// Writes for people and for programs.
pub struct Printer {
    /// Data is wanted as JSON.
    pub json: bool,
    /// Stderr may be coloured.
    pub colour: bool,
    /// Stderr is a terminal: progress is shown.
    terminal: bool,
    sinks: Mutex<Sinks>,
}

struct Sinks {
    data: Box<dyn Write + Send>,
    people: Box<dyn Write + Send>,
    /// Nobody reads the data any more.
    closed: bool,
    /// A progress line stands and must be cleared before anything else.
    progress: bool,
}

impl Printer {
    /// Prints to the process's stdout and stderr. `colour` is what the user allows; a stderr that is
    /// not a terminal gets none.
    #[must_use]
    pub fn new(json: bool, colour: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        Self::to(
            json,
            colour && terminal,
            terminal,
            Box::new(io::stdout()),
            Box::new(io::stderr()),
        )
    }

    /// Prints to any two writers.
    #[must_use]
    pub fn to(
        json: bool,
        colour: bool,
        terminal: bool,
        data: Box<dyn Write + Send>,
        people: Box<dyn Write + Send>,
    ) -> Self {
        let sinks = Mutex::new(Sinks {
            data,
            people,
            closed: false,
            progress: false,
        });
        Self {
            json,
            colour,
            terminal,
            sinks,
        }
    }

    /// A line, or several, of data on stdout.
    ///
    /// # Errors
    /// The write failed; a closed pipe is not a failure.
    pub fn data(&self, text: &str) -> io::Result<()> {
        let mut sinks = self.sinks();
        sinks.clear_progress();
        if sinks.closed {
            return Ok(());
        }
        let written = writeln!(sinks.data, "{text}").and_then(|()| sinks.data.flush());
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                sinks.closed = true;
                Ok(())
            }
            other => other,
        }
    }

    /// A value as one line of JSON on stdout.
    ///
    /// # Errors
    /// The value cannot be written as JSON, or the write failed; a closed pipe is not a failure.
    pub fn json(&self, value: &impl Serialize) -> io::Result<()> {
        self.data(&serde_json::to_string(value).map_err(io::Error::other)?)
    }

    /// Aligned columns on stdout, with a line of headers; numbers stand right.
    ///
    /// # Errors
    /// As [`Printer::data`].
    pub fn table(&self, headers: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        self.data(&align(headers, rows))
    }

    /// True once nobody reads the data any more: endless output should end.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.sinks().closed
    }

    /// A line for people on stderr.
    pub fn note(&self, text: &str) {
        let mut sinks = self.sinks();
        sinks.clear_progress();
        sinks.tell(&format!("{text}\n"));
    }

    /// A failure with its page and what to do, on stderr: `error[LS4004]: …`, `  remedy: …`.
    pub fn error(&self, code: Option<&str>, text: &str, remedy: Option<&str>) {
        let head = code.map_or_else(|| "error".to_owned(), |code| format!("error[{code}]"));
        let head = if self.colour {
            format!("{RED}{head}{RESET}")
        } else {
            head
        };
        let mut lines = format!("{head}: {text}\n");
        if let Some(remedy) = remedy {
            lines.push_str(&format!("  remedy: {remedy}\n"));
        }
        let mut sinks = self.sinks();
        sinks.clear_progress();
        sinks.tell(&lines);
    }

    /// An error with its causes, for those that have no page: `error: a: b: c`.
    pub fn failure(&self, error: &dyn std::error::Error) {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        self.error(None, &text, None);
    }

    /// How far long work is, on one line of stderr that the next output takes the place of; nothing
    /// when stderr is not a terminal. Without a total only the count is shown.
    pub fn progress(&self, what: &str, done: u64, total: Option<u64>) {
        if !self.terminal {
            return;
        }
        let line = match total.filter(|total| *total > 0) {
            Some(total) => {
                let percent = u128::from(done.min(total)) * 100 / u128::from(total);
                format!("{CLEAR_LINE}{what} {done}/{total} ({percent} %)")
            }
            None => format!("{CLEAR_LINE}{what} {done}"),
        };
        let mut sinks = self.sinks();
        sinks.tell(&line);
        sinks.progress = true;
    }

    /// Asks a person at the terminal; false when there is none, or the answer is not yes.
    #[must_use]
    pub fn confirm(&self, question: &str) -> bool {
        if !self.terminal || !io::stdin().is_terminal() {
            return false;
        }
        let mut sinks = self.sinks();
        sinks.clear_progress();
        sinks.tell(&format!("{question} [y/N] "));
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }

    /// Asks a person at the terminal for a text; `None` when there is none, or nothing is said.
    #[must_use]
    pub fn ask(&self, question: &str) -> Option<String> {
        if !self.terminal || !io::stdin().is_terminal() {
            return None;
        }
        let mut sinks = self.sinks();
        sinks.clear_progress();
        sinks.tell(&format!("{question}: "));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).ok()?;
        let answer = answer.trim();
        (!answer.is_empty()).then(|| answer.to_owned())
    }

    /// Takes the progress line away.
    pub fn progress_done(&self) {
        self.sinks().clear_progress();
    }

    fn sinks(&self) -> MutexGuard<'_, Sinks> {
        // A panic while printing leaves nothing that the next line could not bear.
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sinks {
    fn tell(&mut self, text: &str) {
        // Nobody is left to be told that stderr is gone.
        let _ = self
            .people
            .write_all(text.as_bytes())
            .and_then(|()| self.people.flush());
    }

    fn clear_progress(&mut self) {
        if std::mem::take(&mut self.progress) {
            self.tell(CLEAR_LINE);
        }
    }
}

pub(super) fn align(headers: &[&str], rows: &[Vec<String>]) -> String {
    let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
    let numeric: Vec<bool> = (0..headers.len())
        .map(|column| !rows.is_empty() && rows.iter().all(|row| is_number(&cell(row, column))))
        .collect();
    let widths: Vec<usize> = (0..headers.len())
        .map(|column| {
            let cells = rows.iter().map(|row| cell(row, column).chars().count());
            cells
                .max()
                .unwrap_or(0)
                .max(headers[column].chars().count())
        })
        .collect();
    let heads: Vec<String> = headers.iter().map(|head| (*head).to_owned()).collect();
    let mut lines = Vec::with_capacity(rows.len() + 1);
    for row in std::iter::once(&heads).chain(rows) {
        let mut line = String::new();
        for (column, width) in widths.iter().enumerate() {
            if column > 0 {
                line.push_str("  ");
            }
            let text = cell(row, column);
            let padding = " ".repeat(width.saturating_sub(text.chars().count()));
            if numeric[column] {
                line.push_str(&padding);
                line.push_str(&text);
            } else {
                line.push_str(&text);
                line.push_str(&padding);
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, ',' | '.' | '-' | '%' | ' '))
}

#[cfg(test)]
mod tests;
