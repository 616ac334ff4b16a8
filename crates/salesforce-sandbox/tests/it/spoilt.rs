//! Faults that spoil a reply on its way: late, in part, not at all, or from elsewhere.
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use salesforce_sandbox::{Action, Fault, Outage, Preset};
use serde_json::{Value, json};

use crate::harness::{COLLECTIONS, Org, PATIENCE, check_accepted, lead, lead_with};

const LIMITS: &str = "/services/data/v67.0/limits";

fn arm(org: &Org, fault: &Value) {
    let answer = org.control("POST", "faults").json(fault).send();
    assert_eq!(answer.status, 201, "{fault}: {answer:?}");
}

#[test]
fn headers_can_be_added_to_whatever_is_answered() {
    let org = Org::demo();
    arm(
        &org,
        &json!({ "times": 1, "headers": { "Retry-After": "120" }, "action": { "kind": "html" } }),
    );
    let answer = org.collection(&[lead("1")]).send();
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("120"))
    );
    org.sandbox.faults().add(
        Fault::new(Action::Pass {})
            .times(1)
            .header("Warning", "299 - \"this API version is deprecated\""),
    );
    let answer = org.collection(&[lead("1")]).send();
    assert_eq!(
        (answer.status, answer.header("warning")),
        (200, Some("299 - \"this API version is deprecated\""))
    );
    assert_eq!(org.get(LIMITS).header("warning"), None);
}

#[test]
fn a_stalled_request_is_never_answered_whether_it_is_committed_or_not() {
    let org = Org::demo();
    for (commit, leads) in [(false, 0), (true, 1)] {
        org.sandbox
            .faults()
            .add(Fault::new(Action::Stall { commit }).times(1));
        let replies = org.sandbox.stats().replies;
        let mut stream = TcpStream::connect(org.sandbox.address()).unwrap();
        stream
            .write_all(&org.collection(&[lead("1")]).bytes(true))
            .unwrap();
        assert!(org.sandbox.wait_for(PATIENCE, |s| s.replies == replies + 1));
        // Others are served meanwhile.
        assert_eq!(org.get(LIMITS).status, 200);
        stream.set_nonblocking(true).unwrap();
        assert_eq!(
            stream.read(&mut [0; 1]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        assert_eq!(org.sandbox.stats().leads, leads);
        let log = org.sandbox.requests();
        let entry = log
            .iter()
            .find(|entry| entry.path == COLLECTIONS && entry.reply_sequence == replies + 1);
        assert_eq!(entry.unwrap().status, None);
        // The client gives up, or is cut when the org stops.
        if commit {
            drop(stream);
        } else {
            stream.set_nonblocking(false).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            org.sandbox.stop_listening();
            let end = stream.read(&mut [0; 1]);
            assert!(!matches!(end, Ok(1..)), "{end:?}");
            assert!(end.is_ok() || end.unwrap_err().kind() == ErrorKind::ConnectionReset);
            org.sandbox.resume_listening().unwrap();
        }
    }
    check_accepted(&org.upsert(&[lead("1")])[0], false);
}

#[test]
fn an_outage_can_leave_every_request_waiting() {
    let org = Org::demo();
    let down = org.sandbox.faults().add(Fault::new(Action::Down {
        outage: Outage::Stall,
    }));
    let mut stream = TcpStream::connect(org.sandbox.address()).unwrap();
    stream
        .write_all(&org.ask("GET", "/services/data").bytes(true))
        .unwrap();
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.faults_applied == 1));
    stream.set_nonblocking(true).unwrap();
    assert_eq!(
        stream.read(&mut [0; 1]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    org.sandbox.faults().remove(down);
    assert_eq!(org.get(LIMITS).status, 200);
}

#[test]
fn a_reply_trickles_in_pieces_and_arrives_whole() {
    let org = Org::demo();
    let whole = org.get("/services/data").body;
    arm(
        &org,
        &json!({ "times": 1, "action": { "kind": "trickle", "bytes": whole.len().div_ceil(5), "milliseconds": 20 } }),
    );
    let start = Instant::now();
    let answer = org.get("/services/data");
    assert!(
        start.elapsed() >= Duration::from_millis(80),
        "four pauses between five pieces"
    );
    assert_eq!(answer.body, whole);
    let length = whole.len().to_string();
    assert_eq!(answer.header("content-length"), Some(length.as_str()));
}

#[test]
fn a_truncated_reply_ends_before_its_announced_length() {
    let org = Org::demo();
    org.sandbox
        .faults()
        .add(Fault::new(Action::Truncate {}).times(1));
    let answer = org.collection(&[lead("1")]).send();
    let announced: usize = answer.header("content-length").unwrap().parse().unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, announced / 2));
    assert_eq!(org.sandbox.stats().leads, 1);
    // What has no body cannot be cut in its middle: the connection breaks at once.
    let id = org.sandbox.leads()[0].id.clone();
    org.sandbox
        .faults()
        .add(Fault::new(Action::Truncate {}).times(1));
    let path = format!("/services/data/v67.0/sobjects/Lead/{id}");
    assert!(org.ask("DELETE", &path).try_send().is_err());
    assert_eq!(org.sandbox.stats().leads, 0);
}

#[test]
fn a_corrupt_reply_has_its_length_but_is_no_json() {
    let org = Org::demo();
    let paths = [
        LIMITS,
        "/services/data",
        "/services/data/v67.0/sobjects/Lead/describe",
    ];
    org.sandbox.faults().add(Fault::new(Action::Corrupt {}));
    for path in paths {
        let answer = org.get(path);
        let announced: usize = answer.header("content-length").unwrap().parse().unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, announced));
        assert!(
            serde_json::from_slice::<Value>(&answer.body).is_err(),
            "{path}"
        );
    }
    let written = org.collection(&[lead("1")]).send();
    assert!(serde_json::from_slice::<Value>(&written.body).is_err());
    assert_eq!(org.sandbox.stats().leads, 1);
    // A packed reply unpacks, and then is no JSON.
    let packed = org
        .ask("GET", "/services/data/v67.0/sobjects/Lead/describe")
        .header("Accept-Encoding", "gzip")
        .send();
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..])
        .read_to_end(&mut text)
        .unwrap();
    assert!(text.starts_with(b"{") && serde_json::from_slice::<Value>(&text).is_err());
}

#[test]
fn a_list_of_results_can_be_too_short_or_too_long() {
    let org = Org::demo();
    for (change, expected) in [(-1, 1), (-9, 0), (1, 3), (2, 4)] {
        arm(
            &org,
            &json!({ "times": 1, "on": "collections", "action": { "kind": "result_count", "change": change } }),
        );
        let answer = org.collection(&[lead("1"), lead("2")]).send();
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.json().as_array().unwrap().len(),
            expected,
            "{change}"
        );
    }
    assert_eq!(org.sandbox.stats().leads, 2);
}

#[test]
fn a_redirect_keeps_path_and_query_and_writes_nothing() {
    let org = Org::demo();
    arm(
        &org,
        &json!({ "times": 1, "action": { "kind": "redirect", "location": "https://other.example/", "status": 307 } }),
    );
    let answer = org
        .ask("PATCH", &format!("{COLLECTIONS}?a=%20b"))
        .json(&json!({ "records": [lead("1")] }))
        .send();
    let expected = format!("https://other.example{COLLECTIONS}?a=%20b");
    assert_eq!(answer.status, 307);
    assert_eq!(answer.header("location"), Some(expected.as_str()));
    assert_eq!(org.sandbox.stats().leads, 0);
    arm(
        &org,
        &json!({ "times": 1, "action": { "kind": "redirect", "location": "http://b.example" } }),
    );
    assert_eq!(org.get(LIMITS).status, 302);
}

#[test]
fn several_faults_come_together_on_one_reply() {
    let org = Org::demo();
    let faults = org.sandbox.faults();
    faults.add(
        Fault::new(Action::Preset {
            preset: Preset::BadGateway,
            commit: true,
        })
        .times(1),
    );
    faults.add(
        Fault::new(Action::Preset {
            preset: Preset::Maintenance,
            commit: true,
        })
        .times(1),
    );
    faults.add(
        Fault::new(Action::Pass {})
            .header("Retry-After", "1")
            .times(1),
    );
    faults.add(Fault::new(Action::Truncate {}).times(1));
    let answer = org
        .collection(&[lead_with("1", json!({ "City": "Ulm" }))])
        .send();
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (502, Some("1"))
    );
    let announced: usize = answer.header("content-length").unwrap().parse().unwrap();
    assert_eq!(answer.body.len(), announced / 2);
    assert_eq!(org.sandbox.stats().leads, 1);
    assert_eq!(org.sandbox.stats().faults_applied, 4);
}
