//! The long calls: the file up, the results down. Both are streamed.
//!
//! Invariants: an upload tells its length before it begins, so that a part of it is never taken for
//! the whole; after a 401 it begins anew. Rows of results are handed on in groups of a bounded
//! number, and nothing more is read until they were taken.
//! Source: salesforce-facts 5.1 and 5.3.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use super::results::ResultReader;
use super::{BulkReport, JobFailure, JobId, ResultRow, ResultSet, failure};
use crate::core::outcome::RequestFailure;
use crate::delivery::classify;
use crate::delivery::http::{Body, Broken, UploadFile};
use crate::delivery::org::{Call, Org, Trail, check_name, read_only};

/// Rows handed on at once.
const GROUP_ROWS: usize = 1_000;

impl Org {
    /// Uploads a job's file: its first `bytes` bytes. When the failure is unknown, or a second
    /// upload is refused as [`WrongState`](super::FailureKind::WrongState), abort the job and begin
    /// with another: while it is open, nothing of it was done.
    pub async fn bulk_upload(
        &self,
        job: &JobId,
        file: Arc<dyn UploadFile>,
        bytes: u64,
    ) -> BulkReport<()> {
        let mut trail = self.trail();
        let outcome = self.try_upload(job, file, bytes, &mut trail).await;
        report("upload", outcome, &trail, bytes)
    }

    /// Reads a result set of a job that has ended. `on_rows` gets groups of up to 1,000 rows, and
    /// the next is read when it is done with one. Gives their number. Rows that it got are true even
    /// when the call fails; reading the set again brings them again.
    pub async fn bulk_results<F, D>(
        &self,
        job: &JobId,
        set: ResultSet,
        external_id: &str,
        on_rows: F,
    ) -> BulkReport<u64>
    where
        F: FnMut(Vec<ResultRow>) -> D + Send,
        D: Future<Output = ()> + Send,
    {
        let mut trail = self.trail();
        let outcome = self
            .try_results(job, set, external_id, on_rows, &mut trail)
            .await;
        report(set.as_str(), outcome, &trail, 0)
    }

    async fn try_upload(
        &self,
        job: &JobId,
        file: Arc<dyn UploadFile>,
        bytes: u64,
        trail: &mut Trail,
    ) -> Result<(), JobFailure> {
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("text/csv; charset=UTF-8");
        headers.insert(CONTENT_TYPE, kind);
        let call = Call {
            method: Method::PUT,
            path: self.path(&format!("/jobs/ingest/{job}/batches")),
            query: None,
            headers,
            body: Some(Body::File(file, bytes)),
            is_transfer: true,
        };
        let answer = self.make(&call, trail).await?;
        if !matches!(answer.status, 200 | 201) || answer.html {
            return Err(failure::of_job(&answer));
        }
        Ok(())
    }

    async fn try_results<F, D>(
        &self,
        job: &JobId,
        set: ResultSet,
        external_id: &str,
        mut on_rows: F,
        trail: &mut Trail,
    ) -> Result<u64, JobFailure>
    where
        F: FnMut(Vec<ResultRow>) -> D + Send,
        D: Future<Output = ()> + Send,
    {
        check_name(external_id)?;
        let call = Call {
            method: Method::GET,
            path: self.path(&format!("/jobs/ingest/{job}/{}", set.as_str())),
            query: None,
            headers: HeaderMap::new(),
            body: None,
            is_transfer: true,
        };
        let _permit = self.permit(&call).await;
        let (mut incoming, token) = self.open(&call, trail).await.map_err(read_only)?;
        if incoming.status != 200 || incoming.html {
            let answer = incoming.whole().await;
            trail.answered_at = self.now();
            return Err(failure::of_job(&answer.map_err(broken)?));
        }
        token.accept();
        let mut reader = ResultReader::new(set, external_id);
        let mut rows = Vec::new();
        loop {
            let piece = incoming.piece().await;
            trail.answered_at = self.now();
            let Some(piece) = piece.map_err(broken)? else {
                break;
            };
            let read = reader.feed(&piece, &mut rows);
            // Before a fault there may be good rows; a later attempt brings them again.
            read.map_err(|detail| read_only(classify::protocol(&detail)))?;
            while rows.len() >= GROUP_ROWS {
                let rest = rows.split_off(GROUP_ROWS);
                on_rows(std::mem::replace(&mut rows, rest)).await;
            }
        }
        let count = reader
            .finish(&mut rows)
            .map_err(|detail| read_only(classify::protocol(&detail)))?;
        if !rows.is_empty() {
            on_rows(rows).await;
        }
        Ok(count)
    }
}

/// Nothing was written by a call that reads.
fn broken(broken: Broken) -> RequestFailure {
    read_only(broken.failure())
}

pub(super) fn report<T>(
    what: &str,
    outcome: Result<T, JobFailure>,
    trail: &Trail,
    request_bytes: u64,
) -> BulkReport<T> {
    tracing::debug!(
        what,
        request_bytes,
        api_calls = trail.api_calls,
        micros = trail.answered_at.0 - trail.sent_at.0,
        failure = outcome
            .as_ref()
            .err()
            .map(|failed| failed.failure.code.as_str()),
        "bulk job"
    );
    BulkReport {
        outcome,
        sent_at: trail.sent_at,
        answered_at: trail.answered_at,
        request_bytes,
        api_calls: trail.api_calls,
    }
}
