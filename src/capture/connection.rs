//! Connections to MySQL: options, TLS, login, and the driver's errors in our words.

use std::error::Error as _;
use std::time::Duration;

use mysql_async::{Conn, IoError, Opts, OptsBuilder, SslOpts};

use super::error::{Error, Source};
use super::mariadb;
use super::settings::{SourceSettings, TlsMode};

/// A dump may send packets larger than the server's own `max_allowed_packet`; this is the
/// protocol's limit.
const PACKET_BYTES_MAX: usize = 1 << 30;
/// Long enough that the driver never asks the server for it.
const WAIT_TIMEOUT_SECONDS: usize = 8 * 3600;

/// Connects and logs in.
pub(super) async fn connect(settings: &SourceSettings) -> Result<Conn, Error> {
    let options = options(settings)?;
    let deadline = Duration::from_millis(settings.connect_timeout_ms);
    match tokio::time::timeout(deadline, Conn::new(options)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(login_error(settings, error)),
        Err(_) => Err(Error::ConnectTimeout {
            host: settings.host.clone(),
            port: settings.port,
            waited_ms: settings.connect_timeout_ms,
        }),
    }
}

fn options(settings: &SourceSettings) -> Result<Opts, Error> {
    let builder = OptsBuilder::default()
        .ip_or_hostname(&settings.host)
        .tcp_port(settings.port)
        .user(Some(&settings.user))
        .pass(Some(settings.password.expose()))
        // A loopback connection would silently become a socket, without TLS.
        .prefer_socket(false)
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .max_allowed_packet(Some(PACKET_BYTES_MAX))
        .wait_timeout(Some(WAIT_TIMEOUT_SECONDS))
        .stmt_cache_size(0)
        .connect_attribute("program_name", "leadstream")
        .ssl_opts(tls(settings));
    Ok(builder.into())
}

fn tls(settings: &SourceSettings) -> Option<SslOpts> {
    let roots = |options: SslOpts| match &settings.tls.ca_file {
        Some(file) => options
            .with_root_certs(vec![file.clone().into()])
            // Trusting the public roots as well would let any of their customers in.
            .with_disable_built_in_roots(true),
        None => options,
    };
    match settings.tls.mode {
        TlsMode::Disabled => None,
        TlsMode::Required => Some(
            SslOpts::default()
                .with_danger_accept_invalid_certs(true)
                .with_danger_skip_domain_validation(true),
        ),
        // There is no mode that checks the authority alone: the driver's verifier looks for an
        // error text that rustls no longer prints, so the host name would be checked all the same.
        TlsMode::VerifyIdentity => Some(roots(SslOpts::default())),
    }
}

fn login_error(settings: &SourceSettings, error: mysql_async::Error) -> Error {
    let (host, port) = (settings.host.clone(), settings.port);
    match error {
        // 1044 and 1045: denied; 1130: host not allowed; 1698: plugin refuses; 1862: expired;
        // 3118 and 3955: locked.
        mysql_async::Error::Server(server)
            if matches!(
                server.code,
                1044 | 1045 | 1130 | 1698 | 1820 | 1862 | 3118 | 3955
            ) =>
        {
            Error::AccessDenied {
                user: settings.user.clone(),
                source: server.into(),
            }
        }
        error @ mysql_async::Error::Server(_) => Error::Query {
            what: "log in",
            source: error.into(),
        },
        mysql_async::Error::Io(IoError::Tls(error)) => Error::Tls {
            host,
            port,
            source: error.into(),
        },
        error @ mysql_async::Error::Driver(
            mysql_async::DriverError::NoClientSslFlagFromServer
            | mysql_async::DriverError::NoKeyFound,
        ) => Error::Tls {
            host,
            port,
            source: error.into(),
        },
        error if is_tls(&error) => Error::Tls {
            host,
            port,
            source: error.into(),
        },
        error if is_unresolved(&error) => Error::ResolveHost {
            host,
            source: error.into(),
        },
        error => Error::Connect {
            host,
            port,
            source: error.into(),
        },
    }
}

fn is_tls(error: &mysql_async::Error) -> bool {
    chain(error).any(|text| text.contains("certificate") || text.contains("peer misbehaved"))
}

/// The standard library gives failed look-ups no kind of their own.
fn is_unresolved(error: &mysql_async::Error) -> bool {
    chain(error).any(|text| text.contains("lookup address") || text.contains("resolve"))
}

fn chain(error: &mysql_async::Error) -> impl Iterator<Item = String> {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.into_iter()
}

/// A failed query in our words.
pub(super) fn query_error(
    settings: &SourceSettings,
    what: &'static str,
    error: mysql_async::Error,
) -> Error {
    match error {
        // 1227: a global privilege is missing; 1142, 1143, 1370: one on an object.
        mysql_async::Error::Server(server)
            if matches!(server.code, 1044 | 1142 | 1143 | 1227 | 1370) =>
        {
            missing_privilege(settings, what, Some(server.into()))
        }
        error => Error::Query {
            what,
            source: error.into(),
        },
    }
}

pub(super) fn missing_privilege(
    settings: &SourceSettings,
    what: &'static str,
    source: Option<Source>,
) -> Error {
    let user = settings.user.clone();
    let grants = format!("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '{user}'@'%'");
    Error::Privilege {
        user,
        what,
        grants,
        source,
    }
}

/// Why the stream ended, in our words.
pub(super) fn stream_error(
    settings: &SourceSettings,
    server_id: u32,
    error: mysql_async::Error,
) -> Error {
    let mysql_async::Error::Server(server) = error else {
        return Error::StreamBroken {
            source: error.into(),
        };
    };
    if server.code == 1227 || server.code == 1045 {
        return missing_privilege(settings, "read the binlog", Some(server.into()));
    }
    if server.code != 1236 {
        return Error::DumpRefused {
            source: server.into(),
        };
    }
    // ER_SOURCE_FATAL_ERROR_READING_BINLOG has one number for all of its causes.
    let text = server.message.to_ascii_lowercase();
    if text.contains("same server_uuid/server_id") {
        Error::ServerIdTaken {
            server_id,
            source: server.into(),
        }
    } else if text.contains("purged") {
        Error::HistoryLost {
            missing: server.message.clone(),
        }
    } else if text.contains("could not find first log file") {
        Error::FileGone {
            file: server.message.clone(),
        }
    } else if text.contains("has more gtids than") || mariadb::is_other_history(&text) {
        Error::GtidsAhead {
            ahead: server.message.clone(),
        }
    } else {
        Error::DumpRefused {
            source: server.into(),
        }
    }
}
