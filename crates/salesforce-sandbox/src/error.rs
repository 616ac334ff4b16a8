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
    /// A certificate or key file could not be read.
    #[error("could not read {}", path.display())]
    ReadTls {
        path: PathBuf,
        source: std::io::Error,
    },
    /// A certificate or key file is not in PEM form.
    #[error("could not use {} as PEM: {reason}", path.display())]
    Pem { path: PathBuf, reason: String },
    /// Certificate and key are each in order but do not belong together.
    #[error(
        "the key in {} does not belong to the certificate in {} (its own certificate comes first in the file)",
        key.display(),
        certificate.display()
    )]
    KeyMismatch { certificate: PathBuf, key: PathBuf },
    /// The TLS library does not take a certificate or its key.
    #[error("could not use the certificate in {} with its key", certificate.display())]
    Certificate {
        certificate: PathBuf,
        source: rustls::Error,
    },
    /// No certificate could be made for the names that were asked for.
    #[error("could not make a certificate for the names asked for")]
    SelfSigned(#[source] rcgen::Error),
    /// The TLS library does not take the certificate that was made.
    #[error("could not use the certificate that was made")]
    OwnCertificate(#[source] rustls::Error),
    /// The certificate that was made could not be written to its file.
    #[error("could not write the certificate to {}", path.display())]
    WriteCertificate {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The control endpoints change everything without asking who calls, so they are for this machine alone.
    #[error(
        "the control endpoints cannot listen on {address}: anybody who reaches them controls the org; use a loopback address such as 127.0.0.1:8081"
    )]
    ControlNotLoopback { address: SocketAddr },
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
            Error::ReadConfig { .. }
            | Error::ParseConfig { .. }
            | Error::Config { .. }
            | Error::ReadTls { .. }
            | Error::Pem { .. }
            | Error::KeyMismatch { .. }
            | Error::Certificate { .. }
            | Error::SelfSigned(_)
            | Error::WriteCertificate { .. }
            | Error::ControlNotLoopback { .. } => true,
            Error::Listen { .. }
            | Error::Runtime(_)
            | Error::OwnCertificate(_)
            | Error::Signals(_)
            | Error::Announce(_) => false,
        }
    }

    /// What a user can do about it, where that is not plain from the error.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        use std::io::ErrorKind;
        match self {
            Error::Listen { source, .. } => match source.kind() {
                ErrorKind::AddrInUse => Some(
                    "another program has this port: choose another one, or port 0 for a free one",
                ),
                ErrorKind::AddrNotAvailable => {
                    Some("this machine does not have this address: use 127.0.0.1 or 0.0.0.0")
                }
                ErrorKind::PermissionDenied => {
                    Some("ports below 1024 are for the system: choose a higher one")
                }
                _ => None,
            },
            _ => None,
        }
    }
}
