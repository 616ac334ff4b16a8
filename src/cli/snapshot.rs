//! `leadstream snapshot`: reading the rows that are there already, beside the stream.

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::read::{Source, StateArgument};
use super::time::{duration, moment};
use super::{FAILURE, Failed, Global};
use crate::cli::printer::Printer;
use crate::core::snapshot::{SnapshotReason, SnapshotState};
use crate::operator::{Query, SnapshotStarted};
use crate::runtime::status::SnapshotStatus;

#[derive(Subcommand)]
pub enum Verb {
    /// Reads the rows that are there already and hands them to their routes, beside the stream
    ///
    /// Chunk by chunk by primary key, without a lock. Rows that the stream changes meanwhile come by
    /// the stream. A restart goes on at the last finished chunk.
    Start(StartArguments),
    /// Shows how far the last snapshot is, or how it ended
    Status(StatusArguments),
    /// Ends the running snapshot; what it has delivered stays delivered
    Cancel(StateArgument),
}

#[derive(Args)]
pub struct StartArguments {
    /// Of this route only; may be repeated [default: all routes]
    #[arg(long = "route", value_name = "NAME")]
    routes: Vec<String>,
    /// Only the rows for which this SQL condition holds, as it stands behind WHERE. It is kept in
    /// the journal as it is, so it should name no person
    #[arg(long = "where", value_name = "SQL", value_parser = NonEmptyStringValueParser::new())]
    condition: Option<String>,
    #[command(flatten)]
    state: StateArgument,
}

#[derive(Args)]
pub struct StatusArguments {
    /// Follows it to its end, with a progress line on a terminal; exit 1 unless it finishes
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    state: StateArgument,
}

/// What `snapshot status --json` gives.
#[derive(Debug, Serialize, Deserialize)]
struct Shown {
    /// False: no service runs, and this is what the journal says.
    service_running: bool,
    /// The last one; `null` when there was none.
    snapshot: Option<SnapshotStatus>,
}

/// As often as a person wants to look.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub fn run(global: &Global, verb: &Verb, printer: &Printer) -> Result<(), Failed> {
    match verb {
        Verb::Start(arguments) => start(global, arguments, printer),
        Verb::Status(arguments) if arguments.watch => watch(global, &arguments.state, printer),
        Verb::Status(arguments) => {
            let shown = look(global, &arguments.state, printer)?;
            print(global, &shown, printer)
        }
        Verb::Cancel(state) => cancel(global, state, printer),
    }
}

fn start(global: &Global, arguments: &StartArguments, printer: &Printer) -> Result<(), Failed> {
    let routes = (!arguments.routes.is_empty()).then(|| arguments.routes.clone());
    let query = Query::SnapshotStart {
        routes,
        condition: arguments.condition.clone(),
    };
    let value = arguments.state.command(global, &query, printer)?;
    if global.json {
        printer.json(&value)?;
        return Ok(());
    }
    let SnapshotStarted { number } = parse(value)?;
    printer.data(&format!(
        "snapshot {number} is started; follow it with: leadstream snapshot status --watch"
    ))?;
    Ok(())
}

fn cancel(global: &Global, state: &StateArgument, printer: &Printer) -> Result<(), Failed> {
    let value = state.command(global, &Query::SnapshotCancel, printer)?;
    if global.json {
        printer.json(&value)?;
        return Ok(());
    }
    let status: SnapshotStatus = parse(value)?;
    printer.data(&format!(
        "snapshot {} is cancelled after {} rows; what was delivered, or is on its way, stays",
        status.number, status.rows_read
    ))?;
    Ok(())
}

fn watch(global: &Global, state: &StateArgument, printer: &Printer) -> Result<(), Failed> {
    loop {
        let shown = look(global, state, printer)?;
        let running = shown.snapshot.as_ref().filter(|it| it.is_running());
        let Some(status) = running.filter(|_| shown.service_running) else {
            printer.progress_done();
            print(global, &shown, printer)?;
            let finished = shown
                .snapshot
                .is_some_and(|it| it.state == SnapshotState::Finished);
            return if finished {
                Ok(())
            } else {
                Err(Failed::Said(FAILURE))
            };
        };
        if global.json {
            printer.json(&shown)?;
        }
        if printer.is_closed() {
            return Ok(());
        }
        let what = format!("snapshot {}, {}:", status.number, pace(status));
        printer.progress(&what, status.rows_read, status.estimated_rows);
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Asks the service, or reads the journal when none runs.
fn look(global: &Global, state: &StateArgument, printer: &Printer) -> Result<Shown, Failed> {
    Ok(
        match state.source(global, &Query::SnapshotStatus, printer)? {
            Source::Service(value) => Shown {
                service_running: true,
                snapshot: parse(value)?,
            },
            Source::Folder(reader) => Shown {
                service_running: false,
                snapshot: reader
                    .recovered()
                    .snapshot
                    .as_ref()
                    .map(SnapshotStatus::new),
            },
        },
    )
}

fn parse<T: for<'de> Deserialize<'de>>(value: serde_json::Value) -> Result<T, Failed> {
    serde_json::from_value(value).map_err(|error| Failed::Output(std::io::Error::other(error)))
}

fn print(global: &Global, shown: &Shown, printer: &Printer) -> Result<(), Failed> {
    if global.json {
        printer.json(shown)?;
        return Ok(());
    }
    let Some(status) = &shown.snapshot else {
        printer.note("there was no snapshot yet");
        return Ok(());
    };
    let whose = if shown.service_running {
        "seen by the service"
    } else {
        "no service runs, these are the durable facts"
    };
    printer.data(&format!("{}; {whose}", headline(status)))?;
    if let SnapshotState::Failed { page, text } = &status.state {
        printer.data(&format!("            {text} [{page}]"))?;
        if let Some(remedy) = &status.remedy {
            printer.data(&format!("            remedy: {remedy}"))?;
        }
    }
    let why = match status.reason {
        SnapshotReason::Requested => "it was asked for",
        SnapshotReason::FirstStart => "source.start = \"snapshot\"",
        SnapshotReason::HistoryLost => "the binlog's history was lost",
    };
    printer.data(&format!("begun       {}: {why}", moment(status.started_at)))?;
    if let Some(ended) = status.ended_at {
        let took = duration(ended.seconds_since(status.started_at));
        printer.data(&format!("ended       {}, after {took}", moment(ended)))?;
    }
    if status.is_running() {
        printer.data(&format!("rows        {}", progress(status)))?;
        if let Some(waiting) = &status.waiting {
            printer.data(&format!("pauses      {waiting}"))?;
        }
        if !shown.service_running {
            printer.data("            it goes on with the next start of the service")?;
        }
    }
    let rows: Vec<Vec<String>> = status
        .tables
        .iter()
        .map(|table| {
            let estimated = table.estimated_rows.map(|rows| rows.to_string());
            vec![
                table.table.clone(),
                table.routes.join(", "),
                table.rows.to_string(),
                table.overtaken.to_string(),
                estimated.unwrap_or_else(|| "-".to_owned()),
                table.chunks.to_string(),
                match (table.finished, table.chunks) {
                    (true, _) => "read",
                    (false, 0) => "waits",
                    (false, _) => "begun",
                }
                .to_owned(),
            ]
        })
        .collect();
    let headers = [
        "table",
        "routes",
        "rows",
        "overtaken",
        "estimated",
        "chunks",
        "state",
    ];
    printer.table(&headers, &rows)?;
    Ok(())
}

fn headline(status: &SnapshotStatus) -> String {
    let word = match status.state {
        SnapshotState::Running => "is running",
        SnapshotState::Finished => "is finished",
        SnapshotState::Cancelled => "was cancelled",
        SnapshotState::Failed { .. } => "FAILED, waits for a person",
    };
    format!("snapshot {} {word}", status.number)
}

/// For the one line of `leadstream status`.
pub fn line(status: &SnapshotStatus) -> String {
    let mut line = format!("{}: {}", headline(status), progress(status));
    if let Some(waiting) = &status.waiting {
        line.push_str(&format!("; pauses: {waiting}"));
    }
    line
}

fn progress(status: &SnapshotStatus) -> String {
    let read = status.rows_read;
    if !status.is_running() {
        return format!("{read} rows read");
    }
    let of = match status.estimated_rows {
        Some(rows) => {
            let percent = u128::from(read) * 100 / u128::from(rows.max(1));
            format!("{read} of about {rows} rows ({percent} %)")
        }
        None => format!("{read} rows"),
    };
    format!("{of}, {}", pace(status))
}

fn pace(status: &SnapshotStatus) -> String {
    let rate = match status.rows_per_second {
        Some(rate) => format!("{rate:.0} rows/s"),
        None => "rate not known yet".to_owned(),
    };
    match status.seconds_left {
        Some(left) => format!("{rate}, {} left", duration(left)),
        None => rate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Micros;

    fn status(state: SnapshotState) -> SnapshotStatus {
        SnapshotStatus {
            number: 3,
            reason: SnapshotReason::Requested,
            state,
            started_at: Micros(0),
            ended_at: None,
            tables: Vec::new(),
            rows_read: 12_000,
            estimated_rows: Some(50_000),
            rows_per_second: Some(1_200.4),
            seconds_left: Some(31.7),
            waiting: Some("31 threads are at work".into()),
            remedy: None,
        }
    }

    #[test]
    fn one_line_says_it_all() {
        assert_eq!(
            line(&status(SnapshotState::Running)),
            "snapshot 3 is running: 12000 of about 50000 rows (24 %), 1200 rows/s, \
             31.7 s left; pauses: 31 threads are at work"
        );
        let mut ended = status(SnapshotState::Cancelled);
        ended.waiting = None;
        assert_eq!(line(&ended), "snapshot 3 was cancelled: 12000 rows read");
    }
}
