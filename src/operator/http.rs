//! Health and metrics over HTTP:
//!
//! - `GET /livez`: 200 while the process answers.
//! - `GET /readyz`: 200 while the binlog is being streamed, else 503 with the reason.
//! - `GET /metrics`: Prometheus text.
//! - `GET /api/v1/status`: what `leadstream status --json` shows. No personal data.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::View;

/// Shown at `/` to a person who opens the address.
const INDEX: &str = "leadstream\n\n/livez          is the process alive\n/readyz         is the \
binlog being streamed\n/metrics        for Prometheus\n/api/v1/status  position, lag, books\n";

pub async fn serve(listener: TcpListener, view: View) {
    let router = Router::new()
        .route("/", get(INDEX))
        .route("/livez", get("alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .with_state(view);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the operator's port stopped answering");
    }
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

#[allow(clippy::unused_async, reason = "axum's handlers are async")]
async fn metrics(State(view): State<View>) -> Response {
    let now = (view.clock)();
    let status = view.published.read();
    view.metrics.lag.set(status.lag_seconds(now));
    // Nothing waits for it: it stands at the end of what was captured, behind parked records too,
    // however old it is.
    let age = if status.checkpoint_waits {
        let since = status.checkpoint_at.unwrap_or(status.started_at);
        now.seconds_since(since).max(0.0)
    } else {
        0.0
    };
    view.metrics.checkpoint_age.set(age);
    if let Some(process) = process_usage() {
        view.metrics.resident_bytes.set(process.resident_bytes);
        let cpu = &view.metrics.cpu_seconds;
        cpu.inc_by((process.cpu_seconds - cpu.get()).max(0.0));
    }
    match view.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[allow(clippy::unused_async, reason = "axum's handlers are async")]
async fn status(State(view): State<View>) -> Response {
    axum::Json(&*view.published.read()).into_response()
}

struct ProcessUsage {
    resident_bytes: i64,
    cpu_seconds: f64,
}

/// Reads /proc: pages of 4 KiB, ticks of 10 ms, as on every Linux of the platforms we ship for.
fn process_usage() -> Option<ProcessUsage> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold blanks: fields are counted behind it.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 2..)?.split(' ').collect();
    let field = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some(ProcessUsage {
        resident_bytes: (field(21)? * 4096.0) as i64,
        cpu_seconds: (field(11)? + field(12)?) / 100.0,
    })
}
