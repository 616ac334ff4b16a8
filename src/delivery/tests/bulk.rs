//! Calls about Bulk jobs: what goes out, what comes back, what breaks in between.

use std::future::ready;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::*;
use crate::core::outcome::{Disposition, RecordResult};
use crate::delivery::bulk::{
    BulkReport, BulkSpec, FailureKind, JobFailure, JobId, JobState, ResultRow, ResultSet,
};

const JOB: &str = "7505g00000AbCdEAAV";
const USER: &str = "0055g00000AbCdEAAV";
const RESULTS: &str = "\"sf__Id\",\"sf__Created\",\"MySQL_Id__c\"\n";

fn job() -> JobId {
    JobId::parse(JOB).unwrap()
}

fn spec() -> BulkSpec {
    BulkSpec {
        object: "Lead".into(),
        external_id: "MySQL_Id__c".into(),
        assignment_rule: None,
    }
}

fn told(state: &str) -> Reply {
    Reply::Json(200, format!(r#"{{"id":"{JOB}","state":"{state}"}}"#))
}

#[track_caller]
fn failed<T: std::fmt::Debug>(report: BulkReport<T>) -> JobFailure {
    report.outcome.unwrap_err()
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn on_disk(path: &Path) -> Arc<PathBuf> {
    Arc::new(path.to_owned())
}

/// The rows of a set, and the sizes of the groups that they came in.
async fn results(org: &Org) -> (BulkReport<u64>, Vec<ResultRow>, Vec<usize>) {
    let seen = Mutex::new((Vec::new(), Vec::new()));
    let on_rows = |rows: Vec<ResultRow>| {
        let mut seen = seen.lock().unwrap();
        seen.1.push(rows.len());
        seen.0.extend(rows);
        ready(())
    };
    let report = org
        .bulk_results(&job(), ResultSet::Successful, "MySQL_Id__c", on_rows)
        .await;
    let (rows, groups) = seen.into_inner().unwrap();
    (report, rows, groups)
}

#[test]
fn only_ids_of_jobs_are_ids_of_jobs() {
    assert_eq!(JobId::parse(&JOB[..15]).unwrap().as_str(), JOB);
    for text in ["", "x", ID, "7505g00000AbCdEAAA", "750"] {
        assert_eq!(JobId::parse(text), None, "{text}");
    }
}

#[tokio::test]
async fn a_job_is_created_closed_watched_and_deleted() {
    let server = Server::start(|seen| async move {
        match seen.method.as_str() {
            "POST" if seen.is_login() => token("T", &host(&seen)),
            "POST" => told("Open"),
            "PATCH" => told("UploadComplete"),
            "DELETE" => Reply::Json(204, String::new()),
            _ => Reply::With(
                200,
                vec![("Sforce-Limit-Info", "api-usage=18/5000".to_string())],
                format!(r#"{{"id":"{JOB}","state":"Failed","numberRecordsProcessed":12,"numberRecordsFailed":3,"errorMessage":"InvalidBatch : Field name not found : Foo__c"}}"#).into_bytes(),
            ),
        }
    })
    .await;
    let org = org(&server);
    let created = org.bulk_create(&spec()).await;
    assert_eq!((created.outcome.unwrap(), created.api_calls), (job(), 1));
    assert!(created.answered_at > created.sent_at);
    let closed = org.bulk_close(&job()).await;
    assert_eq!(closed.outcome, Ok(JobState::UploadComplete));
    let status = org.bulk_state(&job()).await.outcome.unwrap();
    assert_eq!(
        (status.state, status.processed, status.failed),
        (JobState::Failed, 12, 3)
    );
    let error = status.error.unwrap();
    assert_eq!(
        (error.page, error.disposition),
        (pages::FIELD, Disposition::Pause)
    );
    assert_eq!(org.bulk_delete(&job()).await.outcome, Ok(()));
    assert_eq!(
        (org.usage().calls_made, org.usage().api_used),
        (4, Some(18))
    );

    let calls = server.calls();
    let base = "/services/data/v67.0/jobs/ingest";
    assert_eq!(calls[0].path, base);
    assert_eq!(
        calls[0].header("content-type"),
        Some("application/json; charset=utf-8")
    );
    let body: serde_json::Value = serde_json::from_slice(&calls[0].body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"object": "Lead", "operation": "upsert", "externalIdFieldName": "MySQL_Id__c",
            "contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF"})
    );
    assert_eq!(calls[1].path, format!("{base}/{JOB}"));
    assert_eq!(calls[1].body, br#"{"state":"UploadComplete"}"#);
    assert_eq!(
        (calls[2].method.as_str(), calls[3].method.as_str()),
        ("GET", "DELETE")
    );
}

#[tokio::test]
async fn an_assignment_rule_is_named_by_its_full_id_or_refused_unsent() {
    let server = answering(|| told("Open")).await;
    let org = org(&server);
    let with = |rule: &str| BulkSpec {
        assignment_rule: Some(rule.into()),
        ..spec()
    };
    org.bulk_create(&with("01Q5g00000AbCdE"))
        .await
        .outcome
        .unwrap();
    let body: serde_json::Value = serde_json::from_slice(&server.calls()[0].body).unwrap();
    assert_eq!(body["assignmentRuleId"], "01Q5g00000AbCdEEAV");
    let refused = org.bulk_create(&with("none")).await;
    assert_eq!(refused.api_calls, 0);
    assert_eq!(failed(refused).failure.page, pages::ASSIGNMENT_RULE);
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn an_answer_about_something_else_breaks_the_protocol() {
    for body in [
        "",
        "[]",
        r#"{"id":"7505g00000AbCdFAAV","state":"Open"}"#,
        r#"{"id":"x","state":"Open"}"#,
        r#"{"id":"7505g00000AbCdEAAV","state":"Sleeping"}"#,
    ] {
        let server = answering(move || Reply::Json(200, body.to_string())).await;
        let org = org(&server);
        let looked = failed(org.bulk_state(&job()).await);
        assert_eq!(looked.failure.page, pages::PROTOCOL, "{body}");
        assert!(!looked.failure.unknown, "{body}");
        let closed = failed(org.bulk_close(&job()).await);
        assert_eq!(closed.failure.page, pages::PROTOCOL, "{body}");
        assert!(closed.failure.unknown, "{body}");
    }
    let server = answering(|| told("InProgress")).await;
    let created = failed(org(&server).bulk_create(&spec()).await);
    assert_eq!(created.failure.page, pages::PROTOCOL);
}

#[tokio::test]
async fn a_refused_call_says_whether_the_job_is_gone_or_elsewhere() {
    for (status, code, kind, page, disposition) in [
        (
            404,
            "NOT_FOUND",
            FailureKind::Gone,
            pages::BULK_GONE,
            Disposition::Backoff,
        ),
        (
            400,
            "INVALIDJOBSTATE",
            FailureKind::WrongState,
            pages::BULK_STATE,
            Disposition::Backoff,
        ),
        (
            400,
            "INVALIDJOB",
            FailureKind::Request,
            pages::BULK_REFUSED,
            Disposition::Pause,
        ),
        (
            400,
            "INVALIDBATCH",
            FailureKind::Request,
            pages::BULK_REFUSED,
            Disposition::Pause,
        ),
        (
            400,
            "EXCEEDEDQUOTA",
            FailureKind::Request,
            pages::BULK_QUOTA,
            Disposition::Pause,
        ),
        (
            400,
            "FEATURENOTENABLED",
            FailureKind::Request,
            pages::ORG_DISABLED,
            Disposition::Pause,
        ),
        (
            403,
            "REQUEST_LIMIT_EXCEEDED",
            FailureKind::Request,
            pages::QUOTA,
            Disposition::Pause,
        ),
        (
            503,
            "SERVER_UNAVAILABLE",
            FailureKind::Request,
            pages::UNAVAILABLE,
            Disposition::Backoff,
        ),
    ] {
        let server = answering(move || {
            Reply::Json(
                status,
                format!(r#"[{{"errorCode":"{code}","message":"m"}}]"#),
            )
        })
        .await;
        let org = org(&server);
        let file = file(b"x");
        for found in [
            failed(org.bulk_state(&job()).await),
            failed(org.bulk_close(&job()).await),
            failed(org.bulk_abort(&job()).await),
            failed(org.bulk_delete(&job()).await),
            failed(org.bulk_upload(&job(), on_disk(file.path()), 1).await),
            failed(results(&org).await.0),
        ] {
            assert_eq!(
                (found.kind, found.failure.page, found.failure.disposition),
                (kind, page, disposition),
                "{code}"
            );
        }
    }
    // A gateway's 404 says nothing about the job.
    let server = answering(|| {
        let html = vec![("Content-Type", "text/html".to_string())];
        Reply::With(404, html, b"<html></html>".to_vec())
    })
    .await;
    let found = failed(org(&server).bulk_state(&job()).await);
    assert_eq!(
        (found.kind, found.failure.page),
        (FailureKind::Request, pages::GATEWAY)
    );
}

#[tokio::test]
async fn an_upload_tells_its_length_and_begins_anew_with_a_new_session() {
    let server = answering(|| Reply::Json(201, String::new())).await;
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let file = file(&bytes);
    let org = org(&server);
    // Only the beginning of the file is the job's.
    let length = bytes.len() as u64 - 5;
    let report = org.bulk_upload(&job(), on_disk(file.path()), length).await;
    assert_eq!(report.outcome, Ok(()));
    assert_eq!((report.request_bytes, report.api_calls), (length, 1));
    let seen = server.calls().remove(0);
    assert_eq!(
        (seen.method.as_str(), seen.path.clone()),
        (
            "PUT",
            format!("/services/data/v67.0/jobs/ingest/{JOB}/batches")
        )
    );
    assert_eq!(seen.header("content-type"), Some("text/csv; charset=UTF-8"));
    assert_eq!(
        seen.header("content-length"),
        Some(length.to_string().as_str())
    );
    assert_eq!(seen.header("transfer-encoding"), None);
    assert!(seen.body == bytes[..bytes.len() - 5]);

    let refusing = Server::start(|seen| async move {
        if seen.is_login() {
            return token("T", &host(&seen));
        }
        static SEEN: AtomicI64 = AtomicI64::new(0);
        match SEEN.fetch_add(1, Ordering::Relaxed) {
            0 => Reply::Json(401, EXPIRED.to_string()),
            _ => Reply::Json(201, String::new()),
        }
    })
    .await;
    let report = self::org(&refusing)
        .bulk_upload(&job(), on_disk(file.path()), length)
        .await;
    assert_eq!((report.outcome, report.api_calls), (Ok(()), 2));
    assert_eq!(refusing.logins(), 2);
    let calls = refusing.calls();
    assert!(calls.len() == 2 && calls[0].body == calls[1].body);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_no_fault_of_the_network() {
    let server = answering(|| Reply::Json(201, String::new())).await;
    let org = org(&server);
    let short = file(&[b'x'; 1000]);
    for (path, bytes) in [(Path::new("/nowhere/1.csv"), 10), (short.path(), 100_000)] {
        let report = org.bulk_upload(&job(), on_disk(path), bytes).await;
        assert_eq!(report.api_calls, 0);
        let found = failed(report);
        assert_eq!(
            (found.kind, found.failure.page, found.failure.unknown),
            (FailureKind::File, pages::BULK_FILE, false)
        );
    }
    assert_eq!(server.calls().len(), 0, "a part was taken for the whole");
}

#[tokio::test]
async fn results_come_in_groups_and_compressed() {
    let server = answering(|| {
        let mut text = RESULTS.to_string();
        for n in 0..2500 {
            text.push_str(&format!("\"{ID}\",\"true\",\"{n}\"\n"));
        }
        let mut packed = Vec::new();
        let fast = flate2::Compression::fast();
        flate2::read::GzEncoder::new(text.as_bytes(), fast)
            .read_to_end(&mut packed)
            .unwrap();
        Reply::With(200, vec![("Content-Encoding", "gzip".to_string())], packed)
    })
    .await;
    let (report, rows, groups) = results(&org(&server)).await;
    assert_eq!((report.outcome, report.api_calls), (Ok(2500), 1));
    assert_eq!(groups, [1000, 1000, 500]);
    assert_eq!(rows[2499].key, "2499");
    let seen = server.calls().remove(0);
    assert!(seen.path.ends_with("/successfulResults"), "{}", seen.path);
    assert!(seen.header("accept-encoding").unwrap().contains("gzip"));
}

#[tokio::test]
async fn rows_before_a_break_are_true_and_the_rest_is_asked_for_again() {
    // The headers promise more than comes.
    let server = answering(|| {
        let mut text = RESULTS.to_string();
        for n in 0..5000 {
            text.push_str(&format!("\"{ID}\",\"true\",\"{n}\"\n"));
        }
        let headers = vec![("Content-Encoding", "gzip".to_string())];
        let mut packed = Vec::new();
        flate2::read::GzEncoder::new(text.as_bytes(), flate2::Compression::none())
            .read_to_end(&mut packed)
            .unwrap();
        packed.truncate(packed.len() / 2);
        Reply::With(200, headers, packed)
    })
    .await;
    let (report, rows, _) = results(&org(&server)).await;
    let found = failed(report);
    assert_eq!(
        (found.kind, found.failure.page, found.failure.unknown),
        (FailureKind::Request, pages::CUT, false)
    );
    assert!(rows.len() >= 1000, "{}", rows.len());
    for (n, row) in rows.iter().enumerate() {
        assert_eq!(row.key, n.to_string());
        assert!(matches!(row.result, Some(RecordResult::Delivered { .. })));
    }
}

#[tokio::test]
async fn results_that_are_none_break_the_protocol() {
    let server = answering(|| Reply::Json(200, r#"{"message":"Sofia"}"#.to_string())).await;
    let (report, rows, _) = results(&org(&server)).await;
    let found = failed(report);
    assert_eq!(
        (found.failure.page, found.failure.unknown),
        (pages::PROTOCOL, false)
    );
    assert!(!found.failure.text.contains("Sofia"));
    assert_eq!(rows, []);
}

#[tokio::test]
async fn a_transfer_leaves_the_permits_to_the_stream() {
    let server = Server::start(|seen| async move {
        match seen.method.as_str() {
            "POST" => token("T", &host(&seen)),
            "PUT" => Reply::Hang,
            _ => delivered(1),
        }
    })
    .await;
    let one = OrgSettings {
        max_in_flight: 1,
        ..settings(&server.url)
    };
    let org = Org::new(one, clock).unwrap();
    let file = file(b"x");
    let (org_of_upload, path) = (org.clone(), file.path().to_owned());
    let upload = tokio::spawn(async move {
        org_of_upload
            .bulk_upload(&job(), on_disk(&path), 1)
            .await
            .outcome
    });
    while server.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    let report = org.upsert(call(1)).await;
    assert!(matches!(report.outcome, CallOutcome::Answered(_)));
    assert!(!upload.is_finished());
    upload.abort();
}

/// A list of one job, with one thing changed.
fn listed(change: (&str, &str)) -> serde_json::Value {
    let mut job = serde_json::json!({"id": JOB, "operation": "upsert", "object": "Lead", "createdById": USER,
        "createdDate": "2026-09-21T14:13:20.000+0000", "state": "Open", "externalIdFieldName": "MySQL_Id__c"});
    job[change.0] = change.1.into();
    job
}

#[tokio::test]
async fn jobs_are_found_that_are_ours_beyond_doubt() {
    let server = Server::start(|seen| async move {
        if seen.is_login() {
            let url = host(&seen);
            return Reply::Json(
                200,
                format!(r#"{{"access_token":"00D!T","instance_url":"{url}","id":"{url}/id/00D5g00000AbCdEEAV/{USER}"}}"#),
            );
        }
        let body = if seen.path.ends_with("?jobType=V2Ingest") {
            serde_json::json!({"done": false, "nextRecordsUrl": "/services/data/v67.0/jobs/ingest?queryLocator=x", "records": [
                listed(("operation", "insert")),
                listed(("object", "Contact")),
                listed(("externalIdFieldName", "Other__c")),
                listed(("createdById", "0055g00000AbCdFAAV")),
                listed(("createdDate", "2026-09-21T14:03:19.000+0000")),
                listed(("createdDate", "yesterday")),
                listed(("state", "InProgress")),
            ]})
        } else {
            serde_json::json!({"done": true, "records": [listed(("state", "Aborted"))]})
        };
        Reply::Json(200, body.to_string())
    })
    .await;
    let org = org(&server);
    let since = Micros(NOW * 1_000_000);
    let report = org.bulk_find(&spec(), since).await;
    assert_eq!(report.api_calls, 2);
    let found = report.outcome.unwrap();
    let states: Vec<_> = found.iter().map(|job| job.state).collect();
    assert_eq!(states, [JobState::InProgress, JobState::Aborted]);
    assert_eq!((&found[0].id, found[0].created_at), (&job(), since));
    let paths: Vec<_> = server.calls().into_iter().map(|seen| seen.path).collect();
    assert!(
        paths[1].ends_with("/jobs/ingest?queryLocator=x"),
        "{paths:?}"
    );
}

#[tokio::test]
async fn without_the_user_no_job_is_ours() {
    let server = answering(|| {
        let page = serde_json::json!({"done": true, "records": [listed(("state", "Open"))]});
        Reply::Json(200, page.to_string())
    })
    .await;
    let found = org(&server).bulk_find(&spec(), Micros(0)).await;
    assert_eq!(found.outcome, Ok(Vec::new()));
}
