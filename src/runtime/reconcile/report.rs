//! What a comparison found, for people and programs. It names keys, ids and fields, never values.

use serde::Serialize;

use crate::core::reconcile::{Difference, Explanation};
use crate::core::time::Micros;

#[derive(Debug, Serialize)]
pub struct Report {
    pub started_at: Micros,
    pub ended_at: Micros,
    pub service_running: bool,
    /// No service runs, and MySQL has gone on since it stopped: what was written since is missing.
    pub behind: bool,
    /// Of this run; they are part of the budget.
    pub api_calls: u64,
    pub routes: Vec<RouteReport>,
}

#[derive(Debug, Serialize)]
pub struct RouteReport {
    pub route: String,
    pub table: String,
    pub object: String,
    pub external_id: String,
    /// The fields that were compared.
    pub fields: Vec<String>,
    /// Of the table, or of the part of it that was asked for.
    pub rows: u64,
    /// Of the object, with a value in the external id; `None`: only those of the rows were asked for.
    pub records: Option<u64>,
    pub equal: u64,
    /// Rows that the route's filter leaves out, and those that cannot be sent while Salesforce has a
    /// record of theirs.
    pub left_out: u64,
    pub missing: u64,
    pub different: u64,
    /// `None`: they were not looked for.
    pub extra: Option<u64>,
    pub on_their_way: u64,
    /// Found at the first look, too many for a second one: run it again when the others are mended.
    pub not_looked_at: u64,
    /// Some of each kind.
    pub findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<RepairReport>,
}

#[derive(Debug, Serialize)]
pub struct Finding {
    pub difference: Difference,
    /// The external id's value.
    pub key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salesforce_id: Option<String>,
    /// Those that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    pub explanation: Explanation,
}

/// What was sent again.
#[derive(Debug, Serialize)]
pub struct RepairReport {
    /// Rows that were handed to the service.
    pub rows: u64,
    /// Snapshots by which they went.
    pub snapshots: Vec<u64>,
    /// Left alone, because they wait for a person or no rule sends them.
    pub left_alone: u64,
}

impl Report {
    /// Whether MySQL and Salesforce agree in all that was compared.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.routes.iter().all(|route| {
            route.missing + route.different + route.extra.unwrap_or(0) + route.not_looked_at == 0
        })
    }
}

impl RouteReport {
    /// Names a difference while there are few of its kind.
    pub(super) fn name(&mut self, finding: Finding, most: usize) {
        let kind = finding.difference;
        let named = self.findings.iter().filter(|it| it.difference == kind);
        if named.count() < most {
            self.findings.push(finding);
        }
    }
}
