//! What Prometheus scrapes: the metrics as they stand, with those that are a matter of the moment
//! brought up to it.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::View;
use crate::telemetry::metrics::Metrics;

#[allow(clippy::unused_async, reason = "axum's handlers are async")]
pub(super) async fn metrics(State(view): State<View>) -> Response {
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
    view.metrics
        .started_at
        .set(status.started_at.0 as f64 / 1e6);
    show_process(&view.metrics);
    match view.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn show_process(metrics: &Metrics) {
    if let Some(process) = process_usage() {
        metrics.resident_bytes.set(process.resident_bytes);
        let cpu = &metrics.cpu_seconds;
        cpu.inc_by((process.cpu_seconds - cpu.get()).max(0.0));
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        metrics.open_files.set(count(files.count() as u64));
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    // None: there is no limit.
    metrics
        .max_files
        .set(count(limit.current.unwrap_or(u64::MAX)));
}

fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
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
