//! Proofs: what is sound verifies, and each kind of damage is found where it is.

use std::ops::ControlFlow;

use super::*;
use crate::core::report::{Frame, SlotLength};
use crate::state::audit::Error as AuditError;
use crate::state::journal::figures::{self, PeriodReport};
use crate::state::journal::header::Header;
use crate::state::journal::steps::{Wanted, export};
use crate::state::journal::verify::{NoWitness, Verified, verify};
use crate::state::journal::walk::Walk;

const HOUR: i64 = 3_600_000_000;

fn walk(bench: &Bench) -> Walk {
    Walk {
        folder: bench.folder.path().to_owned(),
        through: None,
    }
}

fn verify_all(bench: &Bench) -> Result<Verified, AuditError> {
    verify(&walk(bench), &[], &mut NoWitness, &mut |_, _| {})
}

/// Three segments: two commits, two commits, one; a record is parked in the first and comes out of
/// it in the second.
fn three_segments() -> Bench {
    let mut bench = Bench::new(PayloadPolicy::Masked);
    let mut first = commit(vec![delivered(1, 1), parked(2, 1, 0)], 0);
    first.checkpoint = Some(checkpoint(1));
    bench.write(&[first]);
    bench.write(&[commit(
        vec![dead_letter(3, 1, "INVALID_EMAIL_ADDRESS"), parked(4, 2, 1)],
        1,
    )]);
    bench.roll();
    let Entry::Delivered {
        mut subject,
        attempt,
        salesforce_id,
        created,
    } = delivered(2, 2)
    else {
        unreachable!()
    };
    subject.parked = Some(1);
    let left = Entry::Delivered {
        subject,
        attempt,
        salesforce_id,
        created,
    };
    bench.write(&[commit(vec![left, delivered(5, 2)], HOUR)]);
    let mut last = commit(vec![delivered(6, 3), delivered(7, 3)], HOUR + 1);
    last.checkpoint = Some(checkpoint(7));
    bench.write(&[last]);
    bench.roll();
    bench.write(&[commit(vec![delivered(8, 4)], 2 * HOUR)]);
    bench
}

fn path(bench: &Bench, segment: u64) -> PathBuf {
    segment_path(bench.folder.path(), segment)
}

/// The file, line and byte at which it breaks.
#[track_caller]
fn broken(result: Result<Verified, AuditError>) -> (PathBuf, u64, u64, String) {
    match result.unwrap_err() {
        AuditError::Broken {
            file,
            line,
            byte,
            what,
        } => (file, line, byte, what),
        other => panic!("it is {other:?}"),
    }
}

#[test]
fn a_sound_journal_verifies_and_its_books_are_made_again() {
    let bench = three_segments();
    let verified = verify_all(&bench).unwrap();
    assert_eq!((verified.segments, verified.last_commit), (3, 5));
    assert_eq!((verified.entries, verified.erased), (9, 0));
    assert_eq!((verified.open_dead_letters, verified.parked), (1, 1));
    assert_eq!(verified.totals["leads"].created, 6);
    assert_eq!(verified.chain, bench.state.chain);
    let bytes: u64 = (1..=3)
        .map(|segment| fs::metadata(path(&bench, segment)).unwrap().len())
        .sum();
    assert_eq!((verified.bytes, verified.torn_bytes), (bytes, 0));
}

#[test]
fn a_flipped_bit_anywhere_in_a_sealed_part_is_found() {
    let bench = three_segments();
    for segment in [1, 2] {
        let file = path(&bench, segment);
        let whole = fs::read(&file).unwrap();
        // Every kind of line and every field of it is met.
        for at in (0..whole.len()).step_by(11) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&file, &bytes).unwrap();
            let error = verify_all(&bench).expect_err(&format!("byte {at} of {segment}"));
            let text = error.to_string();
            assert!(text.contains(file.to_str().unwrap()), "{at}: {text}");
        }
        fs::write(&file, &whole).unwrap();
    }
    verify_all(&bench).unwrap();
}

#[test]
fn lines_in_another_order_are_found_with_their_commit() {
    let bench = three_segments();
    let file = path(&bench, 2);
    let text = fs::read_to_string(&file).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    // Header, two entries with their personal lines, the commit.
    lines.swap(1, 3);
    lines.swap(2, 4);
    fs::write(&file, lines.join("\n") + "\n").unwrap();
    let (at, line, _, what) = broken(verify_all(&bench));
    assert_eq!((at, line), (file, 6));
    assert_eq!(what, "the chain of hashes is broken");
}

#[test]
fn a_missing_segment_is_named_and_a_missing_end_too() {
    let bench = three_segments();
    let file = path(&bench, 2);
    let whole = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let error = verify_all(&bench).unwrap_err();
    assert!(
        matches!(error, AuditError::Missing { missing: 2, .. }),
        "{error:?}"
    );
    // Cut between two commits, the segment itself is sound.
    let text = String::from_utf8(whole).unwrap();
    let cut: Vec<&str> = text.lines().take(6).collect();
    fs::write(&file, cut.join("\n") + "\n").unwrap();
    let (at, line, _, what) = broken(verify_all(&bench));
    assert_eq!((at, line), (path(&bench, 3), 1));
    assert!(what.contains("goes on behind commit 4"), "{what}");
    // Without its first segments it is a journal that retention has shortened; a record that is
    // parked there is missed.
    fs::write(&file, text).unwrap();
    fs::remove_file(path(&bench, 1)).unwrap();
    let error = verify_all(&bench).unwrap_err();
    assert!(
        matches!(error, AuditError::Books { .. } | AuditError::Missing { .. }),
        "{error:?}"
    );
}

#[test]
fn forged_books_are_found_though_the_chain_is_made_to_fit() {
    let bench = three_segments();
    let file = path(&bench, 3);
    let text = fs::read_to_string(&file).unwrap();
    let (line, _) = text.split_once('\n').unwrap();
    let forge = |change: &dyn Fn(&mut Header)| {
        let (mut header, _) = Header::decode(&file, line.as_bytes()).unwrap();
        change(&mut header);
        fs::write(&file, header.encode().unwrap().0).unwrap();
        verify_all(&bench).unwrap_err()
    };
    let fields = |error: AuditError| match error {
        AuditError::Books { fields, .. } => fields,
        other => panic!("it is {other:?}"),
    };
    let totals = forge(&|header| header.totals.get_mut("leads").unwrap().created += 1);
    assert_eq!(fields(totals), "totals");
    let parked = forge(&|header| {
        header.parked.pop();
        header.checkpoint = None;
    });
    assert_eq!(fields(parked), "checkpoint, parked");
    let letters = forge(&|header| header.letters.clear());
    assert_eq!(fields(letters), "letters");
    let other = forge(&|header| header.store = "11".repeat(16));
    assert!(other.to_string().contains("another store"), "{other}");
    fs::write(&file, text).unwrap();
    verify_all(&bench).unwrap();
}

#[test]
fn a_noted_head_is_found_wherever_it_lies() {
    let mut bench = three_segments();
    let early = bench.state.chain;
    bench.write(&[commit(vec![delivered(9, 5)], 3 * HOUR)]);
    let late = bench.state.chain;
    let walk = walk(&bench);
    verify(&walk, &[late, early], &mut NoWitness, &mut |_, _| {}).unwrap();
    let other = Chain::default().next(b"", b"another history");
    let error = verify(&walk, &[late, other], &mut NoWitness, &mut |_, _| {}).unwrap_err();
    let AuditError::Head { head } = error else {
        panic!("it is {error:?}")
    };
    assert_eq!(head, other.to_string());
}

#[test]
fn a_torn_tail_is_told_and_what_was_durable_is_missed() {
    let mut bench = three_segments();
    let good = bench.bytes.len();
    bench.write(&[commit(vec![delivered(9, 5)], 3 * HOUR)]);
    let torn = &bench.bytes[..bench.bytes.len() - 7];
    fs::write(&bench.path, torn).unwrap();
    let verified = verify_all(&bench).unwrap();
    assert_eq!(verified.torn_bytes, (torn.len() - good) as u64);
    assert_eq!(verified.last_commit, 5);
    // A service that runs says that commit 6 was durable.
    let running = |through| Walk {
        through: Some(through),
        ..walk(&bench)
    };
    let verify = |through| verify(&running(through), &[], &mut NoWitness, &mut |_, _| {});
    let (file, _, _, what) = broken(verify(6));
    assert_eq!(file, bench.path);
    assert_eq!(what, "the file ends within a commit");
    // What it has not finished is none of our business.
    assert_eq!(verify(5).unwrap().torn_bytes, 0);
    fs::write(&bench.path, &torn[..good]).unwrap();
    let (_, _, _, what) = broken(verify(6));
    assert_eq!(what, "the journal ends before its last durable commit");
}

#[test]
fn erased_lines_verify_and_are_counted() {
    let bench = three_segments();
    let file = path(&bench, 1);
    let text = fs::read_to_string(&file).unwrap();
    let personal = text.lines().nth(2).unwrap();
    let mut erased = "{\"x\":null}".to_owned();
    erased.push_str(&" ".repeat(personal.len() - erased.len()));
    fs::write(&file, text.replace(personal, &erased)).unwrap();
    assert_eq!(verify_all(&bench).unwrap().erased, 1);
}

fn report(bench: &Bench, since: i64, until: i64) -> PeriodReport {
    let frame = Frame {
        since: Micros(NOON + since),
        until: Micros(NOON + until),
        by: SlotLength::Hour,
        utc_offset: 0,
    };
    figures::report(&walk(bench), frame, None, &mut |_, _| {}).unwrap()
}

#[test]
fn the_figures_of_a_period_are_those_of_its_commits() {
    let mut bench = three_segments();
    let all = report(&bench, 0, 3 * HOUR);
    let total = &all.report.total;
    assert_eq!((total.captured, total.delivered()), (8, 6));
    assert_eq!((total.rejected, total.api_calls), (1, 5));
    assert_eq!((total.parked, total.left_parking), (2, 1));
    assert_eq!(total.causes[0].code, "INVALID_EMAIL_ADDRESS");
    assert_eq!(total.latency.as_ref().unwrap().count, 6);
    assert_eq!(all.ledger.chain, bench.state.chain);
    assert_eq!(all.ledger.books, bench.state.recovered(0).totals);
    assert_eq!(all.ledger.begins_at, None);

    let middle = report(&bench, HOUR, HOUR + 1);
    assert_eq!(middle.report.total.captured, 1, "one comes out of parking");
    assert_eq!(middle.report.total.delivered(), 2);
    assert_eq!(middle.ledger.commit, 3);
    // The chain head proves itself.
    verify(
        &walk(&bench),
        &[middle.ledger.chain],
        &mut NoWitness,
        &mut |_, _| {},
    )
    .unwrap();
    let nothing = report(&bench, -HOUR, 0);
    assert_eq!(nothing.report.total, Default::default());
    assert_eq!((nothing.ledger.commit, nothing.ledger.books.len()), (0, 0));

    // What retention has dropped is not passed over in silence.
    fs::remove_file(path(&bench, 1)).unwrap();
    assert!(report(&bench, 0, 3 * HOUR).ledger.begins_at.is_some());
    assert_eq!(report(&bench, HOUR, 3 * HOUR).ledger.begins_at, None);
    bench.roll();
    assert_eq!(report(&bench, HOUR, 3 * HOUR).report.total.delivered(), 5);
}

#[test]
fn an_export_has_every_step_and_persons_only_when_asked() {
    let bench = three_segments();
    let steps = |personal, until| {
        let wanted = Wanted {
            since: Micros(NOON),
            until: Micros(NOON + until),
            personal,
        };
        let mut steps = Vec::new();
        let mut take = |step| {
            steps.push(serde_json::to_value(&step).unwrap());
            Ok(ControlFlow::Continue(()))
        };
        export(&walk(&bench), wanted, None, &mut take, &mut |_, _| {}).unwrap();
        steps
    };
    let all = steps(false, 3 * HOUR);
    assert_eq!(all.len(), 9);
    assert_eq!(all[0]["kind"], "delivered");
    assert_eq!(all[0]["salesforce_id"], salesforce_id(1));
    assert!(all.iter().all(|step| step["personal"].is_null()));
    assert_eq!(steps(false, HOUR).len(), 4);
    let with_persons = steps(true, 3 * HOUR);
    assert_eq!(with_persons[0]["personal"]["key"], "L-00000001");
}
