//! How the auditing verbs get at the ledger: by its files, beside a running service, which is only
//! asked how far they are durable.

use super::read::{StateArgument, answer};
use super::{FAILURE, Failed, Global};
use crate::cli::printer::Printer;
use crate::operator::Query;
use crate::runtime::Error as RuntimeError;
use crate::state;
use crate::state::audit::{Error, Ledger};
use crate::state::{IndexLag, IndexSums};

/// What an index may begin anew while it is waited for: once, when it is damaged.
pub const RESTARTS: u32 = 1;

/// Opens the ledger; whether a service runs on it.
pub fn open(
    global: &Global,
    state: &StateArgument,
    printer: &Printer,
) -> Result<(Ledger, bool), Failed> {
    let path = state.path(global, printer)?;
    let through = match answer(&path, &Query::Durable, printer)? {
        Some(value) => {
            let lag: IndexLag = serde_json::from_value(value)
                .map_err(|error| Failed::Output(std::io::Error::other(error)))?;
            Some(lag.last_commit)
        }
        None => None,
    };
    let ledger = Ledger::open(&path, through).map_err(|error| refused(&error, printer))?;
    let keys = state.keys(global, printer)?;
    Ok((ledger.with_keys(keys), through.is_some()))
}

/// What the index holds: the running service's, or that of the folder.
pub fn index_sums(
    global: &Global,
    state: &StateArgument,
    printer: &Printer,
) -> Result<IndexSums, Failed> {
    let path = state.path(global, printer)?;
    if let Some(value) = answer(&path, &Query::IndexSums, printer)? {
        return serde_json::from_value(value)
            .map_err(|error| Failed::Output(std::io::Error::other(error)));
    }
    let keys = state.keys(global, printer)?;
    let reader = state::open_reader_with(&path, keys).map_err(RuntimeError::State)?;
    reader.needs_no_key().map_err(RuntimeError::State)?;
    let last = reader.recovered().last_commit;
    let index = reader.index();
    // Before a damaged place it stands still; the proof tells where that is.
    let _ = index.wait_caught_up(last, RESTARTS, |applied, last| {
        printer.progress("commits in the index", applied, Some(last));
    });
    printer.progress_done();
    let sums = index.sums().map_err(RuntimeError::State)?;
    Ok(sums)
}

/// A chain head as a command takes it.
///
/// # Errors
/// What one looks like.
pub fn chain_head(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_head = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_head.then(|| text.to_ascii_lowercase()).ok_or_else(|| {
        "a chain head is 64 hexadecimal digits, as `audit verify` prints it behind `head`"
            .to_owned()
    })
}

/// Says what does not hold.
pub fn refused(error: &Error, printer: &Printer) -> Failed {
    printer.progress_done();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    printer.error(Some(error.page()), &text, Some(error.remedy()));
    Failed::Said(FAILURE)
}
