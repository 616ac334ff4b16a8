//! Questions, and an index that is missing, damaged or out of step.

use std::fs;

use super::sample::*;
use super::*;
use crate::core::entry::Entry;

/// A few leads with histories, in a store that stays open.
fn leads(path: &Path) -> Store {
    let (store, _) = open(path);
    let mut redelivered = subject(6, 0, 0);
    redelivered.parked = Some(1);
    let commits = vec![
        commit((1..=5).map(|n| delivered(n, 1)).collect(), 0),
        commit(
            vec![parked(6, 1, 0), dead_letter(7, 1, "INVALID_EMAIL_ADDRESS")],
            10,
        ),
        commit(
            vec![
                Entry::Delivered {
                    subject: redelivered,
                    salesforce_id: salesforce_id(6),
                    created: true,
                    attempt: attempt(2),
                },
                dead_letter(8, 2, "STRING_TOO_LONG"),
                dead_letter(9, 3, "STRING_TOO_LONG"),
            ],
            20,
        ),
    ];
    for commit in commits {
        commit_one(&store, commit);
    }
    store
}

#[track_caller]
fn check_answers(index: &IndexHandle) {
    assert!(index.wait_applied(3, LONG));
    for query in [
        TraceQuery::Key("L-00000006".into()),
        TraceQuery::SalesforceId(salesforce_id(6)),
        TraceQuery::SalesforceId(salesforce_id(6)[..15].into()),
        TraceQuery::Email(" ADA.6@example.com".into()),
    ] {
        let story = index.trace(&query).unwrap();
        let steps: Vec<_> = story
            .iter()
            .map(|e| (e.kind.as_str(), e.commit, e.at.0))
            .collect();
        assert_eq!(
            steps,
            [("parked", 2, NOON + 10), ("delivered", 3, NOON + 20)],
            "{query:?}"
        );
        let person = story[1].personal.as_ref().unwrap();
        assert_eq!(person.key, "L-00000006");
        assert!(person.fields.as_ref().unwrap().get().contains("Lovelace 6"));
        assert_eq!(
            story[1].salesforce_id.as_deref(),
            Some(salesforce_id(6).as_str())
        );
        assert_eq!((story[0].serial, story[1].parked), (Some(1), Some(1)));
    }
    assert!(
        index
            .trace(&TraceQuery::Key("L-99999999".into()))
            .unwrap()
            .is_empty()
    );

    let counts = index.dead_letter_counts().unwrap();
    let counts: Vec<_> = counts.iter().map(|c| (c.code.as_str(), c.count)).collect();
    assert_eq!(
        counts,
        [("STRING_TOO_LONG", 2), ("INVALID_EMAIL_ADDRESS", 1)]
    );
    let numbers = |filter: &DeadLetterFilter, limit, offset| -> Vec<u64> {
        let rows = index.dead_letters(filter, limit, offset).unwrap();
        rows.iter().map(|row| row.letter).collect()
    };
    let any = DeadLetterFilter::default();
    assert_eq!(numbers(&any, 10, 0), [1, 2, 3]);
    assert_eq!(numbers(&any, 1, 1), [2]);
    let long = DeadLetterFilter {
        code: Some("STRING_TOO_LONG".into()),
        ..any.clone()
    };
    assert_eq!(numbers(&long, 10, 0), [2, 3]);
    let other = DeadLetterFilter {
        route: Some("partners".into()),
        ..any
    };
    assert!(numbers(&other, 10, 0).is_empty());

    let row = index.dead_letter(1).unwrap().unwrap();
    assert_eq!(
        (row.class.as_str(), row.fields.as_slice()),
        ("data", &["Email".to_owned()][..])
    );
    let person = row.event.unwrap().personal.unwrap();
    assert!(person.source_row.is_some() && person.errors[0].message.contains("invalid"));
    assert!(index.dead_letter(4).unwrap().is_none());
}

#[test]
fn answers_come_from_memory_and_from_disk_alike() {
    let folder = tempfile::tempdir().unwrap();
    let store = leads(folder.path());
    check_answers(&store.index());
    store.close().unwrap();
    let (store, _) = open(folder.path());
    check_answers(&store.index());
    assert!(!store.index().lag().rebuilding);
    store.close().unwrap();
}

#[test]
fn a_missing_index_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    leads(folder.path()).close().unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (store, _) = open(folder.path());
    check_answers(&store.index());
    store.close().unwrap();
}

#[test]
fn a_damaged_index_is_set_aside_and_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    leads(folder.path()).close().unwrap();
    let data = folder.path().join("index/db");
    let whole = fs::read(&data).unwrap();
    let mut noise = 88_172_645_463_325_252_u64;
    let mut random = || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise as u8
    };
    for damage in 0..6 {
        let mut bytes = whole.clone();
        match damage {
            0 => bytes.truncate(bytes.len() / 3),
            1 => bytes.iter_mut().for_each(|byte| *byte = random()),
            2 => bytes.fill(0),
            3 => bytes.truncate(1),
            4 => bytes
                .iter_mut()
                .step_by(7)
                .for_each(|byte| *byte ^= random() | 1),
            _ => fs::write(folder.path().join("index/conf"), b"nonsense").unwrap(),
        }
        fs::write(folder.path().join("index/db"), &bytes).unwrap();
        let (store, _) = open(folder.path());
        check_answers(&store.index());
        store.close().unwrap();
    }
    let aside = fs::read_dir(folder.path()).unwrap().filter(|file| {
        file.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("index.damaged-")
    });
    assert!(aside.count() <= 1);
}

#[test]
fn an_index_that_knows_more_than_the_journal_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let store = leads(folder.path());
    let segment = folder.path().join("journal/00000001.jsonl");
    let shorter = fs::read(&segment).unwrap();
    commit_one(&store, commit(vec![dead_letter(10, 4, "LOST")], 30));
    assert!(store.index().wait_applied(4, LONG));
    store.close().unwrap();
    fs::write(&segment, shorter).unwrap();
    let (store, recovered) = open(folder.path());
    assert_eq!(recovered.last_commit, 3);
    check_answers(&store.index());
    store.close().unwrap();
}

#[test]
fn an_index_of_a_journal_that_was_another_one_is_rebuilt() {
    // A backup of the journal was put back and went on, beside the index as it was before.
    let folder = tempfile::tempdir().unwrap();
    let store = leads(folder.path());
    let segment = folder.path().join("journal/00000001.jsonl");
    let backup = fs::read(&segment).unwrap();
    commit_one(&store, commit(vec![dead_letter(10, 4, "LOST")], 30));
    assert!(store.index().wait_applied(4, LONG));
    store.close().unwrap();
    let (index, kept) = (folder.path().join("index"), folder.path().join("kept"));
    fs::rename(&index, &kept).unwrap();
    fs::write(&segment, backup).unwrap();
    let (store, _) = open(folder.path());
    for lead in [20, 21, 22] {
        commit_one(&store, commit(vec![delivered(lead, 4)], 30));
    }
    store.close().unwrap();
    fs::remove_dir_all(&index).unwrap();
    fs::rename(&kept, &index).unwrap();
    let (store, recovered) = open(folder.path());
    assert_eq!(recovered.last_commit, 6);
    assert!(store.index().wait_applied(6, LONG));
    check_answers(&store.index());
    let key = TraceQuery::Key("L-00000021".into());
    assert_eq!(store.index().trace(&key).unwrap().len(), 1);
    store.close().unwrap();
}

#[test]
fn an_index_that_hung_at_the_last_start_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    leads(folder.path()).close().unwrap();
    fs::write(folder.path().join("index.hung"), "").unwrap();
    let (store, _) = open(folder.path());
    check_answers(&store.index());
    store.close().unwrap();
    assert!(folder.path().join("index.damaged-1").exists());
    assert!(!folder.path().join("index.hung").exists());
}

#[test]
fn an_index_that_fell_behind_catches_up() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    store.close().unwrap();
    fs::rename(folder.path().join("index"), folder.path().join("old")).unwrap();
    leads(folder.path()).close().unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    fs::rename(folder.path().join("old"), folder.path().join("index")).unwrap();
    let (store, _) = open(folder.path());
    check_answers(&store.index());
    store.close().unwrap();
}

#[test]
fn many_leads_are_found_after_their_runs_were_merged() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let last = 40_000;
    let commits: Vec<_> = (0..last / 400)
        .map(|batch| {
            let numbers = batch * 400 + 1..=(batch + 1) * 400;
            commit(
                numbers.map(|n| delivered(n, batch)).collect(),
                batch as i64 * 6_000_000,
            )
        })
        .collect();
    let count = commits.len() as u64;
    assert!(commit_all(&store, commits).iter().all(Result::is_ok));
    let check = |store: &Store| {
        assert!(store.index().wait_applied(count, LONG));
        for number in (1..=last).step_by(397) {
            let story = store
                .index()
                .trace(&TraceQuery::Email(email(number)))
                .unwrap();
            assert_eq!(story.len(), 1, "{number}");
            assert_eq!(story[0].transaction, Some(format!("{UUID}:{number}")));
        }
    };
    check(&store);
    store.close().unwrap();
    let (store, _) = open(folder.path());
    check(&store);
    store.close().unwrap();
}

#[test]
fn a_damaged_journal_does_not_stop_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let mut small = settings(folder.path());
    small.segment_bytes = 1_000;
    let (store, _) = Store::open(small.clone()).unwrap();
    for number in 1..=6 {
        commit_one(
            &store,
            commit(vec![delivered(number, 1), delivered(number + 10, 1)], 0),
        );
    }
    store.close().unwrap();
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let second = folder.path().join("journal/00000002.jsonl");
    let text = fs::read_to_string(&second)
        .unwrap()
        .replace("Lovelace 2", "Lovelace 3");
    fs::write(&second, text).unwrap();
    let (store, _) = Store::open(small).unwrap();
    assert!(store.index().wait_applied(6, LONG));
    let found = |number: u64| {
        let story = store
            .index()
            .trace(&TraceQuery::SalesforceId(salesforce_id(number)));
        story.unwrap().len()
    };
    assert_eq!((found(1), found(2), found(5)), (1, 0, 1));
    store.close().unwrap();
}
