//! How the reading verbs get at the state: through the running service, or by themselves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::{FAILURE, Failed, Global, ledger, load};
use crate::cli::printer::Printer;
use crate::operator::{LetterQuestion, Query, Reply, ask};
use crate::runtime::Error;
use crate::runtime::status::Status;
use crate::state::{self, Keyring, Reader};

#[derive(Args)]
pub struct StateArgument {
    /// The state folder, instead of the one that the configuration names
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// The key file, instead of the one that the configuration names
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// Whose view it is.
pub enum Source {
    /// The running service's answer.
    Service(serde_json::Value),
    /// No service runs: the folder itself, opened.
    Folder(Box<Reader>),
}

impl StateArgument {
    pub fn path(&self, global: &Global, printer: &Printer) -> Result<PathBuf, Failed> {
        match &self.state {
            Some(path) => Ok(path.clone()),
            None => Ok(load(global, printer)?.state.path),
        }
    }

    /// The keys of what is sealed on disk; with a folder of its own, only those that are named.
    pub fn keys(&self, global: &Global, printer: &Printer) -> Result<Option<Arc<Keyring>>, Failed> {
        let file = self.key_file(global, printer)?;
        Ok(state::read_keys(file.as_deref()).map_err(Error::State)?)
    }

    pub fn key_file(&self, global: &Global, printer: &Printer) -> Result<Option<PathBuf>, Failed> {
        Ok(match (&self.key_file, &self.state) {
            (Some(file), _) => Some(file.clone()),
            (None, Some(_)) => None,
            (None, None) => load(global, printer)?.state.encryption_key_file,
        })
    }

    /// Asks the running service to do something.
    pub fn command(
        &self,
        global: &Global,
        query: &Query,
        printer: &Printer,
    ) -> Result<serde_json::Value, Failed> {
        let path = self.path(global, printer)?;
        match answer(&path, query, printer)? {
            Some(value) => Ok(value),
            None => {
                let text = format!("no service runs on the state folder {}", path.display());
                let remedy = "start it with `leadstream run`, then ask again";
                printer.error(Some("LS6005"), &text, Some(remedy));
                Err(Failed::Said(FAILURE))
            }
        }
    }

    /// Asks the running service, or opens the folder.
    pub fn source(
        &self,
        global: &Global,
        query: &Query,
        printer: &Printer,
    ) -> Result<Source, Failed> {
        let path = self.path(global, printer)?;
        if let Some(value) = answer(&path, query, printer)? {
            let nothing_found = value.as_array().is_some_and(Vec::is_empty);
            if nothing_found || is_list(query) {
                say_if_index_lags(&path, nothing_found, printer);
            }
            return Ok(Source::Service(value));
        }
        // No socket, or nobody behind it; who holds the lock decides.
        let keys = self.keys(global, printer)?;
        let reader = state::open_reader_with(&path, keys).map_err(Error::State)?;
        let last = reader.recovered().last_commit;
        // The folder is locked meanwhile: a status needs the journal alone, and must not keep a
        // service from starting.
        if matches!(query, Query::Status | Query::SnapshotStatus) {
            return Ok(Source::Folder(Box::new(reader)));
        }
        reader.needs_no_key().map_err(Error::State)?;
        let caught_up = reader
            .index()
            .wait_caught_up(last, ledger::RESTARTS, |applied, last| {
                printer.progress("commits in the index", applied, Some(last));
            });
        printer.progress_done();
        if !caught_up {
            printer.note("the index has not caught up with the journal: answers may be missing");
        }
        Ok(Source::Folder(Box::new(reader)))
    }
}

/// The running service's answer; `None` when none runs there.
pub(super) fn answer(
    path: &Path,
    query: &Query,
    printer: &Printer,
) -> Result<Option<serde_json::Value>, Failed> {
    match ask(path, query) {
        Ok(Some(Reply::Value(value))) => Ok(Some(value)),
        Ok(None) => Ok(None),
        Ok(Some(Reply::Failure(failure))) => {
            printer.error(Some(&failure.page), &failure.text, Some(&failure.remedy));
            Err(Failed::Said(FAILURE))
        }
        Err(error) => {
            let text = format!("the service on {} does not answer: {error}", path.display());
            let remedy = "see whether it hangs, and as which user it runs";
            printer.error(Some("LS6002"), &text, Some(remedy));
            Err(Failed::Said(FAILURE))
        }
    }
}

/// Whether the answer may lack something without showing it.
fn is_list(query: &Query) -> bool {
    use LetterQuestion::{Groups, Numbers, Page};
    match query {
        Query::Trace { .. } | Query::DeadLetters { .. } => true,
        Query::Letters { what } => matches!(what, Groups { .. } | Numbers { .. } | Page { .. }),
        _ => false,
    }
}

/// Nothing found means nothing while the service's index is behind its journal, and a list is not
/// the whole one while the index is rebuilt.
fn say_if_index_lags(path: &Path, nothing_found: bool, printer: &Printer) {
    // Without an answer there is nothing to say; the question itself was answered.
    let Ok(Some(Reply::Value(value))) = ask(path, &Query::Status) else {
        return;
    };
    let Ok(status) = serde_json::from_value::<Status>(value) else {
        return;
    };
    let behind = status
        .state
        .last_commit
        .saturating_sub(status.state.index_applied);
    if status.state.index_rebuilding || nothing_found && behind > 0 {
        printer.note(&format!(
            "the index is {behind} commits behind the journal: answers may be missing"
        ));
    }
}
