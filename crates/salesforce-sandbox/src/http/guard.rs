//! Who may use the control endpoints: programs on this machine, and pages that came from the endpoints themselves.
//!
//! A page of another site can make a browser send requests here. What it cannot do is to send them without its own
//! Origin, or, when its name has been pointed at this address, without its own name as the Host.
use std::net::IpAddr;

use axum::http::HeaderMap;

use super::arrival::is_local;
use super::reply::Reply;
use crate::org::Refusal;

/// 403 for a request that a foreign page may have caused; `own` is the address that it came to.
pub(super) fn check(method: &str, headers: &HeaderMap, own: IpAddr) -> Result<(), Reply> {
    let host = header(headers, "host");
    if !is_local(host, own) {
        let text = format!(
            "The control endpoints answer to localhost, to a loopback address and to their own address, not to the host '{host}'."
        );
        return Err(forbidden(text));
    }
    let reads = matches!(method, "GET" | "HEAD");
    let foreign_origin =
        headers.contains_key("origin") && !is_same_site(header(headers, "origin"), host);
    // Browsers tell it of every request, also where they leave the Origin out.
    let foreign_site = headers.contains_key("sec-fetch-site")
        && !matches!(header(headers, "sec-fetch-site"), "same-origin" | "none");
    if !reads && (foreign_origin || foreign_site) {
        let text = "The control endpoints take no changes from pages of other sites (headers Origin, Sec-Fetch-Site).";
        return Err(forbidden(text.into()));
    }
    Ok(())
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Whether an Origin (`scheme://authority`) is where the request itself went.
fn is_same_site(origin: &str, host: &str) -> bool {
    origin.split_once("://").is_some_and(|(scheme, authority)| {
        matches!(scheme, "http" | "https") && authority.eq_ignore_ascii_case(host)
    })
}

fn forbidden(text: String) -> Reply {
    Reply::error(403, &Refusal::new("FORBIDDEN", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(method: &str, pairs: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        check(method, &headers, "127.0.0.1".parse().unwrap()).is_ok()
    }

    #[test]
    fn programs_on_this_machine_may_do_everything() {
        for method in ["GET", "POST", "DELETE"] {
            assert!(allowed(method, &[("host", "localhost:8080")]));
            assert!(allowed(method, &[("host", "127.0.0.1:8080")]));
        }
    }

    #[test]
    fn a_name_that_was_pointed_here_may_not_even_read() {
        assert!(!allowed("GET", &[("host", "rebound.example")]));
        assert!(!allowed("GET", &[("host", "")]));
        assert!(!allowed("GET", &[]));
    }

    #[test]
    fn pages_of_other_sites_may_not_change_anything() {
        let host = ("host", "127.0.0.1:8080");
        assert!(allowed(
            "POST",
            &[host, ("origin", "http://127.0.0.1:8080")]
        ));
        for origin in [
            "http://elsewhere.example",
            "http://127.0.0.1:3000",
            "http://localhost:8080",
            "null",
            "",
            "127.0.0.1:8080",
            "file://127.0.0.1:8080",
        ] {
            assert!(!allowed("POST", &[host, ("origin", origin)]), "{origin}");
            assert!(allowed("GET", &[host, ("origin", origin)]), "{origin}");
        }
    }
}
