//! Routes that an operator paused, and who did what.

use super::*;
use crate::core::acts::{Act, ActKind, OperatorPause};
use crate::core::letters::LetterName;
use crate::state::journal::activity::{ActivityPage, ActivityQuestion, activity, read_reasons};

const REASON: &str = "ask Grace";

fn act(kind: ActKind, reason: &str) -> Entry {
    Entry::Act(Act {
        kind,
        author: "ada".into(),
        route: Some("leads".into()),
        reason: reason.into(),
    })
}

fn edited(number: u64, author: &str) -> Entry {
    Entry::Edited {
        letter: LetterName {
            number,
            route: RouteId(0),
            key: "k".into(),
        },
        author: author.into(),
        before: "{}".into(),
        after: "{}".into(),
    }
}

fn ask(bench: &Bench, before: Option<u64>, limit: usize) -> ActivityPage {
    let question = ActivityQuestion {
        before,
        limit,
        ..ActivityQuestion::default()
    };
    activity(bench.folder.path(), None, None, &question).unwrap()
}

#[test]
fn a_pause_lasts_until_it_is_ended_and_its_reason_stands_in_its_personal_line_alone() {
    let mut bench = Bench::new(PayloadPolicy::Masked);
    bench.write(&[commit(vec![act(ActKind::PauseRoute, REASON)], 0)]);
    bench.write(&[commit(vec![act(ActKind::PauseRoute, "again")], 0)]);
    bench.roll();
    let header = String::from_utf8(bench.bytes.clone()).unwrap();
    assert!(
        header.contains("ada") && !header.contains(REASON),
        "{header}"
    );
    let mut pauses = bench.recover().unwrap().pauses;
    read_reasons(bench.folder.path(), None, &mut pauses);
    let paused = OperatorPause {
        author: "ada".into(),
        since: pauses["leads"].since,
        reason: REASON.into(),
    };
    assert_eq!(pauses["leads"], paused, "the first one stands");

    bench.write(&[commit(vec![act(ActKind::ResumeRoute, "")], 0)]);
    assert!(bench.recover().unwrap().pauses.is_empty());
    let first = fs::read_to_string(segment_path(bench.folder.path(), 1)).unwrap();
    for line in first.lines().filter(|line| line.contains(REASON)) {
        assert!(line.starts_with("{\"x\":"), "{line}");
    }
}

#[test]
fn acts_are_told_from_the_newest_back_and_those_that_are_alike_as_one() {
    let mut bench = Bench::new(PayloadPolicy::Masked);
    for number in 1..=3 {
        bench.write(&[commit(vec![edited(number, "ada")], 0)]);
    }
    bench.write(&[commit(vec![edited(4, "bob")], 0)]);
    bench.roll();
    bench.write(&[commit(vec![act(ActKind::PauseRoute, REASON)], 0)]);
    bench.write(&[commit(vec![delivered(9, 1)], 0)]);

    let told = |page: &ActivityPage| -> Vec<(String, String, u64)> {
        let acts = page.acts.iter();
        acts.map(|act| (act.author.clone(), act.what.clone(), act.count))
            .collect()
    };
    let expected = [
        ("ada".to_owned(), "pause_route".to_owned(), 1),
        ("bob".to_owned(), "edited".to_owned(), 1),
        ("ada".to_owned(), "edited".to_owned(), 3),
    ];
    let all = ask(&bench, None, 10);
    assert_eq!((told(&all), all.next), (expected.to_vec(), None));
    assert_eq!(all.acts[0].reason, REASON);
    assert_eq!(all.acts[2].letter, Some(1));

    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let page = ask(&bench, before, 1);
        assert!(page.acts.len() <= 1, "{page:?}");
        paged.extend(told(&page));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(paged, expected, "page by page it is the same");
}

#[test]
fn acts_that_are_alike_are_told_apart_when_time_lies_between() {
    const MINUTE: i64 = 60_000_000;
    let mut bench = Bench::new(PayloadPolicy::Masked);
    let at = [0, 14, 28, 42, 56, 70, 86, 101];
    for (number, minute) in (1..).zip(at) {
        bench.write(&[commit(vec![edited(number, "ada")], minute * MINUTE)]);
    }
    let counts: Vec<u64> = ask(&bench, None, 10)
        .acts
        .iter()
        .map(|it| it.count)
        .collect();
    // The last two are a quarter apart, those before them more; the first five fill an hour.
    assert_eq!(counts, [2, 1, 5]);
}
