//! The org's TLS identity: a certificate and its key, from files or made at the start.
//!
//! TLS 1.2 and 1.3; HTTP/2 and HTTP/1.1 by ALPN, as the real service offers. Nothing here touches the wire.
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::Error;

/// A day before the start, for clients whose clock is a little behind.
const VALID_BEFORE: Duration = Duration::from_secs(24 * 3600);
/// 397 days: some clients distrust certificates that live longer.
const VALID_AFTER: Duration = Duration::from_secs(397 * 24 * 3600);

/// Where the certificate of an HTTPS listener comes from.
#[derive(Debug, Clone)]
pub enum Tls {
    /// PEM files: the certificate with the rest of its chain, and the private key (PKCS#8, PKCS#1 or SEC1).
    Files { certificate: PathBuf, key: PathBuf },
    /// Made at the start for `localhost`, `127.0.0.1`, `::1`, the addresses listened on and `names` (host names or IP
    /// addresses). Clients have to trust [`crate::Sandbox::certificate_pem`].
    SelfSigned { names: Vec<String> },
}

/// What a listener needs to speak TLS.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) certificate_pem: String,
}

impl Tls {
    /// Reads or makes the identity. `addresses` are those listened on; `now_micros` is the wall clock's time.
    pub(crate) fn identity(
        &self,
        addresses: &[IpAddr],
        now_micros: i64,
    ) -> Result<Identity, Error> {
        match self {
            Tls::Files { certificate, key } => from_files(certificate, key),
            Tls::SelfSigned { names } => self_signed(names, addresses, now_micros),
        }
    }
}

fn from_files(certificate: &Path, key: &Path) -> Result<Identity, Error> {
    let certificate_pem = read(certificate)?;
    let chain = parse_chain(certificate_pem.as_bytes()).map_err(|reason| Error::Pem {
        path: certificate.into(),
        reason,
    })?;
    let private = parse_key(read(key)?.as_bytes()).map_err(|reason| Error::Pem {
        path: key.into(),
        reason,
    })?;
    let config = server_config(chain, private).map_err(|source| match source {
        rustls::Error::InconsistentKeys(_) => Error::KeyMismatch {
            certificate: certificate.into(),
            key: key.into(),
        },
        source => Error::Certificate {
            certificate: certificate.into(),
            source,
        },
    })?;
    Ok(Identity {
        config,
        certificate_pem,
    })
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::ReadTls {
        path: path.into(),
        source,
    })
}

/// Every certificate in the text, at least one.
fn parse_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    if chain.is_empty() {
        return Err("it holds no -----BEGIN CERTIFICATE-----".into());
    }
    Ok(chain)
}

/// The first private key in the text.
fn parse_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
        let encrypted = b"ENCRYPTED";
        if pem.windows(encrypted.len()).any(|part| part == encrypted) {
            "its key is encrypted; decrypt it first, for instance with `openssl pkey`".into()
        } else if matches!(error, rustls::pki_types::pem::Error::NoItemsFound) {
            "it holds no -----BEGIN PRIVATE KEY-----".into()
        } else {
            error.to_string()
        }
    })
}

fn self_signed(names: &[String], addresses: &[IpAddr], now_micros: i64) -> Result<Identity, Error> {
    let mut subjects: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
    // The unspecified address is none that a client can ask for.
    let listened = addresses.iter().filter(|address| !address.is_unspecified());
    for subject in listened.map(IpAddr::to_string).chain(names.iter().cloned()) {
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    let since_epoch = Duration::from_micros(now_micros.max(0).unsigned_abs());
    let now = rcgen::date_time_ymd(1970, 1, 1) + since_epoch;
    let mut params = CertificateParams::new(subjects).map_err(Error::SelfSigned)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "salesforce-sandbox");
    params.not_before = now - VALID_BEFORE;
    params.not_after = now + VALID_AFTER;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().map_err(Error::SelfSigned)?;
    let certificate = params.self_signed(&key).map_err(Error::SelfSigned)?;
    let private = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let config =
        server_config(vec![certificate.der().clone()], private).map_err(Error::OwnCertificate)?;
    Ok(Identity {
        config,
        certificate_pem: certificate.pem(),
    })
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MICROS: i64 = 1_790_000_000_000_000;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["org.example".into()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[track_caller]
    fn refused(certificate: PathBuf, key: PathBuf) -> Error {
        Tls::Files { certificate, key }
            .identity(&[], NOW_MICROS)
            .unwrap_err()
    }

    #[test]
    fn a_certificate_and_its_key_are_an_identity() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = pair();
        let tls = Tls::Files {
            certificate: write(folder.path(), "cert.pem", &certificate),
            key: write(folder.path(), "key.pem", &key),
        };
        let identity = tls.identity(&[], NOW_MICROS).unwrap();
        assert_eq!(identity.certificate_pem, certificate);
    }

    #[test]
    fn each_mistake_names_the_file_and_what_is_wrong_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = pair();
        let other_key = pair().1;
        let file = |name: &str, text: &str| write(folder.path(), name, text);
        let (good, key) = (file("cert.pem", &certificate), file("key.pem", &key));
        let missing = folder.path().join("missing.pem");
        assert!(matches!(
            refused(missing.clone(), key.clone()),
            Error::ReadTls { path, .. } if path == missing
        ));
        let swapped = refused(key.clone(), good.clone()).to_string();
        assert!(
            swapped.contains("key.pem") && swapped.contains("BEGIN CERTIFICATE"),
            "{swapped}"
        );
        let no_key = refused(good.clone(), good.clone()).to_string();
        assert!(
            no_key.contains("cert.pem") && no_key.contains("BEGIN PRIVATE KEY"),
            "{no_key}"
        );
        let locked = file(
            "locked.pem",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        );
        assert!(
            refused(good.clone(), locked)
                .to_string()
                .contains("encrypted")
        );
        let torn = file("torn.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
        assert!(refused(torn, key.clone()).to_string().contains("torn.pem"));
        let garbage = file(
            "garbage.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        );
        assert!(matches!(refused(garbage, key), Error::Certificate { .. }));
        let other = file("other.pem", &other_key);
        assert!(matches!(refused(good, other), Error::KeyMismatch { .. }));
    }

    #[test]
    fn a_name_that_no_certificate_can_carry_is_refused() {
        let tls = Tls::SelfSigned {
            names: vec!["müller.example".into()],
        };
        let error = tls.identity(&[], NOW_MICROS).unwrap_err();
        assert!(matches!(error, Error::SelfSigned(_)), "{error:?}");
    }
}
