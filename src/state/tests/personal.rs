//! A person's values on disk: encrypted, and erased.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::store::DAY;
use super::*;
use crate::core::entry::Entry;
use crate::core::snapshot::{
    KeyBound, KeyPart, Snapshot, SnapshotReason, SnapshotState, TableSnapshot,
};
use crate::state::audit::{Ledger, Wanted};
use crate::state::journal::tests::sample::*;

fn key(number: u64) -> Person {
    Person {
        what: TraceQuery::Key(format!("L-{number:08}")),
        route: None,
    }
}

fn by(what: TraceQuery) -> Person {
    Person { what, route: None }
}

/// All bytes of all segments, packed or not, as one text.
fn journal(folder: &Path) -> String {
    let mut text = String::new();
    let mut files: Vec<PathBuf> = fs::read_dir(folder.join("journal"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let bytes = fs::read(&file).unwrap();
        if file.extension().is_some_and(|name| name == "zst") {
            let plain = zstd::decode_all(&bytes[..]).unwrap();
            text.push_str(&String::from_utf8(plain).unwrap());
        } else {
            text.push_str(&String::from_utf8(bytes).unwrap());
        }
    }
    text
}

fn lines_of(text: &str, number: u64) -> usize {
    let (name, mail) = (format!("Lovelace {number}\""), email(number));
    let (key, hash) = (format!("\"L-{number:08}\""), "\"x\":{\"s\":");
    text.lines()
        .filter(|line| line.starts_with("{\"x\"") && line.contains(hash))
        .filter(|line| line.contains(&name) || line.contains(&mail) || line.contains(&key))
        .count()
}

fn verify(folder: &Path) -> u64 {
    let ledger = Ledger::open(folder, None).unwrap();
    ledger.verify(&[], &mut |_, _| {}).unwrap().erased
}

fn wait_until(what: &str, store: &Store, mut is_so: impl FnMut() -> bool) {
    for _ in 0..LONG.as_millis() / 20 {
        if is_so() {
            return;
        }
        store
            .progress
            .wait_beyond(u64::MAX - 1, Duration::from_millis(20));
    }
    panic!("it never came to be: {what}");
}

fn with_keys(folder: &Path, keys: &[u8]) -> StateSettings {
    let file = folder.join("keys");
    let lines = keys.iter().map(|byte| format!("{byte:02x}").repeat(32));
    fs::write(&file, lines.collect::<Vec<_>>().join("\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    StateSettings {
        encryption_key_file: Some(file),
        ..settings(&folder.join("state"))
    }
}

#[test]
fn a_person_goes_from_every_segment_and_the_chain_still_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    commit_one(&store, commit(vec![delivered(1, 1), delivered(2, 1)], 0));
    commit_one(&store, commit(vec![parked(1, 1, 0)], DAY));
    let Entry::Delivered {
        mut subject,
        attempt,
        ..
    } = delivered(1, 2)
    else {
        panic!("it is another kind")
    };
    subject.parked = Some(1);
    let settled = Entry::Delivered {
        subject,
        salesforce_id: salesforce_id(1),
        created: false,
        attempt,
    };
    let last = commit_one(&store, commit(vec![settled, delivered(3, 2)], 2 * DAY));
    assert!(store.index().wait_applied(last.commit, LONG));
    // While they are packed, files come and go, and what is counted may be there twice.
    let plain =
        ["00000001.jsonl", "00000002.jsonl"].map(|name| folder.path().join("journal").join(name));
    wait_until("closed segments are packed", &store, || {
        plain.iter().all(|plain| !plain.exists())
    });
    assert_eq!(lines_of(&journal(folder.path()), 1), 3);
    let eraser = store.eraser();

    let found = eraser.find(&key(1)).unwrap();
    assert_eq!((found.lines(), found.steps["delivered"]), (3, 2));
    assert_eq!(
        lines_of(&journal(folder.path()), 1),
        3,
        "to look changes nothing"
    );
    let erased = eraser.erase(&key(1), "anna", Micros(NOON)).unwrap();

    assert_eq!(erased, found);
    let text = journal(folder.path());
    assert_eq!(lines_of(&text, 1), 0, "{text}");
    assert_eq!((lines_of(&text, 2), lines_of(&text, 3)), (1, 1));
    assert!(text.contains("{\"t\":\"erased\",") && text.contains("\"author\":\"anna\""));
    assert_eq!(eraser.find(&key(1)).unwrap().lines(), 0);
    let (keys, of_others) = (erased.keys, BTreeSet::from(["L-00000002".to_owned()]));
    wait_until("the index knows others alone", &store, || {
        let index = store.index();
        !index.knows(&keys, Some(&email(1))).unwrap() && index.knows(&of_others, None).unwrap()
    });
    // Once more it finds nothing to do, and writes nothing.
    let commits = store.journal().stats().last_commit;
    assert_eq!(
        eraser.erase(&key(1), "anna", Micros(NOON)).unwrap().lines(),
        0
    );
    assert_eq!(store.journal().stats().last_commit, commits);
    let commit_after = commit_one(&store, commit(vec![delivered(4, 3)], 2 * DAY));
    store.close().unwrap();
    assert_eq!(verify(folder.path()), 3);
    let reader = open_reader(folder.path()).unwrap();
    assert_eq!(reader.recovered().last_commit, commit_after.commit);
    assert!(reader.index().wait_applied(commit_after.commit, LONG));
    let by_id = TraceQuery::SalesforceId(salesforce_id(1));
    let story = reader.index().trace(&by_id).unwrap();
    assert_eq!(story.len(), 2, "that something happened stays");
    assert!(story.iter().all(|step| step.personal.is_none()));
}

#[test]
fn a_person_is_found_by_address_and_by_id_and_an_unmapped_row_by_its_values() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let mut unmapped = subject(3, 0, 0);
    let image = Arc::make_mut(&mut unmapped.image);
    (image.key, image.email) = (Arc::from(""), None);
    image.payload = Arc::from("");
    image.row = Some(format!("{{\"mail\":{{\"text\":\"{}\"}}}}", email(2).to_uppercase()).into());
    let mut letter = dead_letter(3, 1, "X");
    if let Entry::DeadLettered { subject, .. } = &mut letter {
        *subject = unmapped;
    }
    let closed = Entry::Discarded {
        letter: letter_name(1),
        author: "anna".into(),
        reason: "no longer wanted".into(),
    };
    commit_one(&store, commit(vec![delivered(1, 1), delivered(2, 1)], 0));
    commit_one(&store, commit(vec![letter], 0));
    let eraser = store.eraser();
    let mail = by(TraceQuery::Email(format!(" {} ", email(2).to_uppercase())));

    let refused = eraser.erase(&mail, "anna", Micros(NOON)).unwrap_err();
    assert_eq!(refused.page(), "LS3062");
    assert!(refused.to_string().contains("dead letters 1"), "{refused}");
    assert_eq!(lines_of(&journal(folder.path()), 2), 1, "nothing goes then");

    commit_one(&store, commit(vec![closed], 0));
    assert_eq!(
        eraser.erase(&mail, "anna", Micros(NOON)).unwrap().lines(),
        2
    );
    let short = by(TraceQuery::SalesforceId(salesforce_id(1)[..15].to_owned()));
    let mut elsewhere = short.clone();
    elsewhere.route = Some("partners".to_owned());
    assert_eq!(eraser.find(&elsewhere).unwrap().lines(), 0);
    assert_eq!(
        eraser.erase(&short, "anna", Micros(NOON)).unwrap().lines(),
        1
    );
    let text = journal(folder.path());
    assert!(!text.to_lowercase().contains("@example.com"), "{text}");
    drop(store);
    assert_eq!(verify(folder.path()), 3);
}

fn letter_name(number: u64) -> crate::core::letters::LetterName {
    let mut name = letter(number);
    name.key = Arc::from("");
    name
}

#[test]
fn what_is_still_to_be_delivered_is_not_erased() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    commit_one(&store, commit(vec![parked(1, 1, 0)], 0));
    let refused = store.eraser().erase(&key(1), "anna", Micros(NOON));
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("1 parked records"), "{refused}");
    assert_eq!(lines_of(&journal(folder.path()), 1), 1);
}

#[test]
fn an_erasure_that_was_interrupted_is_finished_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    commit_one(&store, commit(vec![delivered(1, 1)], 0));
    commit_one(&store, commit(vec![delivered(1, 2)], DAY));
    let plain = folder.path().join("journal/00000001.jsonl");
    let packed = folder.path().join("journal/00000001.jsonl.zst");
    wait_until("the first segment is packed", &store, || !plain.exists());
    store.close().unwrap();
    // As after a crash between a packed file's name and the end of its plain one, and with what
    // an erasure was writing.
    fs::write(
        &plain,
        zstd::decode_all(&fs::read(&packed).unwrap()[..]).unwrap(),
    )
    .unwrap();
    fs::copy(&plain, folder.path().join("journal/00000001.jsonl.new")).unwrap();

    let store = open_to_erase(folder.path(), None).unwrap();
    assert_eq!(
        store
            .eraser()
            .erase(&key(1), "anna", Micros(NOON))
            .unwrap()
            .lines(),
        2
    );
    store.close().unwrap();

    assert_eq!(lines_of(&journal(folder.path()), 1), 0);
    assert_eq!(verify(folder.path()), 2);
    let missing = open_to_erase(&folder.path().join("nowhere"), None);
    assert!(missing.is_err_and(|error| error.page() == "LS3003"));
}

#[test]
fn nothing_of_a_person_stands_on_disk_in_clear_under_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let (store, _) = Store::open(with_keys(folder.path(), &[1])).unwrap();
    commit_one(&store, commit(every_kind(), 0));
    let receipt = commit_one(&store, commit(vec![parked(90, 9, 0)], 0));
    assert!(store.index().wait_applied(receipt.commit, LONG));
    let trace = |store: &Store| store.index().trace(&TraceQuery::Email(email(90))).unwrap();
    assert!(trace(&store)[0].personal.is_some());
    store.close().unwrap();

    let text = journal(&state);
    assert!(text.contains("\"cipher\":\"AES-256-GCM-SIV\"") && !text.contains("\"x\":{\"s\""));
    for word in ["Lovelace", "@example.com", "+44 20", "Engines", "\"L-0000"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    // Whoever has no key proves and counts all the same, and sees steps without people.
    assert_eq!(verify(&state), 0);
    let mut steps = Vec::new();
    let wanted = Wanted {
        since: Micros(0),
        until: Micros(i64::MAX),
        personal: true,
    };
    let ledger = Ledger::open(&state, None).unwrap();
    let mut take = |step| {
        steps.push(step);
        Ok(std::ops::ControlFlow::Continue(()))
    };
    ledger.export(wanted, &mut take, &mut |_, _| {}).unwrap();
    assert!(steps.len() > 5 && steps.iter().all(|step| step.step.personal.is_none()));
    let reader = open_reader(&state).unwrap();
    assert_eq!(reader.recovered().last_commit, receipt.commit);
    assert_eq!(reader.needs_no_key().unwrap_err().page(), "LS3061");
    reader.close();

    for wrong in [settings(&state), with_keys(folder.path(), &[2])] {
        let error = Store::open(wrong).map(drop).unwrap_err();
        assert_eq!(error.page(), "LS3061", "{error}");
    }
    // A newer key: what comes is under it, what was is still read.
    let (store, recovered) = Store::open(with_keys(folder.path(), &[3, 1])).unwrap();
    let span = recovered
        .parked
        .iter()
        .find(|span| span.first == 9)
        .unwrap();
    let read = store.journal().read_parked(span, &[].into()).unwrap();
    assert_eq!(read[0].subject.image, subject(90, 0, 0).image);
    let receipt = commit_one(&store, commit(vec![delivered(91, 1)], 0));
    assert!(store.index().wait_applied(receipt.commit, LONG));
    assert_eq!(trace(&store).len(), 1);
    let keys = journal(&state);
    let headers = keys
        .lines()
        .filter(|line| line.contains("\"t\":\"segment\""));
    let ids: BTreeSet<&str> = headers
        .filter_map(|header| {
            header
                .split("\"cipher\":\"AES-256-GCM-SIV\",\"key\":\"")
                .nth(1)
        })
        .map(|rest| &rest[..16])
        .collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    // Erasing opens and blanks what is sealed.
    assert_eq!(
        store
            .eraser()
            .erase(&key(91), "anna", Micros(NOON))
            .unwrap()
            .lines(),
        1
    );
    store.close().unwrap();
    assert_eq!(verify(&state), 1);
}

#[test]
fn a_key_that_comes_later_seals_from_the_next_segment_on() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let (store, _) = open(&state);
    commit_one(&store, commit(vec![delivered(1, 1)], 0));
    store.close().unwrap();
    let (store, _) = Store::open(with_keys(folder.path(), &[1])).unwrap();
    let last = commit_one(&store, commit(vec![delivered(2, 1)], 0));
    assert!(store.index().wait_applied(last.commit, LONG));
    for number in [1, 2] {
        let story = store.index().trace(&TraceQuery::Email(email(number)));
        assert_eq!(story.unwrap().len(), 1);
    }
    store.close().unwrap();
    let text = journal(&state);
    assert_eq!((lines_of(&text, 1), lines_of(&text, 2)), (1, 0));
}

fn reading_behind(mail: &str) -> Snapshot {
    let mut table = TableSnapshot::new((*table()).clone(), vec!["leads".into()], None);
    table.chunks = 1;
    table.after = Some(KeyBound {
        columns: vec!["mail".into(), "id".into()],
        values: vec![KeyPart::Text(mail.into()), KeyPart::Int(7)],
    });
    Snapshot {
        number: 1,
        reason: SnapshotReason::Requested,
        started_at: Micros(NOON),
        ended_at: None,
        state: SnapshotState::Running,
        tables: vec![table],
        settled: Vec::new(),
    }
}

/// Headers repeat the place, under the key of their own segment, and it is found again each time.
#[test]
fn a_snapshots_place_is_sealed_and_survives_changes_of_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let place = reading_behind("ada@quux.example");
    let mut day = 0;
    let mut live = |keys: &[u8], snapshot: Option<&Snapshot>| {
        let settings = match keys {
            [] => settings(&path),
            keys => with_keys(folder.path(), keys),
        };
        let (store, recovered) = Store::open(settings).unwrap();
        for _ in 0..2 {
            day += 1;
            let mut next = commit(vec![delivered(day as u64, 1)], day * DAY);
            next.snapshot = snapshot.cloned();
            commit_one(&store, next);
        }
        store.close().unwrap();
        verify(&path);
        recovered.snapshot
    };
    // In clear as long as there is no key.
    assert_eq!(live(&[], Some(&place)), None);
    assert!(journal(&path).contains("ada@quux.example"));
    let clear = journal(&path).matches("ada@quux.example").count();

    assert_eq!(live(&[1], None).as_ref(), Some(&place));
    assert_eq!(live(&[1], Some(&place)).as_ref(), Some(&place));
    assert_eq!(live(&[2, 1], None).as_ref(), Some(&place));
    assert_eq!(live(&[1, 2], None).as_ref(), Some(&place));
    assert_eq!(live(&[1, 2], Some(&place)).as_ref(), Some(&place));

    let text = journal(&path);
    assert_eq!(text.matches("ada@quux.example").count(), clear);
    assert!(text.matches("{\"sealed\":{\"i\":").count() > 8, "{text}");
    let Err(refused) = Store::open(with_keys(folder.path(), &[3])) else {
        panic!("the place cannot be read without its key")
    };
    assert_eq!(refused.page(), "LS3061");
}
