//! Why the service could not start, or had to end.

use crate::core::mapping::Mistake;
use crate::core::outcome::RequestFailure;
use crate::{capture, delivery, state};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the source is not ready")]
    Source(#[source] Box<capture::Error>),
    /// Everything that a person must mend in MySQL before a start can work; never empty.
    #[error("the source is not ready")]
    Preflight(Vec<capture::Error>),
    #[error("the org cannot be set up")]
    Org(#[source] delivery::Error),
    #[error("cannot describe {object}: {}", .failure.text)]
    Describe {
        object: String,
        failure: Box<RequestFailure>,
    },
    #[error("the mapping does not fit")]
    Mapping(Vec<Mistake>),
    #[error(transparent)]
    State(state::Error),
    #[error("a commit could not be made durable")]
    Commit(#[source] state::Error),
    #[error("the address {address} cannot be listened on")]
    Listen {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the control socket {path} cannot be opened")]
    ControlSocket {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the runtime cannot be set up")]
    Runtime(#[source] std::io::Error),
    #[error("capture ended without a word")]
    CaptureEnded,
    #[error("stopped at once, without waiting for what was in flight")]
    Interrupted,
    #[error("parked records could not be read back")]
    ReadEnded,
    #[error("nobody could be let in at the operator's port")]
    TokenFile {
        page: &'static str,
        remedy: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the operator's port cannot be encrypted")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// `LS####`.
    #[must_use]
    pub fn page(&self) -> &'static str {
        match self {
            Error::Source(error) => error.page(),
            Error::Preflight(errors) => errors.first().map_or("LS1008", capture::Error::page),
            Error::Org(error) => error.page(),
            Error::Describe { failure, .. } => failure.page,
            Error::Mapping(mistakes) => mistakes.first().map_or("LS5001", |mistake| mistake.page),
            Error::State(error) | Error::Commit(error) => error.page(),
            Error::Listen { .. } => "LS6001",
            Error::ControlSocket { .. } => "LS6002",
            Error::Runtime(_) | Error::CaptureEnded | Error::ReadEnded | Error::Interrupted => {
                "LS6003"
            }
            Error::TokenFile { page, .. } => page,
            Error::Certificate(_) => "LS6055",
        }
    }

    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Error::Source(error) => error.remedy(),
            Error::Preflight(_) => {
                "mend what is named above, then run `leadstream check`".to_owned()
            }
            Error::Org(error) => error.remedy().to_string(),
            Error::Describe { failure, .. } => delivery::remedy(failure.page).to_string(),
            Error::Mapping(_) => {
                "mend the keys named above, then run `leadstream check`".to_owned()
            }
            Error::State(error) | Error::Commit(error) => error.remedy().to_string(),
            Error::Listen { address, .. } => format!(
                "another program listens there, perhaps another leadstream: stop it, or set \
                 operator.listen to another address than {address}"
            ),
            Error::ControlSocket { .. } => {
                "see that the state folder is writable and its path shorter than 90 characters"
                    .to_owned()
            }
            Error::Runtime(_) => {
                "see whether the system is out of threads or open files".to_owned()
            }
            Error::Interrupted => {
                "nothing is lost: the next start goes on at the checkpoint".to_owned()
            }
            Error::CaptureEnded | Error::ReadEnded => {
                "restart leadstream: it goes on at its checkpoint; report this with its log"
                    .to_owned()
            }
            Error::TokenFile { remedy, .. } => remedy.clone(),
            Error::Certificate(_) => "give operator.tls.cert_file and operator.tls.key_file PEM \
                                      files that belong together and that this user may read"
                .to_owned(),
        }
    }

    /// Whether the configuration is at fault: the exit code tells it apart.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Error::Mapping(_) | Error::Org(_) | Error::TokenFile { .. } | Error::Certificate(_)
        )
    }
}

/// An error with its causes in one line. Some drivers' errors print their own causes, so what stands
/// there already is not said again.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let next = cause.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = cause.source();
    }
    text
}
