//! What can go wrong when an org is started or stopped; replies to HTTP requests are never errors of this type.
use std::net::SocketAddr;
use std::path::PathBuf;

/// Failure to start, resume or configure a sandbox.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listener could not be bound.
    #[error("could not listen on {address}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    /// The runtime that serves the org could not be created.
    #[error("could not start the runtime")]
    Runtime(#[source] std::io::Error),
    /// The configuration file could not be read.
    #[error("could not read {}", path.display())]
    ReadConfig {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The configuration file is not valid TOML or has unknown keys.
    #[error("could not understand {}", path.display())]
    ParseConfig {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    /// The configuration contradicts itself; all mistakes are listed.
    #[error("the configuration is not usable: {}", mistakes.join("; "))]
    Config { mistakes: Vec<String> },
    /// Signal handlers could not be installed.
    #[error("could not wait for signals")]
    Signals(#[source] std::io::Error),
    /// The address could not be written to stdout.
    #[error("could not print the address")]
    Announce(#[source] std::io::Error),
}

impl Error {
    /// Whether the user's configuration is at fault (exit code 2).
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Error::ReadConfig { .. } | Error::ParseConfig { .. } | Error::Config { .. } => true,
            Error::Listen { .. } | Error::Runtime(_) | Error::Signals(_) | Error::Announce(_) => {
                false
            }
        }
    }
}
