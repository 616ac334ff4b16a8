//! What the pipeline shows of itself: a plain copy, taken between steps.

use std::collections::BTreeMap;

use super::{BulkView, Pipeline, RoutePause};
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
    /// Updates that changed the external id, since the process started.
    pub key_changes: u64,
    pub in_flight: u64,
    pub totals: Totals,
    pub trouble: Option<Trouble>,
    /// Its rows wait for a person to mend its mapping, or that of a route that writes the same records.
    pub pause: Option<RoutePause>,
    /// What goes by Bulk, if anything does.
    pub bulk: Option<BulkView>,
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
    /// The books by route name.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<String, Totals> {
        self.routes
            .iter()
            .map(|route| (route.name.clone(), route.totals.clone()))
            .collect()
    }

    #[must_use]
    pub fn view(&self) -> PipelineView {
        let parked = self.routes.iter().flat_map(|route| {
            route
                .parking
                .oldest()
                .into_iter()
                .chain(route.lane.oldest())
        });
        PipelineView {
            routes: self
                .routes
                .iter()
                .map(|route| {
                    let mut totals = route.totals.clone();
                    // Parked is what is on disk: a crash before that has the rows read again.
                    let committing = route.parking.committing() + route.lane.committing();
                    totals.parked = totals.parked.saturating_sub(committing);
                    RouteView {
                        name: route.name.clone(),
                        captured: route.captured,
                        key_changes: route.key_changes,
                        in_flight: route.in_flight + committing,
                        totals,
                        trouble: trouble(&route.circuit),
                        pause: self.pause_of(route),
                        bulk: self.bulk_view(route),
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
