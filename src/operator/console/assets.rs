//! Style sheet, script and icon, as they are in `templates/console`. Pages name them with a hash of
//! their content, so that a browser may keep them for ever.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::operator::View;
use crate::operator::problem::Problem;

const STYLE: &str = include_str!("../../../templates/console/console.css");
const SCRIPT: &str = include_str!("../../../templates/console/console.js");
const ICON: &str = include_str!("../../../templates/console/favicon.svg");

/// What has this name has this content, whenever.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const FOR_A_DAY: &str = "public, max-age=86400";
/// A name without a hash: the browser asks each time.
const ASK_AGAIN: &str = "no-cache";

static STYLE_PATH: LazyLock<String> = LazyLock::new(|| named("console", STYLE, "css"));
static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| named("console", SCRIPT, "js"));

/// Where pages load their style sheet from.
pub fn style() -> &'static str {
    &STYLE_PATH
}

/// Where pages load their script from.
pub fn script() -> &'static str {
    &SCRIPT_PATH
}

pub(super) fn router() -> Router<View> {
    Router::new().route("/assets/{name}", get(asset)).route(
        "/favicon.svg",
        get(async || file("image/svg+xml", FOR_A_DAY, ICON)),
    )
}

fn named(stem: &str, content: &str, extension: &str) -> String {
    let hash = blake3::hash(content.as_bytes()).to_hex();
    format!("/assets/{stem}.{}.{extension}", &hash[..12])
}

#[allow(clippy::unused_async, reason = "axum's handlers are async")]
async fn asset(Path(name): Path<String>) -> Response {
    let is = |path: &str| path.strip_prefix("/assets/") == Some(&name);
    match name.as_str() {
        "console.css" => file("text/css; charset=utf-8", ASK_AGAIN, STYLE),
        "console.js" => file("text/javascript; charset=utf-8", ASK_AGAIN, SCRIPT),
        _ if is(style()) => file("text/css; charset=utf-8", FOR_EVER, STYLE),
        _ if is(script()) => file("text/javascript; charset=utf-8", FOR_EVER, SCRIPT),
        _ => Problem::not_found("there is no such file").into_response(),
    }
}

fn file(kind: &'static str, keep: &'static str, text: &'static str) -> Response {
    let head = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)];
    (head, text).into_response()
}

/// What a browser loads beside a page, in bytes.
#[cfg(test)]
pub(super) fn weight() -> usize {
    STYLE.len() + SCRIPT.len() + ICON.len()
}

#[cfg(test)]
mod tests;
