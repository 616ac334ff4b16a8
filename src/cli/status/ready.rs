//! `leadstream status --ready`: the health check of places that have neither a shell nor curl.
//!
//! Asks the control socket, so it needs no token, no certificate and no port. Unlike `status` it
//! never opens the state folder: that would take the lock from a service that is about to start.

use serde::Serialize;

use crate::cli::printer::Printer;
use crate::cli::read::{StateArgument, answer};
use crate::cli::{FAILURE, Failed, Global};
use crate::operator::Query;
use crate::runtime::status::Status;

/// What a program reads; without a reason it is ready.
#[derive(Serialize)]
struct Readiness {
    ready: bool,
    reason: Option<String>,
}

pub(super) fn run(global: &Global, state: &StateArgument, printer: &Printer) -> Result<(), Failed> {
    let path = state.path(global, printer)?;
    let reason = match answer(&path, &Query::Status, printer)? {
        Some(value) => serde_json::from_value::<Status>(value)
            .map_err(|error| Failed::Output(std::io::Error::other(error)))?
            .not_ready_because(),
        None => Some(format!(
            "no service runs on the state folder {}",
            path.display()
        )),
    };
    // On stdout either way: it is the answer, and what container engines keep of a health check.
    if global.json {
        printer.json(&Readiness {
            ready: reason.is_none(),
            reason: reason.clone(),
        })?;
    } else {
        let text = reason
            .as_ref()
            .map_or("ready".to_owned(), |reason| format!("not ready: {reason}"));
        printer.data(&text)?;
    }
    match reason {
        None => Ok(()),
        Some(_) => Err(Failed::Said(FAILURE)),
    }
}
