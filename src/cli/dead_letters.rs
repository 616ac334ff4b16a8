//! `leadstream dead-letters`: the records that wait for a person, and what a person can do.

mod change;
mod list;
mod replay;
mod sheet;
mod show;

use clap::{Args, Subcommand};
use serde::Deserialize;

use super::read::{Source, StateArgument};
use super::{FAILURE, Failed, Global, USAGE};
use crate::cli::printer::Printer;
use crate::operator::{LetterQuestion, Query};
use crate::runtime::Error;
use crate::runtime::letters::Selection;
use crate::state::{DeadLetterFilter, IndexHandle};

#[derive(Subcommand)]
pub enum Verb {
    /// Lists open dead letters, grouped by cause, with what to do about each cause
    List(list::Arguments),
    /// Shows one: what was sent, what was said against it, what was edited, and what to do
    Show(show::Arguments),
    /// Changes fields of one, each held against Salesforce's describe; nothing is sent yet
    ///
    /// Give FIELD=VALUE, as often as needed; an empty value empties the field. The next replay
    /// sends the record with what was changed. The external id cannot be changed.
    #[command(
        after_help = "Example: leadstream dead-letters edit 17 LastName=Doe State=Berlin \
        --unset Fax\nFIELD=VALUE may be given with --set as well."
    )]
    Edit(change::EditArguments),
    /// Sends dead letters again, as they are now
    ///
    /// They go out like all other records: within the API budget, in batches, never overtaking a
    /// newer image of the same record. One that is refused again stays open under its number.
    /// Ctrl-C ends the replay and loses nothing.
    Replay(replay::Arguments),
    /// Closes dead letters that are not to be sent, with a reason
    Discard(change::DiscardArguments),
    /// Writes dead letters as CSV, one column for each field, to be mended in a spreadsheet
    Export(sheet::ExportArguments),
    /// Takes a mended CSV back: every changed cell becomes an edit, checked like one
    Import(sheet::ImportArguments),
}

/// Which letters are meant.
#[derive(Args)]
pub struct SelectionArguments {
    /// Numbers of dead letters
    #[arg(value_name = "NUMBER")]
    numbers: Vec<u64>,
    /// All that are open
    #[arg(long, conflicts_with = "numbers")]
    all: bool,
    #[command(flatten)]
    filter: FilterArguments,
}

#[derive(Args)]
pub struct FilterArguments {
    /// Of this route only
    #[arg(long)]
    route: Option<String>,
    /// Of this class only: mapping, data, duplicate, configuration, contention, unknown
    #[arg(long)]
    class: Option<String>,
    /// With this code only, such as STRING_TOO_LONG
    #[arg(long)]
    code: Option<String>,
    /// Where this field was objected to
    #[arg(long)]
    field: Option<String>,
}

impl FilterArguments {
    fn filter(&self) -> DeadLetterFilter {
        DeadLetterFilter {
            route: self.route.clone(),
            class: self.class.clone(),
            code: self.code.clone(),
            field: self.field.clone(),
            first_field: None,
        }
    }
}

impl SelectionArguments {
    /// The letters meant: numbers, or what a filter admits.
    fn selection(&self, printer: &Printer) -> Result<Selection, Failed> {
        let filter = self.filter.filter();
        let is_filtered = filter != DeadLetterFilter::default();
        match (self.numbers.is_empty(), is_filtered || self.all) {
            (false, false) => Ok(Selection::Numbers(self.numbers.clone())),
            (true, true) => Ok(Selection::Matching(filter)),
            (empty, _) => {
                let text = if empty {
                    "which dead letters? Give numbers, --all, or a filter such as --code"
                } else {
                    "give either numbers or a filter"
                };
                printer.error(None, text, None);
                Err(Failed::Said(USAGE))
            }
        }
    }
}

pub fn run(global: &Global, verb: &Verb, printer: &Printer) -> Result<(), Failed> {
    match verb {
        Verb::List(arguments) => list::run(global, arguments, printer),
        Verb::Show(arguments) => show::run(global, arguments, printer),
        Verb::Edit(arguments) => change::edit(global, arguments, printer),
        Verb::Replay(arguments) => replay::run(global, arguments, printer),
        Verb::Discard(arguments) => change::discard(global, arguments, printer),
        Verb::Export(arguments) => sheet::export(global, arguments, printer),
        Verb::Import(arguments) => sheet::import(global, arguments, printer),
    }
}

/// Asks the running service to do something about dead letters.
fn command(
    global: &Global,
    state: &StateArgument,
    what: LetterQuestion,
    printer: &Printer,
) -> Result<serde_json::Value, Failed> {
    state.command(global, &Query::Letters { what }, printer)
}

/// Asks the running service, or the folder when none runs.
fn read<T: serde::Serialize>(
    global: &Global,
    state: &StateArgument,
    what: LetterQuestion,
    printer: &Printer,
    from_folder: impl FnOnce(&IndexHandle) -> Result<T, crate::state::Error>,
) -> Result<serde_json::Value, Failed> {
    match state.source(global, &Query::Letters { what }, printer)? {
        Source::Service(value) => Ok(value),
        Source::Folder(reader) => {
            let answer = from_folder(&reader.index()).map_err(Error::State)?;
            serde_json::to_value(answer).map_err(|error| Failed::Output(error.into()))
        }
    }
}

fn parse<T: for<'de> Deserialize<'de>>(value: serde_json::Value) -> Result<T, Failed> {
    serde_json::from_value(value).map_err(|error| Failed::Output(error.into()))
}

/// How many open letters are meant, and whether the person stands by it: `--yes`, or an answer on
/// the terminal.
fn confirm(
    global: &Global,
    state: &StateArgument,
    selection: &Selection,
    (yes, what): (bool, &str),
    printer: &Printer,
) -> Result<(), Failed> {
    let count = match selection {
        Selection::Numbers(numbers) => numbers.len(),
        Selection::Matching(filter) => {
            let filter = filter.clone();
            let what = LetterQuestion::Numbers { filter };
            parse::<Vec<u64>>(command(global, state, what, printer)?)?.len()
        }
    };
    if yes || count <= 1 {
        return Ok(());
    }
    let question = format!("{what} {count} dead letters?");
    if printer.confirm(&question) {
        return Ok(());
    }
    let remedy = "say --yes if that is meant; `leadstream dead-letters list` shows them";
    let text = format!("{count} dead letters are meant: nothing was done");
    printer.error(Some("LS6017"), &text, Some(remedy));
    Err(Failed::Said(FAILURE))
}
