//! `leadstream audit export`: every step of every record of a period, as lines.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::period::PeriodArguments;
use super::report::unwritable;
use crate::cli::printer::Printer;
use crate::cli::read::StateArgument;
use crate::cli::{Failed, Global, ledger, private_file};
use crate::runtime::clock;
use crate::runtime::letters::sheet;
use crate::state::audit::{Error, ExportedStep, Wanted};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    period: PeriodArguments,
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    format: Format,
    /// Keys, payloads and messages too, as far as the payload policy has kept them
    #[arg(long)]
    personal: bool,
    /// Writes it to this file instead of stdout; one that is there is replaced
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    state: StateArgument,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    /// One JSON object a line
    Jsonl,
    /// One line a step, moments in microseconds since 1970 in UTC
    Csv,
}

/// Of the CSV; what is personal comes last.
const COLUMNS: [&str; 37] = [
    "commit",
    "at",
    "kind",
    "route",
    "transaction",
    "table",
    "row",
    "rows",
    "operation",
    "committed_at",
    "captured_at",
    "batch",
    "attempt",
    "sent_at",
    "answered_at",
    "salesforce_id",
    "created",
    "letter",
    "class",
    "code",
    "rule",
    "serial",
    "parked",
    "unknown",
    "by",
    "author",
    "event",
    "detail",
    "segment",
    "offset",
    "key",
    "fields",
    "source_row",
    "errors",
    "before",
    "after",
    "reason",
];

/// Where the personal ones begin.
const PERSONAL: usize = 30;

/// Steps between two looks at how far it is.
const LINES_AT_ONCE: usize = 256;

pub fn run(global: &Global, arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    let period = arguments.period.read(clock::wall(), printer)?;
    let (ledger, _) = ledger::open(global, &arguments.state, printer)?;
    let wanted = Wanted {
        since: period.since,
        until: period.until,
        personal: arguments.personal,
    };
    let mut sink = match &arguments.output {
        None => Sink::Printer(printer, Vec::new()),
        Some(path) => {
            let file = private_file::create(path);
            let file = file.map_err(|error| unwritable(path, &error, printer))?;
            Sink::File(BufWriter::new(file))
        }
    };
    let failed = |source: io::Error| Error::Output {
        source: Arc::new(source),
    };
    let columns = match arguments.personal {
        true => &COLUMNS[..],
        false => &COLUMNS[..PERSONAL],
    };
    if arguments.format == Format::Csv {
        let head = sink.line(&columns.join(","));
        if head.map_err(Failed::Output)?.is_break() {
            return Ok(());
        }
    }
    let mut steps = 0_u64;
    let mut take = |step: ExportedStep| {
        steps += 1;
        let line = match arguments.format {
            Format::Jsonl => serde_json::to_string(&step).map_err(io::Error::other),
            Format::Csv => record(&step, columns),
        };
        sink.line(&line.map_err(failed)?).map_err(failed)
    };
    let is_shown = arguments.output.is_some();
    let mut progress = |done, total: u64| {
        if is_shown {
            printer.progress("bytes of the journal", done, Some(total));
        }
    };
    let exported = ledger.export(wanted, &mut take, &mut progress);
    exported.map_err(|error| ledger::refused(&error, printer))?;
    sink.finish().map_err(Failed::Output)?;
    printer.progress_done();
    printer.note(&format!("{steps} steps"));
    Ok(())
}

/// Where lines go.
enum Sink<'a> {
    Printer(&'a Printer, Vec<String>),
    File(BufWriter<std::fs::File>),
}

impl Sink<'_> {
    fn line(&mut self, line: &str) -> io::Result<ControlFlow<()>> {
        match self {
            Sink::Printer(printer, lines) => {
                lines.push(line.to_owned());
                if lines.len() >= LINES_AT_ONCE {
                    printer.data(&lines.join("\n"))?;
                    lines.clear();
                }
                if printer.is_closed() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Sink::File(file) => writeln!(file, "{line}")?,
        }
        Ok(ControlFlow::Continue(()))
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Sink::Printer(printer, lines) if !lines.is_empty() => printer.data(&lines.join("\n")),
            Sink::Printer(..) => Ok(()),
            Sink::File(file) => file
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .sync_all(),
        }
    }
}

/// A step as one record of CSV, without its line end.
fn record(step: &ExportedStep, columns: &[&str]) -> io::Result<String> {
    let value = serde_json::to_value(step).map_err(io::Error::other)?;
    let cell = |column: &&str| {
        let found = value
            .get(*column)
            .or_else(|| value.get("personal")?.get(*column));
        match found {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => sheet::guard(text),
            Some(other) => other.to_string(),
        }
    };
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::Any(b'\n'))
        .from_writer(Vec::new());
    writer.write_record(columns.iter().map(cell))?;
    let bytes = writer
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    Ok(text.trim_end_matches('\n').to_owned())
}
