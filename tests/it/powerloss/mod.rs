//! Promise 5 below the file calls: what a power loss at any moment may leave of journal and index, and writes and syncs
//! that fail. A small shim (`shim.c`) is preloaded into a process that keeps a store, and notes every change that it
//! makes to its folder.

mod disk;
mod life;
mod notes;
mod script;

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use crate::second_opinion::dice::Dice;
use disk::{Disk, Loss};
use notes::{Change, Failing};

const CHILD: &str = "powerloss::child";
/// A check that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(150);

fn is_soak() -> bool {
    std::env::var_os("LEADSTREAM_SOAK").is_some()
}

#[test]
#[ignore = "only the child of the tests below"]
fn child() {
    let Some(task) = std::env::var_os("LEADSTREAM_POWERLOSS") else {
        return;
    };
    let root = std::env::var_os("LEADSTREAM_SHIM_ROOT").unwrap();
    life::live(Path::new(&root), task.to_str().unwrap());
}

/// A few states here, a thousand in a soak.
#[test]
fn a_power_loss_at_any_moment_loses_nothing_acknowledged() {
    let (seeds, states, commits) = if is_soak() {
        (20, 50, 120)
    } else {
        (2, 14, 60)
    };
    let first = std::env::var("LEADSTREAM_SEED").map_or(20_261_123, |seed| seed.parse().unwrap());
    let mut figures = Figures::default();
    for seed in first..first + seeds {
        println!("LEADSTREAM_SEED={seed}");
        let mut dice = Dice::new(seed);
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        // Half of the states are those of a life that began with a state that a power loss left.
        let disk = Disk::of(&root);
        let survivor = lose_power(
            disk,
            &root,
            seed,
            commits,
            states / 2,
            &mut dice,
            &mut figures,
        );
        let root = folder.path().join("again");
        std::fs::create_dir(&root).unwrap();
        survivor.write_state(&root, Loss::Nothing, &mut dice);
        let disk = Disk::of(&root);
        lose_power(
            disk,
            &root,
            seed,
            commits / 2,
            states - states / 2,
            &mut dice,
            &mut figures,
        );
    }
    println!("{figures:?}");
}

#[derive(Debug, Default)]
struct Figures {
    states: usize,
    changes: usize,
    torn: usize,
    index_damaged: usize,
    /// Commits found beyond what was acknowledged.
    beyond: u64,
}

/// Lets a life run in `root`, which holds what `disk` says, and checks the states at some of its moments. Gives back
/// one of them, as a disk.
fn lose_power(
    mut disk: Disk,
    root: &Path,
    seed: u64,
    commits: u64,
    states: usize,
    dice: &mut Dice,
    figures: &mut Figures,
) -> Disk {
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = notes::run(CHILD, root, log.path(), None, &life::task(seed, commits));
    assert!(output.status.success(), "{output:?}");
    let notes = notes::read(log.path());
    figures.changes += notes.len();
    // Half of them just before something is synced: there is most to lose then.
    let syncs = (0..notes.len()).filter(|place| matches!(notes[*place].change, Change::Sync));
    let syncs: Vec<usize> = syncs.collect();
    let moment = |_| match dice.below(2) {
        0 => syncs[dice.below(syncs.len())],
        _ => dice.below(notes.len() + 1),
    };
    let mut moments: Vec<usize> = (0..states).map(moment).collect();
    moments.sort_unstable();
    let (mut survivor, kept) = (None, dice.below(states));
    let mut applied = 0;
    for (number, moment) in moments.into_iter().enumerate() {
        notes[applied..moment]
            .iter()
            .for_each(|note| disk.apply(note));
        applied = moment;
        let loss = match dice.below(8) {
            0 => Loss::Everything,
            1 => Loss::Nothing,
            2 => Loss::Kept(10),
            3 => Loss::Kept(90),
            _ => Loss::Kept(50),
        };
        let folder = tempfile::tempdir().unwrap();
        disk.write_state(folder.path(), loss, dice);
        if number == kept {
            survivor = Some(Disk::of(folder.path()));
        }
        let acknowledged = disk.acknowledged;
        let context = format!("seed {seed}, change {moment} of {}, {loss:?}", notes.len());
        let found = checked(folder, seed, acknowledged, Dice::new(dice.next()), &context);
        figures.states += 1;
        figures.torn += usize::from(found.torn);
        figures.index_damaged += usize::from(found.index_damaged);
        figures.beyond += found.last - acknowledged;
    }
    // Nothing went past the shim: what it noted is what is there.
    notes[applied..].iter().for_each(|note| disk.apply(note));
    let folder = tempfile::tempdir().unwrap();
    disk.write_state(folder.path(), Loss::Nothing, dice);
    compare(folder.path(), root);
    survivor.unwrap()
}

/// Checks a state on a thread of its own: a hang is a failure like any other. The folder of a failure stays.
fn checked(
    folder: tempfile::TempDir,
    seed: u64,
    acknowledged: u64,
    mut dice: Dice,
    context: &str,
) -> life::Found {
    let root = folder.keep();
    let (answer, answered) = mpsc::sync_channel(1);
    let checked = root.clone();
    let thread = std::thread::spawn(move || {
        let found = life::check(&checked, seed, acknowledged, &mut dice);
        answer.send(found).unwrap();
    });
    let found = match answered.recv_timeout(PATIENCE) {
        Ok(found) => found,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{context}: hangs; {}", root.display()),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            let reason = thread.join().unwrap_err();
            let reason = reason
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| reason.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            panic!("{context}: {reason:?}; {}", root.display());
        }
    };
    std::fs::remove_dir_all(root).unwrap();
    found
}

fn compare(noted: &Path, real: &Path) {
    let names = |folder: &Path| -> Vec<_> {
        let names = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = names.map(|name| name.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(noted), names(real), "{}", real.display());
    for name in names(real) {
        let (noted, real) = (noted.join(&name), real.join(&name));
        if real.is_dir() {
            compare(&noted, &real);
        } else if name != "lock" && name != "reserve" {
            let same = std::fs::read(&noted).unwrap() == std::fs::read(&real).unwrap();
            assert!(same, "{} was changed past the shim", real.display());
        }
    }
}

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

/// Every number here, spread out; all of them in a soak.
fn numbers(step: usize) -> impl Iterator<Item = u64> {
    (1..).step_by(if is_soak() { 1 } else { step })
}

/// What came of a life in which changes failed.
struct Failed {
    /// The files whose changes failed, in their order.
    faults: Vec<String>,
    /// The last commit that was acknowledged before the first of them.
    before: u64,
    acknowledged: u64,
}

/// Runs a life in which some changes fail, then opens what it left.
fn fail(failing: &Failing, seed: u64, commits: u64, dice: &mut Dice) -> Failed {
    let folder = tempfile::tempdir().unwrap();
    let log = tempfile::NamedTempFile::new().unwrap();
    let (root, task) = (folder.path(), life::task(seed, commits));
    let mut disk = Disk::of(root);
    let output = notes::run(CHILD, root, log.path(), Some(failing), &task);
    assert!(output.status.success(), "{failing:?}: {output:?}");
    let (mut faults, mut before) = (Vec::new(), 0);
    for note in notes::read(log.path()) {
        disk.apply(&note);
        if let Some(path) = note.fault() {
            if faults.is_empty() {
                before = disk.acknowledged;
            }
            faults.push(path.to_owned());
        }
    }
    let acknowledged = disk.acknowledged;
    let dice = Dice::new(dice.next());
    checked(folder, seed, acknowledged, dice, &format!("{failing:?}"));
    Failed {
        faults,
        before,
        acknowledged,
    }
}

/// One write that the disk does not take, for each write that there is: the journal stops with its reason or waits,
/// what it acknowledged is there, and the next start goes on.
#[test]
fn a_write_that_fails_anywhere_loses_nothing_acknowledged() {
    let (seed, commits) = (20_261_123, 40);
    let mut dice = Dice::new(seed);
    for errno in [ENOSPC, EIO] {
        let mut runs = 0;
        for first in numbers(19) {
            let failing = Failing {
                kind: 'w',
                first,
                count: 1,
                errno,
                part: "state",
            };
            if fail(&failing, seed, commits, &mut dice).faults.is_empty() {
                break;
            }
            runs += 1;
        }
        assert!(runs > 1, "{runs} writes failed");
    }
}

/// A sync that failed may have dropped what it was to keep, and says so once: nothing is acknowledged after it. Packing
/// syncs beside it, at its own times; what it could not keep it makes again.
#[test]
fn a_sync_of_the_journal_that_fails_ends_it() {
    let (seed, commits) = (20_261_124, 40);
    let mut dice = Dice::new(seed);
    let mut runs = 0;
    for first in numbers(11) {
        let failing = Failing {
            kind: 's',
            first,
            count: 1,
            errno: EIO,
            part: "state/journal",
        };
        let failed = fail(&failing, seed, commits, &mut dice);
        let Some(path) = failed.faults.first() else {
            assert_eq!(failed.acknowledged, commits);
            break;
        };
        let context = format!("after sync {first}, of {path}");
        if path.ends_with(".zst.new") {
            assert_eq!(failed.acknowledged, commits, "{context}");
        } else if path.ends_with("/journal") {
            // The names in the folder: those of a new segment or of a packed one.
            let possible = [failed.before, commits];
            assert!(possible.contains(&failed.acknowledged), "{context}");
        } else {
            assert_eq!(failed.acknowledged, failed.before, "{context}");
            runs += 1;
        }
    }
    assert!(runs > 1, "{runs} syncs failed");
}

/// The index may not get a byte onto the disk, from its first write on or later: every commit is acknowledged.
#[test]
fn an_index_that_fails_never_stops_the_journal() {
    let (seed, commits) = (20_261_125, 30);
    let mut dice = Dice::new(seed);
    let faults = [('w', ENOSPC, 1), ('w', EIO, 4), ('s', EIO, 3)];
    for (kind, errno, latest) in faults {
        for first in if is_soak() {
            1..=latest
        } else {
            latest..=latest
        } {
            let failing = Failing {
                kind,
                first,
                count: u64::from(u32::MAX),
                errno,
                part: "state/index/",
            };
            let failed = fail(&failing, seed, commits, &mut dice);
            assert!(!failed.faults.is_empty(), "{failing:?} did not happen");
            assert_eq!(failed.acknowledged, commits, "{failing:?}");
        }
    }
}

/// Folders that older versions left, with 30 commits of the script under seed 1: `insides` by a version whose segments
/// name the features `snapshots` and `insides`, `unmarked` by one that had snapshots and named no features yet.
#[test]
fn the_state_of_older_versions_is_read_and_goes_on() {
    for version in ["insides", "unmarked"] {
        let folder = tempfile::tempdir().unwrap();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(format!("state-v1-{version}"));
        copy(&golden, &folder.path().join("state"));
        let found = checked(folder, 1, 30, Dice::new(1), version);
        assert_eq!(found.last, 30);
        assert!(!found.torn);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
