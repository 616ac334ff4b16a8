//! `leadstream pause` and `leadstream resume`: an operator lets a route wait, and go on.

use clap::Args;

use super::read::StateArgument;
use super::time::moment;
use super::{Failed, Global};
use crate::cli::printer::Printer;
use crate::operator::Query;
use crate::runtime::route_acts::RouteActed;

#[derive(Args)]
pub struct PauseArguments {
    /// The route's name
    route: String,
    /// Why it waits, for whoever finds it paused; names no leads
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    state: StateArgument,
}

#[derive(Args)]
pub struct ResumeArguments {
    /// The route's name
    route: String,
    #[command(flatten)]
    state: StateArgument,
}

pub fn pause(global: &Global, arguments: &PauseArguments, printer: &Printer) -> Result<(), Failed> {
    let query = Query::PauseRoute {
        route: arguments.route.clone(),
        reason: arguments.reason.clone(),
    };
    tell(global, &arguments.state, &query, printer)
}

pub fn resume(
    global: &Global,
    arguments: &ResumeArguments,
    printer: &Printer,
) -> Result<(), Failed> {
    let query = Query::ResumeRoute {
        route: arguments.route.clone(),
    };
    tell(global, &arguments.state, &query, printer)
}

fn tell(
    global: &Global,
    state: &StateArgument,
    query: &Query,
    printer: &Printer,
) -> Result<(), Failed> {
    let answer = state.command(global, query, printer)?;
    if global.json {
        return Ok(printer.json(&answer)?);
    }
    let Ok(acted) = serde_json::from_value::<RouteActed>(answer) else {
        return Ok(());
    };
    let RouteActed {
        route,
        changed,
        pause,
    } = acted;
    printer.data(&match (pause, changed) {
        (Some(_), true) => format!(
            "route {route} is paused: its records wait on disk; `leadstream resume {route}` ends it"
        ),
        (Some(pause), false) => format!(
            "route {route} is paused already: by {} since {}: {}",
            pause.author,
            moment(pause.since),
            pause.reason
        ),
        (None, true) => format!("route {route} goes on with what waited"),
        (None, false) => format!("route {route} is not paused"),
    })?;
    Ok(())
}
