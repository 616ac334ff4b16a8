//! Jobs, aborts and requests all at once: the books still balance.
use std::collections::BTreeMap;
use std::thread;

use salesforce_sandbox::{Action, Endpoint, Fault, JobState, Stats};

use super::client::{numbered, path, upsert};
use crate::harness::{Org, PATIENCE, lead};

const JOBS: usize = 8;
const ROWS: usize = 3_000;

/// Jobs overlap by half, so that most leads are written twice or more.
fn keys(job: usize) -> (usize, usize) {
    (job * ROWS / 2, job * ROWS / 2 + ROWS)
}

#[test]
fn each_row_is_in_one_file_and_each_write_in_the_org_is_told() {
    let org = Org::demo();
    let locked = Action::RecordError {
        status_code: "UNABLE_TO_LOCK_ROW".into(),
        message: "unable to obtain exclusive access".into(),
        fields: vec![],
    };
    let fault = Fault::new(locked).on(Endpoint::Bulk).probability(0.05, 3);
    org.sandbox.faults().add(fault);
    let ids: Vec<String> = (0..JOBS)
        .map(|job| {
            let (first, last) = keys(job);
            let id = org.create_job(&upsert());
            org.upload(&id, numbered(first, last));
            id
        })
        .collect();
    let rest_writes: usize = thread::scope(|scope| {
        for (job, id) in ids.iter().enumerate() {
            let org = &org;
            scope.spawn(move || {
                org.close(id);
                if job % 2 == 1 {
                    while org.job(id).records_processed == 0 && !org.job(id).state.is_terminal() {
                        thread::yield_now();
                    }
                    // It may have ended by now; both are fine.
                    org.set_state(id, "Aborted");
                }
            });
        }
        let requests = scope.spawn(|| {
            let calls = (0..20).map(|call| {
                let records: Vec<_> = (0..50)
                    .map(|n| lead(&(call * 100 + n).to_string()))
                    .collect();
                let results = org.upsert(&records);
                results.iter().filter(|r| r["success"] == true).count()
            });
            calls.sum()
        });
        requests.join().unwrap()
    });
    org.wait_for_ended(JOBS as u64);
    let mut written: BTreeMap<String, usize> = BTreeMap::new();
    for (job, id) in ids.iter().enumerate() {
        let shown = org.job(id);
        assert!(
            shown.state == JobState::JobComplete || job % 2 == 1,
            "{shown:?}"
        );
        let (first, last) = keys(job);
        let mut expected: Vec<String> = (first..last).map(|n| n.to_string()).collect();
        let successes = org.result(id, "successfulResults").column("MySQL_Id__c");
        let failures = org.result(id, "failedResults").column("MySQL_Id__c");
        let untouched = org.result(id, "unprocessedrecords").column("MySQL_Id__c");
        assert_eq!(shown.records_failed, failures.len() as u64);
        let processed = successes.len() + failures.len();
        assert_eq!(shown.records_processed, processed as u64);
        for key in &successes {
            *written.entry(key.clone()).or_default() += 1;
        }
        let mut all = [successes, failures, untouched].concat();
        all.sort();
        expected.sort();
        assert!(all == expected, "job {job} lost or doubled rows");
        assert_eq!(org.get(&path(id)).status, 200);
    }
    let writes: u64 = org
        .sandbox
        .leads()
        .iter()
        .map(|l| u64::from(l.writes))
        .sum();
    let told: usize = written.values().sum();
    assert_eq!(writes, (told + rest_writes) as u64);
    // The last chunk of an aborted job is counted a moment after it was written.
    let leads = org.sandbox.leads().len() as u64;
    let balanced = |s: &Stats| s.records_upserted == writes && s.leads == leads;
    assert!(org.sandbox.wait_for(PATIENCE, balanced));
}

#[test]
fn garbage_of_any_kind_ends_its_job_and_hurts_nobody() {
    let org = Org::demo();
    let commas = ",".repeat(300_000);
    let quotes = "\"".repeat(300_001);
    let header = "MySQL_Id__c,LastName,Company\n";
    let uploads: Vec<Vec<u8>> = vec![
        b"\0\0\0\0".to_vec(),
        vec![0xff; 10_000],
        "\n".repeat(100_000).into_bytes(),
        commas.clone().into_bytes(),
        quotes.clone().into_bytes(),
        format!("{header}{commas}").into_bytes(),
        format!("{header}{quotes}\n").into_bytes(),
        format!("{header}{}", "a\n".repeat(50_000)).into_bytes(),
        format!("{header}{}", "\"\"\n".repeat(10_000)).into_bytes(),
        format!("{header}1,{},Acme\n", "\u{1f600}".repeat(140_000)).into_bytes(),
        [header.as_bytes(), &[b'"', 0xc3, b'"', b',', b',', b'\n']].concat(),
    ];
    for (n, upload) in uploads.iter().enumerate() {
        let id = org.run_job(&upsert(), upload.clone());
        let (successes, failures, untouched) = org.result_sizes(&id);
        let job = org.job(&id);
        let is_over = job.state.is_terminal();
        assert!(
            is_over && successes == 0,
            "{n} {job:?} {successes} {failures} {untouched}"
        );
        assert_eq!(job.records_failed as usize, failures, "{n}");
    }
    let id = org.run_job(&upsert(), numbered(0, 2));
    assert_eq!(org.result_sizes(&id), (2, 0, 0));
    assert_eq!(org.sandbox.stats().leads, 2);
}

#[test]
fn an_org_can_be_stopped_while_a_job_runs() {
    let org = Org::demo();
    org.sandbox
        .faults()
        .add(Fault::new(Action::BulkHold { after_rows: 600 }));
    org.start_job(&upsert(), numbered(0, 5_000));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    org.sandbox.stop();
}
