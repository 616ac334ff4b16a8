//! How fast bulk jobs are worked on, and what they take. Not a gate: run it by hand in release mode with `--ignored`.
use std::io::Write;
use std::time::Instant;

use salesforce_sandbox::OrgConfig;

use super::client::{ended, path, upsert};
use crate::harness::{Org, PATIENCE};
use crate::speed::cpu_micros;

const ROWS: usize = 700_000;

/// Prints rows per second and memory for an upload near the documented 100 MB, as inserts and then as updates.
#[test]
#[ignore = "a measurement, not a check"]
fn an_upload_of_100_megabytes() {
    let org = Org::with(OrgConfig::default());
    let csv = upload();
    let bytes = csv.len();
    for (round, count) in [("insert", 1), ("update", 2)] {
        let id = org.create_job(&upsert());
        let request = org.ask_upload(&id, csv.clone());
        let before = resident_megabytes();
        assert_eq!(request.send().status, 201);
        let uploaded = resident_megabytes();
        drop(request);
        let (start, cpu) = (Instant::now(), cpu_micros());
        org.close(&id);
        assert!(org.sandbox.wait_for(4 * PATIENCE, |s| ended(s) == count));
        let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_micros() - cpu);
        assert_eq!(org.info(&id)["numberRecordsProcessed"], ROWS);
        let processed = resident_megabytes();
        let start = Instant::now();
        let results = org
            .get(&format!("{}/successfulResults", path(&id)))
            .body
            .len();
        let line = format!(
            "{round}: {:.0} rows/s, {:.2} us CPU per row, upload {} MB; resident {before} MB before, {uploaded} MB \
             uploaded, {processed} MB processed, {} MB at most; {} MB of results read in {:.2} s\n",
            ROWS as f64 / wall,
            cpu / ROWS as f64,
            bytes >> 20,
            status("VmHWM"),
            results >> 20,
            start.elapsed().as_secs_f64(),
        );
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
    assert_eq!(org.sandbox.stats().leads, ROWS as u64);
}

fn upload() -> Vec<u8> {
    let mut csv = Vec::with_capacity(110 << 20);
    csv.extend_from_slice(
        b"MySQL_Id__c,LastName,Company,FirstName,Email,Phone,Title,Newsletter__c,Score__c,Signup_At__c,Plan__c\n",
    );
    for n in 0..ROWS {
        let row = format!(
            "shop-{n},Doe,\"Acme, Inc\",Ada,ada{n}@example.com,+49 30 1234567,\"Head of \"\"Operations\"\"\",true,12.5,\
             2026-03-29T02:30:00.123Z,Team\n"
        );
        csv.extend_from_slice(row.as_bytes());
    }
    csv
}

fn resident_megabytes() -> usize {
    status("VmRSS")
}

/// A line of `/proc/self/status` in MB.
fn status(name: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    let kilobytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes >> 10
}
