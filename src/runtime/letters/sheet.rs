//! Dead letters as a spreadsheet: out as CSV, back in as edits.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and what is
//! exported comes from strangers: such texts leave with an apostrophe before them, which is taken
//! off when they come back.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::refusals::Refusals;
use super::{Change, Letters, Wanted};
use crate::core::mapping::{Fields, read_fields};

/// The columns before those of the fields.
pub const FIXED: [&str; 7] = ["letter", "route", "key", "class", "code", "message", STEPS];

/// How many steps the letter had when it was exported: what came later is not undone unseen.
const STEPS: &str = "steps";

/// What a spreadsheet puts before UTF-8 so that Excel takes it for UTF-8.
pub const BYTE_ORDER_MARK: &str = "\u{feff}";

/// One letter as a line of the sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// In the order of [`FIXED`].
    pub fixed: [String; 7],
    /// The fields as shown in cells.
    pub fields: BTreeMap<String, String>,
}

/// One row of a sheet that comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// In the file, from 1.
    pub line: u64,
    pub letter: u64,
    /// As in the file.
    pub cells: BTreeMap<String, String>,
    /// Every cell is wanted: one that empties what the mapping refused, or gives it once more, is
    /// an edit. In a sheet such a cell says nothing: one that was written beside the service knows
    /// no refused values.
    #[serde(default)]
    pub anyway: bool,
    /// Steps of the letter when it was exported; with others nothing of it is changed.
    #[serde(default)]
    pub seen: Option<u64>,
}

/// What became of one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowReport {
    pub line: u64,
    pub letter: u64,
    /// Fields that are changed by it; none when every cell is as it was.
    pub changed: Vec<String>,
    /// Why it is not accepted.
    pub wrong: Option<String>,
}

/// Why a sheet cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {text}")]
pub struct BadSheet {
    pub line: u64,
    pub text: String,
}

/// A payload's fields as cells; `null` is an empty cell.
#[must_use]
pub fn cells(payload: &str) -> BTreeMap<String, String> {
    let fields = read_fields(payload).unwrap_or_default();
    let cell = |(name, json): (String, Box<serde_json::value::RawValue>)| {
        let text = match serde_json::from_str::<serde_json::Value>(json.get()) {
            Ok(serde_json::Value::String(text)) => text,
            Ok(serde_json::Value::Null) => String::new(),
            // Numbers keep the digits that they were written with.
            _ => json.get().to_owned(),
        };
        (name, text)
    };
    fields.into_iter().map(cell).collect()
}

/// The sheet as CSV (RFC 4180); one column for every field that any line has.
///
/// # Errors
/// When it cannot be written.
pub fn write(lines: &[Line], with_mark: bool, out: impl std::io::Write) -> Result<(), csv::Error> {
    let mut out = out;
    if with_mark {
        out.write_all(BYTE_ORDER_MARK.as_bytes())?;
    }
    let names: BTreeSet<&String> = lines.iter().flat_map(|line| line.fields.keys()).collect();
    let mut writer = csv::Writer::from_writer(out);
    let header = FIXED
        .into_iter()
        .chain(names.iter().map(|name| name.as_str()));
    writer.write_record(header)?;
    for line in lines {
        let fields = names.iter().map(|name| line.fields.get(*name));
        let fields = fields.map(|cell| cell.map_or("", String::as_str));
        let cells = line.fixed.iter().map(String::as_str).chain(fields);
        writer.write_record(cells.map(guard))?;
    }
    writer.flush()?;
    Ok(())
}

/// What a cell may not begin with.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\''];

/// Where a spreadsheet may see the beginning of another cell: in many languages it splits at
/// semicolons, whatever the file was written with.
const SPLITS: [char; 2] = [';', '\t'];

/// Keeps a spreadsheet from taking a text for a formula. A text that begins with an apostrophe
/// gets another, so that taking one off is always right.
#[must_use]
pub fn guard(cell: &str) -> String {
    let mut guarded = String::with_capacity(cell.len() + 1);
    let mut at_beginning = true;
    for c in cell.chars() {
        if at_beginning && FORMULA.contains(&c) {
            guarded.push('\'');
        }
        guarded.push(c);
        at_beginning = SPLITS.contains(&c);
    }
    guarded
}

fn unguard(cell: &str) -> String {
    let mut plain = String::with_capacity(cell.len());
    let (mut at_beginning, mut rest) = (true, cell.chars().peekable());
    while let Some(c) = rest.next() {
        let guards = at_beginning && c == '\'' && rest.peek().is_some_and(|c| FORMULA.contains(c));
        // What it guards is taken as it is.
        let c = if guards { rest.next().unwrap_or(c) } else { c };
        plain.push(c);
        at_beginning = SPLITS.contains(&c);
    }
    plain
}

/// Reads a sheet back: its rows with the cells of the fields, those of [`FIXED`] left out.
///
/// # Errors
/// With the line that is wrong.
pub fn read(text: &str) -> Result<Vec<Row>, BadSheet> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    // German spreadsheets, for one, write semicolons.
    let first = text.lines().next().unwrap_or_default();
    let delimiter = if !first.contains(',') && first.contains(';') {
        b';'
    } else {
        b','
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let bad = |error: csv::Error| BadSheet {
        line: error.position().map_or(0, csv::Position::line),
        text: match error.kind() {
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => format!("it has {len} cells, and the header has {expected_len}"),
            csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
            _ => "it is no CSV".to_owned(),
        },
    };
    let header = reader.headers().map_err(bad)?.clone();
    let Some(number_at) = header.iter().position(|name| name.trim() == FIXED[0]) else {
        return Err(BadSheet {
            line: 1,
            text: "there is no column `letter`: import takes what export wrote".to_owned(),
        });
    };
    let steps_at = header.iter().position(|name| name.trim() == STEPS);
    let mut seen = BTreeSet::new();
    if let Some(twice) = header.iter().find(|name| !seen.insert(name.trim())) {
        return Err(BadSheet {
            line: 1,
            text: format!("the column {twice:?} is there twice"),
        });
    }
    let mut rows = Vec::new();
    let mut letters = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(bad)?;
        let line = record.position().map_or(0, csv::Position::line);
        let number = record.get(number_at).unwrap_or_default().trim();
        // Spreadsheets leave empty lines behind.
        if number.is_empty() && record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let Ok(letter) = number.parse::<u64>() else {
            let text = format!("{number:?} is no number of a dead letter");
            return Err(BadSheet { line, text });
        };
        if let Some(before) = letters.insert(letter, line) {
            let text = format!("dead letter {letter} is in line {before} already");
            return Err(BadSheet { line, text });
        }
        let steps = steps_at.and_then(|at| record.get(at)).map_or("", str::trim);
        let seen = match steps {
            "" => None,
            steps => Some(steps.parse::<u64>().map_err(|_| BadSheet {
                line,
                text: format!("{steps:?} is no number of steps: leave that column as it was"),
            })?),
        };
        let named = header.iter().zip(&record);
        let fields = named.filter(|(name, _)| !FIXED.contains(&name.trim()));
        let cells = fields.map(|(name, cell)| (name.trim().to_owned(), unguard(cell)));
        rows.push(Row {
            line,
            letter,
            cells: cells.collect(),
            anyway: false,
            seen,
        });
    }
    Ok(rows)
}

/// What a row changes in a letter as it stands: a cell that reads as the field does changes
/// nothing, an empty cell of a field that is not there neither. `refused` is what the mapping
/// refused: no part of the payload, and told in its cells.
#[must_use]
pub fn changes(row: &Row, payload: &str, refused: &BTreeMap<String, String>) -> Vec<Change> {
    let now = cells(payload);
    let own: &Fields = &read_fields(payload).unwrap_or_default();
    let changed = row.cells.iter().filter(|(name, cell)| {
        let known = now.get(*name);
        match known {
            Some(known) => !reads_alike(known, cell),
            None if let Some(refused) = refused.get(*name) => {
                row.anyway || !cell.is_empty() && !reads_alike(refused, cell)
            }
            None => !cell.is_empty() && !own.contains_key(*name),
        }
    });
    changed
        .map(|(name, cell)| Change {
            field: name.clone(),
            value: Some(Wanted::Text(cell.clone())),
        })
        .collect()
}

/// Spreadsheets write TRUE for true, and other line ends.
fn reads_alike(known: &str, cell: &str) -> bool {
    let plain = |text: &str| text.replace("\r\n", "\n");
    let truth =
        |text: &str| text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
    plain(known) == plain(cell) || truth(known) && known.eq_ignore_ascii_case(cell)
}

/// Takes rows in as edits, or says what they would change; one that is wrong does not keep the
/// others back, which is for the asker to decide.
pub async fn import(
    letters: &Letters,
    rows: Vec<Row>,
    author: &str,
    check_only: bool,
) -> Vec<RowReport> {
    let mut reports = Vec::with_capacity(rows.len());
    let mut refusals = Refusals::new(letters);
    for row in rows {
        let (line, letter) = (row.line, row.letter);
        let report = |changed, wrong| RowReport {
            line,
            letter,
            changed,
            wrong,
        };
        let story = match letters.show(letter).await {
            Ok(story) => story,
            Err(declined) => {
                reports.push(report(Vec::new(), Some(declined.text)));
                continue;
            }
        };
        let payload = story.payload.as_ref().map_or("{}", |payload| payload.get());
        let changes = changes(&row, payload, &refusals.of(&story).await);
        if changes.is_empty() {
            reports.push(report(Vec::new(), None));
            continue;
        }
        let edited = letters
            .edit(letter, changes, row.seen, author, check_only)
            .await;
        reports.push(match edited {
            Ok(edited) => report(edited.changed, None),
            Err(declined) => report(Vec::new(), Some(declined.text)),
        });
    }
    reports
}

#[cfg(test)]
mod tests;
