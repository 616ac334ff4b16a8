//! The HTTP port: health and metrics here, `/api/v1` and the console in modules of their own.
//!
//! - `GET /livez`: 200 while the process answers.
//! - `GET /readyz`: 200 while the binlog is being streamed, else 503 with the reason.
//! - `GET /metrics`: Prometheus text.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::access::gate::{Gate, MAX_FORM_BYTES, guard};
use super::scrape::metrics;
use super::{View, access, api, console, headers};

/// Everything that the port answers.
pub fn router(view: View, gate: Gate) -> Router {
    let routes = Router::new()
        .route("/livez", get("alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .merge(api::router())
        .merge(console::router())
        .with_state(view);
    behind(gate, routes)
}

/// Routes with what stands before all of them: the gate, the ways through it, the limits.
pub(super) fn behind(gate: Gate, routes: Router) -> Router {
    let tls = gate.speaks_tls();
    let gate = Arc::new(gate);
    routes
        .merge(access::router(Arc::clone(&gate)))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(middleware::from_fn_with_state(gate, guard))
        .layer(middleware::from_fn_with_state(tls, headers::set))
}

#[allow(clippy::unused_async, reason = "axum's handlers are async")]
async fn readyz(State(view): State<View>) -> Response {
    match view.published.read().not_ready_because() {
        None => "ready\n".into_response(),
        Some(reason) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {reason}\n"),
        )
            .into_response(),
    }
}
