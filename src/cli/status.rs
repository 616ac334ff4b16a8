//! `leadstream status`: position, lag, books, budget, open dead letters; and whose view that is.

mod ready;

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::read::{Source, StateArgument};
use super::time::{duration, moment};
use super::{Failed, Global};
use crate::cli::printer::Printer;
use crate::core::entry::{Recovered, Totals};
use crate::core::position::Checkpoint;
use crate::operator::Query;
use crate::runtime::clock;
use crate::runtime::status::{BudgetStatus, SnapshotStatus, Stage, Status, TroubleStatus};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    state: StateArgument,
    /// Answers one question, for health checks: exit 0 if a service runs there and streams, 1 with
    /// the reason if not; the same as /readyz, without the port
    #[arg(long)]
    ready: bool,
}

/// What can be said while no service runs: durable facts alone.
#[derive(Serialize)]
struct AtRest<'a> {
    running: bool,
    checkpoint: Option<&'a Checkpoint>,
    snapshot: Option<SnapshotStatus>,
    routes: &'a BTreeMap<String, Totals>,
}

pub fn run(global: &Global, arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    let state = &arguments.state;
    if arguments.ready {
        return ready::run(global, state, printer);
    }
    match state.source(global, &Query::Status, printer)? {
        Source::Service(value) if global.json => printer.json(&value)?,
        Source::Service(value) => {
            let status: Status = serde_json::from_value(value)
                .map_err(|error| Failed::Output(std::io::Error::other(error)))?;
            print_running(&status, printer)?;
        }
        Source::Folder(reader) if global.json => {
            let Recovered {
                checkpoint,
                totals,
                snapshot,
                ..
            } = reader.recovered();
            let rest = AtRest {
                running: false,
                checkpoint: checkpoint.as_ref(),
                snapshot: snapshot.as_ref().map(SnapshotStatus::new),
                routes: totals,
            };
            printer.json(&rest)?;
        }
        Source::Folder(reader) => print_at_rest(reader.recovered(), printer)?,
    }
    Ok(())
}

fn print_running(status: &Status, printer: &Printer) -> std::io::Result<()> {
    let now = clock::wall();
    let stage = match status.stage {
        Stage::Starting => "starting",
        Stage::Running => "running",
        Stage::Stopping => "stopping",
    };
    let up = duration(now.seconds_since(status.started_at));
    printer.data(&format!(
        "leadstream {} is {stage}, pid {}, up {up}; seen by the service at {}",
        status.version,
        status.pid,
        moment(status.as_of)
    ))?;
    let source = &status.source;
    let version = source.server_version.as_deref().unwrap_or("?");
    let stalled = source.stalled && source.connected;
    printer.data(&match (source.connected, source.stopped) {
        _ if stalled => format!("source      STALLED: MySQL {version} goes on, no event comes"),
        (true, _) => format!("source      streaming from MySQL {version}"),
        (false, true) => "source      STOPPED, waits for a person".to_owned(),
        (false, false) => "source      not connected".to_owned(),
    })?;
    print_trouble(source.trouble.as_ref(), printer)?;
    if let (Some(behind), Some(left)) = (source.behind_bytes, source.retention_left_seconds) {
        let left = duration(left as f64);
        printer.data(&format!(
            "            {behind} bytes of binlog to be read; the server keeps them for {left}"
        ))?;
    }
    let delivery = &status.delivery;
    let org = match (delivery.api_used, delivery.api_limit) {
        (Some(used), Some(limit)) => format!("; the org used {used} of {limit} calls in 24 h"),
        _ => String::new(),
    };
    let word = if delivery.trouble.is_some() {
        "PAUSED"
    } else {
        "open"
    };
    printer.data(&format!(
        "salesforce  {word}, {} of {} calls in flight, {} calls made since the start{org}",
        delivery.calls_in_flight, delivery.allowed_in_flight, delivery.api_calls_made
    ))?;
    print_trouble(delivery.trouble.as_ref(), printer)?;
    if let Some(budget) = &delivery.budget {
        printer.data(&format!(
            "budget      {}",
            budget_line(budget, delivery.trouble.is_some())
        ))?;
    }
    printer.data(&format!(
        "lag         {}",
        status.oldest_unsettled.map_or(
            "none: every captured row has its outcome".to_owned(),
            |at| {
                format!(
                    "{}: the oldest row without an outcome was committed at {}",
                    duration(now.seconds_since(at)),
                    moment(at)
                )
            }
        )
    ))?;
    print_checkpoint(status.checkpoint.as_ref(), printer)?;
    print_snapshot(status.snapshot.as_ref(), printer)?;
    let state = &status.state;
    let behind = state.last_commit.saturating_sub(state.index_applied);
    let rebuilding = if state.index_rebuilding {
        let done = state.index_applied * 100 / state.last_commit.max(1);
        format!(", being rebuilt: {done} % done")
    } else {
        String::new()
    };
    printer.data(&format!(
        "state       {} commits, journal of {} bytes; index {behind} commits behind{rebuilding}",
        state.last_commit, state.journal_bytes
    ))?;
    print_trouble(status.disk.trouble.as_ref(), printer)?;
    let rows: Vec<BookRow> = status
        .routes
        .iter()
        .map(|route| BookRow {
            name: &route.name,
            captured: route.captured,
            totals: &route.totals,
            in_flight: route.in_flight,
            balances: route.balances,
        })
        .collect();
    print_books(&rows, printer)?;
    for route in &status.routes {
        if let Some(trouble) = &route.trouble {
            printer.data(&format!("route {} is paused", route.name))?;
            print_trouble(Some(trouble), printer)?;
        }
        if let Some(pause) = &route.operator_pause {
            printer.data(&format!(
                "  by {} since {}, because: {}",
                pause.author,
                moment(pause.since),
                pause.reason
            ))?;
        }
    }
    for route in &status.routes {
        if let Some(bulk) = &route.bulk {
            printer.data(&format!("route {} goes {bulk}", route.name))?;
        }
    }
    let open: u64 = status
        .routes
        .iter()
        .map(|route| route.totals.dead_letters_open)
        .sum();
    print_hint(open, printer)
}

fn print_at_rest(recovered: &Recovered, printer: &Printer) -> std::io::Result<()> {
    printer.data("no service runs on this state folder; these are the durable facts")?;
    print_checkpoint(recovered.checkpoint.as_ref(), printer)?;
    let snapshot = recovered.snapshot.as_ref().map(SnapshotStatus::new);
    print_snapshot(snapshot.as_ref(), printer)?;
    let rows: Vec<BookRow> = recovered
        .totals
        .iter()
        .map(|(name, totals)| BookRow {
            name,
            captured: totals.accounted(),
            totals,
            in_flight: 0,
            balances: true,
        })
        .collect();
    print_books(&rows, printer)?;
    print_hint(
        recovered
            .totals
            .values()
            .map(|totals| totals.dead_letters_open)
            .sum(),
        printer,
    )
}

struct BookRow<'a> {
    name: &'a str,
    captured: u64,
    totals: &'a Totals,
    in_flight: u64,
    balances: bool,
}

fn print_books(rows: &[BookRow], printer: &Printer) -> std::io::Result<()> {
    let headers = [
        "route",
        "captured",
        "=",
        "delivered",
        "+ skipped",
        "+ discarded",
        "+ dead letters",
        "+ parked",
        "+ in flight",
        "books",
    ];
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let totals = row.totals;
            vec![
                row.name.to_owned(),
                row.captured.to_string(),
                "=".to_owned(),
                totals.delivered().to_string(),
                totals.skipped_total().to_string(),
                totals.discarded.to_string(),
                totals.dead_letters_open.to_string(),
                totals.parked.to_string(),
                row.in_flight.to_string(),
                if row.balances {
                    "balance"
                } else {
                    "DO NOT BALANCE"
                }
                .to_owned(),
            ]
        })
        .collect();
    printer.table(&headers, &lines)
}

fn print_checkpoint(checkpoint: Option<&Checkpoint>, printer: &Printer) -> std::io::Result<()> {
    match checkpoint {
        None => printer.data("checkpoint  none yet"),
        Some(checkpoint) => {
            let inside: String = checkpoint
                .inside
                .iter()
                .map(|inside| {
                    let rows: u64 = inside.rows.values().sum();
                    format!(" and {rows} rows of {}", inside.transaction)
                })
                .collect();
            printer.data(&format!(
                "checkpoint  {}{} (binlog {})",
                checkpoint.position, inside, checkpoint.end
            ))
        }
    }
}

fn print_snapshot(snapshot: Option<&SnapshotStatus>, printer: &Printer) -> std::io::Result<()> {
    match snapshot {
        None => Ok(()),
        Some(snapshot) => printer.data(&format!("snapshot    {}", super::snapshot::line(snapshot))),
    }
}

fn print_trouble(trouble: Option<&TroubleStatus>, printer: &Printer) -> std::io::Result<()> {
    let Some(trouble) = trouble else {
        return Ok(());
    };
    let next = trouble
        .next_try
        .map(|at| format!(", next at {}", moment(at)))
        .unwrap_or_default();
    let tries = match trouble.attempt {
        // Nothing to try: it waits for a person.
        0 => String::new(),
        1 => ", 1 try".to_owned(),
        attempt => format!(", {attempt} tries"),
    };
    printer.data(&format!(
        "            {} [{}] since {}{tries}{next}",
        trouble.text,
        trouble.page,
        moment(trouble.since),
    ))?;
    printer.data(&format!("            remedy: {}", trouble.remedy))
}

/// `8012 of 12000 calls in 24 h, 3000 in reserve; lasts until 17:40 at this rate; …`
fn budget_line(budget: &BudgetStatus, paused: bool) -> String {
    let Some(limit) = budget.limit else {
        return format!(
            "{} calls in 24 h; neither Salesforce nor pace.daily_calls has told a limit",
            budget.used
        );
    };
    let mut line = format!(
        "{} of {limit} calls in 24 h, {} in reserve",
        budget.used, budget.reserve
    );
    if budget.used_by_others > 0 {
        line.push_str(&format!(", {} used by others", budget.used_by_others));
    }
    match (budget.held_until, budget.lasts_until) {
        (Some(at), _) => line.push_str(&format!("; nothing leaves until {}", moment(at))),
        (None, Some(at)) => {
            line.push_str(&format!("; lasts until {} at this rate", moment(at)));
        }
        (None, None) => line.push_str("; lasts the day"),
    }
    if let Some(at) = budget
        .calls_return_at
        .filter(|_| paused || budget.lasts_until.is_some())
    {
        line.push_str(&format!("; calls come back from {}", moment(at)));
    }
    if budget.stretched {
        let age = duration(budget.max_age_ms as f64 / 1e3);
        line.push_str(&format!(
            "; stretched: records wait for each other up to {age}"
        ));
    }
    line
}

fn print_hint(open: u64, printer: &Printer) -> std::io::Result<()> {
    if open == 0 {
        return Ok(());
    }
    let letters = match open {
        1 => "1 dead letter waits".to_owned(),
        _ => format!("{open} dead letters wait"),
    };
    printer.data(&format!(
        "{letters} for a person: leadstream dead-letters list"
    ))
}
