//! Where a request comes from and where it is meant to go: hosts, sites, and paths to go on to.

use axum::http::{HeaderMap, Uri, header};

/// Whether the request names this machine. A page elsewhere can make its own name point to
/// 127.0.0.1 and so have a browser talk to us; but the browser then says that name.
pub(super) fn is_for_loopback(uri: &Uri, headers: &HeaderMap) -> bool {
    let authority = uri.authority().map(|authority| authority.as_str());
    let named = headers
        .get_all(header::HOST)
        .iter()
        .map(|host| host.to_str().unwrap_or_default());
    let mut hosts = named.chain(authority).peekable();
    hosts.peek().is_some() && hosts.all(is_loopback)
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]"
}

/// Whether a request that changes something was made by one of our own pages, or by no page at
/// all. Browsers say so, and no page can make them say otherwise. A program says nothing.
pub(super) fn is_ours(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| {
        origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"))
    });
    origin.is_some() && origin == host
}

/// Whether a person followed a link on another site. Their session's cookie is not sent then.
pub(super) fn is_followed_link(headers: &HeaderMap) -> bool {
    let says = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
    (says("sec-fetch-site", "cross-site") || says("sec-fetch-site", "same-site"))
        && says("sec-fetch-mode", "navigate")
}

/// The path to go on to after signing in, if it is one of ours: nothing that a browser could take
/// for another site, and nothing that could end a header.
pub(super) fn local_path(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('/')?;
    let is_local = !rest.starts_with(['/', '\\'])
        && text.len() <= 2_000
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>'));
    let path = text.split(['?', '#']).next().unwrap_or_default();
    (is_local && path != "/login" && path != "/logout").then_some(text)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_this_machine_s_own_names_are_for_loopback() {
        #[track_caller]
        fn check(uri: &'static str, hosts: &[&'static str], expected: bool) {
            let hosts: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            let found = is_for_loopback(&Uri::from_static(uri), &headers(&hosts));
            assert_eq!(found, expected, "{uri} {hosts:?}");
        }
        check("/", &["127.0.0.1:9464"], true);
        check("/", &["localhost"], true);
        check("/", &["LOCALHOST:80"], true);
        check("/", &["[::1]:9464"], true);
        check("/", &["[::1]"], true);
        check("/", &[], false);
        check("/", &["leadstream.example:9464"], false);
        check("/", &["127.0.0.1.example"], false);
        check("/", &["localhost:80@example.com"], false);
        check("/", &["localhost", "example.com"], false);
        check("http://example.com/", &["localhost"], false);
        check("http://localhost/", &["localhost"], true);
    }

    #[test]
    fn another_site_s_request_is_not_ours() {
        #[track_caller]
        fn check(pairs: &[(&'static str, &'static str)], expected: bool) {
            assert_eq!(is_ours(&headers(pairs)), expected, "{pairs:?}");
        }
        let host = ("host", "127.0.0.1:9464");
        check(&[host], true);
        check(&[host, ("origin", "http://127.0.0.1:9464")], true);
        check(&[host, ("origin", "https://127.0.0.1:9464")], true);
        check(&[host, ("origin", "http://127.0.0.1:80")], false);
        check(&[host, ("origin", "https://example.com")], false);
        check(&[host, ("origin", "null")], false);
        check(&[host, ("sec-fetch-site", "cross-site")], false);
        check(&[host, ("sec-fetch-site", "same-site")], false);
        // What a browser sends for a form of a page that asked for no referrer.
        let form = [host, ("origin", "null"), ("sec-fetch-site", "same-origin")];
        check(&form, true);
    }

    #[test]
    fn only_paths_of_ours_are_gone_on_to() {
        #[track_caller]
        fn check(text: &str, expected: bool) {
            assert_eq!(local_path(text).is_some(), expected, "{text:?}");
        }
        check("/", true);
        check("/attention?cause=a%20b&page=2", true);
        check("//example.com", false);
        check("/\\example.com", false);
        check("/a\\b", false);
        check("https://example.com/", false);
        check("example.com", false);
        check("", false);
        check("/a\r\nSet-Cookie: x=y", false);
        check("/a b", false);
        check("/ä", false);
        check("/login?next=/", false);
        check("/logout", false);
        check(&format!("/{}", "a".repeat(3_000)), false);
    }
}
