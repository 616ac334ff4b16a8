//! The sandbox's own web page: what the org holds and does, kept up to date, read-only.
//!
//! Invariants: everything it needs is in the binary; it loads nothing from elsewhere and runs no script but its own,
//! which the content security policy enforces. Values reach the page as text, never as markup.
use axum::http::{HeaderValue, header};

use super::reply::Reply;

const HTML: &str = include_str!("page/page.html");
const CSS: &str = include_str!("page/page.css");
const JS: &str = include_str!("page/page.js");
const ICON: &str = include_str!("page/page.svg");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page itself.
pub(super) fn html() -> Reply {
    file("text/html; charset=utf-8", HTML).with(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    )
}

/// Its looks.
pub(super) fn css() -> Reply {
    file("text/css; charset=utf-8", CSS)
}

/// Its program.
pub(super) fn js() -> Reply {
    file("text/javascript; charset=utf-8", JS)
}

/// Its icon.
pub(super) fn icon() -> Reply {
    file("image/svg+xml", ICON)
}

fn file(kind: &'static str, text: &'static str) -> Reply {
    Reply {
        body: text.as_bytes().to_vec(),
        ..Reply::empty(200)
    }
    .with(header::CONTENT_TYPE, HeaderValue::from_static(kind))
    .with(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    )
    .with(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    )
    // Another binary may answer here next time.
    .with(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))
}
