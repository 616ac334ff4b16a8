//! What went wrong, as a page for people: handlers answer with a `Problem`, and here it gets
//! the frame, unless nobody is known who could be shown one.

use askama::Template;
use axum::extract::Request;
use axum::http::{Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::page::Frame;
use super::words::sentence;
use crate::operator::access::Identity;
use crate::operator::problem::Problem;

#[derive(Template)]
#[template(path = "console/fault.html")]
struct Page {
    frame: Frame,
    problem: Problem,
    /// Where the person was.
    back: Option<&'static str>,
}

/// The entries of the navigation, but for the first, which every path begins with.
const PAGES: &[&str] = &[
    "/find",
    "/attention",
    "/routes",
    "/snapshot",
    "/report",
    "/activity",
];

/// Turns problems of the console's paths into pages.
pub(super) async fn as_pages(request: Request, next: Next) -> Response {
    let who = request.extensions().get::<Identity>().cloned();
    let path = request.uri().path().to_owned();
    let answer = next.run(request).await;
    let problem = answer.extensions().get::<Problem>().cloned();
    match (who, problem) {
        (Some(who), Some(problem)) if !path.starts_with("/api/") => page(who, problem, &path),
        _ => answer,
    }
}

/// Of paths that lead nowhere.
#[allow(clippy::unused_async, reason = "axum's handlers are async")]
pub(super) async fn nothing_here(method: Method, uri: Uri) -> Problem {
    tracing::debug!(%method, path = uri.path(), "asked for a path that is not there");
    Problem::not_found("there is no such page")
}

fn page(who: Identity, mut problem: Problem, path: &str) -> Response {
    let back = PAGES.iter().find(|page| path.starts_with(**page)).copied();
    let title = match problem.status {
        403 => "Not allowed",
        404 => "Not found",
        500 => "Something failed inside",
        503 => "Not now",
        _ => "That did not work",
    };
    let status = problem.status;
    problem.title = sentence(&problem.title);
    problem.detail = sentence(&problem.detail);
    let template = Page {
        frame: Frame::new(title, back.unwrap_or(""), who),
        problem,
        back,
    };
    let mut page = match template.render() {
        Ok(text) => axum::response::Html(text).into_response(),
        // The frame itself fails: what is left is the problem as it is.
        Err(_) => return template.problem.into_response(),
    };
    if let Ok(status) = axum::http::StatusCode::from_u16(status) {
        *page.status_mut() = status;
    }
    page.headers_mut().insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    page
}
