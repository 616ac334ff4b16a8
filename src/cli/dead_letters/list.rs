//! `leadstream dead-letters list`: what waits, by cause.

use clap::Args;
use serde_json::Value;

use super::super::read::{Source, StateArgument};
use super::super::time::moment;
use super::super::{Failed, Global};
use super::{FilterArguments, read};
use crate::cli::printer::Printer;
use crate::core::time::Micros;
use crate::delivery;
use crate::operator::{LetterQuestion, Query};
use crate::runtime::Error;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    filter: FilterArguments,
    /// Only how many there are of each cause
    #[arg(long)]
    groups: bool,
    /// How many to list
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// How many to pass over first
    #[arg(long, default_value_t = 0)]
    offset: usize,
    #[command(flatten)]
    state: StateArgument,
}

pub fn run(global: &Global, arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    let rows = if arguments.groups {
        Value::Array(Vec::new())
    } else {
        rows(global, arguments, printer)?
    };
    if global.json && !arguments.groups {
        printer.json(&rows)?;
        return Ok(());
    }
    // Counted behind the list, so that what is listed is among what is counted.
    let filter = arguments.filter.filter();
    let what = LetterQuestion::Groups {
        filter: filter.clone(),
    };
    let groups = read(global, &arguments.state, what, printer, |index| {
        index.letter_groups(&filter)
    })?;
    if global.json {
        printer.json(&groups)?;
        return Ok(());
    }
    let groups = groups.as_array().map(Vec::as_slice).unwrap_or_default();
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    if groups.is_empty() {
        printer.note("no dead letters wait");
        return Ok(());
    }
    for group in groups {
        print_group(group, rows, printer)?;
    }
    let all: u64 = groups.iter().map(|group| number(group, "count")).sum();
    let behind = (arguments.offset + rows.len()) as u64;
    if !arguments.groups && behind < all {
        printer.note(&format!(
            "{} of {all} are listed; go on with --offset {behind}, or list more with --limit",
            rows.len()
        ));
    }
    Ok(())
}

fn rows(global: &Global, arguments: &Arguments, printer: &Printer) -> Result<Value, Failed> {
    let filter = arguments.filter.filter();
    let (limit, offset) = (arguments.limit, arguments.offset);
    let query = Query::DeadLetters {
        filter: filter.clone(),
        limit,
        offset,
    };
    match arguments.state.source(global, &query, printer)? {
        Source::Service(value) => Ok(value),
        Source::Folder(reader) => {
            let rows = reader.index().dead_letters(&filter, limit, offset);
            serde_json::to_value(rows.map_err(Error::State)?)
                .map_err(|error| Failed::Output(error.into()))
        }
    }
}

fn print_group(group: &Value, rows: &[Value], printer: &Printer) -> std::io::Result<()> {
    let cause = ["route", "class", "code"];
    let field = text(group, "field");
    let first_field = |row: &Value| {
        let fields = row.get("fields").and_then(Value::as_array);
        let first = fields.and_then(|fields| fields.first()?.as_str());
        first.unwrap_or_default().to_owned()
    };
    let is_of = |row: &&Value| {
        cause
            .iter()
            .all(|name| text(row, name) == text(group, name))
            && first_field(row) == field
    };
    let lines: Vec<Vec<String>> = rows.iter().filter(is_of).map(line).collect();
    let count = number(group, "count");
    let noun = if count == 1 { "record" } else { "records" };
    let [route, class, code] = cause.map(|name| text(group, name));
    let at_field = if field.is_empty() {
        String::new()
    } else {
        format!(" at {field}")
    };
    printer.data(&format!(
        "{count} {noun} of route {route}: {code}{at_field} ({class})"
    ))?;
    printer.data(&format!("  what to do: {}", delivery::explain(&code)))?;
    if !lines.is_empty() {
        printer.table(&["  letter", "since", "key", "what was said"], &lines)?;
    }
    printer.data("")
}

fn line(row: &Value) -> Vec<String> {
    let at = row.get("at").and_then(Value::as_i64).unwrap_or_default();
    let personal = row.get("event").and_then(|event| event.get("personal"));
    vec![
        format!("  {}", number(row, "letter")),
        moment(Micros(at)),
        personal.map(|it| text(it, "key")).unwrap_or_default(),
        message(personal),
    ]
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn text(value: &Value, name: &str) -> String {
    value
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or("?")
        .to_owned()
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
