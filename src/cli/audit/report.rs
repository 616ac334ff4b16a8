//! `leadstream audit report`: what became of the leads of a period, for people and for programs.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::period::PeriodArguments;
use super::show;
use crate::cli::printer::Printer;
use crate::cli::read::StateArgument;
use crate::cli::{FAILURE, Failed, Global, USAGE, ledger, private_file};
use crate::core::report::SlotLength;
use crate::operator::report::{figures, html};
use crate::runtime::clock;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    period: PeriodArguments,
    /// Breaks it down by this [default: hour up to three days, else day]
    #[arg(long, value_name = "LENGTH")]
    by: Option<By>,
    /// Of this route only
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// [default: text, or json with --json]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Writes it to this file instead of stdout; one that is there is replaced
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    state: StateArgument,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Hour,
    Day,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    /// For the terminal
    Text,
    /// All figures as one object
    Json,
    /// One line for each day or hour
    Csv,
    /// One page that needs nothing else
    Html,
}

pub fn run(global: &Global, arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    let period = arguments.period.read(clock::wall(), printer)?;
    let by = arguments.by.map(|by| match by {
        By::Hour => SlotLength::Hour,
        By::Day => SlotLength::Day,
    });
    let frame = period.frame(by).map_err(|text| {
        let remedy = "ask for a shorter period, or with --by day";
        printer.error(Some("LS6020"), &text, Some(remedy));
        Failed::Said(USAGE)
    })?;
    let (ledger, _) = ledger::open(global, &arguments.state, printer)?;
    let mut progress =
        |done, total: u64| printer.progress("bytes of the journal", done, Some(total));
    let report = ledger
        .report(frame, arguments.route.as_deref(), &mut progress)
        .map_err(|error| ledger::refused(&error, printer))?;
    printer.progress_done();
    let default = if global.json {
        Format::Json
    } else {
        Format::Text
    };
    let text = match arguments.format.unwrap_or(default) {
        Format::Text => show::text(&report),
        Format::Json => serde_json::to_string(&report).map_err(io::Error::other)?,
        Format::Csv => figures::csv(&report)?,
        Format::Html => html::page(&report, clock::wall())?,
    };
    match &arguments.output {
        None => printer.data(text.trim_end())?,
        Some(path) => {
            write_file(path, text.trim_end()).map_err(|error| unwritable(path, &error, printer))?;
            printer.note(&format!("the report is in {}", path.display()));
        }
    }
    Ok(())
}

/// A report may name what only few should see, so the file is its owner's.
fn write_file(path: &Path, text: &str) -> io::Result<()> {
    let mut file = private_file::create(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

pub fn unwritable(path: &Path, error: &io::Error, printer: &Printer) -> Failed {
    let text = format!("cannot write {}: {error}", path.display());
    let remedy = "check space and permissions of the file or its folder";
    printer.error(Some("LS6021"), &text, Some(remedy));
    Failed::Said(FAILURE)
}
