//! Commands on a state folder that no service holds: on a full disk, and with wrong words.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const FAILURE: i32 = 1;
const USAGE: i32 = 2;
/// In the shell's blocks of 512 bytes: no file of an index is as small.
const ROOM_FOR_A_FILE: u32 = 2;

/// A copy of the state that the first release left.
fn state() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/0.1.0/clear");
    copy(&golden, &state);
    (folder, state)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).unwrap();
        }
    }
}

fn leadstream(state: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leadstream"));
    command.args(words).arg("--state").arg(state);
    command.output().unwrap()
}

/// As on a disk without room: a write that makes a file larger fails, as it does there.
fn leadstream_without_room(state: &Path, words: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_leadstream");
    let text = format!(
        "trap '' XFSZ; ulimit -f {ROOM_FOR_A_FILE}; exec {program} {words} --state {}",
        state.display()
    );
    Command::new("sh").args(["-c", &text]).output().unwrap()
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(err)
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let files = files.filter(|path| path.is_file());
    files
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn a_rebuild_on_a_full_disk_leaves_the_index_that_there_was() {
    let (_folder, state) = state();
    let index = state.join("index");
    let list = leadstream(&state, &["dead-letters", "list"]);
    assert!(list.status.success(), "{}", said(&list));
    let before = files(&index);
    assert!(!before.is_empty());

    let refused = leadstream_without_room(&state, "state rebuild");
    assert_eq!(refused.status.code(), Some(FAILURE), "{}", said(&refused));
    assert!(said(&refused).contains("LS3056"), "{}", said(&refused));
    assert!(files(&index) == before, "the old index was touched");
    assert!(!state.join("index-new").exists());
    let again = leadstream(&state, &["dead-letters", "list"]);
    assert_eq!(said(&again), said(&list));

    let rebuilt = leadstream(&state, &["state", "rebuild"]);
    assert!(rebuilt.status.success(), "{}", said(&rebuilt));
    let again = leadstream(&state, &["dead-letters", "list"]);
    assert_eq!(said(&again), said(&list));
}

#[test]
fn without_an_index_and_without_room_for_one_a_list_still_answers() {
    let (_folder, state) = state();
    let list = leadstream(&state, &["dead-letters", "list"]);
    fs::remove_dir_all(state.join("index")).unwrap();
    let again = leadstream_without_room(&state, "dead-letters list");
    assert!(String::from_utf8_lossy(&again.stdout) == String::from_utf8_lossy(&list.stdout));
}

#[test]
fn what_is_no_chain_head_is_a_mistake_in_the_words() {
    let (_folder, state) = state();
    for verb in [["audit", "verify"], ["state", "verify"]] {
        let refused = leadstream(&state, &[verb[0], verb[1], "--chain", "zz"]);
        assert_eq!(refused.status.code(), Some(USAGE), "{}", said(&refused));
        assert!(
            said(&refused).contains("64 hexadecimal digits"),
            "{}",
            said(&refused)
        );
        let unknown = "1".repeat(64);
        let refused = leadstream(&state, &[verb[0], verb[1], "--chain", &unknown]);
        assert_eq!(refused.status.code(), Some(FAILURE), "{}", said(&refused));
        assert!(said(&refused).contains("LS3053"), "{}", said(&refused));
    }
}
