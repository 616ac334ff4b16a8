//! Addresses as people write them: `mysql://user@host:port` and `https://host[:port]`. Strict on
//! purpose: what is not understood is refused rather than passed on to a server.

use std::net::IpAddr;
use std::path::PathBuf;

/// Why a MySQL URL is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MysqlUrlError {
    /// A password stands in it.
    Password,
    /// A schema or options stand behind the address.
    Tail,
    Shape,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct MysqlUrl {
    pub user: String,
    /// `localhost` when there is a socket.
    pub host: String,
    pub port: u16,
    pub socket: Option<PathBuf>,
}

/// Reads `mysql://user@host[:port]` or `mysql://user@/path/of/socket`; the user may be
/// percent-encoded.
pub(super) fn parse_mysql_url(text: &str) -> Result<MysqlUrl, MysqlUrlError> {
    let rest = text.strip_prefix("mysql://").ok_or(MysqlUrlError::Shape)?;
    let (user, address) = match rest.split_once("@/") {
        // A path may hold anything, even another at sign.
        Some((user, _)) => (user, &rest[user.len() + 1..]),
        None => rest.rsplit_once('@').ok_or(MysqlUrlError::Shape)?,
    };
    if user.contains(':') {
        return Err(MysqlUrlError::Password);
    }
    let user = decode_percent(user)
        .filter(|user| !user.is_empty())
        .ok_or(MysqlUrlError::Shape)?;
    if address.starts_with('/') {
        // A folder, or a URL whose host was forgotten.
        if address.ends_with('/') || address.contains(['?', '#']) {
            return Err(MysqlUrlError::Shape);
        }
        return Ok(MysqlUrl {
            user,
            host: "localhost".to_owned(),
            port: 3306,
            socket: Some(PathBuf::from(address)),
        });
    }
    let address = address.strip_suffix('/').unwrap_or(address);
    if address.contains(['/', '?', '#']) {
        return Err(MysqlUrlError::Tail);
    }
    let (host, port) = split_host(address).ok_or(MysqlUrlError::Shape)?;
    Ok(MysqlUrl {
        user,
        host,
        port: port.unwrap_or(3306),
        socket: None,
    })
}

/// `https://host[:port]` without a slash at its end, when it is that, or http to a loopback host.
pub(super) fn parse_https_url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let address = rest.strip_suffix('/').unwrap_or(rest);
    let (host, _) = split_host(address)?;
    match scheme {
        "https" => {}
        "http" if is_loopback(&host) => {}
        _ => return None,
    }
    Some(format!("{scheme}://{address}"))
}

/// Whether a host can only be this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Host and port of `host`, `host:port`, `[::1]:port`; the host without brackets.
fn split_host(address: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            match after {
                "" => (host, None),
                _ => (host, Some(after.strip_prefix(':')?)),
            }
        }
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(known) {
        return None;
    }
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port: &u16| *port > 0)?),
        None => None,
    };
    Some((host.to_owned(), port))
}

fn decode_percent(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mysql_urls_name_user_host_and_port_only() {
        #[track_caller]
        fn check(text: &str, expected: Result<(&str, &str, u16), MysqlUrlError>) {
            let expected = expected.map(|(user, host, port)| MysqlUrl {
                user: user.to_owned(),
                host: host.to_owned(),
                port,
                socket: None,
            });
            assert_eq!(parse_mysql_url(text), expected, "{text}");
        }
        check(
            "mysql://root@127.0.0.1:3307",
            Ok(("root", "127.0.0.1", 3307)),
        );
        check("mysql://a%40b@db.example", Ok(("a@b", "db.example", 3306)));
        check("mysql://me@[::1]:3306/", Ok(("me", "::1", 3306)));
        check("mysql://me:pw@db", Err(MysqlUrlError::Password));
        check("mysql://me:p@w/x@db", Err(MysqlUrlError::Password));
        check("mysql://me@db/crm", Err(MysqlUrlError::Tail));
        check("mysql://db:3306", Err(MysqlUrlError::Shape));
        check("mysql://@db", Err(MysqlUrlError::Shape));
        check("mysql://me@db:0", Err(MysqlUrlError::Shape));
        check("mysql://me@db:99999", Err(MysqlUrlError::Shape));
        check("mysql://me%zz@db", Err(MysqlUrlError::Shape));
        check("postgres://me@db", Err(MysqlUrlError::Shape));
        check("mysql://me@", Err(MysqlUrlError::Shape));
        check("mysql://me@/", Err(MysqlUrlError::Shape));
        check("mysql://me@/run/", Err(MysqlUrlError::Shape));
        check("mysql://me:pw@/run/s", Err(MysqlUrlError::Password));
    }

    #[test]
    fn a_path_in_place_of_the_host_is_a_socket() {
        let url = parse_mysql_url("mysql://lead%40stream@/run/a@b/mysqld.sock").unwrap();
        assert_eq!(url.user, "lead@stream");
        assert_eq!(url.socket, Some(PathBuf::from("/run/a@b/mysqld.sock")));
    }

    #[test]
    fn login_urls_are_https_or_loopback() {
        #[track_caller]
        fn check(text: &str, expected: Option<&str>) {
            assert_eq!(parse_https_url(text).as_deref(), expected, "{text}");
        }
        check(
            "https://login.salesforce.com/",
            Some("https://login.salesforce.com"),
        );
        check("http://127.0.0.1:8080", Some("http://127.0.0.1:8080"));
        check("http://localhost", Some("http://localhost"));
        check("http://[::1]:80", Some("http://[::1]:80"));
        check("http://login.salesforce.com", None);
        check("http://127.0.0.1.example.com", None);
        check("https://user:pw@login.salesforce.com", None);
        check("https://login.salesforce.com/path", None);
        check("https://login.salesforce.com?x", None);
        check("login.salesforce.com", None);
        check("https://", None);
    }
}
