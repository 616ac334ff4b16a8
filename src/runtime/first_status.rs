//! What is shown before the stream stands: the books as the journal has them.

use super::clock;
use super::status::{
    DiskStatus, RouteStatus, SnapshotStatus, SourceStatus, Stage, StateStatus, Status,
};
use crate::config::Config;
use crate::core::entry::{ParkedSpan, Recovered};

/// What is durable: shown until the stream stands, however long that takes.
pub(super) fn durable(config: &Config, recovered: &Recovered) -> Status {
    let routes = config.routes.iter().map(|route| {
        let totals = recovered
            .totals
            .get(&route.name)
            .cloned()
            .unwrap_or_default();
        RouteStatus {
            name: route.name.clone(),
            captured: totals.accounted(),
            in_flight: 0,
            totals,
            balances: true,
            trouble: None,
            bulk: None,
            operator_pause: recovered.pauses.get(&route.name).cloned(),
            object: route.object.clone(),
        }
    });
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started_at: clock::wall(),
        as_of: clock::wall(),
        stage: Stage::Starting,
        source: SourceStatus::default(),
        delivery: Default::default(),
        routes: routes.collect(),
        snapshot: recovered.snapshot.as_ref().map(SnapshotStatus::new),
        oldest_unsettled: recovered
            .parked
            .iter()
            .filter_map(ParkedSpan::oldest_committed)
            .min(),
        checkpoint: recovered.checkpoint.clone(),
        checkpoint_at: None,
        checkpoint_waits: false,
        state: StateStatus {
            last_commit: recovered.last_commit,
            ..StateStatus::default()
        },
        disk: DiskStatus::default(),
    }
}
