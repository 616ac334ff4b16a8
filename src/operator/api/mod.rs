//! `/api/v1`: what the console and the command line do, over HTTP and in JSON.
//!
//! One table, [`endpoints::ENDPOINTS`], says what there is; the router and the OpenAPI document are
//! both made of it. What an endpoint answers is what [`questions`](super::questions) answer, masked
//! for those who may not see people.

mod endpoints;
mod events;
mod openapi;
mod parameters;
mod repeats;
mod requests;
mod serving;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, any};

use super::View;
use super::problem::Problem;
use endpoints::ENDPOINTS;
#[cfg(test)]
use endpoints::Endpoint;
use serving::{Serving, serve};

/// Where the paths of the table begin.
const ROOT: &str = "/api/v1";

/// Everything below `/api`.
pub(super) fn router() -> Router<View> {
    let serving = Arc::new(Serving::default());
    let mut router = Router::new()
        .route("/api", any(unknown))
        .route("/api/{*rest}", any(unknown));
    for path in paths() {
        router = router.route(&format!("{ROOT}{path}"), methods(path, &serving));
    }
    router
}

/// Each path once, in the order of the table.
fn paths() -> Vec<&'static str> {
    let mut paths = Vec::new();
    for endpoint in ENDPOINTS {
        if !paths.contains(&endpoint.path) {
            paths.push(endpoint.path);
        }
    }
    paths
}

fn methods(path: &'static str, serving: &Arc<Serving>) -> MethodRouter<View> {
    let mut methods = MethodRouter::new();
    let mut allowed = Vec::new();
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.path == path) {
        let filter = match endpoint.method {
            Method::POST => MethodFilter::POST,
            Method::DELETE => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        };
        allowed.push(endpoint.method.as_str());
        let serving = Arc::clone(serving);
        let handler = move |State(view): State<View>, request: Request| {
            let serving = Arc::clone(&serving);
            async move { serve(endpoint, view, request, &serving).await }
        };
        methods = methods.on(filter, handler);
    }
    let allowed = allowed.join(", ");
    methods.fallback(move || {
        let allowed = allowed.clone();
        async move { wrong_method(&allowed) }
    })
}

#[allow(clippy::unused_async, reason = "axum's handlers are async")]
async fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "LS6061",
        "the API has no such path",
        "GET /api/v1/openapi.json tells all there are",
    )
}

fn wrong_method(allowed: &str) -> Response {
    let problem = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "LS6061",
        "this path has no such method",
        &format!("use {allowed}"),
    );
    let mut response = problem.into_response();
    if let Ok(allowed) = allowed.parse() {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}
