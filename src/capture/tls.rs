//! Encryption towards MySQL: what each mode asks of the driver, and why a certificate was refused.
//!
//! A mode does what its name says, or nothing at all is sent: there is no falling back to clear
//! text, and the login goes out only after the server's certificate has been found good.

use std::error::Error as _;

use mysql_async::{ClientIdentity, DriverError, IoError, SslOpts};
use rustls::CertificateError;

use super::error::CertificateFault;
use super::settings::{Tls, TlsMode};

pub(super) fn options(tls: &Tls) -> Option<SslOpts> {
    let options = match tls.mode {
        TlsMode::Disabled => return None,
        TlsMode::Required => SslOpts::default()
            .with_danger_accept_invalid_certs(true)
            .with_danger_skip_domain_validation(true),
        TlsMode::VerifyCa => SslOpts::default().with_danger_skip_domain_validation(true),
        TlsMode::VerifyIdentity => SslOpts::default(),
    };
    let options = match &tls.ca_file {
        Some(file) => options
            .with_root_certs(vec![file.clone().into()])
            // Trusting the public roots as well would let any of their customers in.
            .with_disable_built_in_roots(true),
        None => options,
    };
    let client = tls.client.as_ref().map(|client| {
        ClientIdentity::new(
            client.cert_file.clone().into(),
            client.key_file.clone().into(),
        )
    });
    Some(options.with_client_identity(client))
}

/// What is wrong with the server's certificate, if that is what ended the connection.
pub(super) fn certificate_fault(error: &mysql_async::Error) -> Option<CertificateFault> {
    let rustls::Error::InvalidCertificate(refused) = of_rustls(error)? else {
        return None;
    };
    Some(match refused {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateFault::OtherName
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            CertificateFault::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateFault::NotYetValid
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            CertificateFault::UnknownAuthority
        }
        other => CertificateFault::Other(other.to_string()),
    })
}

/// Whether the connection could not be encrypted, for whatever other reason.
pub(super) fn is_at_fault(error: &mysql_async::Error) -> bool {
    match error {
        mysql_async::Error::Io(IoError::Tls(_))
        | mysql_async::Error::Driver(
            DriverError::NoClientSslFlagFromServer | DriverError::NoKeyFound,
        ) => true,
        error => of_rustls(error).is_some(),
    }
}

/// The cause of rustls' own type, however deep it lies.
fn of_rustls(error: &mysql_async::Error) -> Option<&rustls::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An I/O error passes over what it wraps when it is asked for its source.
        let wrapped = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if wrapped.is_some() {
            return wrapped;
        }
        cause = error.source();
    }
    None
}
