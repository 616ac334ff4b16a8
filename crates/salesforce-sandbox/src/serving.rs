//! Where and how an org is served: addresses, TLS, and the bounds of what its clients may hold on to.
use std::net::SocketAddr;

use serde::Deserialize;

use crate::tls::Tls;

/// The listeners of one org. All of them reach the same org; a client sees the scheme and address it came by.
///
/// On a loopback address a listener also answers the control endpoints, unless they have a listener of their own.
#[derive(Debug, Clone)]
pub struct Listen {
    pub(crate) doors: Vec<(SocketAddr, Option<Tls>)>,
    pub(crate) control: Option<SocketAddr>,
}

impl Listen {
    /// Plain HTTP on `address`; port 0 takes a free one.
    #[must_use]
    pub fn http(address: SocketAddr) -> Listen {
        Listen {
            doors: vec![(address, None)],
            control: None,
        }
    }

    /// HTTPS on `address`; port 0 takes a free one.
    #[must_use]
    pub fn https(address: SocketAddr, tls: Tls) -> Listen {
        Listen {
            doors: vec![(address, Some(tls))],
            control: None,
        }
    }

    /// Plain HTTP on a further address.
    #[must_use]
    pub fn and_http(mut self, address: SocketAddr) -> Listen {
        self.doors.push((address, None));
        self
    }

    /// HTTPS on a further address.
    #[must_use]
    pub fn and_https(mut self, address: SocketAddr, tls: Tls) -> Listen {
        self.doors.push((address, Some(tls)));
        self
    }

    /// A listener of their own for the control endpoints, plain HTTP on a loopback address. The others then do not
    /// answer them.
    #[must_use]
    pub fn control(mut self, address: SocketAddr) -> Listen {
        self.control = Some(address);
        self
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Listen {
        Listen::http(address)
    }
}

/// The bounds of what clients may hold on to. Times are milliseconds.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServingConfig {
    /// Connections open at a time over all listeners of the org; further ones wait in the system's accept queue.
    pub max_connections: usize,
    /// How long a TLS handshake may take.
    pub tls_handshake_timeout_ms: u64,
    /// How long the head of a request may take from its first byte, or, on a new connection, from its opening.
    pub request_head_timeout_ms: u64,
    /// How long a request's body may stand still.
    pub request_body_timeout_ms: u64,
    /// How long a connection is kept without a request, or with a reply that its client does not take.
    pub idle_timeout_ms: u64,
    /// Bodies of requests that are held in memory at a time, over all connections, in bytes; half of it for bodies up to
    /// 256 KiB. Further ones wait. It is exceeded where not even one body of the largest size would fit.
    pub max_buffered_bytes: usize,
}

impl Default for ServingConfig {
    fn default() -> Self {
        ServingConfig {
            // Far more than any test opens, and far fewer than a process may have files open.
            max_connections: 1_024,
            tls_handshake_timeout_ms: 10_000,
            request_head_timeout_ms: 30_000,
            request_body_timeout_ms: 30_000,
            // Longer than the pools of common clients keep a connection, so that it is they who close it.
            idle_timeout_ms: 120_000,
            max_buffered_bytes: 256 * 1024 * 1024,
        }
    }
}

impl ServingConfig {
    /// Every mistake, as sentences that name the key.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let at_least_one = [
            ("max_connections", self.max_connections as u64),
            ("tls_handshake_timeout_ms", self.tls_handshake_timeout_ms),
            ("request_head_timeout_ms", self.request_head_timeout_ms),
            ("request_body_timeout_ms", self.request_body_timeout_ms),
            ("idle_timeout_ms", self.idle_timeout_ms),
            ("max_buffered_bytes", self.max_buffered_bytes as u64),
        ];
        let mut found: Vec<String> = at_least_one
            .into_iter()
            .filter(|(_, value)| *value == 0)
            .map(|(key, _)| format!("serving.{key} must be at least 1"))
            .collect();
        // The runtime's own bound; nobody can have so many anyway.
        let most = tokio::sync::Semaphore::MAX_PERMITS;
        if self.max_connections > most {
            found.push(format!("serving.max_connections must be at most {most}"));
        }
        found
    }
}
