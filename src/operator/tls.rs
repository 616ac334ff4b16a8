//! The port's certificate: read at the start, and again when its files change, so that it can be
//! renewed without a restart. TLS 1.2 and 1.3 by rustls, HTTP/1.1 only.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::{Duration, Instant};
use tokio_rustls::TlsAcceptor;

use super::stamp::Stamp;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: our own certificate first, then those that lead to a root.
    pub cert_file: PathBuf,
    /// PEM, without a passphrase.
    pub key_file: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path} cannot be read as PEM")]
    Read {
        path: String,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("there is no certificate in {path}")]
    Empty { path: String },
    #[error("the key in {key} and the certificate in {cert} cannot be used together")]
    Pair {
        cert: String,
        key: String,
        #[source]
        source: rustls::Error,
    },
}

/// The certificate that new connections get.
pub struct Certificates {
    files: TlsFiles,
    seen: Mutex<Seen>,
}

struct Seen {
    stamps: Stamps,
    looked_at: Instant,
    config: Arc<ServerConfig>,
}

type Stamps = [Option<Stamp>; 2];

impl Certificates {
    /// # Errors
    /// When the files cannot be read, or do not belong together.
    pub fn open(files: TlsFiles) -> Result<Self, Error> {
        let stamps = stamps(&files);
        let config = read(&files)?;
        let looked_at = Instant::now();
        let seen = Mutex::new(Seen {
            stamps,
            looked_at,
            config,
        });
        Ok(Self { files, seen })
    }

    /// For the next connection. Files that changed and cannot be used leave the certificate as it
    /// was: they may be half renewed.
    pub fn acceptor(&self, now: Instant) -> TlsAcceptor {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(seen.looked_at) >= LOOK_EVERY {
            seen.looked_at = now;
            let stamps = stamps(&self.files);
            if stamps != seen.stamps {
                seen.stamps = stamps;
                match read(&self.files) {
                    Ok(config) => {
                        seen.config = config;
                        tracing::info!("the port's certificate was read again");
                    }
                    Err(error) => {
                        let why = crate::runtime::with_causes(&error);
                        tracing::error!(
                            page = "LS6055",
                            error = why,
                            "the port keeps its old certificate: the new one cannot be used"
                        );
                    }
                }
            }
        }
        Arc::clone(&seen.config).into()
    }
}

fn stamps(files: &TlsFiles) -> Stamps {
    [Stamp::of(&files.cert_file), Stamp::of(&files.key_file)]
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, Error> {
    let TlsFiles {
        cert_file,
        key_file,
    } = files;
    let (cert, key) = (
        cert_file.display().to_string(),
        key_file.display().to_string(),
    );
    let unreadable = |path: &str| {
        let path = path.to_owned();
        move |source| Error::Read { path, source }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert_file)
        .and_then(Iterator::collect)
        .map_err(unreadable(&cert))?;
    if chain.is_empty() {
        return Err(Error::Empty { path: cert });
    }
    let own = PrivateKeyDer::from_pem_file(key_file).map_err(unreadable(&key))?;
    let paired = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, own));
    let mut config = paired.map_err(|source| Error::Pair { cert, key, source })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
