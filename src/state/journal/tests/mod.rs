//! The journal's format and recovery, on files made without the thread.

mod acts;
mod features;
mod letters;
mod places;
pub mod sample;
mod snapshots;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use proptest::prelude::*;

use super::books::JournalState;
use super::chain::Chain;
use super::encode::Encoder;
use super::personal::PayloadPolicy;
use super::recover::recover;
use super::segments::{begin_segment, segment_path};
use super::writer::Writer;
use super::{Done, Request};
use crate::core::change::{Operation, RouteId};
use crate::core::entry::{Commit, Entry, Recovered, SkipRule};
use crate::core::position::Inside;
use crate::core::time::Micros;
use crate::state::error::Error;
use crate::state::folder::Folder;
use crate::state::room::Disk;
use sample::*;

/// A segment in the making, as the writer makes it.
struct Bench {
    folder: tempfile::TempDir,
    state: JournalState,
    encoder: Encoder,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Bench {
    fn new(policy: PayloadPolicy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut state = JournalState::new("00".repeat(16), &routes());
        let (_, path, _) = begin_segment(folder.path(), &mut state, Micros(NOON)).unwrap();
        let bytes = fs::read(&path).unwrap();
        Self {
            folder,
            state,
            encoder: Encoder::new(policy, [7; 32], &routes()),
            path,
            bytes,
        }
    }

    /// One write of these commits.
    fn write(&mut self, commits: &[Commit]) {
        let (start, group) = (self.bytes.len() as u64, self.state.last_commit + 1);
        for commit in commits {
            self.encoder
                .push_commit(&mut self.state, commit, start, group)
                .unwrap();
        }
        self.encoder.write_to(&mut self.bytes).unwrap();
        fs::write(&self.path, &self.bytes).unwrap();
    }

    fn roll(&mut self) {
        let (_, path, _) =
            begin_segment(self.folder.path(), &mut self.state, Micros(NOON)).unwrap();
        self.bytes = fs::read(&path).unwrap();
        self.path = path;
    }

    fn recover(&self) -> Result<Recovered, Error> {
        recover_at(self.folder.path())
    }

    fn recover_bytes(&self, bytes: &[u8]) -> Result<Recovered, Error> {
        fs::write(&self.path, bytes).unwrap();
        self.recover()
    }
}

fn recover_at(folder: &Path) -> Result<Recovered, Error> {
    let mut found = recover(folder, &routes())?.expect("there is a segment");
    Ok(found.state.recovered(found.torn_bytes))
}

#[test]
fn every_kind_of_entry_is_recovered_into_the_books() {
    for policy in [
        PayloadPolicy::Masked,
        PayloadPolicy::Full,
        PayloadPolicy::Hash,
    ] {
        let mut bench = Bench::new(policy);
        let mut first = commit(every_kind(), 0);
        first.checkpoint = Some(checkpoint(2));
        bench.write(&[first]);

        let recovered = bench.recover().unwrap();

        assert_eq!(recovered, bench.state.recovered(0));
        let leads = &recovered.totals["leads"];
        assert_eq!((leads.created, leads.updated, leads.parked), (1, 1, 1));
        assert_eq!(leads.skipped[&SkipRule::OperationNotRouted], 5);
        assert_eq!(leads.skipped[&SkipRule::Where], 1);
        assert_eq!(leads.dead_lettered["data"], 1);
        assert_eq!(
            (
                recovered.next_parked,
                recovered.next_letter,
                recovered.next_batch
            ),
            (4, 2, 7)
        );
        // Five skipped rows, the filtered and the superseded one, and four more: transaction 6 is both parked and
        // delivered, 1 and 2 lie behind the checkpoint.
        assert_eq!(recovered.settled_ahead.len(), 10);
        assert_eq!(recovered.parked.len(), 2);
        assert_eq!(recovered.parked_settled, [1].into());
    }
}

#[test]
fn a_parked_record_that_is_skipped_has_its_outcome() {
    let mut bench = Bench::new(PayloadPolicy::Full);
    bench.write(&[commit(vec![parked(5, 1, 0), parked(6, 2, 0)], 0)]);
    let Entry::Delivered {
        mut subject,
        attempt,
        ..
    } = delivered(5, 3)
    else {
        panic!("it is another kind")
    };
    subject.parked = Some(1);
    let skipped = Entry::SkippedRecord {
        subject,
        rule: SkipRule::Converted,
        code: "CANNOT_UPDATE_CONVERTED_LEAD".into(),
        attempt,
    };
    bench.write(&[commit(vec![skipped], 1)]);
    let recovered = bench.recover().unwrap();
    assert_eq!(recovered, bench.state.recovered(0));
    let leads = &recovered.totals["leads"];
    assert_eq!(leads.skipped[&SkipRule::Converted], 1);
    assert_eq!(leads.parked, 1);
    assert_eq!(recovered.parked_settled, [1].into());
    assert_eq!(recovered.next_batch, attempt.batch + 1);
}

#[test]
fn what_a_policy_leaves_out_is_nowhere_in_the_file() {
    for (policy, kept) in [
        (PayloadPolicy::Masked, "\"LastName\":\"L…10\""),
        (PayloadPolicy::Full, "\"LastName\":\"Lovelace 1\""),
        (PayloadPolicy::Hash, "\"h\":\""),
    ] {
        let mut bench = Bench::new(policy);
        bench.write(&[commit(vec![delivered(1, 1)], 0)]);
        let text = String::from_utf8(bench.bytes.clone()).unwrap();
        assert!(text.contains(kept), "{text}");
        assert_eq!(
            text.contains("ada.1@example.com"),
            policy == PayloadPolicy::Full,
            "{text}"
        );
        assert_eq!(
            text.contains("LastName"),
            policy != PayloadPolicy::Hash,
            "{text}"
        );
    }
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_at_the_last_good_commit() {
    let mut bench = Bench::new(PayloadPolicy::Masked);
    bench.write(&[commit(vec![delivered(1, 1), parked(2, 1, 0)], 0)]);
    let (good, expected) = (bench.bytes.len(), bench.recover().unwrap());
    bench.write(&[commit(every_kind(), 1)]);
    let whole = bench.bytes.clone();
    for cut in good..whole.len() {
        let recovered = bench.recover_bytes(&whole[..cut]).unwrap();
        assert_eq!(recovered.torn_bytes, (cut - good) as u64);
        assert_eq!(
            Recovered {
                torn_bytes: 0,
                ..recovered
            },
            expected
        );
    }
    // A page that never reached the disk reads as zeros.
    let mut zeroed = whole.clone();
    zeroed[good + 10..].fill(0);
    assert_eq!(bench.recover_bytes(&zeroed).unwrap().last_commit, 1);
}

#[test]
fn a_write_torn_in_its_middle_is_cut_as_a_whole() {
    let mut bench = Bench::new(PayloadPolicy::Masked);
    bench.write(&[commit(vec![delivered(1, 1)], 0)]);
    let good = bench.bytes.len();
    bench.write(&[
        commit(vec![delivered(2, 2)], 1),
        commit(vec![delivered(3, 3)], 2),
        commit(vec![delivered(4, 4)], 3),
    ]);
    let mut bytes = bench.bytes.clone();
    bytes[good + 30] ^= 1;
    let recovered = bench.recover_bytes(&bytes).unwrap();
    assert_eq!(recovered.last_commit, 1);
    assert_eq!(recovered.torn_bytes, (bytes.len() - good) as u64);
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let mut bench = Bench::new(PayloadPolicy::Masked);
    bench.write(&[commit(every_kind(), 0)]);
    bench.write(&[commit(vec![delivered(20, 7)], 1)]);
    let last_good = bench.bytes.len();
    bench.write(&[commit(vec![delivered(21, 8)], 2)]);
    let whole = bench.bytes.clone();
    let header_end = whole.iter().position(|byte| *byte == b'\n').unwrap();
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        match bench.recover_bytes(&bytes) {
            Err(Error::Damaged {
                file, line, byte, ..
            }) => {
                assert_eq!(file, bench.path);
                // Seen at the damage, or where the first line behind it makes no sense.
                assert!(line >= 1 && (byte as usize) < whole.len(), "{place} {byte}");
            }
            Err(Error::Unsupported { .. }) => assert!(place <= header_end, "{place}"),
            Err(other) => panic!("{place}: {other:?}"),
            Ok(recovered) => {
                assert!(place >= last_good, "{place} was not found");
                assert_eq!((recovered.last_commit, recovered.torn_bytes > 0), (2, true));
            }
        }
    }
}

#[test]
fn an_erased_person_leaves_the_chain_whole() {
    let mut bench = Bench::new(PayloadPolicy::Full);
    bench.write(&[commit(vec![delivered(1, 1), parked(2, 1, 0)], 0)]);
    let expected = bench.recover().unwrap();
    let text = String::from_utf8(bench.bytes.clone()).unwrap();
    let erased: Vec<String> = text
        .lines()
        .map(|line| match line.starts_with("{\"x\":") {
            true => format!("{:<1$}", "{\"x\":null}", line.len()),
            false => line.to_owned(),
        })
        .collect();
    let erased = erased.join("\n") + "\n";
    assert!(!erased.contains("Lovelace"));
    assert_eq!(bench.recover_bytes(erased.as_bytes()).unwrap(), expected);
}

#[test]
fn a_start_reads_the_newest_segment_alone() {
    let mut bench = Bench::new(PayloadPolicy::Masked);
    bench.write(&[commit(every_kind(), 0)]);
    bench.roll();
    bench.write(&[commit(vec![delivered(30, 9)], 1)]);
    fs::remove_file(segment_path(bench.folder.path(), 1)).unwrap();
    assert_eq!(bench.recover().unwrap(), bench.state.recovered(0));
}

#[test]
fn a_newer_format_is_refused() {
    let bench = Bench::new(PayloadPolicy::Masked);
    let text = String::from_utf8(bench.bytes.clone()).unwrap();
    let newer = text.replace("\"version\":1", "\"version\":2");
    assert!(matches!(
        bench.recover_bytes(newer.as_bytes()),
        Err(Error::Unsupported { needs, .. }) if needs == "journal format 2"
    ));
}

#[test]
fn lines_of_unknown_kinds_are_passed_over() {
    let mut bench = Bench::new(PayloadPolicy::Masked);
    let line = b"{\"t\":\"reticulated\",\"splines\":3}\n";
    bench.bytes.extend_from_slice(line);
    let start = bench.bytes.len();
    bench
        .bytes
        .extend_from_slice(b"{\"t\":\"commit\",\"n\":1,\"group\":1,\"lines\":1,\"at\":5");
    super::chain::seal(&mut bench.bytes, start, &bench.state.chain, line);
    assert_eq!(bench.recover_bytes(&bench.bytes).unwrap().last_commit, 1);
}

/// What every commit is told once a write has failed on this file.
fn first_failures(file: fs::File) -> Vec<Error> {
    let bench = Bench::new(PayloadPolicy::Masked);
    let writer = Writer {
        folder: bench.folder.path().to_owned(),
        file,
        path: bench.path.clone(),
        length: bench.bytes.len() as u64,
        header_bytes: bench.bytes.len() as u64,
        commits: 0,
        segment_bytes: 1 << 20,
        state: bench.state,
        encoder: bench.encoder,
        progress: Arc::default(),
        disk: Arc::new(Disk::open(bench.folder.path(), 0)),
        _lock: Arc::new(Folder::new(bench.folder.path()).lock().unwrap()),
    };
    let (requests, queue) = sync_channel(8);
    let (answers, answered) = sync_channel(8);
    for number in 1..=3 {
        let answers = answers.clone();
        let done: Done = Box::new(move |result| answers.send(result.unwrap_err()).unwrap());
        let request = (commit(vec![delivered(number, 1)], 0), done);
        requests.send(Request::Commit(Box::new(request))).unwrap();
    }
    drop((requests, answers));
    writer.run(&queue);
    answered.iter().collect()
}

#[test]
fn a_disk_that_stays_full_a_failed_write_and_a_failed_sync_end_the_journal() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let unwritable = fs::File::open("/dev/null").unwrap();
    // A pipe takes bytes and syncs none.
    let (reader, writer) = std::io::pipe().unwrap();
    let unsynced = fs::File::from(std::os::fd::OwnedFd::from(writer));
    let files = [
        (full, "LS3009"),
        (unwritable, "LS3007"),
        (unsynced, "LS3008"),
    ];
    for (file, page) in files {
        let errors = first_failures(file);
        assert_eq!(errors.len(), 3);
        assert!(
            errors
                .iter()
                .all(|error| error.page() == page && error.is_fatal()),
            "{errors:?}"
        );
    }
    drop(reader);
}

/// What a random step may be; numbers are made to fit while it is played.
#[derive(Clone, Debug)]
enum Step {
    Deliver(u64, u64),
    Reject(u64),
    Skip(u64, u32),
    Park(u64, bool),
    SettleParked(usize),
    Retry(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..40_u64, 0..3_u64).prop_map(|(n, row)| Step::Deliver(n, row)),
        (1..40_u64).prop_map(Step::Reject),
        (1..40_u64, 1..6_u32).prop_map(|(n, rows)| Step::Skip(n, rows)),
        (1..40_u64, any::<bool>()).prop_map(|(n, other)| Step::Park(n, other)),
        any::<usize>().prop_map(Step::SettleParked),
        (1..40_u64).prop_map(Step::Retry),
    ]
}

type Steps = Vec<(Vec<Step>, Option<(u64, Option<u64>)>, bool)>;

fn steps() -> impl Strategy<Value = Steps> {
    let moved = proptest::option::of((1..40_u64, proptest::option::of(0..4_u64)));
    proptest::collection::vec(
        (
            proptest::collection::vec(step(), 0..6),
            moved,
            any::<bool>(),
        ),
        1..8,
    )
}

/// Plays steps with numbers as the pipeline would give them.
#[derive(Default)]
struct Player {
    serial: u64,
    letter: u64,
    open: Vec<u64>,
}

impl Player {
    fn entry(&mut self, step: &Step) -> Option<Entry> {
        Some(match step {
            Step::Deliver(number, row) => Entry::Delivered {
                subject: subject(*number, *row, 0),
                salesforce_id: salesforce_id(*number),
                created: *row == 0,
                attempt: attempt(*number),
            },
            Step::Reject(number) => {
                self.letter += 1;
                dead_letter(*number, self.letter, "STRING_TOO_LONG")
            }
            Step::Skip(number, rows) => Entry::Skipped {
                id: sample::change(*number, 1, 1),
                rows: *rows,
                operation: Operation::Update,
                rule: SkipRule::OperationNotRouted,
            },
            Step::Park(number, other) => {
                self.serial += 1;
                self.open.push(self.serial);
                parked(*number, self.serial, u16::from(*other))
            }
            Step::SettleParked(which) => {
                let place = which % self.open.len().max(1);
                if self.open.is_empty() {
                    return None;
                }
                let mut subject = subject(50, 0, 0);
                subject.parked = Some(self.open.swap_remove(place));
                Entry::Superseded {
                    subject,
                    by: change(51, 0, 0),
                }
            }
            Step::Retry(number) => Entry::Retried {
                subject: subject(*number, 0, 0),
                class: crate::core::outcome::ErrorClass::Contention,
                code: "UNABLE_TO_LOCK_ROW".into(),
                attempt: attempt(*number),
            },
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_recovered_is_what_the_writer_knew(steps in steps()) {
        let mut bench = Bench::new(PayloadPolicy::Masked);
        let mut player = Player::default();
        let (mut through, mut inside) = (0, None);
        let mut before = bench.recover().unwrap();
        for (number, (steps, moved, roll)) in steps.into_iter().enumerate() {
            if roll && number % 3 == 2 {
                bench.roll();
                prop_assert_eq!(&bench.recover().unwrap(), &before);
            }
            let mut commit = commit(steps.iter().filter_map(|s| player.entry(s)).collect(), 0);
            commit.checkpoint = moved.map(|(gtid, rows)| {
                // As the stream moves: never back, and not out of a transaction it is inside of.
                if gtid > through {
                    (through, inside) = (gtid, None);
                }
                inside = inside.max(rows);
                let mut checkpoint = checkpoint(through);
                if let Some(rows) = inside {
                    checkpoint.inside.set(Inside {
                        transaction: change(through + 1, 0, 0).transaction.id.clone(),
                        rows: [("shop.leads".to_owned(), rows)].into(),
                    });
                }
                checkpoint
            });
            let good = bench.bytes.len();
            bench.write(&[commit]);
            let after = bench.state.recovered(0);
            let whole = bench.bytes.clone();
            for cut in (good..whole.len()).step_by(211) {
                let torn = bench.recover_bytes(&whole[..cut]).unwrap();
                prop_assert_eq!(&Recovered { torn_bytes: 0, ..torn }, &before);
            }
            prop_assert_eq!(&bench.recover_bytes(&whole).unwrap(), &after);
            before = after;
        }
    }
}

#[test]
fn routes_that_the_config_no_longer_has_keep_their_books() {
    let mut bench = Bench::new(PayloadPolicy::Masked);
    bench.write(&[commit(vec![parked(1, 1, 1), delivered(2, 1)], 0)]);
    let mut found = recover(bench.folder.path(), &["leads".into()])
        .unwrap()
        .unwrap();
    assert_eq!(found.state.recovered(0), bench.state.recovered(0));
    // And a commit can still not be made for them by number.
    let mut encoder = Encoder::new(PayloadPolicy::Masked, [7; 32], &["leads".into()]);
    let mut other = delivered(3, 2);
    if let Entry::Delivered { subject, .. } = &mut other {
        subject.id.route = RouteId(1);
    }
    let refused = encoder.push_commit(&mut found.state, &commit(vec![other], 1), 0, 2);
    assert!(matches!(refused, Err(Error::UnknownRoute { .. })));
}
