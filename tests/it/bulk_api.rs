//! The Bulk API client against the sandbox org: what became of every row is known, however the job
//! ends.

use std::collections::BTreeMap;
use std::future::ready;
use std::io::Write;
use std::sync::{Arc, Mutex};

use leadstream::core::outcome::{Disposition, RecordResult};
use leadstream::core::secret::Secret;
use leadstream::core::time::Micros;
use leadstream::delivery::bulk::{
    BulkSpec, CsvHeader, FailureKind, JobId, JobState, JobStatus, ResultSet,
};
use leadstream::delivery::{Auth, Org, OrgSettings};
use salesforce_sandbox::{Action, Endpoint, Fault, OrgConfig, RecordError, Sandbox};

use crate::harness::PATIENCE;

const KEY: &str = "MySQL_Id__c";

struct Bench {
    sandbox: Sandbox,
    org: Org,
}

/// What became of a row, in one word: `created`, `updated`, the code of the worst error, or
/// `unprocessed`.
type Fates = BTreeMap<String, String>;

impl Bench {
    fn new() -> Bench {
        let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), OrgConfig::default()).unwrap();
        let settings = OrgSettings {
            login_url: sandbox.base_url(),
            api_version: "67.0".to_string(),
            auth: Auth::ClientCredentials {
                client_id: "leadstream-demo".to_string(),
                client_secret: Secret::new("leadstream-demo-secret"),
            },
            requests_per_second: 1000,
            max_in_flight: 4,
            request_timeout_ms: 60_000,
            connect_timeout_ms: 10_000,
            compress: true,
        };
        let org = Org::new(settings, || Micros(0)).unwrap();
        Bench { sandbox, org }
    }

    fn spec() -> BulkSpec {
        BulkSpec {
            object: "Lead".into(),
            external_id: KEY.into(),
            assignment_rule: None,
        }
    }

    /// A closed job with these rows; Salesforce may have begun.
    async fn submit(&self, file: &[u8]) -> JobId {
        let job = self.org.bulk_create(&Self::spec()).await.outcome.unwrap();
        let uploaded = self.upload(&job, file).await;
        assert_eq!(uploaded.outcome, Ok(()));
        self.org.bulk_close(&job).await.outcome.unwrap();
        job
    }

    async fn upload(&self, job: &JobId, file: &[u8]) -> leadstream::delivery::bulk::BulkReport<()> {
        let mut spool = tempfile::NamedTempFile::new().unwrap();
        spool.write_all(file).unwrap();
        self.org
            .bulk_upload(job, Arc::new(spool.path().to_owned()), file.len() as u64)
            .await
    }

    /// Waits until a job has ended, without asking for it.
    async fn ended(&self, job: &JobId) -> JobStatus {
        let ended = self.sandbox.wait_for(PATIENCE, |stats| {
            stats.bulk_jobs_complete + stats.bulk_jobs_failed + stats.bulk_jobs_aborted > 0
        });
        assert!(ended);
        let status = self.org.bulk_state(job).await.outcome.unwrap();
        assert!(status.state.is_terminal(), "{status:?}");
        status
    }

    async fn fates(&self, job: &JobId) -> Fates {
        let fates = Mutex::new(Fates::new());
        for set in ResultSet::ALL {
            let on_rows = |rows: Vec<leadstream::delivery::bulk::ResultRow>| {
                let mut fates = fates.lock().unwrap();
                for row in rows {
                    let fate = match row.result {
                        Some(RecordResult::Delivered { created: true, .. }) => "created".into(),
                        Some(RecordResult::Delivered { .. }) => "updated".into(),
                        Some(RecordResult::Rejected(rejection)) => rejection.code,
                        None => "unprocessed".to_string(),
                    };
                    assert_eq!(fates.insert(row.key, fate), None);
                }
                ready(())
            };
            let report = self.org.bulk_results(job, set, KEY, on_rows).await;
            assert!(report.outcome.is_ok(), "{:?}", report.outcome);
        }
        fates.into_inner().unwrap()
    }

    fn lead(&self, key: &str) -> BTreeMap<String, serde_json::Value> {
        let mut leads = self.sandbox.leads_by_key(KEY, [key]).unwrap();
        assert_eq!(leads.len(), 1, "{key}");
        leads.remove(0).fields
    }
}

/// A file of leads with these keys and payloads.
fn file<'a>(rows: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let fields = [
        "LastName",
        "Company",
        "Description",
        "Score__c",
        "Newsletter__c",
    ];
    let header = CsvHeader::new(KEY, fields).unwrap();
    let mut out = Vec::new();
    header.write(&mut out);
    for (key, payload) in rows {
        header.write_row(key, payload, &mut out).unwrap();
    }
    out
}

fn many(count: usize) -> Vec<u8> {
    let keys: Vec<String> = (0..count).map(|n| n.to_string()).collect();
    let payload = r#"{"LastName":"Invented","Company":"Example"}"#;
    file(keys.iter().map(|key| (key.as_str(), payload)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_means_what_its_payloads_mean() {
    let bench = Bench::new();
    let description = "two\nlines, \"quoted\"; Žofie 😀\r\n- 1";
    let first = serde_json::json!({"LastName": "Doe", "Company": "A", "Description": description, "Score__c": 1.5, "Newsletter__c": true}).to_string();
    let job = bench
        .submit(&file([
            ("1", first.as_str()),
            (
                "2",
                r#"{"LastName":"Roe","Company":"B","Description":"kept"}"#,
            ),
        ]))
        .await;
    let status = bench.ended(&job).await;
    assert_eq!(
        (status.state, status.processed, status.failed, status.error),
        (JobState::JobComplete, 2, 0, None)
    );
    assert_eq!(
        bench.fates(&job).await,
        Fates::from([
            ("1".into(), "created".into()),
            ("2".into(), "created".into())
        ])
    );
    let lead = bench.lead("1");
    assert_eq!(lead["Description"], description);
    assert_eq!(
        (&lead["Score__c"], &lead["Newsletter__c"]),
        (&1.5.into(), &true.into())
    );

    // Null clears, as blank text does; what is absent stays.
    let job = bench
        .submit(&file([
            (
                "1",
                r#"{"LastName":"Doe","Score__c":null,"Description":""}"#,
            ),
            ("2", r#"{"Company":"C"}"#),
        ]))
        .await;
    let ended = bench
        .sandbox
        .wait_for(PATIENCE, |stats| stats.bulk_jobs_complete == 2);
    assert!(ended);
    assert_eq!(
        bench.fates(&job).await,
        Fates::from([
            ("1".into(), "updated".into()),
            ("2".into(), "updated".into())
        ])
    );
    let lead = bench.lead("1");
    assert_eq!(
        (lead.get("Score__c"), lead.get("Description")),
        (None, None)
    );
    assert_eq!(
        (&lead["Company"], &lead["Newsletter__c"]),
        (&"A".into(), &true.into())
    );
    let lead = bench.lead("2");
    assert_eq!(
        (&lead["Company"], &lead["Description"]),
        (&"C".into(), &"kept".into())
    );
    assert_eq!(bench.org.bulk_delete(&job).await.outcome, Ok(()));
    assert_eq!(
        bench.org.bulk_state(&job).await.outcome.unwrap_err().kind,
        FailureKind::Gone
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_have_their_reasons_and_the_others_arrive() {
    let bench = Bench::new();
    let refused = |code: &str, fields: &[&str]| RecordError {
        status_code: code.to_string(),
        message: "a: b -- c".to_string(),
        fields: fields.iter().map(ToString::to_string).collect(),
    };
    let errors = vec![
        refused("UNABLE_TO_LOCK_ROW", &[]),
        refused("STRING_TOO_LONG", &["LastName", "Company"]),
    ];
    bench.sandbox.faults().add(Fault {
        keys: Some(vec!["7".to_string()]),
        ..Fault::new(Action::RecordErrors { errors }).on(Endpoint::Bulk)
    });
    let keys: Vec<String> = (0..450).map(|n| n.to_string()).collect();
    let good = r#"{"LastName":"Invented","Company":"Example"}"#;
    let mut rows: Vec<_> = keys.iter().map(|key| (key.as_str(), good)).collect();
    rows.push(("x", r#"{"LastName":"Doe"}"#));
    let job = bench.submit(&file(rows)).await;
    let status = bench.ended(&job).await;
    assert_eq!(
        (status.state, status.processed, status.failed),
        (JobState::JobComplete, 451, 2)
    );
    let mut fates = bench.fates(&job).await;
    assert_eq!(fates.len(), 451);
    assert_eq!(fates.remove("7").as_deref(), Some("STRING_TOO_LONG"));
    assert_eq!(fates.remove("x").as_deref(), Some("REQUIRED_FIELD_MISSING"));
    assert!(fates.values().all(|fate| fate == "created"));
    assert_eq!(bench.sandbox.leads().len(), 449);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_tells_which_rows_were_written() {
    let bench = Bench::new();
    bench.sandbox.faults().add(
        Fault::new(Action::BulkFail {
            after_rows: 400,
            message: "InternalServerError : Retried more than 20 times".to_string(),
        })
        .on(Endpoint::Bulk),
    );
    let job = bench.submit(&many(1000)).await;
    let status = bench.ended(&job).await;
    assert_eq!((status.state, status.processed), (JobState::Failed, 400));
    let error = status.error.unwrap();
    assert_eq!(
        (error.page, error.disposition),
        ("LS2087", Disposition::Split)
    );
    let fates = bench.fates(&job).await;
    let count = |fate: &str| fates.values().filter(|found| *found == fate).count();
    assert_eq!((count("created"), count("unprocessed")), (400, 600));
    assert_eq!(bench.sandbox.leads().len(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_column_fails_the_job_and_is_named() {
    let bench = Bench::new();
    let header = CsvHeader::new(KEY, ["LastName", "Foo__c"]).unwrap();
    let mut rows = Vec::new();
    header.write(&mut rows);
    header
        .write_row("1", r#"{"LastName":"Doe"}"#, &mut rows)
        .unwrap();
    let job = bench.submit(&rows).await;
    let status = bench.ended(&job).await;
    let error = status.error.unwrap();
    assert_eq!(
        (status.state, error.page, error.disposition),
        (JobState::Failed, "LS2060", Disposition::Pause)
    );
    assert!(error.text.contains("Foo__c"), "{}", error.text);
    assert_eq!(
        bench.fates(&job).await,
        Fates::from([("1".into(), "unprocessed".into())])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_job_is_accounted_for_and_found_again() {
    let bench = Bench::new();
    let held = bench
        .sandbox
        .faults()
        .add(Fault::new(Action::BulkHold { after_rows: 200 }).on(Endpoint::Bulk));
    let job = bench.submit(&many(600)).await;
    assert!(
        bench
            .sandbox
            .wait_for(PATIENCE, |stats| stats.bulk_records_processed == 200)
    );
    let status = bench.org.bulk_state(&job).await.outcome.unwrap();
    assert_eq!(
        (status.state, status.processed),
        (JobState::InProgress, 200)
    );
    let early = bench
        .org
        .bulk_results(&job, ResultSet::Successful, KEY, |_| ready(()))
        .await;
    assert_eq!(early.outcome.unwrap_err().kind, FailureKind::WrongState);
    assert_eq!(
        bench.org.bulk_abort(&job).await.outcome,
        Ok(JobState::Aborted)
    );
    assert_eq!(
        bench.org.bulk_close(&job).await.outcome.unwrap_err().kind,
        FailureKind::WrongState
    );
    bench.sandbox.faults().remove(held);
    bench.sandbox.faults().release_all();
    let fates = bench.fates(&job).await;
    let count = |fate: &str| fates.values().filter(|found| *found == fate).count();
    assert_eq!((count("created"), count("unprocessed")), (200, 400));

    let other = BulkSpec {
        external_id: "Email".into(),
        ..Bench::spec()
    };
    let found = bench.org.bulk_find(&Bench::spec(), Micros(0)).await;
    let found = found.outcome.unwrap();
    assert_eq!(
        found
            .iter()
            .map(|job| (&job.id, job.state))
            .collect::<Vec<_>>(),
        [(&job, JobState::Aborted)]
    );
    assert!(found[0].created_at > Micros(1_700_000_000_000_000));
    let none = bench.org.bulk_find(&other, Micros(0)).await;
    assert_eq!(none.outcome, Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_in_an_upload_is_renewed_and_the_file_sent_whole() {
    let bench = Bench::new();
    let expired = Action::SessionExpired {
        revoke: true,
        message: None,
    };
    bench
        .sandbox
        .faults()
        .add(Fault::new(expired).on(Endpoint::BulkUpload).times(1));
    let job = bench.org.bulk_create(&Bench::spec()).await.outcome.unwrap();
    let rows = many(20_000);
    let uploaded = bench.upload(&job, &rows).await;
    assert_eq!((uploaded.outcome, uploaded.api_calls), (Ok(()), 2));
    assert_eq!(bench.org.usage().refreshes, 1);
    let second = bench.upload(&job, &rows).await;
    assert_eq!(second.outcome.unwrap_err().kind, FailureKind::WrongState);
    bench.org.bulk_close(&job).await.outcome.unwrap();
    let status = bench.ended(&job).await;
    assert_eq!((status.processed, status.failed), (20_000, 0));
    assert_eq!(bench.fates(&job).await.len(), 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_upload_leaves_an_open_job_that_can_be_given_up() {
    let bench = Bench::new();
    let cut = Fault::new(Action::Drop { commit: true });
    bench
        .sandbox
        .faults()
        .add(cut.on(Endpoint::BulkUpload).times(1));
    let job = bench.org.bulk_create(&Bench::spec()).await.outcome.unwrap();
    let uploaded = bench.upload(&job, &many(10)).await;
    let found = uploaded.outcome.unwrap_err();
    assert_eq!(
        (found.kind, found.failure.unknown, found.failure.disposition),
        (FailureKind::Request, true, Disposition::Backoff)
    );
    let status = bench.org.bulk_state(&job).await.outcome.unwrap();
    assert_eq!(status.state, JobState::Open);
    assert_eq!(
        bench.org.bulk_abort(&job).await.outcome,
        Ok(JobState::Aborted)
    );
    assert_eq!(bench.sandbox.leads().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_salesforce_forgot_is_gone() {
    let bench = Bench::new();
    bench
        .sandbox
        .faults()
        .add(Fault::new(Action::BulkExpire {}).on(Endpoint::Bulk));
    let job = bench.submit(&many(10)).await;
    bench.ended(&job).await;
    for set in ResultSet::ALL {
        let report = bench.org.bulk_results(&job, set, KEY, |_| ready(())).await;
        let found = report.outcome.unwrap_err();
        assert_eq!(
            (found.kind, found.failure.page, found.failure.unknown),
            (FailureKind::Gone, "LS2083", true)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_allowance_pauses_and_takes_no_job() {
    let bench = Bench::new();
    bench.sandbox.use_up(0, 15_000);
    let found = bench.org.bulk_create(&Bench::spec()).await.outcome;
    let found = found.unwrap_err();
    assert_eq!(
        (found.failure.page, found.failure.disposition),
        ("LS2086", Disposition::Pause)
    );
    assert_eq!(bench.sandbox.jobs().len(), 0);
}
