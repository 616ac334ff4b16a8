//! `leadstream log-level`: how much the running service logs, shown and changed until its restart.

use clap::Args;

use super::read::StateArgument;
use super::{Failed, Global};
use crate::cli::printer::Printer;
use crate::operator::{LogLevelQuestion, Query};
use crate::telemetry::LogLevel;

#[derive(Args)]
pub struct Arguments {
    /// What is logged from now on, as in log.level: debug, or info,leadstream::delivery=debug;
    /// without it nothing is changed
    #[arg(value_name = "DIRECTIVES", conflicts_with = "reset")]
    directives: Option<String>,
    /// Goes back to what the configuration says, as a restart does
    #[arg(long)]
    reset: bool,
    #[command(flatten)]
    state: StateArgument,
}

pub fn run(global: &Global, arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    let what = match &arguments.directives {
        Some(directives) => LogLevelQuestion::Set {
            directives: directives.clone(),
        },
        None if arguments.reset => LogLevelQuestion::Reset,
        None => LogLevelQuestion::Show,
    };
    let query = Query::LogLevel { what };
    let value = arguments.state.command(global, &query, printer)?;
    if global.json {
        printer.json(&value)?;
        return Ok(());
    }
    let level: LogLevel =
        serde_json::from_value(value).map_err(|error| Failed::Output(error.into()))?;
    printer.data(&level.now)?;
    if level.now != level.before {
        printer.note(&format!("it was {}", level.before));
    }
    if level.now != level.configured {
        printer.note(&format!(
            "a restart goes back to {}, as configured",
            level.configured
        ));
    }
    Ok(())
}
