//! How the reading verbs get at the state: through the running service, or by themselves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::{FAILURE, Failed, Global, load};
use crate::cli::printer::Printer;
use crate::operator::{Query, Reply, ask};
use crate::runtime::Error;
use crate::runtime::status::Status;
use crate::state::{self, Reader};

#[derive(Args)]
pub struct StateArgument {
    /// The state folder, instead of the one that the configuration names
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
}

/// Whose view it is.
pub enum Source {
    /// The running service's answer.
    Service(serde_json::Value),
    /// No service runs: the folder itself, opened.
    Folder(Box<Reader>),
}

/// Catching up a freshly opened index: some seconds for a million entries.
const CATCH_UP: Duration = Duration::from_secs(60);

impl StateArgument {
    pub fn path(&self, global: &Global, printer: &Printer) -> Result<PathBuf, Failed> {
        match &self.state {
            Some(path) => Ok(path.clone()),
            None => Ok(load(global, printer)?.state.path),
        }
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
            if value.as_array().is_some_and(Vec::is_empty) {
                say_if_index_lags(&path, printer);
            }
            return Ok(Source::Service(value));
        }
        // No socket, or nobody behind it; who holds the lock decides.
        let reader = state::open_reader(&path).map_err(Error::State)?;
        let last = reader.recovered().last_commit;
        // The folder is locked meanwhile: a status needs the journal alone, and must not keep a
        // service from starting.
        if matches!(query, Query::Status | Query::SnapshotStatus) {
            return Ok(Source::Folder(Box::new(reader)));
        }
        if !reader.index().wait_applied(last, CATCH_UP) {
            printer.note("the index has not caught up with the journal: answers may be missing");
        }
        Ok(Source::Folder(Box::new(reader)))
    }
}

/// The running service's answer; `None` when none runs there.
fn answer(
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

/// Nothing found means nothing while the service's index is behind its journal.
fn say_if_index_lags(path: &Path, printer: &Printer) {
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
    if status.state.index_rebuilding || behind > 0 {
        printer.note(&format!(
            "the index is {behind} commits behind the journal: answers may be missing"
        ));
    }
}
