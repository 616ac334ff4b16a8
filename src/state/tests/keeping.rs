//! Closed segments: packed, read all the same, and dropped when their time is over.

use std::fs;
use std::path::PathBuf;

use super::store::DAY;
use super::*;
use crate::core::change::RouteId;
use crate::core::entry::Entry;
use crate::core::letters::LetterName;
use crate::state::audit::Ledger;
use crate::state::journal::tests::sample::*;

const DAY_MS: u64 = 86_400_000;

/// Waits for what the housekeeping does in its own time.
fn wait_until(store: &Store, what: &str, mut is_so: impl FnMut() -> bool) {
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

struct Files(PathBuf);

impl Files {
    fn plain(&self, segment: u64) -> PathBuf {
        self.0.join(format!("journal/{segment:08}.jsonl"))
    }

    fn packed(&self, segment: u64) -> PathBuf {
        self.0.join(format!("journal/{segment:08}.jsonl.zst"))
    }

    fn is_packed(&self, segment: u64) -> bool {
        self.packed(segment).exists() && !self.plain(segment).exists()
    }

    fn is_gone(&self, segment: u64) -> bool {
        !self.packed(segment).exists() && !self.plain(segment).exists()
    }
}

fn keys_found(store: &Store, numbers: std::ops::RangeInclusive<u64>) -> usize {
    let found = |number| {
        let query = TraceQuery::Key(format!("L-{number:08}"));
        store.index().trace(&query).unwrap().len()
    };
    numbers.map(found).sum()
}

#[test]
fn a_packed_segment_is_read_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files(folder.path().to_owned());
    let (store, _) = open(folder.path());
    // More than one frame of it, so that lines lie across two.
    for number in 1..=1_500 {
        commit_one(&store, commit(vec![delivered(number, number)], 0));
    }
    let receipt = commit_one(
        &store,
        commit(vec![parked(2_000, 1, 0), parked(2_001, 2, 0)], 1),
    );
    let handle = store.journal();
    let as_plain = handle.read_parked(&receipt.parked[0], &[].into()).unwrap();
    let plain = fs::read(files.plain(1)).unwrap();
    assert!(plain.len() > 300_000, "{}", plain.len());
    let before = store.journal().stats().bytes;

    let last = commit_one(&store, commit(vec![delivered(3_000, 9)], DAY));

    wait_until(&store, "the first segment is packed", || files.is_packed(1));
    let packed = fs::read(files.packed(1)).unwrap();
    assert_eq!(zstd::decode_all(&packed[..]).unwrap(), plain);
    wait_until(&store, "the bytes are told", || {
        store.journal().stats().bytes < before / 2
    });
    assert!(store.index().wait_applied(last.commit, LONG));
    assert_eq!(keys_found(&store, 1..=1_500), 1_500);
    let as_packed = handle.read_parked(&receipt.parked[0], &[].into());
    assert_eq!(as_packed.unwrap(), as_plain);
    let stats = store.journal().stats();
    store.close().unwrap();

    // An index made anew reads it too, and a start counts what is there.
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (store, recovered) = open(folder.path());
    assert_eq!(recovered.last_commit, last.commit);
    assert_eq!(store.journal().stats(), stats);
    assert!(store.index().wait_applied(last.commit, LONG));
    assert_eq!(keys_found(&store, 1..=1_500), 1_500);
}

#[test]
fn a_packed_segment_that_is_damaged_is_an_error_and_nothing_worse() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files(folder.path().to_owned());
    let (store, _) = open(folder.path());
    for number in 1..=60 {
        commit_one(&store, commit(vec![delivered(number, number)], 0));
    }
    let last = commit_one(&store, commit(vec![delivered(100, 100)], DAY));
    wait_until(&store, "the first segment is packed", || files.is_packed(1));
    assert!(store.index().wait_applied(last.commit, LONG));
    let packed = fs::read(files.packed(1)).unwrap();
    let query = TraceQuery::Key("L-00000030".to_owned());
    let expected = store.index().trace(&query).unwrap();
    assert_eq!(expected.len(), 1);
    let mut errors = 0;
    for at in (0..packed.len()).step_by(7) {
        let mut broken = packed.clone();
        broken[at] ^= 0x55;
        for bytes in [&broken[..], &packed[..at]] {
            fs::write(files.packed(1), bytes).unwrap();
            match store.index().trace(&query) {
                Ok(found) => assert_eq!(found, expected, "byte {at}"),
                Err(error) => {
                    assert!(error.to_string().contains("00000001.jsonl.zst"), "{error}");
                    errors += 1;
                }
            }
        }
    }
    assert!(errors > packed.len() / 7, "{errors}");

    // A check says that it is damage, and where.
    let mut broken = packed.clone();
    broken[packed.len() / 2] ^= 4;
    fs::write(files.packed(1), broken).unwrap();
    let ledger = Ledger::open(folder.path(), None).unwrap();
    let found = ledger.verify(&[], &mut |_, _| {}).unwrap_err();
    assert_eq!(found.page(), "LS3050", "{found}");
    assert!(
        found.to_string().contains("segment's bytes 0 to"),
        "{found}"
    );
}

#[test]
fn what_a_crash_leaves_of_packing_is_seen_to() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files(folder.path().to_owned());
    let (store, _) = open(folder.path());
    commit_one(&store, commit(every_kind(), 0));
    store.close().unwrap();
    let plain = fs::read(files.plain(1)).unwrap();
    let (store, _) = open(folder.path());
    commit_one(&store, commit(vec![delivered(40, 9)], DAY));
    wait_until(&store, "the first segment is packed", || files.is_packed(1));
    store.close().unwrap();
    let packed = fs::read(files.packed(1)).unwrap();

    // Before its name; with its name, whole or (on a disk that lied) not, and the plain one there.
    for (name, bytes) in [
        ("00000001.jsonl.zst.new", &packed[..20]),
        ("00000001.jsonl.zst", &packed[..]),
        ("00000001.jsonl.zst", &packed[..20]),
    ] {
        fs::remove_file(files.packed(1)).unwrap_or_default();
        fs::write(files.plain(1), &plain).unwrap();
        fs::write(folder.path().join("journal").join(name), bytes).unwrap();
        fs::remove_dir_all(folder.path().join("index")).unwrap();
        let (store, recovered) = open(folder.path());
        assert!(store.index().wait_applied(recovered.last_commit, LONG));
        assert_eq!(keys_found(&store, 40..=40), 1);
        wait_until(&store, "it is packed again", || files.is_packed(1));
        store.close().unwrap();
        let again = fs::read(files.packed(1)).unwrap();
        assert_eq!(zstd::decode_all(&again[..]).unwrap(), plain);
        assert!(
            !folder
                .path()
                .join("journal/00000001.jsonl.zst.new")
                .exists()
        );
    }
}

fn edited(letter: u64, key: &str) -> Entry {
    Entry::Edited {
        letter: LetterName {
            number: letter,
            route: RouteId(0),
            key: key.into(),
        },
        author: "ada".to_owned(),
        before: "{}".into(),
        after: "{\"Company\":\"Mended\"}".into(),
    }
}

#[test]
fn an_old_segment_is_dropped_and_its_open_dead_letters_stay() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files(folder.path().to_owned());
    let mut short = settings(folder.path());
    short.retention_ms = Some(90 * DAY_MS);
    let open = || Store::open(short.clone()).unwrap();
    let (store, _) = open();
    let first = vec![
        delivered(1, 1),
        dead_letter(2, 1, "STRING_TOO_LONG"),
        dead_letter(3, 2, "STRING_TOO_LONG"),
    ];
    commit_one(&store, commit(first, 0));
    let key = "L-00000002";
    commit_one(&store, commit(vec![edited(1, key)], 1));
    let discarded = Entry::Discarded {
        letter: LetterName {
            number: 2,
            route: RouteId(0),
            key: "L-00000003".into(),
        },
        author: "ada".to_owned(),
        reason: "a test".to_owned(),
    };
    let second = commit_one(&store, commit(vec![discarded, edited(1, key)], 30 * DAY));
    assert!(store.index().wait_applied(second.commit, LONG));
    let told = store.index().letter_story(1).unwrap().unwrap();
    assert_eq!((told.steps.len(), told.edited.len()), (3, 1));
    assert!(!files.is_gone(1));
    let scopes = [("leads".to_owned(), 0)];
    let is_history_gone = || {
        let read = store.index().read_letters(&[1], &scopes).remove(0);
        read.found.unwrap().history_gone
    };
    assert!(!is_history_gone());
    assert!(store.index().trail_start().unwrap().trail_is_whole);

    // Both old segments go, one after the other; what came of letter 1 goes on.
    commit_one(&store, commit(vec![delivered(9, 9)], 300 * DAY));
    commit_one(&store, commit(vec![delivered(9, 10)], 301 * DAY));
    wait_until(&store, "the old ones are gone", || {
        files.is_gone(1) && files.is_gone(2) && store.journal().stats().segments == 2
    });
    let stats = store.journal().stats();
    assert!(store.index().wait_applied(stats.last_commit, LONG));
    assert_eq!(store.index().letter_story(1).unwrap().unwrap(), told);
    assert!(
        is_history_gone(),
        "what was delivered of its key may be gone"
    );
    assert_eq!(store.index().letter_story(2).unwrap(), None);
    assert_eq!(keys_found(&store, 1..=1), 0, "it is past its retention");
    let trail = store.index().trail_start().unwrap();
    assert_eq!(trail.trail_begins_at, Micros(NOON + 300 * DAY));
    assert!(!trail.trail_is_whole);
    let text = fs::read_to_string(files.plain(4)).unwrap();
    assert_eq!(text.matches("\"t\":\"letter_kept\"").count(), 3, "{text}");
    assert_eq!(
        text.matches("\"t\":\"segment_dropped\"").count(),
        2,
        "{text}"
    );
    store.close().unwrap();

    // The same from an index that knows the rest of the journal alone, and after another drop.
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (store, recovered) = open();
    assert_eq!(recovered.totals["leads"].dead_letters_open, 1);
    assert!(store.index().wait_applied(recovered.last_commit, LONG));
    assert_eq!(store.index().letter_story(1).unwrap().unwrap(), told);
    commit_one(&store, commit(vec![delivered(10, 10)], 600 * DAY));
    commit_one(&store, commit(vec![delivered(10, 11)], 601 * DAY));
    wait_until(&store, "all that is old is gone", || {
        files.is_gone(3) && files.is_gone(4)
    });
    let last = store.journal().stats().last_commit;
    assert!(store.index().wait_applied(last, LONG));
    assert_eq!(store.index().letter_story(1).unwrap().unwrap(), told);
    let found = store
        .index()
        .trace(&TraceQuery::Key(key.to_owned()))
        .unwrap();
    assert_eq!(found, told.steps, "the story is told once, as it was");
}

#[test]
fn a_segment_with_parked_records_stays_however_old_until_they_are_settled() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files(folder.path().to_owned());
    let mut short = settings(folder.path());
    short.max_journal_bytes = Some(1);
    let (store, _) = Store::open(short).unwrap();
    let receipt = commit_one(&store, commit(vec![parked(1, 1, 0)], 0));
    commit_one(&store, commit(vec![delivered(2, 2)], DAY));
    wait_until(&store, "the first segment is packed", || files.is_packed(1));
    // Another look at what may go: that of the next segment's beginning.
    commit_one(&store, commit(vec![delivered(3, 3)], 2 * DAY));
    wait_until(&store, "the second segment is packed", || {
        files.is_packed(2)
    });
    let records = store.journal().read_parked(&receipt.parked[0], &[].into());
    assert_eq!(records.unwrap().len(), 1);

    let Entry::Delivered {
        mut subject,
        salesforce_id,
        created,
        attempt,
    } = delivered(1, 4)
    else {
        panic!("it is another kind")
    };
    subject.parked = Some(1);
    let settled = Entry::Delivered {
        subject,
        salesforce_id,
        created,
        attempt,
    };
    commit_one(&store, commit(vec![settled], 3 * DAY));
    commit_one(&store, commit(vec![delivered(5, 5)], 4 * DAY));
    wait_until(&store, "all but the newest are gone", || {
        (1..=4).all(|segment| files.is_gone(segment))
    });
}

#[test]
fn commits_wait_for_room_and_go_on_with_it() {
    const RESERVE: u64 = 4_000;
    let folder = tempfile::tempdir().unwrap();
    let quota = |bytes: u64| fs::write(folder.path().join("quota"), bytes.to_string()).unwrap();
    let mut small = settings(folder.path());
    small.reserve_bytes = RESERVE;
    quota(40_000);
    let (store, _) = Store::open(small.clone()).unwrap();
    let mut room = store.journal().follow_room();
    assert_eq!(*room.borrow_and_update(), Room::Enough);

    // Others fill the disk: what is in flight is written with the reserve, and nothing is new.
    let used = store.journal().stats().bytes + RESERVE;
    quota(used + 100);
    commit_one(&store, commit(vec![delivered(1, 1), delivered(2, 2)], 0));
    assert_eq!(*room.borrow_and_update(), Room::Low);
    assert_eq!(
        fs::metadata(folder.path().join("reserve")).unwrap().len(),
        0
    );

    // The reserve is used up too: commits wait. What was written of one in part is cut off.
    let (answers, answered) = mpsc::sync_channel(8);
    let submit = |number: u64, day: i64| {
        let answers = answers.clone();
        let commit = commit(vec![delivered(number, number)], day * DAY);
        let done = Box::new(move |result| answers.send(result).unwrap());
        store.journal().submit(commit, done);
    };
    quota(store.journal().stats().bytes + 50);
    submit(3, 0);
    submit(4, 0);
    wait_until(&store, "the disk is full", || *room.borrow() == Room::Full);
    assert!(answered.try_recv().is_err(), "nothing is acknowledged");
    quota(store.journal().stats().bytes + 3_000);
    for _ in 0..2 {
        assert!(answered.recv_timeout(LONG).unwrap().is_ok());
    }
    // The same where a new segment is to begin.
    quota(store.journal().stats().bytes + 50);
    submit(5, 1);
    wait_until(&store, "the disk is full", || *room.borrow() == Room::Full);
    assert!(answered.try_recv().is_err(), "nothing is acknowledged");
    quota(40_000);
    wait_until(&store, "there is room", || {
        *room.borrow() == Room::Enough && store.journal().stats().last_commit == 4
    });
    store.close().unwrap();
    let (store, recovered) = Store::open(small).unwrap();
    assert_eq!(recovered.torn_bytes, 0);
    assert_eq!(recovered.totals["leads"].created, 5);
    assert!(store.index().wait_applied(4, LONG));
    assert_eq!(keys_found(&store, 1..=5), 5);
}

#[test]
fn a_process_that_is_to_end_does_not_wait_for_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut small = settings(folder.path());
    small.reserve_bytes = 1_000;
    let (store, _) = Store::open(small).unwrap();
    fs::write(folder.path().join("quota"), "1").unwrap();
    let (answers, answered) = mpsc::sync_channel(1);
    let done = Box::new(move |result| answers.send(result).unwrap());
    store
        .journal()
        .submit(commit(vec![delivered(1, 1)], 0), done);
    let room = store.journal().follow_room();
    wait_until(&store, "the disk is full", || *room.borrow() == Room::Full);
    store.journal().wait_for_room_no_longer();
    let error = answered.recv_timeout(LONG).unwrap().unwrap_err();
    assert_eq!((error.page(), error.is_fatal()), ("LS3009", true));
    store.close().unwrap();
    fs::remove_file(folder.path().join("quota")).unwrap();
    assert_eq!(open(folder.path()).1.torn_bytes, 0);
}

#[test]
fn a_packed_journal_takes_few_bytes_an_entry() {
    const RECORDS: u64 = 30_000;
    let folder = tempfile::tempdir().unwrap();
    let files = Files(folder.path().to_owned());
    let mut masked = settings(folder.path());
    masked.payload = PayloadPolicy::Masked;
    let (store, _) = Store::open(masked).unwrap();
    let mut people = crate::rehearsal::leads::People::new(7, u64::MAX);
    for first in (1..=RECORDS).step_by(200) {
        let entries = (first..first + 200).map(|number| {
            let lead = people.next_lead();
            let payload = serde_json::json!({
                "FirstName": lead.first_name, "LastName": lead.last_name, "Company": lead.company,
                "Email": lead.email, "Phone": lead.phone, "Country": lead.country,
                "NumberOfEmployees": lead.employees, "LeadSource": "Web",
            });
            let mut entry = delivered(number, 1 + number / 200);
            if let Entry::Delivered { subject, .. } = &mut entry {
                let image = std::sync::Arc::make_mut(&mut subject.image);
                image.payload = payload.to_string().into();
                image.email = Some(lead.email.as_str().into());
            }
            entry
        });
        commit_one(&store, commit(entries.collect(), 0));
    }
    let plain = fs::metadata(files.plain(1)).unwrap().len();
    commit_one(&store, commit(vec![delivered(99_999, 1)], DAY));
    wait_until(&store, "the first segment is packed", || files.is_packed(1));
    let packed = fs::metadata(files.packed(1)).unwrap().len();
    println!(
        "{} bytes an entry, {} packed",
        plain / RECORDS,
        packed / RECORDS
    );
    assert!(packed / RECORDS <= 150, "{}", packed / RECORDS);
}
