//! Jobs as clients and tests see them (facts 5.1, 12).
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::job::{Definition, Job, Progress};
use super::state::JobState;
use crate::faults::{FaultId, Hold};
use crate::org::id;
use crate::value::calendar;

/// One job, as `Sandbox::jobs` and `GET /__sandbox/jobs` show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSnapshot {
    /// 18 characters.
    pub id: String,
    /// `V2Ingest` or `V2Query`.
    pub job_type: String,
    pub object: String,
    /// `insert`, `update`, `upsert`, `delete`, `hardDelete`, `query`, `queryAll`.
    pub operation: String,
    pub external_id_field: Option<String>,
    pub state: JobState,
    /// Rows of the upload or of the result; 0 until they were counted.
    pub records: u64,
    /// Rows written or refused.
    pub records_processed: u64,
    /// Rows refused.
    pub records_failed: u64,
    pub error_message: Option<String>,
    /// Wall clock, microseconds since 1970-01-01 UTC.
    pub created_micros: i64,
    /// Wall clock, microseconds since 1970-01-01 UTC.
    pub modified_micros: i64,
}

impl Job {
    /// The 18-character id.
    pub(crate) fn id(&self) -> String {
        id::job(self.number)
    }

    /// How it is shown while a fault holds it.
    pub(super) fn held_by(&self, fault: FaultId) -> Hold {
        let kind = match self.definition {
            Definition::Ingest(_) => "ingest",
            Definition::Query { .. } => "query",
        };
        Hold::of_job(
            fault,
            kind,
            &self.id(),
            self.look(|progress| progress.rows()),
        )
    }

    pub(super) fn job_type(&self) -> &'static str {
        match self.definition {
            Definition::Ingest(_) => "V2Ingest",
            Definition::Query { .. } => "V2Query",
        }
    }

    fn operation(&self) -> &'static str {
        match &self.definition {
            Definition::Ingest(request) => request.operation.name(),
            Definition::Query { request, .. } if request.all => "queryAll",
            Definition::Query { .. } => "query",
        }
    }

    fn object(&self) -> &str {
        match &self.definition {
            Definition::Ingest(_) => "Lead",
            Definition::Query { object, .. } => object,
        }
    }

    fn external_id_field(&self) -> Option<&str> {
        match &self.definition {
            Definition::Ingest(request) => request.external_id_field.as_deref(),
            Definition::Query { .. } => None,
        }
    }

    pub(super) fn snapshot(&self) -> JobSnapshot {
        self.look(|progress| JobSnapshot {
            id: self.id(),
            job_type: self.job_type().into(),
            object: self.object().into(),
            operation: self.operation().into(),
            external_id_field: self.external_id_field().map(str::to_owned),
            state: progress.state,
            records: progress.rows(),
            records_processed: progress.processed,
            records_failed: progress.failed,
            error_message: progress.error_message.clone(),
            created_micros: self.created_micros,
            modified_micros: progress.modified_micros,
        })
    }

    /// What creating, closing and aborting answer.
    pub(crate) fn short_json(&self) -> Value {
        self.look(|progress| Value::Object(self.short(progress)))
    }

    /// An element of a list.
    pub(super) fn list_json(&self) -> Value {
        let mut object = self.look(|progress| self.short(progress));
        object.insert("jobType".into(), self.job_type().into());
        Value::Object(object)
    }

    /// What `GET` of the job answers.
    pub(super) fn full_json(&self) -> Value {
        self.look(|progress| {
            let millis = |micros: u64| Value::from(micros / 1_000);
            let mut object = self.short(progress);
            object.insert("jobType".into(), self.job_type().into());
            object.insert("numberRecordsProcessed".into(), progress.processed.into());
            object.insert("retries".into(), 0.into());
            object.insert("totalProcessingTime".into(), millis(progress.total_micros));
            match self.definition {
                Definition::Ingest(_) => {
                    object.insert("numberRecordsFailed".into(), progress.failed.into());
                    object.insert(
                        "apiActiveProcessingTime".into(),
                        millis(progress.active_micros),
                    );
                    // There are no triggers.
                    object.insert("apexProcessingTime".into(), 0.into());
                }
                Definition::Query { .. } => {
                    object.insert("isPkChunkingSupported".into(), true.into());
                }
            }
            if let Some(message) = &progress.error_message {
                object.insert("errorMessage".into(), message.as_str().into());
            }
            Value::Object(object)
        })
    }

    fn short(&self, progress: &Progress) -> Map<String, Value> {
        let date = |micros: i64| calendar::format_datetime(micros.div_euclid(1_000_000) * 1_000);
        let (dialect, rule) = match &self.definition {
            Definition::Ingest(request) => (request.dialect, request.assignment_rule.as_deref()),
            Definition::Query { request, .. } => (request.dialect, None),
        };
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| object.insert(key.into(), value);
        put("id", self.id().into());
        put("operation", self.operation().into());
        put("object", self.object().into());
        put("createdById", id::user(self.created_by).into());
        put("createdDate", date(self.created_micros).into());
        put("systemModstamp", date(progress.modified_micros).into());
        put("state", progress.state.name().into());
        if let Some(name) = self.external_id_field() {
            put("externalIdFieldName", name.into());
        }
        put("concurrencyMode", "Parallel".into());
        put("contentType", "CSV".into());
        // A number, and one with a point (facts 5.1).
        put("apiVersion", json!(f64::from(self.version)));
        if progress.state == JobState::Open {
            let path = format!(
                "services/data/v{}.0/jobs/ingest/{}/batches",
                self.version,
                self.id()
            );
            put("contentUrl", path.into());
        }
        put("lineEnding", dialect.ending.name().into());
        put("columnDelimiter", dialect.delimiter.name().into());
        if let Some(rule) = rule {
            put("assignmentRuleId", rule.into());
        }
        object
    }
}
