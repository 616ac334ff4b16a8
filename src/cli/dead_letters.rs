//! `leadstream dead-letters`: the records that wait for a person.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::read::{Source, StateArgument};
use super::time::moment;
use super::{Failed, Global};
use crate::cli::printer::Printer;
use crate::core::time::Micros;
use crate::delivery;
use crate::operator::Query;
use crate::runtime::Error;
use crate::state::DeadLetterFilter;

#[derive(Subcommand)]
pub enum Verb {
    /// Lists open dead letters, grouped by cause, with what to do about each cause
    List(ListArguments),
}

#[derive(Args)]
pub struct ListArguments {
    /// Of this route only
    #[arg(long)]
    route: Option<String>,
    /// Of this class only: mapping, data, duplicate, configuration, contention, unknown
    #[arg(long)]
    class: Option<String>,
    /// With this code only, such as STRING_TOO_LONG
    #[arg(long)]
    code: Option<String>,
    /// How many to list
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// How many to pass over first
    #[arg(long, default_value_t = 0)]
    offset: usize,
    #[command(flatten)]
    state: StateArgument,
}

pub fn run(global: &Global, verb: &Verb, printer: &Printer) -> Result<(), Failed> {
    let Verb::List(arguments) = verb;
    let filter = DeadLetterFilter {
        route: arguments.route.clone(),
        class: arguments.class.clone(),
        code: arguments.code.clone(),
    };
    let (limit, offset) = (arguments.limit, arguments.offset);
    let query = Query::DeadLetters {
        filter: filter.clone(),
        limit,
        offset,
    };
    let rows = match arguments.state.source(global, &query, printer)? {
        Source::Service(value) => value,
        Source::Folder(reader) => {
            let rows = reader.index().dead_letters(&filter, limit, offset);
            serde_json::to_value(rows.map_err(Error::State)?)
                .map_err(|error| Failed::Output(std::io::Error::other(error)))?
        }
    };
    if global.json {
        printer.json(&rows)?;
        return Ok(());
    }
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        printer.note("no dead letters wait");
        return Ok(());
    }
    let more = rows.len() == limit;
    print(rows, more, printer)?;
    if more {
        printer.note(&format!("there may be more: --offset {}", offset + limit));
    }
    Ok(())
}

/// With `more`, others of the same causes may wait beyond what is listed.
fn print(rows: &[Value], more: bool, printer: &Printer) -> std::io::Result<()> {
    let text = |row: &Value, name: &str| {
        row.get(name)
            .and_then(Value::as_str)
            .unwrap_or("?")
            .to_owned()
    };
    let mut causes: BTreeMap<(String, String, String), Vec<&Value>> = BTreeMap::new();
    for row in rows {
        let cause = (text(row, "route"), text(row, "class"), text(row, "code"));
        causes.entry(cause).or_default().push(row);
    }
    let mut causes: Vec<_> = causes.into_iter().collect();
    causes.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
    let least = if more { "at least " } else { "" };
    for ((route, class, code), rows) in causes {
        let noun = if rows.len() == 1 { "record" } else { "records" };
        printer.data(&format!(
            "{least}{} {noun} of route {route}: {code} ({class})",
            rows.len()
        ))?;
        printer.data(&format!("  what to do: {}", delivery::explain(&code)))?;
        let lines: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                let letter = row
                    .get("letter")
                    .and_then(Value::as_u64)
                    .unwrap_or_default();
                let at = row.get("at").and_then(Value::as_i64).unwrap_or_default();
                let personal = row.get("event").and_then(|event| event.get("personal"));
                let key = personal
                    .map(|personal| text(personal, "key"))
                    .unwrap_or_default();
                vec![
                    format!("  {letter}"),
                    moment(Micros(at)),
                    key,
                    message(personal),
                ]
            })
            .collect();
        printer.table(&["  letter", "since", "key", "what was said"], &lines)?;
        printer.data("")?;
    }
    Ok(())
}

/// The first thing that was said against it.
fn message(personal: Option<&Value>) -> String {
    personal
        .and_then(|personal| {
            personal
                .get("errors")?
                .as_array()?
                .first()?
                .get("message")?
                .as_str()
        })
        .unwrap_or_default()
        .to_owned()
}
