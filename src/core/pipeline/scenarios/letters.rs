//! Stories of dead letters: what a replay sends and what it does not, and what a newer image makes
//! of an older letter.

use super::*;
use crate::core::acts::{Act, ActKind};
use crate::core::letters::{Declined, LetterRead, LetterRecord, ReplayOrder, ReplayProgress};

fn refuse(call: &Call) -> CallOutcome {
    let refused = RecordResult::Rejected(Rejection {
        class: ErrorClass::Data,
        code: "STRING_TOO_LONG".into(),
        disposition: Disposition::DeadLetter,
        errors: Vec::new(),
    });
    CallOutcome::Answered(vec![refused; call.records.len()])
}

/// Records of these keys, refused: letters from 0 on.
fn refused(keys: std::ops::Range<i64>) -> Stage {
    let mut stage = Stage::new();
    let count = keys.clone().count();
    stage.capture(keys);
    while stage.dead_letters().len() < count {
        assert!(stage.answer(refuse));
    }
    stage
}

impl Stage {
    fn replay(&mut self, letters: impl IntoIterator<Item = u64>, force: bool) {
        self.step(Input::Letters(LetterInput::Replay(ReplayOrder {
            letters: letters.into_iter().collect(),
            author: "anna".into(),
            force,
        })));
    }

    fn record(&self, number: u64) -> Result<LetterRecord, Declined> {
        let subject = self.entries.iter().rev().find_map(|entry| match entry {
            Entry::DeadLettered {
                subject, letter, ..
            } if *letter == number => Some(subject.clone()),
            _ => None,
        });
        let subject = subject.ok_or(Declined::NotOpen)?;
        Ok(LetterRecord {
            number,
            subject,
            edits: Vec::new(),
            unclear: false,
            newer_delivered: false,
            history_gone: false,
        })
    }

    /// Looks up what was leased.
    fn read(&mut self) -> bool {
        self.read_when(false)
    }

    fn read_when(&mut self, history_gone: bool) -> bool {
        let Some(numbers) = self.letter_reads.pop() else {
            return false;
        };
        let read = |number: u64| LetterRead {
            number,
            found: self.record(number).map(|record| LetterRecord {
                history_gone,
                ..record
            }),
        };
        let letters = numbers.into_iter().map(read).collect();
        self.step(Input::Letters(LetterInput::Read(letters)));
        true
    }

    fn acknowledge(&mut self) {
        for _ in 0..std::mem::take(&mut self.unacknowledged) {
            self.step(Input::Durable { parked: Vec::new() });
        }
    }

    fn is_replaying(&mut self) -> bool {
        self.acknowledge();
        self.pipeline.is_replaying()
    }

    fn progress(&mut self) -> ReplayProgress {
        self.acknowledge();
        self.pipeline.replay().expect("there was a replay")
    }

    fn open(&self) -> u64 {
        self.pipeline.totals()[ROUTES[0]].dead_letters_open
    }

    fn outdated(&self) -> Vec<u64> {
        let closed = self.entries.iter().filter_map(|entry| match entry {
            Entry::LetterOutdated { letter, .. } => Some(letter.number),
            _ => None,
        });
        closed.collect()
    }
}

#[test]
fn a_replay_closes_what_is_taken_and_leaves_open_what_is_refused() {
    let mut stage = refused(0..3);
    assert_eq!(stage.open(), 3);
    stage.replay(0..3, false);
    assert_eq!(stage.open(), 3, "a leased letter is an open letter");
    assert!(stage.read());
    while stage.is_replaying() {
        assert!(stage.answer(|call| {
            let fate = |image: &Arc<Image>| match image.key.as_ref() {
                "1" => refuse(call),
                _ => accept(call),
            };
            let results = call.records.iter().map(|image| match fate(image) {
                CallOutcome::Answered(mut results) => results.remove(0),
                CallOutcome::Failed(failure) => panic!("{failure:?}"),
            });
            CallOutcome::Answered(results.collect())
        }));
    }
    let progress = stage.progress();
    assert_eq!((progress.delivered, progress.refused), (2, 1));
    assert_eq!((stage.open(), stage.delivered()), (1, 2));
    let again = stage.record(1).unwrap();
    assert_eq!(again.subject.letter, Some(1), "it keeps its number");
    assert!(stage.pipeline.letter(0).is_none());
    assert!(stage.pipeline.view().routes[0].balances());
}

#[test]
fn a_replay_is_over_when_its_outcomes_are_durable() {
    let mut stage = refused(0..1);
    stage.acknowledge();
    stage.replay([0], false);
    assert!(stage.read());
    while stage.delivered() < 1 {
        assert!(stage.answer(accept));
    }
    assert!(stage.pipeline.is_replaying(), "a crash would leave it open");
    assert!(stage.pipeline.replay().unwrap().running);
    assert!(!stage.progress().running);
}

#[test]
fn a_cancelled_replay_does_not_go_on_when_its_route_does() {
    let mut stage = refused(0..3);
    stage.replay(0..3, false);
    let act = |kind| {
        Input::Act(Act {
            kind,
            author: "anna".into(),
            route: Some("leads".into()),
            reason: String::new(),
        })
    };
    stage.step(act(ActKind::PauseRoute));
    stage.step(Input::Letters(LetterInput::CancelReplay));
    assert!(stage.read(), "they were being looked up");
    assert!(!stage.is_replaying());
    let progress = stage.progress();
    assert!(progress.cancelled);
    let cancelled = (0..3).map(|number| (number, Declined::Cancelled));
    assert_eq!(progress.declined, cancelled.collect::<Vec<_>>());
    stage.step(act(ActKind::ResumeRoute));
    assert!(stage.letter_reads.is_empty() && stage.open() == 3);
}

#[test]
fn a_cancelled_replay_leaves_open_what_it_has_not_leased() {
    let mut stage = refused(0..1_000);
    stage.replay(0..1_000, false);
    while stage.read() {}
    let progress = stage.progress();
    assert!(progress.under_way > 0 && progress.under_way <= 400);
    assert_eq!(progress.waiting, 1_000 - progress.under_way);
    stage.step(Input::Letters(LetterInput::CancelReplay));
    while stage.is_replaying() {
        assert!(stage.answer(accept));
    }
    let progress = stage.progress();
    assert!(progress.cancelled);
    assert_eq!(stage.open(), 1_000 - progress.delivered);
    assert_eq!(progress.declined_count, stage.open());
    assert!(stage.letter_reads.is_empty());
    // Asked for again, the rest goes.
    let rest: Vec<u64> = progress
        .declined
        .iter()
        .map(|(number, _)| *number)
        .collect();
    stage.replay(rest, false);
    while stage.is_replaying() {
        if !stage.read() {
            assert!(stage.answer(accept));
        }
    }
    assert_eq!(stage.open(), 0);
}

#[test]
fn a_letter_that_was_the_last_of_its_key_goes_however_long_it_has_waited() {
    let mut stage = refused(0..1);
    stage.replay([0], false);
    assert!(stage.read_when(true));
    assert_eq!(stage.progress().under_way, 1);
}

#[test]
fn a_letter_does_not_go_behind_a_newer_image_unless_it_must() {
    let mut stage = refused(7..8);
    stage.capture(7..8);
    for force in [false, true] {
        stage.replay([0], force);
        assert!(stage.read());
        let progress = stage.progress();
        if force {
            assert_eq!((progress.under_way, progress.declined_count), (1, 0));
        } else {
            assert_eq!(progress.declined, [(0, Declined::NewerOnItsWay)]);
        }
    }
    while stage.is_replaying() {
        assert!(stage.answer(accept));
    }
    assert_eq!(stage.open(), 0);
    assert!(stage.pipeline.view().routes[0].balances());
}

#[test]
fn a_delivered_newer_image_closes_the_letters_of_its_key() {
    let mut stage = refused(7..8);
    // Looked up before, and therefore unaware of what comes.
    stage.replay([0], false);
    stage.capture(7..9);
    while stage.delivered() < 2 {
        assert!(stage.answer(accept));
    }
    assert_eq!((stage.outdated(), stage.open()), (vec![0], 0));
    assert_eq!(
        stage.pipeline.totals()[ROUTES[0]].skipped_total(),
        1,
        "superseded"
    );
    assert!(stage.read());
    let progress = stage.progress();
    assert_eq!(progress.declined, [(0, Declined::NotOpen)]);
    assert!(stage.pipeline.view().routes[0].balances());
}

#[test]
fn an_older_image_that_was_on_its_way_closes_nothing() {
    let mut stage = Stage::new();
    stage.capture(7..8);
    // The next image of the key has no name, which is required.
    stage.rows += 1;
    let transaction = Arc::new(Transaction {
        id: TransactionId::File(FilePosition {
            file: "binlog.000001".into(),
            offset: stage.rows,
        }),
        committed_at: Micros(0),
    });
    let unnamed = Change {
        id: ChangeId {
            transaction,
            table: table(ROUTES[0]),
            row: 0,
            route: RouteId(0),
        },
        last_of_row: true,
        operation: Operation::Insert,
        values: vec![Some(Value::Int(7)), Some(Value::Null)].into(),
        captured_at: Micros(0),
    };
    let items = vec![StreamItem::Row(unnamed)];
    stage.step(Input::Captured(Chunk { items, bytes: 0 }));
    stage.replay([0], false);
    while stage.delivered() < 1 {
        assert!(stage.answer(accept));
    }
    assert_eq!((stage.outdated(), stage.open()), (vec![], 1));
    // What was delivered while the letter was looked up may be newer: nobody can say.
    assert!(stage.read());
    let progress = stage.progress();
    assert_eq!(progress.declined, [(0, Declined::NewerDelivered)]);
    // Later that delivery is not in the journal any more.
    stage.replay([0], false);
    assert!(stage.read_when(true));
    let progress = stage.progress();
    assert_eq!(progress.declined, [(0, Declined::HistoryGone)]);
    // A replay says why the mapping refuses it still.
    stage.replay([0], true);
    assert!(stage.read());
    let progress = stage.progress();
    assert!(
        matches!(&progress.declined[..], [(0, Declined::Unmappable(why))] if why.contains("LastName")),
        "{progress:?}"
    );
    assert_eq!(stage.open(), 1);
}

#[test]
fn a_leased_letter_is_neither_edited_nor_discarded() {
    let mut stage = refused(0..2);
    stage.replay([0], false);
    assert!(stage.pipeline.letter(0).unwrap().leased);
    let before = stage.entries.len();
    let discard = |number: u64| {
        Input::Letters(LetterInput::Discard {
            letters: vec![(number, "k".into())],
            author: "anna".into(),
            reason: "a test".into(),
        })
    };
    stage.step(discard(0));
    assert_eq!((stage.entries.len(), stage.open()), (before, 2));
    stage.step(discard(1));
    let totals = &stage.pipeline.totals()[ROUTES[0]];
    assert_eq!((totals.discarded, totals.dead_letters_open), (1, 1));
    assert!(stage.pipeline.view().routes[0].balances());
}
