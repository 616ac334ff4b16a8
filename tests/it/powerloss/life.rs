//! One life of a store, as a process of its own; and what must hold of a state folder that such a life left.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use leadstream::core::entry::{Commit, Recovered};
use leadstream::rehearsal::service::wait_until;
use leadstream::state::{
    DeadLetterFilter, Error, IndexHandle, PayloadPolicy, StateSettings, Store, TraceEvent,
    TraceQuery, open_reader,
};

use super::disk::ACKNOWLEDGED;
use super::script::{ROUTE, Script, email, key, salesforce_id};
use crate::harness::journal;
use crate::second_opinion::dice::Dice;

/// Far more than anything takes: who waits for so long hangs.
const LONG: Duration = Duration::from_secs(60);
/// Lets the index come along, where it can.
const A_MOMENT: Duration = Duration::from_millis(300);
/// So small that a life of a hundred commits begins many.
const SEGMENT_BYTES: u64 = 24_000;

/// What a life is told to do: `seed:commits`.
pub fn task(seed: u64, commits: u64) -> String {
    format!("{seed}:{commits}")
}

/// Makes commits in the state below `root` and notes each when it is acknowledged. Ends at the first that fails.
pub fn live(root: &Path, task: &str) {
    let (seed, commits) = task.split_once(':').unwrap();
    let (seed, commits): (u64, u64) = (seed.parse().unwrap(), commits.parse().unwrap());
    let acknowledged = OpenOptions::new()
        .append(true)
        .create(true)
        .open(root.join(ACKNOWLEDGED))
        .unwrap();
    let state = root.join("state");
    let Some((mut store, recovered)) = opened(&state) else {
        return;
    };
    let mut dice = Dice::new(seed ^ recovered.last_commit);
    let mut script = Script::after(seed, recovered.last_commit);
    let last = recovered.last_commit + commits;
    // An index that cannot be written is not waited for again and again.
    let mut follows = true;
    while script.commits < last {
        let group = (1 + dice.below(4) as u64).min(last - script.commits);
        let (answers, answered) = mpsc::sync_channel(8);
        for _ in 0..group {
            let (answers, mut file) = (answers.clone(), acknowledged.try_clone().unwrap());
            let done = move |result: Result<leadstream::state::CommitReceipt, Error>| {
                if let Ok(receipt) = &result {
                    // One write: the shim takes it for the moment of the acknowledgement.
                    file.write_all(format!("{}\n", receipt.commit).as_bytes())
                        .unwrap();
                }
                answers.send(result.map(|_| ())).unwrap();
            };
            store.journal().submit(script.next(), Box::new(done));
        }
        for _ in 0..group {
            if let Err(error) = answered.recv_timeout(LONG).expect("an answer") {
                assert!(error.is_fatal(), "{error}");
                return;
            }
        }
        match dice.below(12) {
            0 => {
                store.close().unwrap();
                let Some((again, recovered)) = opened(&state) else {
                    return;
                };
                assert_eq!(recovered.last_commit, script.commits);
                store = again;
            }
            1..4 => {
                follows = follows && store.index().wait_applied(script.commits, A_MOMENT);
            }
            _ => {}
        }
    }
    if dice.below(2) == 0 {
        // Half of the lives end without a word.
        std::process::exit(0);
    }
    store.close().unwrap();
}

/// `None` when it cannot be opened for a reason that a person is told: only faults make that happen.
fn opened(state: &Path) -> Option<(Store, Recovered)> {
    match Store::open(settings(state)) {
        Ok(opened) => Some(opened),
        Err(error) => {
            println!("not opened: {error}");
            None
        }
    }
}

pub fn settings(state: &Path) -> StateSettings {
    StateSettings {
        path: state.to_owned(),
        payload: PayloadPolicy::Full,
        segment_bytes: SEGMENT_BYTES,
        reserve_bytes: 0,
        retention_ms: None,
        max_journal_bytes: None,
        encryption_key_file: None,
        routes: vec![ROUTE.into()],
    }
}

/// What was found of a state.
#[derive(Debug)]
pub struct Found {
    pub last: u64,
    pub torn: bool,
    /// The index was set aside and rebuilt.
    pub index_damaged: bool,
}

/// Opens a state as the service would, and compares everything that it knows with the script. Every commit up to
/// `acknowledged` must be there. Panics when anything is wrong.
pub fn check(root: &Path, seed: u64, acknowledged: u64, dice: &mut Dice) -> Found {
    let state = root.join("state");
    if dice.below(3) == 0 {
        match open_reader(&state) {
            Ok(reader) => {
                let recovered = reader.recovered();
                check_books(recovered, &Script::after(seed, recovered.last_commit));
                assert!(recovered.last_commit >= acknowledged);
            }
            Err(Error::Missing { .. } | Error::Folder { .. }) if acknowledged == 0 => {}
            Err(error) => panic!("the reader: {error:?}"),
        }
    }
    let (store, recovered) = Store::open(settings(&state)).expect("the store opens");
    let last = recovered.last_commit;
    assert!(
        last >= acknowledged,
        "{acknowledged} commits were acknowledged, {last} are there"
    );
    let mut script = Script::after(seed, last);
    check_books(&recovered, &script);
    let waiting: BTreeSet<(u64, String)> = recovered
        .parked
        .iter()
        .flat_map(|span| {
            let read = store.journal().read_parked(span, &recovered.parked_settled);
            read.expect("parked records can be read")
        })
        .map(|record| (record.serial, record.subject.image.key.to_string()))
        .collect();
    let expected = script.parked.iter();
    let expected: BTreeSet<_> = expected
        .map(|(serial, lead)| (*serial, key(*lead)))
        .collect();
    assert_eq!(waiting, expected, "what is parked");
    // Another reader's view, chain and all.
    let files = journal::read(&state.join("journal"));
    assert_eq!(files.commits, last);
    check_answers(&store.index(), &script, dice);

    // It goes on from there.
    let receipt = commit(&store, script.next());
    assert_eq!(receipt, last + 1);
    check_answers(&store.index(), &script, dice);
    store.close().unwrap();
    let reader = open_reader(&state).unwrap();
    assert_eq!(reader.recovered().last_commit, last + 1);
    let names = std::fs::read_dir(&state).unwrap();
    let index_damaged = names
        .map(|name| name.unwrap().file_name())
        .any(|name| name.to_string_lossy().starts_with("index.damaged-"));
    Found {
        last,
        torn: recovered.torn_bytes > 0,
        index_damaged,
    }
}

fn commit(store: &Store, commit: Commit) -> u64 {
    let (answer, answered) = mpsc::sync_channel(1);
    let done = move |result| answer.send(result).unwrap();
    store.journal().submit(commit, Box::new(done));
    answered.recv_timeout(LONG).unwrap().unwrap().commit
}

fn check_books(recovered: &Recovered, script: &Script) {
    let totals = recovered.totals.get(ROUTE).cloned().unwrap_or_default();
    assert_eq!(totals, script.totals, "the books");
    assert_eq!(recovered.checkpoint, script.checkpoint);
    assert_eq!(recovered.snapshot, script.snapshot);
}

/// What the index says must be what the script did, whether it was kept, mended or rebuilt.
fn check_answers(index: &IndexHandle, script: &Script, dice: &mut Dice) {
    assert!(index.wait_applied(script.commits, LONG), "the index hangs");
    let mut leads: BTreeSet<u64> = (0..25)
        .map(|_| 1 + dice.below(script.next_lead as usize) as u64)
        .collect();
    leads.extend(script.next_lead.saturating_sub(8)..script.next_lead);
    for lead in leads {
        let Some(story) = script.stories.get(&lead) else {
            continue;
        };
        check_story(index, script.commits, TraceQuery::Key(key(lead)), story);
        if lead % 4 == 0 {
            check_story(index, script.commits, TraceQuery::Email(email(lead)), story);
            if story.iter().any(|(step, _)| *step == "delivered") {
                let id = TraceQuery::SalesforceId(salesforce_id(lead));
                check_story(index, script.commits, id, story);
            }
        }
    }
    let letters = ask(index, script.commits, || {
        index.dead_letters(&DeadLetterFilter::default(), 10_000, 0)
    });
    let letters: BTreeSet<u64> = letters.into_iter().map(|row| row.letter).collect();
    assert_eq!(letters, script.letters, "open dead letters");
}

#[track_caller]
fn check_story(index: &IndexHandle, commits: u64, query: TraceQuery, story: &[(&str, u64)]) {
    let events: Vec<TraceEvent> = ask(index, commits, || index.trace(&query));
    let told: Vec<(&str, u64)> = events
        .iter()
        .map(|event| (event.kind.as_str(), event.commit))
        .collect();
    assert_eq!(told, story, "{query:?}");
}

/// An index that says that it is damaged must mend itself; it must never give another answer.
#[track_caller]
fn ask<T>(index: &IndexHandle, commits: u64, question: impl Fn() -> Result<T, Error>) -> T {
    let answer = wait_until(LONG, || match question() {
        Ok(answer) if index.lag().applied_commit >= commits => Some(Ok(answer)),
        Ok(_) | Err(Error::Index { .. }) => None,
        Err(error) => Some(Err(error)),
    });
    answer.expect("the index mends itself").expect("an answer")
}
