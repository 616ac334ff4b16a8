//! The short calls of a job's life: create, close, look, find, abort, delete.
//!
//! Invariants: a job is believed only when it is the one that was asked for, in a state that we
//! know; a job is found only when it is ours beyond doubt, for what is found may be aborted.
//! Source: salesforce-facts 5.1 and 5.2.

use jiff::fmt::strtime;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::json;

use super::{BulkReport, BulkSpec, FoundJob, JobFailure, JobId, JobState, JobStatus, failure};
use crate::core::outcome::{Disposition, ErrorClass, RequestFailure};
use crate::core::time::Micros;
use crate::delivery::http::{Answer, Body};
use crate::delivery::org::{Call, Org, Trail, check_name, read_only, refused};
use crate::delivery::{classify, pages, wire};

const JOBS: &str = "/jobs/ingest";

/// A page lists 1,000 jobs. An org that has more than these in seven days is not searched to the
/// end: every page costs a call.
const MAX_PAGES: usize = 20;

/// Salesforce's clock and ours may differ, and it tells whole seconds.
const CLOCK_SLACK_MICROS: i64 = 10 * 60 * 1_000_000;

/// A job as Salesforce tells it; which keys there are hangs on the call.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    id: String,
    state: String,
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    object: Option<String>,
    #[serde(default)]
    external_id_field_name: Option<String>,
    #[serde(default)]
    created_by_id: Option<String>,
    #[serde(default)]
    created_date: Option<String>,
    #[serde(default)]
    number_records_processed: Option<u64>,
    #[serde(default)]
    number_records_failed: Option<u64>,
    #[serde(default)]
    error_message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    records: Vec<Job>,
    #[serde(default)]
    next_records_url: Option<String>,
}

impl Org {
    /// Creates a job, which is open and does nothing before it is closed. When the failure is
    /// unknown there may be a job all the same: [`Org::bulk_find`] tells.
    pub async fn bulk_create(&self, spec: &BulkSpec) -> BulkReport<JobId> {
        let mut trail = self.trail();
        let outcome = self.try_create(spec, &mut trail).await;
        report("create", outcome, &trail)
    }

    /// Closes a job whose file was uploaded: Salesforce begins. Doing so twice is
    /// [`WrongState`](super::FailureKind::WrongState), which after an unknown failure means success.
    pub async fn bulk_close(&self, job: &JobId) -> BulkReport<JobState> {
        let mut trail = self.trail();
        let outcome = self.change(job, JobState::UploadComplete, &mut trail).await;
        report("close", outcome, &trail)
    }

    /// Stops a job that has not ended. Rows that were written stay written.
    pub async fn bulk_abort(&self, job: &JobId) -> BulkReport<JobState> {
        let mut trail = self.trail();
        let outcome = self.change(job, JobState::Aborted, &mut trail).await;
        report("abort", outcome, &trail)
    }

    /// How far a job is.
    pub async fn bulk_state(&self, job: &JobId) -> BulkReport<JobStatus> {
        let mut trail = self.trail();
        let outcome = self.look(job, &mut trail).await;
        report("state", outcome, &trail)
    }

    /// Makes Salesforce forget a job that has ended, with its results; spares storage only.
    pub async fn bulk_delete(&self, job: &JobId) -> BulkReport<()> {
        let mut trail = self.trail();
        let outcome = self.delete(job, &mut trail).await;
        report("delete", outcome, &trail)
    }

    /// Jobs that this integration user created for the same object and external id, not before
    /// `since` (less some minutes in which clocks may differ), in any state. A job bears no mark of
    /// ours: whoever shares the user and the route's target is found too. One API call for each
    /// thousand jobs of the org's last seven days, 20 at most.
    pub async fn bulk_find(&self, spec: &BulkSpec, since: Micros) -> BulkReport<Vec<FoundJob>> {
        let mut trail = self.trail();
        let outcome = self.find(spec, since, &mut trail).await;
        report("find", outcome, &trail)
    }

    async fn try_create(&self, spec: &BulkSpec, trail: &mut Trail) -> Result<JobId, JobFailure> {
        check_name(&spec.object)?;
        check_name(&spec.external_id)?;
        let mut body = json!({
            "object": &*spec.object,
            "operation": "upsert",
            "externalIdFieldName": &*spec.external_id,
            "contentType": "CSV",
            "columnDelimiter": "COMMA",
            "lineEnding": "LF",
        });
        if let Some(rule) = &spec.assignment_rule {
            let id = wire::full_id(rule).ok_or_else(|| {
                let (class, page) = (ErrorClass::Configuration, pages::ASSIGNMENT_RULE);
                refused(class, Disposition::Pause, page, "it is not an id")
            })?;
            body["assignmentRuleId"] = id.into();
        }
        let call = self.call(Method::POST, JOBS.to_string(), Some(&body));
        let answer = self.make(&call, trail).await?;
        if !matches!(answer.status, 200 | 201) || answer.html {
            return Err(answer.failure().into());
        }
        let job: Job = decode(&answer)?;
        match (JobId::parse(&job.id), state(&job)?) {
            (Some(id), JobState::Open) => Ok(id),
            (_, _) => Err(classify::protocol("the new job is not an open job").into()),
        }
    }

    async fn change(
        &self,
        job: &JobId,
        to: JobState,
        trail: &mut Trail,
    ) -> Result<JobState, JobFailure> {
        let body = json!({ "state": to.as_str() });
        let call = self.call(Method::PATCH, format!("{JOBS}/{job}"), Some(&body));
        let answer = self.make(&call, trail).await?;
        if answer.status != 200 || answer.html {
            return Err(failure::of_job(&answer));
        }
        let told: Job = decode(&answer)?;
        check_same(job, &told)?;
        Ok(state(&told)?)
    }

    async fn look(&self, job: &JobId, trail: &mut Trail) -> Result<JobStatus, JobFailure> {
        let call = self.call(Method::GET, format!("{JOBS}/{job}"), None);
        let answer = self.make(&call, trail).await.map_err(read_only)?;
        if answer.status != 200 || answer.html {
            return Err(failure::of_job(&answer));
        }
        let told: Job = decode(&answer).map_err(read_only)?;
        check_same(job, &told).map_err(read_only)?;
        let state = state(&told).map_err(read_only)?;
        let error = match (state, told.error_message.as_deref()) {
            (JobState::Failed, message) => Some(failure::of_message(message.unwrap_or_default())),
            (_, _) => None,
        };
        Ok(JobStatus {
            state,
            processed: told.number_records_processed.unwrap_or(0),
            failed: told.number_records_failed.unwrap_or(0),
            error,
        })
    }

    async fn delete(&self, job: &JobId, trail: &mut Trail) -> Result<(), JobFailure> {
        let call = self.call(Method::DELETE, format!("{JOBS}/{job}"), None);
        let answer = self.make(&call, trail).await.map_err(read_only)?;
        if !matches!(answer.status, 200 | 204) || answer.html {
            return Err(failure::of_job(&answer));
        }
        Ok(())
    }

    async fn find(
        &self,
        spec: &BulkSpec,
        since: Micros,
        trail: &mut Trail,
    ) -> Result<Vec<FoundJob>, JobFailure> {
        let since = Micros(since.0.saturating_sub(CLOCK_SLACK_MICROS));
        let mut found = Vec::new();
        let mut query = "jobType=V2Ingest".to_string();
        for _ in 0..MAX_PAGES {
            let mut call = self.call(Method::GET, JOBS.to_string(), None);
            call.query = Some(query);
            let answer = self.make(&call, trail).await.map_err(read_only)?;
            if answer.status != 200 || answer.html {
                return Err(read_only(answer.failure()).into());
            }
            let page: Page = decode(&answer).map_err(read_only)?;
            let user = self.user();
            found.extend(
                page.records
                    .iter()
                    .filter_map(|job| ours(job, spec, user.as_deref(), since)),
            );
            let next = page.next_records_url.as_deref();
            match next.and_then(|url| url.split_once('?')) {
                Some((_, next)) => query = next.to_string(),
                None => return Ok(found),
            }
        }
        tracing::warn!(
            pages = MAX_PAGES,
            "the org has more Bulk jobs than are searched for ours"
        );
        Ok(found)
    }

    fn call(&self, method: Method, path: String, body: Option<&serde_json::Value>) -> Call {
        let mut headers = HeaderMap::new();
        if body.is_some() {
            let kind = HeaderValue::from_static("application/json; charset=utf-8");
            headers.insert(CONTENT_TYPE, kind);
        }
        Call {
            method,
            path: self.path(&path),
            query: None,
            headers,
            body: body.map(|json| Body::Whole(json.to_string().into())),
            is_transfer: false,
        }
    }
}

/// What came of a call that carries next to nothing.
fn report<T>(what: &str, outcome: Result<T, JobFailure>, trail: &Trail) -> BulkReport<T> {
    super::transfer::report(what, outcome, trail, 0)
}

/// The job as one of ours, if it is.
fn ours(job: &Job, spec: &BulkSpec, user: Option<&str>, since: Micros) -> Option<FoundJob> {
    let is = |told: &Option<String>, wanted: &str| {
        told.as_deref()
            .is_some_and(|told| told.eq_ignore_ascii_case(wanted))
    };
    let created_by = job.created_by_id.as_deref().and_then(wire::full_id)?;
    if user != Some(created_by.as_str())
        || !is(&job.operation, "upsert")
        || !is(&job.object, &spec.object)
        || !is(&job.external_id_field_name, &spec.external_id)
    {
        return None;
    }
    let created_at = job.created_date.as_deref().and_then(micros)?;
    (created_at >= since).then_some(FoundJob {
        id: JobId::parse(&job.id)?,
        state: state(job).ok()?,
        created_at,
    })
}

/// Reads `2026-01-01T00:00:00.000+0000`.
fn micros(date: &str) -> Option<Micros> {
    strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", date)
        .ok()?
        .to_timestamp()
        .ok()
        .map(|at| Micros(at.as_microsecond()))
}

fn decode<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, RequestFailure> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        classify::protocol(&format!(
            "answer about a job cannot be read (line {}, column {})",
            error.line(),
            error.column()
        ))
    })
}

fn state(job: &Job) -> Result<JobState, RequestFailure> {
    JobState::ALL
        .into_iter()
        .find(|state| state.as_str() == job.state)
        .ok_or_else(|| classify::protocol("the job is in a state that is none"))
}

fn check_same(asked: &JobId, told: &Job) -> Result<(), RequestFailure> {
    if JobId::parse(&told.id).as_ref() == Some(asked) {
        return Ok(());
    }
    Err(classify::protocol("the answer is about another job"))
}
