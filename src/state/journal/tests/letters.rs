//! Dead letters that close, and journals of versions whose headers did not say which are open.

use super::*;
use crate::core::letters::{KeyHash, KeySecret, OpenLetter};
use crate::state::journal::header::Header;

fn hash(number: u64) -> Option<KeyHash> {
    KeySecret([3; 32]).hash(&letter(number).key)
}

fn opened(number: u64) -> OpenLetter {
    OpenLetter {
        key: hash(number),
        last: number % 2 == 1,
    }
}

fn refused(number: u64) -> Entry {
    let Entry::DeadLettered {
        subject,
        letter,
        class,
        code,
        errors,
        attempt,
        ..
    } = dead_letter(number, number, "INVALID_EMAIL_ADDRESS")
    else {
        unreachable!()
    };
    Entry::DeadLettered {
        subject,
        letter,
        class,
        code,
        errors,
        attempt,
        open: opened(number),
    }
}

/// The same record, refused or accepted as the replay of its letter.
fn replayed(mut entry: Entry, number: u64) -> Entry {
    match &mut entry {
        Entry::DeadLettered { subject, .. } | Entry::Delivered { subject, .. } => {
            subject.letter = Some(number);
        }
        _ => unreachable!(),
    }
    entry
}

/// Refused by an answer of Salesforce this time, behind which nothing older can be.
fn refused_again(number: u64) -> Entry {
    let mut entry = replayed(refused(number), number);
    if let Entry::DeadLettered { open, .. } = &mut entry {
        open.last = true;
    }
    entry
}

fn edited(number: u64) -> Entry {
    Entry::Edited {
        letter: letter(number),
        author: "anna".into(),
        before: r#"{"Email":"ada@"}"#.into(),
        after: r#"{"Email":"ada@example.com"}"#.into(),
    }
}

#[test]
fn a_letter_is_open_until_its_outcome_and_so_is_it_after_a_restart() {
    let mut bench = Bench::new(PayloadPolicy::Masked);
    bench.write(&[commit((1..=6).map(refused).collect(), 0)]);
    let asked = Entry::Replayed {
        letter: letter(1),
        author: "anna".into(),
    };
    bench.write(&[commit(vec![edited(1), asked], 1)]);
    assert_eq!(bench.recover().unwrap().letters["leads"].len(), 6);
    bench.write(&[commit(
        vec![
            replayed(delivered(1, 7), 1),
            refused_again(2),
            Entry::Discarded {
                letter: letter(3),
                author: "anna".into(),
                reason: "a test record of \"Ada\"".into(),
            },
            Entry::LetterOutdated {
                letter: letter(4),
                by: change(99, 0, 1),
            },
        ],
        2,
    )]);
    for rolled in [false, true] {
        if rolled {
            bench.roll();
        }
        let recovered = bench.recover().unwrap();
        assert_eq!(recovered, bench.state.recovered(0));
        let open: Vec<(u64, OpenLetter)> = recovered.letters["leads"]
            .iter()
            .map(|(number, letter)| (number, *letter))
            .collect();
        // The second was refused again: it is what it was.
        assert_eq!(
            open,
            [2, 5, 6].map(|number| (number, opened(number))).to_vec()
        );
        let books = &recovered.totals["leads"];
        assert_eq!((books.dead_letters_open, books.created), (3, 1));
        assert_eq!((books.discarded, books.skipped_total()), (1, 1));
        assert_eq!(books.dead_lettered["data"], 6);
        assert_eq!(books.accounted(), 6);
        assert_eq!(recovered.next_letter, 7);
    }
}

#[test]
fn what_a_person_typed_stands_in_the_personal_line_alone() {
    let mut bench = Bench::new(PayloadPolicy::Hash);
    let discarded = Entry::Discarded {
        letter: letter(1),
        author: "anna".into(),
        reason: "Ada asked for it".into(),
    };
    bench.write(&[commit(vec![refused(1), edited(1), discarded], 0)]);
    let text = String::from_utf8(bench.bytes.clone()).unwrap();
    for line in text.lines().filter(|line| !line.starts_with("{\"x\":")) {
        for personal in ["ada@", "Ada", "L-0000"] {
            assert!(!line.contains(personal), "{line}");
        }
    }
    assert!(text.contains(r#""author":"anna""#), "{text}");
    assert!(text.contains(r#""reason":"Ada asked for it"}}"#), "{text}");
    let after = r#""before":{"Email":"ada@"},"after":{"Email":"ada@example.com"}}}"#;
    assert!(text.contains(after), "{text}");
}

#[test]
fn letters_of_a_journal_that_did_not_note_them_are_found_in_all_of_it() {
    let mut bench = Bench::new(PayloadPolicy::Masked);
    bench.write(&[commit(vec![refused(1), delivered(9, 1)], 0)]);
    bench.roll();
    bench.write(&[commit(vec![refused(2)], 1)]);
    bench.roll();
    // As the version before wrote it.
    let mut line = fs::read(&bench.path).unwrap();
    line.pop();
    let (mut header, _) = Header::decode(&bench.path, &line).unwrap();
    header.letters.clear();
    header.requires.retain(|feature| feature != "letters");
    let (line, chain) = header.encode().unwrap();
    fs::write(&bench.path, &line).unwrap();
    (bench.bytes, bench.state.chain) = (line, chain);
    bench.write(&[commit(vec![refused(3)], 2)]);

    let recovered = bench.recover().unwrap();

    let open = recovered.letters["leads"].iter();
    assert_eq!(
        open.map(|(number, _)| number).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(recovered.totals["leads"].dead_letters_open, 3);
}
