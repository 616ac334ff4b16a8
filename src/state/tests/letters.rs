//! Dead letters in the index: what is open, the story of one, one to be sent again, and whether
//! something newer of its key was delivered.

use super::sample::*;
use super::*;
use crate::core::entry::Entry;
use crate::core::letters::{Declined, LetterName};
use crate::core::outcome::RecordError;

fn edited(number: u64, before: &str, after: &str) -> Entry {
    Entry::Edited {
        letter: letter(number),
        author: "anna".into(),
        before: before.into(),
        after: after.into(),
    }
}

fn replayed(number: u64) -> Entry {
    Entry::Replayed {
        letter: letter(number),
        author: "anna".into(),
    }
}

/// The record of this number, refused anew as the replay of its letter.
fn refused_again(number: u64) -> Entry {
    let mut entry = dead_letter(number, number, "REQUIRED_FIELD_MISSING");
    if let Entry::DeadLettered {
        subject, errors, ..
    } = &mut entry
    {
        subject.letter = Some(number);
        *errors = vec![RecordError {
            code: "REQUIRED_FIELD_MISSING".into(),
            message: "City".into(),
            fields: vec!["City".into()],
        }];
    }
    entry
}

/// A delivery of the key of record 5, by this transaction.
fn delivered_again(transaction: u64, route: u16) -> Entry {
    let mut entry = delivered(5, 9);
    if let Entry::Delivered { subject, .. } = &mut entry {
        subject.id = change(transaction, 0, route);
    }
    entry
}

/// Letters 1 to 6, whose keys are those of the records 1 to 6.
fn store(path: &Path) -> Store {
    let (store, _) = open(path);
    let letters = (1..=6).map(|n| dead_letter(n, n, "INVALID_EMAIL_ADDRESS"));
    let discarded = Entry::Discarded {
        letter: LetterName {
            number: 6,
            ..letter(6)
        },
        author: "anna".into(),
        reason: "a test".into(),
    };
    let mut taken = delivered(1, 5);
    if let Entry::Delivered { subject, .. } = &mut taken {
        subject.letter = Some(1);
    }
    for commit in [
        commit(letters.collect(), 0),
        commit(
            vec![
                edited(2, r#"{"Phone":"+44 20 7946 0002"}"#, r#"{"Phone":"1"}"#),
                replayed(2),
                refused_again(2),
                edited(2, "{}", r#"{"City":"Bonn"}"#),
                edited(2, r#"{"LeadSource":"Web"}"#, "{}"),
                replayed(1),
                taken,
            ],
            10,
        ),
        commit(vec![discarded, replayed(3), edited(3, "{}", "{}")], 20),
    ] {
        commit_one(&store, commit);
    }
    store
}

fn scopes() -> Vec<(String, u16)> {
    let routes = routes().into_iter().zip([0, 1]);
    routes.collect()
}

#[track_caller]
fn check(index: &IndexHandle) {
    assert!(index.catch_up(LONG));
    let any = DeadLetterFilter::default();
    assert_eq!(index.letter_numbers(&any).unwrap(), [2, 3, 4, 5]);
    let city = DeadLetterFilter {
        field: Some("city".into()),
        ..any.clone()
    };
    assert_eq!(index.letter_numbers(&city).unwrap(), [2]);
    let groups = index.letter_groups(&any).unwrap();
    assert_eq!(groups, index.count_letters(&any).unwrap());
    let groups: Vec<_> = groups.iter().map(|it| (&*it.field, it.count)).collect();
    assert_eq!(groups, [("Email", 3), ("City", 1)]);

    let story = index.letter_story(2).unwrap().unwrap();
    let kinds: Vec<&str> = story.steps.iter().map(|step| step.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "dead_letter",
            "edited",
            "replayed",
            "dead_letter",
            "edited",
            "edited"
        ]
    );
    assert_eq!(story.code, "REQUIRED_FIELD_MISSING");
    assert_eq!(story.at, Micros(NOON), "since it became a letter");
    assert_eq!(story.edited, ["City", "LeadSource"]);
    let payload = story.payload.unwrap();
    // The earlier edit went out with the replay; what came back is what counts.
    assert!(payload.get().contains(r#""City":"Bonn""#), "{payload:?}");
    assert!(!payload.get().contains("LeadSource"), "{payload:?}");
    assert!(index.letter_story(1).unwrap().is_none());

    let read = index.read_letters(&[1, 2, 3, 6], &scopes());
    assert_eq!(read[0].found, Err(Declined::NotOpen));
    assert_eq!(read[3].found, Err(Declined::NotOpen));
    let second = read[1].found.as_ref().unwrap();
    assert_eq!(second.edits.len(), 2);
    assert_eq!((second.unclear, second.newer_delivered), (false, false));
    assert_eq!(second.subject.image.key.as_ref(), "L-00000002");
    assert_eq!(second.subject.id, change(2, 0, 0));
    let third = read[2].found.as_ref().unwrap();
    assert!(
        third.unclear,
        "it was taken up, has no outcome, and was edited"
    );
    let renamed = index.read_letters(&[2], &[("others".into(), 0)]);
    assert_eq!(renamed[0].found, Err(Declined::NoRoute));
}

#[test]
fn letters_are_found_in_memory_and_on_disk_and_anew_from_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let first = store(folder.path());
    check(&first.index());
    first.close().unwrap();
    let (second, recovered) = open(folder.path());
    check(&second.index());
    let open_letters: Vec<u64> = recovered.letters["leads"].iter().map(|it| it.0).collect();
    assert_eq!(open_letters, [2, 3, 4, 5]);
    second.close().unwrap();
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (third, _) = open(folder.path());
    check(&third.index());
    third.close().unwrap();
}

#[test]
fn what_was_delivered_since_is_newer_unless_it_is_surely_older() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let index = store.index();
    let is_newer = || {
        assert!(index.catch_up(LONG));
        let read = index.read_letters(&[5], &scopes()).remove(0);
        read.found.unwrap().newer_delivered
    };
    assert!(!is_newer());
    // An earlier transaction of the same source; a route that writes other records.
    commit_one(&store, commit(vec![delivered_again(4, 0)], 30));
    assert!(!is_newer());
    commit_one(&store, commit(vec![delivered_again(6, 1)], 40));
    assert!(!is_newer());
    commit_one(&store, commit(vec![delivered_again(6, 0)], 50));
    assert!(is_newer());
    store.close().unwrap();
}
