//! What people ask of the service: who, what, on what. The journal keeps every such act, and a
//! route that an operator paused stays paused until one resumes it, across restarts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::time::Micros;

/// What was asked for. Edits, replays and discards of dead letters are entries of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActKind {
    PauseRoute,
    ResumeRoute,
    StartSnapshot,
    CancelSnapshot,
    Describe,
    CancelReplay,
    /// While no service ran.
    SetCheckpoint,
    /// Until a restart; what it was set to stands as the reason.
    SetLogLevel,
}

impl ActKind {
    /// The word in the journal.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ActKind::PauseRoute => "pause_route",
            ActKind::ResumeRoute => "resume_route",
            ActKind::StartSnapshot => "start_snapshot",
            ActKind::CancelSnapshot => "cancel_snapshot",
            ActKind::Describe => "describe",
            ActKind::CancelReplay => "cancel_replay",
            ActKind::SetCheckpoint => "set_checkpoint",
            ActKind::SetLogLevel => "set_log_level",
        }
    }
}

/// One thing that a person asked for, and that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    pub kind: ActKind,
    pub author: String,
    /// By name: it may have left the configuration since.
    pub route: Option<String>,
    /// As the person typed it; empty when none was asked for.
    pub reason: String,
}

/// Why an operator keeps a route from sending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorPause {
    pub author: String,
    pub since: Micros,
    pub reason: String,
}

/// The routes that are paused, by name.
pub type OperatorPauses = BTreeMap<String, OperatorPause>;

/// Enters an act into the routes that are paused. A second pause changes nothing.
pub fn apply(pauses: &mut OperatorPauses, act: &Act, at: Micros) {
    let Some(route) = &act.route else { return };
    match act.kind {
        ActKind::PauseRoute => {
            let pause = || OperatorPause {
                author: act.author.clone(),
                since: at,
                reason: act.reason.clone(),
            };
            pauses.entry(route.clone()).or_insert_with(pause);
        }
        ActKind::ResumeRoute => drop(pauses.remove(route)),
        ActKind::StartSnapshot
        | ActKind::CancelSnapshot
        | ActKind::Describe
        | ActKind::CancelReplay
        | ActKind::SetCheckpoint
        | ActKind::SetLogLevel => {}
    }
}
