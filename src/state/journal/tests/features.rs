//! What a header says that a reader must know, and segments of versions that did not say it.

use super::*;
use crate::state::journal::header::{FEATURES, Header};

#[test]
fn a_header_names_what_a_reader_must_know_and_what_is_unknown_is_refused() {
    let bench = Bench::new(PayloadPolicy::Masked);
    let text = String::from_utf8(bench.bytes.clone()).unwrap();
    let ours = "\"requires\":[\"snapshots\",\"insides\",\"bulk_jobs\",\"skip_rules\",\"object_events\",\"letters\",\"acts\"]";
    assert!(text.contains(ours), "{text}");
    assert!(bench.recover().is_ok());
    let theirs = ours.replace("\"insides\"", "\"telepathy\",\"insides\"");
    assert!(matches!(
        bench.recover_bytes(text.replace(ours, &theirs).as_bytes()),
        Err(Error::Unsupported { needs, .. }) if needs == "telepathy"
    ));
}

#[test]
fn a_segment_that_an_older_version_began_gets_no_commit_of_this_one() {
    let Bench { folder, state, .. } = Bench::new(PayloadPolicy::Masked);
    // As it was before features were named.
    let path = segment_path(folder.path(), 1);
    let mut line = fs::read(&path).unwrap();
    line.pop();
    let (mut header, _) = Header::decode(&path, &line).unwrap();
    header.requires.clear();
    let (line, _) = header.encode().unwrap();
    fs::write(&path, &line).unwrap();
    drop(state);
    let found = recover(folder.path(), &routes()).unwrap().unwrap();
    let writer = Writer {
        folder: folder.path().to_owned(),
        file: fs::File::options().append(true).open(&path).unwrap(),
        path: path.clone(),
        length: found.good_bytes,
        header_bytes: found.header_bytes,
        commits: found.commits,
        segment_bytes: 1 << 20,
        state: found.state,
        encoder: Encoder::new(PayloadPolicy::Masked, [7; 32], &routes()),
        progress: Arc::default(),
        disk: Arc::new(Disk::open(folder.path(), 0)),
        _lock: Arc::new(Folder::new(folder.path()).lock().unwrap()),
    };
    let (requests, queue) = sync_channel(8);
    for number in 1..=2 {
        let done: Done = Box::new(|result| assert!(result.is_ok()));
        let request = (commit(vec![delivered(number, 1)], 0), done);
        requests.send(Request::Commit(Box::new(request))).unwrap();
    }
    drop(requests);
    writer.run(&queue);
    assert_eq!(
        fs::read(&path).unwrap(),
        line,
        "the old segment is as it was"
    );
    let next = fs::read_to_string(segment_path(folder.path(), 2)).unwrap();
    for feature in FEATURES {
        assert!(next.lines().next().unwrap().contains(feature), "{next}");
    }
    assert!(!segment_path(folder.path(), 3).exists(), "once is enough");
    assert_eq!(recover_at(folder.path()).unwrap().last_commit, 2);
}
