//! Shows how capture stands to its server: in the status, in the metrics, and in readiness.

use tokio::sync::watch;

use super::status::{Published, SourceStatus};
use crate::capture::{Observation, Retention};
use crate::telemetry::metrics::{Metrics, raise};

/// Runs until capture is gone.
pub(super) async fn show(
    mut observed: watch::Receiver<Observation>,
    published: Published,
    metrics: Metrics,
) {
    while observed.changed().await.is_ok() {
        let observation = observed.borrow_and_update().clone();
        measure(&observation, &metrics);
        published.update(|status| note(&observation, &mut status.source));
    }
}

fn note(observation: &Observation, source: &mut SourceStatus) {
    source.stalled = observation.is_stalled;
    source.stalls = observation.stalls;
    source.behind_bytes = observation.behind_bytes;
    source.retention_left_seconds = match observation.retention {
        Retention::Seconds(left) => Some(left),
        Retention::Unknown | Retention::Endless => None,
    };
}

/// What is not known is no number: a comparison with it raises no alert, and hides none.
fn measure(observation: &Observation, metrics: &Metrics) {
    metrics
        .capture_stalled
        .set(i64::from(observation.is_stalled));
    raise(&metrics.capture_stalls, observation.stalls);
    let left = match observation.retention {
        Retention::Unknown => f64::NAN,
        Retention::Endless => f64::INFINITY,
        Retention::Seconds(left) => left as f64,
    };
    metrics.retention_left.set(left);
    let behind = observation.behind_bytes.map_or(f64::NAN, |b| b as f64);
    metrics.behind_bytes.set(behind);
}
