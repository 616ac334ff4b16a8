//! State folders of the releases: each opens, answers and goes on, its index may be of another
//! database, and what a newer version wrote is refused untouched.
//!
//! `make golden VERSION=…` keeps the folder that [`write`] makes, once for each release, under
//! `tests/golden/VERSION`: `clear`, and `sealed` with the key that [`keys`] writes. It is never
//! made anew.
#![allow(
    clippy::disallowed_methods,
    reason = "`make golden` says which version it keeps"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::sample::*;
use super::store::DAY;
use super::*;
use crate::core::acts::{Act, ActKind};
use crate::core::bulk::BulkJob;
use crate::core::entry::{Entry, ServiceEvent};
use crate::core::snapshot::{Snapshot, SnapshotReason, SnapshotState, TableSnapshot};
use crate::state::audit::Ledger;

/// Made by `make golden`.
const RELEASES: &[&str] = &["0.1.0"];
const COMMITS: u64 = 47;

fn keys(folder: &Path) -> PathBuf {
    let file = folder.join("keys");
    fs::write(&file, "07".repeat(32)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

fn golden_settings(path: &Path, keys: Option<PathBuf>) -> StateSettings {
    StateSettings {
        segment_bytes: 16_000,
        encryption_key_file: keys,
        ..settings(path)
    }
}

fn running() -> Snapshot {
    Snapshot {
        number: 1,
        reason: SnapshotReason::Requested,
        started_at: Micros(NOON),
        ended_at: None,
        state: SnapshotState::Running,
        tables: vec![TableSnapshot {
            table: (*table()).clone(),
            routes: vec!["leads".into()],
            condition: None,
            after: None,
            chunks: 3,
            rows: 300,
            overtaken: 1,
            estimated_rows: Some(1_000),
            finished: false,
        }],
        settled: Vec::new(),
    }
}

/// Tens of leads and every kind of step; several segments, all but the last one packed.
fn write(store: &Store) {
    let people = |author: &str, number: u64| -> [Entry; 2] {
        let author = author.to_owned();
        let edited = Entry::Edited {
            letter: letter(number),
            author: author.clone(),
            before: "{}".into(),
            after: r#"{"Phone":"1"}"#.into(),
        };
        let letter = letter(number);
        [edited, Entry::Replayed { letter, author }]
    };
    let mut taken = delivered(21, 5);
    if let Entry::Delivered { subject, .. } = &mut taken {
        subject.letter = Some(21);
    }
    let mut mended = people("anna", 21).to_vec();
    mended.push(taken);
    mended.push(people("anna", 22)[0].clone());
    mended.push(Entry::Discarded {
        letter: letter(24),
        author: "ben".into(),
        reason: "a test".into(),
    });
    let started = Entry::Service {
        event: ServiceEvent::Started,
        detail: "version 0.1.0".into(),
    };
    let paused = Entry::Act(Act {
        kind: ActKind::PauseRoute,
        author: "anna".into(),
        route: Some("partners".into()),
        reason: "a campaign is being prepared".into(),
    });
    let other = every_kind()
        .into_iter()
        .filter(|entry| {
            let kinds = [
                matches!(entry, Entry::Superseded { .. } | Entry::Skipped { .. }),
                matches!(entry, Entry::Filtered { .. } | Entry::Retried { .. }),
                matches!(entry, Entry::Unanswered { .. }),
            ];
            kinds.contains(&true)
        })
        .collect();
    let letters = (21..=24).map(|n| dead_letter(n, n, "INVALID_EMAIL_ADDRESS"));
    let job = BulkJob {
        number: 9,
        route: "leads".into(),
        id: "7505g00000ABCDEAA4".into(),
        serials: vec![(1, 2)],
        left_out: Vec::new(),
        at: Micros(NOON + 40),
        ended: false,
    };
    let mut commits = vec![
        commit(vec![started, paused], 0),
        commit((11..=20).map(|n| delivered(n, 1)).collect(), 10),
        commit(letters.collect(), 20),
        commit(mended, 30),
        Commit {
            jobs: vec![job],
            ..commit((31..=33).map(|n| parked(n, n - 30, 0)).collect(), 40)
        },
        Commit {
            snapshot: Some(running()),
            ..commit(other, 50)
        },
        Commit {
            checkpoint: Some(checkpoint(33)),
            ..commit(Vec::new(), 60)
        },
    ];
    commits
        .extend((41..=80).map(|n| commit(vec![delivered(n, n)], 100 + DAY * (n as i64 - 40) / 20)));
    assert_eq!(commits.len() as u64, COMMITS);
    for commit in commits {
        commit_one(store, commit);
    }
    assert!(store.index().wait_applied(COMMITS, LONG));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else if entry.file_name() != "lock" {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn packed(state: &Path) -> usize {
    let files = fs::read_dir(state.join("journal")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".zst")).count()
}

fn wait_until_packed(store: &Store, state: &Path) {
    for _ in 0..LONG.as_millis() / 20 {
        if packed(state) > 0 {
            return;
        }
        let pause = Duration::from_millis(20);
        store.progress.wait_beyond(u64::MAX - 1, pause);
    }
    panic!("no segment is packed");
}

fn golden(release: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(release)
}

/// The books, the letters, the story of a lead; then it goes on, and verifies.
#[track_caller]
fn check(state: &Path, keys: Option<PathBuf>) {
    assert!(packed(state) > 0);
    let ring = read_keys(keys.as_deref()).unwrap();
    let verify = || {
        let ledger = Ledger::open(state, None).unwrap().with_keys(ring.clone());
        ledger.verify(&[], &mut |_, _| {}).unwrap()
    };
    let books = verify();
    assert_eq!(books.last_commit, COMMITS);
    assert_eq!((books.open_dead_letters, books.parked), (2, 3));
    let leads = &books.totals["leads"];
    assert_eq!((leads.created, leads.dead_letters_open), (51, 2));
    assert_eq!(leads.skipped.values().sum::<u64>(), 6);

    let (store, recovered) = Store::open(golden_settings(state, keys)).unwrap();
    assert_eq!(recovered.last_commit, COMMITS);
    assert_eq!(recovered.checkpoint, Some(checkpoint(33)));
    assert_eq!(recovered.snapshot, Some(running()));
    assert_eq!(recovered.parked.iter().map(|it| it.count).sum::<u32>(), 3);
    assert_eq!(recovered.jobs.len(), 1);
    assert_eq!(recovered.pauses["partners"].author, "anna");
    let index = store.index();
    assert!(index.wait_applied(COMMITS, LONG));
    let open = index.letter_numbers(&DeadLetterFilter::default()).unwrap();
    assert_eq!(open, [22, 23]);
    for number in open {
        let story = index.letter_story(number).unwrap().unwrap();
        assert!(story.payload.is_some(), "{number}");
    }
    for query in [
        TraceQuery::Key("L-00000021".into()),
        TraceQuery::Email(email(21)),
    ] {
        let story = index.trace(&query).unwrap();
        let kinds: Vec<&str> = story.iter().map(|step| step.kind.as_str()).collect();
        assert!(kinds.contains(&"dead_letter"), "{query:?} {kinds:?}");
        assert_eq!(kinds.last(), Some(&"delivered"), "{query:?}");
    }
    let more = commit_one(&store, commit(vec![delivered(90, 90)], 3 * DAY));
    assert_eq!(more.commit, COMMITS + 1);
    store.close().unwrap();
    assert_eq!(verify().totals["leads"].created, 52);
}

#[test]
fn a_new_state_is_as_the_golden_ones() {
    let keep = std::env::var_os("LEADSTREAM_GOLDEN").map(|it| golden(&it.to_string_lossy()));
    for (name, sealed) in [("clear", false), ("sealed", true)] {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let keys = sealed.then(|| keys(folder.path()));
        let (store, _) = Store::open(golden_settings(&state, keys.clone())).unwrap();
        write(&store);
        wait_until_packed(&store, &state);
        store.close().unwrap();
        if let Some(keep) = &keep {
            let kept = keep.join(name);
            assert!(!kept.exists(), "a golden folder stays as it was made");
            copy(&state, &kept);
        }
        check(&state, keys);
    }
}

#[test]
fn the_state_of_each_release_answers_and_goes_on() {
    for release in RELEASES {
        for (name, sealed) in [("clear", false), ("sealed", true)] {
            let folder = tempfile::tempdir().unwrap();
            let state = folder.path().join("state");
            copy(&golden(release).join(name), &state);
            check(&state, sealed.then(|| keys(folder.path())));
        }
    }
}

/// As sled sums up its settings: CRC-32 of IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg());
    let sum = bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), step)
    });
    !sum
}

#[test]
fn an_index_of_another_version_of_its_database_is_set_aside_and_rebuilt() {
    for release in RELEASES {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        copy(&golden(release).join("clear"), &state);
        let conf = state.join("index/conf");
        let bytes = fs::read(&conf).unwrap();
        let (text, sum) = bytes.split_at(bytes.len() - 4);
        assert_eq!(crc32(text).to_le_bytes(), sum);
        let text = String::from_utf8(text.to_vec()).unwrap();
        let other = text.replace("version: 0.34", "version: 0.99");
        assert_ne!(other, text);
        let sum = crc32(other.as_bytes()).to_le_bytes();
        fs::write(&conf, [other.as_bytes(), &sum].concat()).unwrap();
        check(&state, None);
        assert!(state.join("index.damaged-1").exists());
    }
}

#[test]
fn what_a_newer_version_wrote_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    copy(&golden("0.1.0").join("clear"), &state);
    let contents = || -> BTreeMap<PathBuf, Vec<u8>> {
        let files = fs::read_dir(state.join("journal")).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        paths
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect()
    };
    let newest = contents()
        .into_keys()
        .filter(|path| path.extension().is_some_and(|it| it == "jsonl"))
        .max();
    let newest = newest.unwrap();
    let text = fs::read_to_string(&newest).unwrap();
    let newer = text.replacen("\"requires\":[", "\"requires\":[\"telepathy\",", 1);
    assert_ne!(newer, text);
    fs::write(&newest, newer).unwrap();
    let before = contents();
    let Err(error) = Store::open(golden_settings(&state, None)) else {
        panic!("it was opened")
    };
    assert_eq!(error.page(), "LS3005");
    assert!(
        error
            .to_string()
            .ends_with("was written by a newer version: it needs telepathy")
    );
    assert_eq!(contents(), before);
}
