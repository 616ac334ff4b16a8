//! Connections to MySQL: addresses, options, login, and the driver's errors in our words.

use std::net::IpAddr;
use std::time::Duration;

use mysql_async::{Conn, DriverError, Opts, OptsBuilder};
use tokio::task::JoinSet;

use super::error::{Error, Source};
use super::history;
use super::settings::{Compression, SourceSettings};
use super::tls;

/// A dump may send packets larger than the server's own `max_allowed_packet`; this is the
/// protocol's limit.
const PACKET_BYTES_MAX: usize = 1 << 30;
/// Long enough that the driver never asks the server for it.
const WAIT_TIMEOUT_SECONDS: usize = 8 * 3600;

/// Connects and logs in.
pub(super) async fn connect(settings: &SourceSettings) -> Result<Conn, Error> {
    connect_by(settings, async |host, port| {
        let found = tokio::net::lookup_host((host, port)).await?;
        Ok(found.map(|address| address.ip()).collect())
    })
    .await
}

/// The name is resolved anew each time, so that a failover by name is followed; its addresses are
/// tried in the resolver's order, each with its share of the time, so that one that drops packets
/// does not hide the next.
async fn connect_by(
    settings: &SourceSettings,
    resolve: impl AsyncFn(&str, u16) -> std::io::Result<Vec<IpAddr>>,
) -> Result<Conn, Error> {
    let waited_ms = settings.connect_timeout_ms;
    if settings.socket.is_some() {
        return log_in(settings, None, waited_ms).await;
    }
    let unresolved = |source: Source| Error::ResolveHost {
        host: settings.host.clone(),
        source,
    };
    let limit = Duration::from_millis(waited_ms);
    let mut addresses = tokio::time::timeout(limit, resolve(&settings.host, settings.port))
        .await
        .map_err(|_| unresolved("the name service does not answer".into()))?
        .map_err(|error| unresolved(error.into()))?;
    addresses.dedup();
    let share_ms = waited_ms / u64::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut failure = unresolved("the name has no address".into());
    for address in addresses {
        match log_in(settings, Some(address), share_ms).await {
            Err(error @ (Error::Connect { .. } | Error::ConnectTimeout { .. })) => failure = error,
            connected => return connected,
        }
    }
    Err(failure)
}

async fn log_in(
    settings: &SourceSettings,
    address: Option<IpAddr>,
    waited_ms: u64,
) -> Result<Conn, Error> {
    let options = options(settings, address)?;
    // In a task of its own: the driver panics on greetings and keys that make no sense.
    let mut task = JoinSet::new();
    task.spawn(Conn::new(options));
    let limit = Duration::from_millis(waited_ms);
    match tokio::time::timeout(limit, task.join_next()).await {
        Ok(Some(Ok(Ok(connection)))) => Ok(connection),
        Ok(Some(Ok(Err(error)))) => Err(login_error(settings, error)),
        Ok(Some(Err(_)) | None) => Err(Error::Connect {
            place: settings.place(),
            source: "what answers there does not speak MySQL's protocol".into(),
        }),
        Err(_) => Err(Error::ConnectTimeout {
            place: settings.place(),
            waited_ms,
        }),
    }
}

fn options(settings: &SourceSettings, address: Option<IpAddr>) -> Result<Opts, Error> {
    let compression = match settings.compression {
        Compression::None => None,
        Compression::Zlib => Some(mysql_async::Compression::fast()),
    };
    let socket = settings
        .socket
        .as_ref()
        .map(|path| path.to_string_lossy().into_owned());
    let is_socket = socket.is_some();
    let builder = OptsBuilder::default()
        .ip_or_hostname(&settings.host)
        .tcp_port(settings.port)
        .resolved_ips(address.map(|address| vec![address]))
        .socket(socket)
        .user(Some(&settings.user))
        .pass(Some(settings.password.expose()))
        // A loopback connection would silently become a socket, without TLS.
        .prefer_socket(false)
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .max_allowed_packet(Some(PACKET_BYTES_MAX))
        .wait_timeout(Some(WAIT_TIMEOUT_SECONDS))
        .stmt_cache_size(0)
        .compression(compression)
        .connect_attribute("program_name", "leadstream")
        // The driver would ask for TLS on a socket and then not do it.
        .ssl_opts(if is_socket {
            None
        } else {
            tls::options(&settings.tls)
        });
    Ok(builder.into())
}

fn login_error(settings: &SourceSettings, error: mysql_async::Error) -> Error {
    let place = settings.place();
    if let Some(fault) = tls::certificate_fault(&error) {
        let host = settings.host.clone();
        return Error::Certificate { host, fault };
    }
    match error {
        // 1044 and 1045: denied; 1130: host not allowed; 1698: plugin refuses; 1862: expired;
        // 3118 and 3955: locked; 3159: the server wants every connection encrypted.
        mysql_async::Error::Server(server)
            if matches!(
                server.code,
                1044 | 1045 | 1130 | 1698 | 1820 | 1862 | 3118 | 3159 | 3955
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
        mysql_async::Error::Driver(DriverError::UnknownAuthPlugin { name }) => {
            unsupported_plugin(settings, name)
        }
        mysql_async::Error::Driver(DriverError::MysqlOldPasswordDisabled) => {
            unsupported_plugin(settings, "mysql_old_password".to_owned())
        }
        mysql_async::Error::Driver(DriverError::CleartextPluginDisabled) => {
            unsupported_plugin(settings, "mysql_clear_password".to_owned())
        }
        error if tls::is_at_fault(&error) => Error::Tls {
            place,
            source: error.into(),
        },
        error => Error::Connect {
            place,
            source: error.into(),
        },
    }
}

fn unsupported_plugin(settings: &SourceSettings, plugin: String) -> Error {
    Error::AuthPlugin {
        user: settings.user.clone(),
        plugin,
    }
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
    // MariaDB's ER_SLAVE_SAME_ID, said to the one that comes second.
    if server.code == 4052 {
        return Error::ServerIdTaken {
            server_id,
            source: server.into(),
        };
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
    } else if let Some(refused) = history::refusal(&server) {
        refused
    } else {
        Error::DumpRefused {
            source: server.into(),
        }
    }
}

#[cfg(test)]
mod tests;
