//! Callback URLs: which are good enough to redirect to, and how an answer is put into one.
use std::net::IpAddr;

use super::parameters::encode_pairs;

/// Whether a redirect may lead there at all: absolute, without fragment, nothing but visible ASCII.
pub(crate) fn is_redirectable(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'))
        && !rest.is_empty()
        && url.bytes().all(|c| c.is_ascii_graphic() && c != b'#')
}

/// Whether it leads to this machine by HTTP.
pub(super) fn is_loopback(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return false;
    }
    // Browsers take a backslash for a slash; what stands before an `@` is no host.
    let authority = rest.split(['/', '?', '\\']).next().unwrap_or_default();
    if authority.contains('@') {
        return false;
    }
    let (host, port) = match authority
        .strip_prefix('[')
        .and_then(|v6| v6.split_once(']'))
    {
        Some((host, port)) => (host, port),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port_is_fine = match port.strip_prefix(':') {
        Some(number) => number.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    port_is_fine
        && (host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

/// The URL with an answer in its query, or in its fragment for clients that have no server.
pub(crate) fn with_answer<'a>(
    url: &str,
    in_fragment: bool,
    answer: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let joint = match in_fragment {
        true => '#',
        false if url.contains('?') => '&',
        false => '?',
    };
    format!("{url}{joint}{}", encode_pairs(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for url in [
            "http://localhost",
            "http://localhost:1717/OauthRedirect",
            "HTTPS://LocalHost/x?y=z",
            "http://127.0.0.1:8080/callback",
            "http://127.8.9.1",
            "http://[::1]:9/cb",
        ] {
            assert!(is_redirectable(url) && is_loopback(url), "{url}");
        }
        for url in [
            "",
            "localhost",
            "//localhost/",
            "ftp://localhost/",
            "http://localhost.example/",
            "http://localhost@app.example/",
            "http://app.example\\@localhost/",
            "http://localhost:99999/",
            "http://localhost:x/",
            "http://127.0.0.1.example/",
            "http://[::1",
            "http://[::1]x/",
            "http://10.0.0.1/",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn a_url_that_could_break_a_header_or_hide_the_answer_is_refused() {
        for url in [
            "http://a.example/\r\nX: y",
            "http://a.example/#x",
            "http://a.example/é",
            "://x",
            "javascript:alert(1)",
            "1a://x",
            "http://",
        ] {
            assert!(!is_redirectable(url), "{url}");
        }
        assert!(is_redirectable("myapp://auth/done?x=y"));
    }

    #[test]
    fn an_answer_joins_a_query_that_is_there_already() {
        let answer = [("code", "a=="), ("state", "s t")];
        assert_eq!(
            with_answer("http://a.example/cb", false, answer),
            "http://a.example/cb?code=a%3D%3D&state=s%20t"
        );
        assert_eq!(
            with_answer("http://a.example/cb?x=y", false, answer),
            "http://a.example/cb?x=y&code=a%3D%3D&state=s%20t"
        );
        assert_eq!(
            with_answer("http://a.example/cb", true, answer),
            "http://a.example/cb#code=a%3D%3D&state=s%20t"
        );
    }
}
