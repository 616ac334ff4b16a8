//! `leadstream checkpoint`: where the stream goes on, shown, and moved while no service runs.

use std::os::unix::fs::MetadataExt;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::read::{Source, StateArgument};
use super::{FAILURE, Failed, Global, USAGE, load, runtime};
use crate::cli::printer::Printer;
use crate::core::position::Checkpoint;
use crate::operator::{Query, ask};
use crate::runtime::checkpoint::{self, Refused};
use crate::runtime::commands::Declined;

#[derive(Subcommand)]
pub enum Verb {
    /// Shows where a restart goes on
    Show(StateArgument),
    /// Moves it, while no service runs
    ///
    /// Forward: what is passed over is never read, and stands in no books; `leadstream reconcile`
    /// finds what is missing then. Back: rows are read, counted and sent a second time.
    Set(SetArguments),
}

#[derive(Args)]
pub struct SetArguments {
    /// A GTID set as in @@gtid_executed, or FILE:OFFSET of a server without GTIDs
    #[arg(value_name = "POSITION")]
    position: String,
    /// Does it; without this nothing is done but said what it means
    #[arg(long)]
    yes: bool,
    /// Also back: rows are counted and sent a second time
    #[arg(long)]
    allow_recount: bool,
}

pub fn run(global: &Global, verb: &Verb, printer: &Printer) -> Result<(), Failed> {
    match verb {
        Verb::Show(state) => show(global, state, printer),
        Verb::Set(arguments) => set(global, arguments, printer),
    }
}

fn show(global: &Global, state: &StateArgument, printer: &Printer) -> Result<(), Failed> {
    let (running, checkpoint) = match state.source(global, &Query::Status, printer)? {
        Source::Service(mut value) => (true, value["checkpoint"].take()),
        Source::Folder(reader) => {
            let checkpoint = serde_json::to_value(&reader.recovered().checkpoint);
            (
                false,
                checkpoint.map_err(|error| Failed::Output(error.into()))?,
            )
        }
    };
    if global.json {
        printer.json(&json!({"service_running": running, "checkpoint": checkpoint}))?;
        return Ok(());
    }
    let Some(checkpoint) = read(checkpoint) else {
        printer.note("there is no checkpoint yet: the service was never started");
        return Ok(());
    };
    printer.data(&checkpoint.position.to_string())?;
    let whose = match running {
        true => "durable, as the running service says",
        false => "durable, as the journal says; no service runs",
    };
    printer.note(&format!(
        "{whose}; read from server {}, up to {}",
        checkpoint.server_uuid, checkpoint.end
    ));
    Ok(())
}

fn read(value: Value) -> Option<Checkpoint> {
    serde_json::from_value(value).ok()
}

fn set(global: &Global, arguments: &SetArguments, printer: &Printer) -> Result<(), Failed> {
    let config = load(global, printer)?;
    let declined = |declined: Declined, code| {
        printer.error(Some(&declined.page), &declined.text, Some(&declined.remedy));
        Failed::Said(code)
    };
    let position = checkpoint::parse(&arguments.position).map_err(|it| declined(it, USAGE))?;
    if !arguments.yes {
        let text = "moving the checkpoint loses or repeats rows: what is passed over is never read, \
                    what is gone back over is counted and sent again";
        let remedy = "stop the service, and repeat the command with --yes";
        printer.error(Some("LS6037"), text, Some(remedy));
        return Err(Failed::Said(USAGE));
    }
    if let Ok(Some(_)) = ask(&config.state.path, &Query::Status) {
        let text = "a service runs on this state folder, and its checkpoint is its own";
        let remedy = "stop it, move the checkpoint, and start it again";
        printer.error(Some("LS6039"), text, Some(remedy));
        return Err(Failed::Said(FAILURE));
    }
    let author = author();
    let moved = runtime(1)?.block_on(checkpoint::set(
        &config,
        position,
        arguments.allow_recount,
        &author,
    ));
    let moved = match moved {
        Ok(moved) => moved,
        Err(Refused::Declined(it)) => return Err(declined(it, FAILURE)),
        Err(Refused::Error(error)) => return Err(error.into()),
    };
    if global.json {
        printer.json(&moved)?;
        return Ok(());
    }
    printer.data(&format!("the checkpoint is {}", moved.to))?;
    if let Some(from) = &moved.from {
        printer.data(&format!("it was        {from}"))?;
    }
    printer.note(match moved.back {
        true => "rows behind it are read, counted and sent again from the next start on",
        false => {
            "what was passed over stands in no books; `leadstream reconcile` shows what is missing"
        }
    });
    Ok(())
}

/// The OS user, as the journal names them.
fn author() -> String {
    std::fs::metadata("/proc/self").map_or_else(
        |_| "an unknown user".to_owned(),
        |own| format!("user {}", own.uid()),
    )
}
