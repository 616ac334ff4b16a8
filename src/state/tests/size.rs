//! A store of the size that the guarantees speak of, 90 days of 30,000 leads: what it takes, and how
//! fast it answers. Small here; with `LEADSTREAM_SOAK` all of it, and the figures are printed.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement looks at the clock and prints; nothing depends on what it finds"
)]

use std::fs;
use std::time::Instant;

use super::store::DAY;
use super::*;
use crate::core::entry::Entry;
use crate::rehearsal::leads::People;
use crate::state::journal::tests::sample::*;

const A_DAY: u64 = 30_000;
const RECORDS: u64 = 200;
/// Commits outstanding: as many as a catch-up has in flight.
const OUTSTANDING: usize = 16;

fn entry(number: u64, people: &mut People) -> Entry {
    let lead = people.next_lead();
    let payload = serde_json::json!({
        "FirstName": lead.first_name, "LastName": lead.last_name, "Company": lead.company,
        "Email": lead.email, "Phone": lead.phone, "Country": lead.country,
        "NumberOfEmployees": lead.employees, "LeadSource": "Web",
    });
    let mut entry = delivered(number, 1 + number / RECORDS);
    if let Entry::Delivered { subject, .. } = &mut entry {
        let image = std::sync::Arc::make_mut(&mut subject.image);
        image.payload = payload.to_string().into();
        image.email = Some(lead.email.as_str().into());
    }
    entry
}

/// MiB: at this moment, and at most so far (proc(5)).
fn resident() -> (u64, u64) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.unwrap().trim().trim_end_matches(" kB");
        number.parse::<u64>().unwrap() / 1024
    };
    (of("VmRSS:"), of("VmHWM:"))
}

fn files(folder: &Path, ending: &str) -> (u64, u64) {
    let files = fs::read_dir(folder.join("journal")).unwrap();
    let found = files.filter_map(|file| {
        let path = file.unwrap().path();
        let is_one = path.to_str().unwrap().ends_with(ending);
        is_one.then(|| fs::metadata(&path).map_or(0, |data| data.len()))
    });
    found.fold((0, 0), |(count, bytes), more| (count + 1, bytes + more))
}

/// Traces leads from all over the time; the median and the slowest, in milliseconds.
fn trace(store: &Store, leads: u64) -> (f64, f64) {
    let mut took = Vec::new();
    for sample in 0..100 {
        let number = 1 + sample * (leads - 1) / 99;
        let began = Instant::now();
        let key = format!("L-{number:08}");
        let found = store.index().trace(&TraceQuery::Key(key)).unwrap();
        took.push(began.elapsed().as_secs_f64() * 1000.0);
        assert_eq!(found.len(), 1, "lead {number}");
    }
    took.sort_by(f64::total_cmp);
    (took[50], took[99])
}

#[test]
fn a_store_of_ninety_days_answers_for_each_lead_and_is_rebuilt() {
    let (leads, day) = match std::env::var_os("LEADSTREAM_SOAK") {
        Some(_) => (90 * A_DAY, A_DAY),
        None => (2_400, 800),
    };
    let folder = tempfile::tempdir().unwrap();
    let mut masked = settings(folder.path());
    masked.payload = PayloadPolicy::Masked;
    let (store, _) = Store::open(masked.clone()).unwrap();
    let mut people = People::new(7, u64::MAX);
    let began = Instant::now();
    let mut waiting = Vec::new();
    for first in (1..=leads).step_by(RECORDS as usize) {
        let entries = (first..first + RECORDS).map(|number| entry(number, &mut people));
        let at = i64::try_from(first / day).unwrap() * DAY;
        let mut commit = commit(entries.collect(), at);
        // As a service does: what lies behind the checkpoint need not be kept by name.
        commit.checkpoint = Some(checkpoint(first + RECORDS - 1));
        waiting.push(commit);
        if waiting.len() == OUTSTANDING || first + RECORDS > leads {
            let answers = commit_all(&store, std::mem::take(&mut waiting));
            answers.into_iter().for_each(|answer| drop(answer.unwrap()));
        }
    }
    let written = began.elapsed().as_secs_f64();
    let last = store.journal().stats().last_commit;
    assert!(store.index().wait_applied(last, 60 * LONG));
    let newest = || files(folder.path(), ".jsonl").0 == 1;
    for _ in 0..60_000 {
        if newest() {
            break;
        }
        store.progress.wait_beyond(last, Duration::from_millis(20));
    }
    assert!(newest(), "closed segments are packed");
    let (segments, packed) = files(folder.path(), ".zst");
    println!(
        "{leads} leads written in {written:.0} s; resident now, at most: {:?} MiB",
        resident()
    );
    println!(
        "packed: {segments} segments, {} bytes a lead",
        packed / leads
    );
    println!(
        "trace, median and slowest, ms: {:.2?}",
        trace(&store, leads)
    );
    println!("index: {} bytes a lead", store.index().lag().bytes / leads);
    store.close().unwrap();

    let began = Instant::now();
    let (store, _) = Store::open(masked.clone()).unwrap();
    println!("start: {:.2} s", began.elapsed().as_secs_f64());
    store.close().unwrap();

    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (store, _) = Store::open(masked).unwrap();
    let began = Instant::now();
    assert!(store.index().wait_applied(last, 60 * LONG));
    let took = began.elapsed().as_secs_f64();
    let rate = leads as f64 / took;
    println!(
        "rebuild: {took:.1} s, {rate:.0} leads/s; resident: {:?} MiB",
        resident()
    );
    println!("trace after it: {:.2?}", trace(&store, leads));
    let lines = journal_commits(folder.path());
    println!("newest segment: {} commits in {} syncs", lines.0, lines.1);
}

/// Commits of the newest segment, and the writes that they went with.
fn journal_commits(folder: &Path) -> (usize, usize) {
    let mut paths: Vec<_> = fs::read_dir(folder.join("journal")).unwrap().collect();
    paths.retain(|file| {
        file.as_ref()
            .unwrap()
            .path()
            .to_str()
            .unwrap()
            .ends_with(".jsonl")
    });
    let text = fs::read_to_string(paths[0].as_ref().unwrap().path()).unwrap();
    let commits = text
        .lines()
        .filter(|line| line.starts_with("{\"t\":\"commit\""));
    let groups: Vec<u64> = commits
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            value["group"].as_u64().unwrap()
        })
        .collect();
    let writes: std::collections::BTreeSet<u64> = groups.iter().copied().collect();
    (groups.len(), writes.len())
}
