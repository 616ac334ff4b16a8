//! What the durable state costs: commits of 200 delivered records through fsync, and 300,000 of
//! them with CPU by thread, bytes before and after zstd, time to start again, memory and lookups.
//!
//! `RECORDS=2700000 cargo bench --bench journal` measures that volume alone. Memory is that of the
//! first volume only: later ones find what sled and the allocator kept of earlier stores.

#![allow(
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    missing_docs
)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group};
use leadstream::core::change::{ChangeId, Operation, RouteId, Transaction};
use leadstream::core::entry::{Attempt, Commit, Entry, Image, Subject};
use leadstream::core::position::{Checkpoint, Position};
use leadstream::core::schema::TableName;
use leadstream::core::time::Micros;
use leadstream::state::{
    DEFAULT_SEGMENT_BYTES, PayloadPolicy, StateSettings, Store, TraceQuery, open_reader,
};

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const NOON: i64 = 1_790_000_000_000_000;
const BATCH: u64 = 200;

fn main() {
    let records: Option<u64> = std::env::var("RECORDS")
        .ok()
        .and_then(|text| text.parse().ok());
    if let Some(records) = records {
        return volume(PayloadPolicy::Masked, records);
    }
    for policy in [
        PayloadPolicy::Masked,
        PayloadPolicy::Full,
        PayloadPolicy::Hash,
    ] {
        volume(policy, 300_000);
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}

criterion_group!(benches, durable_commits);

fn durable_commits(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(settings(folder.path(), PayloadPolicy::Masked)).unwrap();
    let mut group = criterion.benchmark_group("journal");
    group
        .sample_size(30)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    let mut batch = 0;
    for (name, outstanding) in [("one commit at a time", 1), ("sixteen outstanding", 16)] {
        group.throughput(Throughput::Elements(BATCH * outstanding));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let commits: Vec<Commit> = (0..outstanding).map(|n| commit(batch + n)).collect();
                batch += outstanding;
                submit(&store, commits);
            });
        });
    }
    group.finish();
    store.close().unwrap();
}

fn volume(policy: PayloadPolicy, records: u64) {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(settings(folder.path(), policy)).unwrap();
    let (batches, group) = (records / BATCH, 16);
    let mut spent = Duration::ZERO;
    for first in (0..batches).step_by(group) {
        let commits = (first..batches.min(first + group as u64))
            .map(commit)
            .collect();
        let began = Instant::now();
        submit(&store, commits);
        spent += began.elapsed();
    }
    let began = Instant::now();
    assert!(
        store
            .index()
            .wait_applied(batches, Duration::from_secs(600))
    );
    let lag = began.elapsed();
    let per = |nanos: u64| nanos as f64 / records as f64 / 1000.0;
    eprintln!(
        "{policy:?}: {records} records in {spent:.2?}; journal thread {:.2} µs of CPU a record, \
         index thread {:.2} µs; index {lag:.2?} behind at the end; resident {} MiB",
        per(thread_nanos("journal")),
        per(thread_nanos("index")),
        resident_mib(),
    );
    let began = Instant::now();
    for number in 0..100 {
        let key = format!("L-{:08}", (number * 7_919) % records);
        assert_eq!(store.index().trace(&TraceQuery::Key(key)).unwrap().len(), 1);
    }
    eprintln!("  trace by key: {:.2?} each", began.elapsed() / 100);
    store.close().unwrap();

    let (mut plain, mut packed) = (0, 0);
    for file in fs::read_dir(folder.path().join("journal")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        plain += bytes.len();
        packed += zstd::encode_all(&bytes[..], 3).unwrap().len();
    }
    eprintln!(
        "  {} bytes a record, {} after zstd -3; index {} bytes a record",
        plain as u64 / records,
        packed as u64 / records,
        size_of(&folder.path().join("index")) / records,
    );
    let began = Instant::now();
    let reader = open_reader(folder.path()).unwrap();
    let segment = reader.journal_stats().segment_bytes >> 10;
    eprintln!(
        "  start from a newest segment of {segment} KiB: {:.2?}",
        began.elapsed()
    );
    assert_eq!(reader.recovered().last_commit, batches);
    reader.close();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let began = Instant::now();
    let reader = open_reader(folder.path()).unwrap();
    assert!(
        reader
            .index()
            .wait_applied(batches, Duration::from_secs(600))
    );
    eprintln!(
        "  rebuild: {:.2?}; resident {} MiB",
        began.elapsed(),
        resident_mib()
    );
}

fn settings(path: &Path, payload: PayloadPolicy) -> StateSettings {
    StateSettings {
        path: path.to_owned(),
        payload,
        reserve_bytes: 0,
        retention_ms: None,
        max_journal_bytes: None,
        encryption_key_file: None,
        segment_bytes: DEFAULT_SEGMENT_BYTES,
        routes: vec!["leads".into()],
    }
}

fn submit(store: &Store, commits: Vec<Commit>) {
    let (answers, answered) = mpsc::channel();
    let count = commits.len();
    for commit in commits {
        let answers = answers.clone();
        store.journal().submit(
            commit,
            Box::new(move |result| answers.send(result).unwrap()),
        );
    }
    for _ in 0..count {
        answered.recv().unwrap().unwrap();
    }
}

fn commit(batch: u64) -> Commit {
    let table = Arc::new(TableName {
        schema: "shop".into(),
        table: "leads".into(),
    });
    let now = NOON + batch as i64 * 20_000;
    let attempt = Attempt {
        batch,
        number: 1,
        sent_at: Micros(now),
        answered_at: Micros(now + 183_211 + (batch * 7_919 % 9_001) as i64),
    };
    let entries = (batch * BATCH..(batch + 1) * BATCH).map(|number| {
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let email = format!("{:x}.{number}@example.com", mixed >> 44);
        let payload = format!(
            "{{\"LastName\":\"Lovelace {:x}\",\"FirstName\":\"Ada\",\"Company\":\"Engines {:x}\",\
             \"Email\":\"{email}\",\"Phone\":\"+44 20 {:08}\",\"LeadSource\":\"Web\"}}",
            mixed >> 48,
            mixed >> 52,
            mixed % 100_000_000
        );
        let committed_at = Micros(now - 900_000 + (number % BATCH) as i64 * 4_391);
        let id = format!("{UUID}:{}", number + 1).parse().unwrap();
        Entry::Delivered {
            subject: Subject {
                id: ChangeId {
                    transaction: Arc::new(Transaction { id, committed_at }),
                    table: Arc::clone(&table),
                    row: 0,
                    route: RouteId(0),
                },
                operation: Operation::Insert,
                image: Arc::new(Image {
                    key: format!("L-{number:08}").into(),
                    payload: payload.into(),
                    email: Some(email.into()),
                    row: None,
                }),
                captured_at: Micros(committed_at.0 + 1_500 + (mixed % 997) as i64),
                parked: None,
                letter: None,
            },
            salesforce_id: format!("00Q5g00000{number:05}EAX"),
            created: true,
            attempt,
        }
    });
    Commit {
        entries: entries.collect(),
        checkpoint: Some(Checkpoint {
            server_uuid: UUID.into(),
            position: Position::Gtid(format!("{UUID}:1-{}", (batch + 1) * BATCH).parse().unwrap()),
            end: "binlog.000007:4711".parse().unwrap(),
            inside: Default::default(),
        }),
        api_calls: 1,
        at: Micros(now + 190_000),
        ..Commit::default()
    }
}

/// CPU of the thread with this name, from the scheduler (Documentation/scheduler/sched-stats).
fn thread_nanos(name: &str) -> u64 {
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        if fs::read_to_string(task.join("comm")).unwrap().trim() == name {
            let stat = fs::read_to_string(task.join("schedstat")).unwrap();
            return stat.split(' ').next().unwrap().parse().unwrap();
        }
    }
    0
}

fn resident_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/statm").unwrap();
    (status.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096) >> 20
}

fn size_of(folder: &Path) -> u64 {
    fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            let data = file.metadata().unwrap();
            if data.is_dir() {
                size_of(&file.path())
            } else {
                data.len()
            }
        })
        .sum()
}
