//! What the pipeline shows of itself: a plain copy, taken between steps.

use super::{Pipeline, RoutePause};
use crate::core::circuit::Circuit;
use crate::core::entry::Totals;
use crate::core::outcome::RequestFailure;
use crate::core::position::Checkpoint;
use crate::core::snapshot::Snapshot;
use crate::core::time::{Micros, Tick};

#[derive(Clone, Debug)]
pub struct PipelineView {
    pub routes: Vec<RouteView>,
    /// Behind it everything is settled or parked; durable only once its commit is.
    pub checkpoint: Checkpoint,
    /// When the oldest row was committed that has no final outcome yet, parked ones included.
    /// Rows of snapshots do not count: how old they are says nothing about the stream.
    pub oldest_unsettled: Option<Micros>,
    /// Something of the stream waits for the checkpoint to pass it, or a prepared transaction holds
    /// the checkpoint.
    pub checkpoint_waits: bool,
    /// The last one, running or not.
    pub snapshot: Option<Snapshot>,
    /// Why it is not read on for now.
    pub snapshot_waits: Option<&'static str>,
    pub calls_in_flight: usize,
    pub allowed_in_flight: usize,
    /// Why nothing leaves, if so.
    pub org_trouble: Option<Trouble>,
    pub parked_bytes: u64,
    /// Records in memory.
    pub records: usize,
}

#[derive(Clone, Debug)]
pub struct RouteView {
    pub name: String,
    pub captured: u64,
    pub in_flight: u64,
    pub totals: Totals,
    pub trouble: Option<Trouble>,
    /// Its rows wait for a person to mend its mapping, or that of a route that writes the same records.
    pub pause: Option<RoutePause>,
}

/// An open circuit.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub failure: RequestFailure,
    pub since: Tick,
    pub attempt: u32,
    pub probe_at: Tick,
}

impl RouteView {
    /// captured = delivered + skipped + discarded + open dead letters + parked + in flight.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.captured == self.totals.accounted() + self.in_flight
    }
}

impl Pipeline {
    #[must_use]
    pub fn view(&self) -> PipelineView {
        let parked = self
            .routes
            .iter()
            .filter_map(|route| route.parking.oldest());
        PipelineView {
            routes: self
                .routes
                .iter()
                .map(|route| {
                    let mut totals = route.totals.clone();
                    // Parked is what is on disk: a crash before that has the rows read again.
                    let committing = route.parking.committing();
                    totals.parked = totals.parked.saturating_sub(committing);
                    RouteView {
                        name: route.name.clone(),
                        captured: route.captured,
                        in_flight: route.in_flight + committing,
                        totals,
                        trouble: trouble(&route.circuit),
                        pause: self.pause_of(route),
                    }
                })
                .collect(),
            checkpoint: self.ledger.checkpoint().clone(),
            oldest_unsettled: parked.chain(self.ledger.oldest_unsettled()).min(),
            checkpoint_waits: self.ledger.holds_stream() || self.ledger.is_held(),
            snapshot: self.snapshot().cloned(),
            snapshot_waits: self.snapshot_waits(),
            calls_in_flight: self.calls.len(),
            allowed_in_flight: self.allowed_in_flight,
            org_trouble: trouble(&self.org),
            parked_bytes: self.parked_bytes(),
            records: self.planner.len(),
        }
    }
}

fn trouble(circuit: &Circuit) -> Option<Trouble> {
    circuit.open().map(|open| Trouble {
        failure: open.failure.clone(),
        since: open.since,
        attempt: open.attempt,
        probe_at: open.probe_at,
    })
}
