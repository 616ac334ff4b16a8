//! How a request came: by which listener, over which connection.
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::intake::Room;
use super::wire::WireHandle;

/// Requests of one connection at a time. Salesforce's own bound is not known; clients of HTTP/2 count on 100.
pub(crate) const MAX_TURNS: usize = 100;

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// What a listener answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The org alone.
    Org,
    /// The control endpoints alone.
    Control,
    /// Both, as on loopback.
    OrgAndControl,
}

/// The connection of a request, as far as answering it needs to know.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) scheme: Scheme,
    pub(crate) role: Role,
    /// Our end.
    pub(crate) local: SocketAddr,
    pub(crate) wire: WireHandle,
    pub(crate) room: Arc<Room>,
    /// One for each request of the connection that may be worked on at a time.
    pub(crate) turns: Arc<Semaphore>,
    /// The connection's place among those allowed. A request that outlives its connection keeps the place taken, so
    /// that abandoned work is bounded too.
    pub(crate) _place: OwnedSemaphorePermit,
}

#[cfg(any(test, feature = "fuzzing"))]
impl Arrival {
    /// Of a request that came over no connection.
    pub(crate) fn out_of_nowhere() -> Option<Arc<Arrival>> {
        let place = Arc::new(Semaphore::new(1));
        Some(Arc::new(Arrival {
            scheme: Scheme::Http,
            role: Role::OrgAndControl,
            local: SocketAddr::from(([127, 0, 0, 1], 80)),
            wire: WireHandle::new(),
            room: Arc::new(Room::new(
                1 << 20,
                1 << 20,
                std::time::Duration::from_secs(1),
            )),
            turns: Arc::new(Semaphore::new(MAX_TURNS)),
            _place: place.try_acquire_owned().ok()?,
        }))
    }
}

/// Whether an authority (`host[:port]`) names this machine, or the address that the request came to. A page of
/// another site can make a browser ask for its own name at our address, but never for these.
pub(crate) fn is_local(authority: &str, own: IpAddr) -> bool {
    let host = host(authority);
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => {
            let address = address.to_canonical();
            address.is_loopback() || address == own.to_canonical()
        }
        Err(_) => false,
    }
}

/// An authority without its port.
pub(crate) fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        // The last colon of an address in brackets without a port is inside of them.
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        let own: IpAddr = "192.0.2.7".parse().unwrap();
        for good in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1",
            "127.9.9.9:80",
            "[::1]",
            "[::1]:8080",
            "[::ffff:127.0.0.1]:1",
            "192.0.2.7:8080",
        ] {
            assert!(is_local(good, own), "{good}");
        }
        for bad in [
            "",
            ":",
            ":80",
            "[",
            "]",
            "[]:80",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com:80",
            "192.0.2.8",
            "127.0.0.1:80:80",
            "2130706433",
        ] {
            assert!(!is_local(bad, own), "{bad}");
        }
    }

    #[test]
    fn a_port_is_taken_off() {
        assert_eq!(host("a.example:1"), "a.example");
        assert_eq!(host("a.example"), "a.example");
        assert_eq!(host("[::1]:1"), "[::1]");
        assert_eq!(host("[::1]"), "[::1]");
    }
}
