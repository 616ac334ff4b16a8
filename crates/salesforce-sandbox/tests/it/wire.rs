//! HTTP as clients of all kinds speak it, and as none should (RFC 9110, RFC 9112).
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use salesforce_sandbox::{Action, Fault, OrgConfig};
use serde_json::json;

use crate::harness::{COLLECTIONS, Org, PATIENCE, check_accepted, check_error, lead};

const VERSIONS: &str = "/services/data";

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Everything until the server closes; what came before a reset counts too.
pub fn read_to_end(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        let kind = error.kind();
        assert_ne!(kind, std::io::ErrorKind::WouldBlock, "it must be closed");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends bytes on a connection of their own and reads until the server closes it.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(address);
    // A server that has read enough may close before all is written.
    let _ = stream.write_all(bytes);
    read_to_end(&mut stream)
}

/// Reads one reply with a Content-Length, or none at all: head and body.
pub fn read_reply(stream: &mut impl Read) -> (String, String) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n")
}

#[track_caller]
fn check_status(reply: &str, status: u16) {
    let line = format!("HTTP/1.1 {status} ");
    assert!(reply.starts_with(&line), "{reply}");
}

#[test]
fn a_connection_is_kept_for_several_requests() {
    let org = Org::demo();
    let mut stream = connect(org.sandbox.address());
    for n in 0..3 {
        let ask = org.collection(&[lead("1")]);
        stream.write_all(&ask.bytes(false)).unwrap();
        let (head, body) = read_reply(&mut stream);
        check_status(&head, 200);
        let results: serde_json::Value = serde_json::from_str(&body).unwrap();
        check_accepted(&results[0], n == 0);
    }
    stream
        .write_all(&org.ask("GET", VERSIONS).bytes(true))
        .unwrap();
    assert!(read_to_end(&mut stream).contains("connection: close\r\n"));
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let org = Org::demo();
    let paths = ["/services/data", "/nowhere", "/services/data/v67.0/limits"];
    let asks: Vec<u8> = paths
        .iter()
        .flat_map(|path| org.ask("GET", path).bytes(path.ends_with("limits")))
        .collect();
    let mut stream = connect(org.sandbox.address());
    stream.write_all(&asks).unwrap();
    let replies: Vec<_> = paths.iter().map(|_| read_reply(&mut stream)).collect();
    assert!(replies[0].1.contains("Summer '26"));
    check_status(&replies[1].0, 404);
    assert!(replies[2].1.contains("DailyApiRequests"));
    assert_eq!(read_to_end(&mut stream), "");
}

#[test]
fn a_body_that_is_announced_is_waited_for_with_100_continue() {
    let org = Org::demo();
    let ask = org
        .collection(&[lead("1")])
        .header("Expect", "100-continue");
    let bytes = ask.bytes(true);
    let head = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let mut stream = connect(org.sandbox.address());
    stream.write_all(&bytes[..head]).unwrap();
    let (go_on, _) = read_reply(&mut stream);
    assert_eq!(go_on, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&bytes[head..]).unwrap();
    check_status(&read_to_end(&mut stream), 200);
}

#[test]
fn a_body_that_would_be_too_large_is_refused_before_it_is_sent() {
    let org = Org::demo();
    let announce = |more: &str| {
        format!(
            "PATCH {COLLECTIONS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 52428801\r\n{more}\r\n"
        )
    };
    for more in ["Expect: 100-continue\r\n", ""] {
        let mut stream = connect(org.sandbox.address());
        stream.write_all(announce(more).as_bytes()).unwrap();
        let (head, body) = read_reply(&mut stream);
        check_status(&head, 400);
        assert!(body.contains("EXCEEDED_MAX_SIZE_REQUEST"), "{body}");
    }
}

#[test]
fn a_client_that_sends_all_of_a_body_too_large_still_gets_the_refusal() {
    let org = Org::with(OrgConfig {
        max_request_bytes: 1000,
        ..OrgConfig::default()
    });
    // More than the buffers of both ends take, so that it is written in full only when the server reads on.
    let large = vec![b'x'; 16 * 1024 * 1024];
    for ask in [
        org.ask("PATCH", COLLECTIONS)
            .body("application/json", large.clone()),
        org.ask("PATCH", COLLECTIONS)
            .body("application/json", large[..1 << 20].to_vec())
            .chunked(),
    ] {
        check_error(
            &ask.send(),
            400,
            "EXCEEDED_MAX_SIZE_REQUEST",
            "Maximum size",
        );
    }
}

#[test]
fn clients_of_http_1_0_need_no_host_and_are_kept_only_when_they_ask() {
    let org = Org::demo();
    let address = org.sandbox.address();
    let reply = exchange(address, b"GET /services/data HTTP/1.0\r\n\r\n");
    assert!(reply.starts_with("HTTP/1.0 200 "), "{reply}");
    let mut stream = connect(address);
    for _ in 0..2 {
        stream
            .write_all(b"GET /services/data HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .unwrap();
        assert!(read_reply(&mut stream).0.starts_with("HTTP/1.0 200 "));
    }
    let form = "grant_type=client_credentials&client_id=leadstream-demo&client_secret=leadstream-demo-secret";
    let login = format!(
        "POST /services/oauth2/token HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let reply = exchange(address, login.as_bytes());
    let instance = format!("\"instance_url\":\"http://{address}\"");
    assert!(reply.contains(&instance), "{reply}");
}

#[test]
fn clients_of_http_1_1_name_one_host() {
    let org = Org::demo();
    let address = org.sandbox.address();
    for hosts in ["", "Host: localhost\r\nHost: elsewhere.example\r\n"] {
        let ask = format!("GET {VERSIONS} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        check_status(&exchange(address, ask.as_bytes()), 400);
    }
    // The authority of an absolute URI counts, whatever Host says.
    let form = "grant_type=client_credentials&client_id=leadstream-demo&client_secret=leadstream-demo-secret";
    let login = format!(
        "POST http://org.example:81/services/oauth2/token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let reply = exchange(address, login.as_bytes());
    assert!(
        reply.contains("\"instance_url\":\"http://org.example:81\""),
        "{reply}"
    );
}

#[test]
fn head_is_answered_as_get_without_the_body() {
    let org = Org::demo();
    for path in [
        VERSIONS,
        "/services/data/v67.0/sobjects/Lead",
        "/services/data/v67.0/sobjects/Lead/describe",
        "/nowhere",
    ] {
        let (head, get) = (org.ask("HEAD", path).send(), org.ask("GET", path).send());
        assert_eq!(head.status, get.status, "{path}");
        let length = get.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(&*length), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"));
        assert_eq!(head.body, b"", "{path}");
    }
    let methods: Vec<_> = org
        .sandbox
        .requests()
        .iter()
        .map(|r| r.method.clone())
        .collect();
    assert!(
        methods.ends_with(&["HEAD".into(), "GET".into()]),
        "{methods:?}"
    );
}

#[test]
fn a_client_that_has_closed_its_side_gets_its_answer() {
    let org = Org::demo();
    let hold = Action::Hold {
        after_commit: false,
    };
    org.sandbox.faults().add(Fault::new(hold));
    let mut stream = connect(org.sandbox.address());
    stream
        .write_all(&org.collection(&[lead("1")]).bytes(true))
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    org.sandbox.faults().clear();
    check_status(&read_to_end(&mut stream), 200);
}

#[test]
fn the_framing_of_chunks_goes_before_a_content_length() {
    let org = Org::demo();
    let body = json!({ "records": [lead("1")] }).to_string();
    for lengths in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 99999999\r\n",
    ] {
        let ask = format!(
            "PATCH {COLLECTIONS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nConnection: close\r\n{lengths}\r\n{:x}\r\n{body}\r\n0\r\n\r\nGET /services/data HTTP/1.1\r\nHost: smuggled.example\r\n\r\n",
            org.token,
            body.len()
        );
        let reply = exchange(org.sandbox.address(), ask.as_bytes());
        check_status(&reply, 200);
        assert_eq!(reply.matches("HTTP/1.1").count(), 1, "{reply}");
    }
}

#[test]
fn what_is_no_http_is_refused_with_a_page_and_harms_nobody() {
    let org = Org::demo();
    let address = org.sandbox.address();
    let post = |rest: &str| format!("POST {COLLECTIONS} HTTP/1.1\r\nHost: localhost\r\n{rest}");
    let refused: Vec<Vec<u8>> = vec![
        b"\r\n\r\n\r\nnonsense\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n".to_vec(),
        b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"G\0T / HTTP/1.1\r\n\r\n".to_vec(),
        get("/", "X-Nul: a\0b\r\n").into_bytes(),
        get("/", "X-Bare: a\rb\r\n").into_bytes(),
        get("/", "No Colon\r\n").into_bytes(),
        get("/", ": no name\r\n").into_bytes(),
        get("/", "Content-Length: -1\r\n").into_bytes(),
        get("/", "Content-Length: 1, 2\r\n").into_bytes(),
        get("/", "Content-Length: 1\r\nContent-Length: 2\r\n").into_bytes(),
        get("/", "Content-Length: 99999999999999999999999\r\n").into_bytes(),
        get("/", "Transfer-Encoding: gzip\r\n").into_bytes(),
        post("Transfer-Encoding: chunked\r\n\r\nxyz\r\n").into_bytes(),
        post("Transfer-Encoding: chunked\r\n\r\n-1\r\n").into_bytes(),
        post("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n").into_bytes(),
        post("Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n").into_bytes(),
    ];
    for bytes in refused {
        let ask = String::from_utf8_lossy(&bytes).into_owned();
        let reply = exchange(address, &bytes);
        assert!(reply.starts_with("HTTP/1.1 400 "), "{ask:?}: {reply}");
        assert!(reply.contains("<h1>Bad Request</h1>"), "{ask:?}: {reply}");
    }
    check_accepted(&org.upsert(&[lead("1")])[0], true);
}

#[test]
fn heads_beyond_all_measure_are_refused_with_a_json_array() {
    let org = Org::demo();
    let address = org.sandbox.address();
    let long = get(&format!("/{}", "x".repeat(65_535)), "");
    let reply = exchange(address, long.as_bytes());
    // It is too long as a head before its URI is seen to be.
    check_status(&reply, 431);
    for more in [
        format!("X-Much: {}\r\n", "y".repeat(1_000_000)),
        (0..101).map(|n| format!("X-{n}: y\r\n")).collect(),
    ] {
        let reply = exchange(address, get(VERSIONS, &more).as_bytes());
        check_status(&reply, 431);
        let body = reply.split_once("\r\n\r\n").unwrap().1;
        let errors: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(errors[0]["errorCode"], "REQUEST_HEADER_FIELDS_TOO_LARGE");
    }
}

#[test]
fn a_client_that_goes_away_in_its_body_leaves_nothing_behind() {
    let org = Org::demo();
    let bytes = org.collection(&[lead("1")]).bytes(false);
    for cut in [bytes.len() - 1, bytes.len() - 20, 20] {
        let mut stream = connect(org.sandbox.address());
        stream.write_all(&bytes[..cut]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut stream), "");
    }
    // The login, then the two that were given up in their bodies; the third was none yet.
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.requests == 3));
    assert_eq!(org.sandbox.stats().leads, 0);
}

#[test]
fn text_that_is_no_utf_8_is_a_400_and_an_unknown_packing_a_415() {
    let org = Org::demo();
    let single = "/services/data/v67.0/sobjects/Lead/MySQL_Id__c/1";
    for (path, body) in [
        (COLLECTIONS, json!({ "records": [lead("1")] })),
        (single, json!({ "LastName": "Doe", "Company": "Acme" })),
    ] {
        let mut body = body.to_string().into_bytes();
        let name = body.windows(3).position(|w| w == b"Doe").unwrap();
        body[name] = 0xff;
        let answer = org.ask("PATCH", path).body("application/json", body).send();
        check_error(&answer, 400, "JSON_PARSER_ERROR", "");
    }
    let answer = org
        .collection(&[lead("1")])
        .header("Content-Encoding", "br")
        .send();
    check_error(
        &answer,
        415,
        "UNSUPPORTED_MEDIA_TYPE",
        "The content encoding",
    );
    assert_eq!(org.sandbox.stats().leads, 0);
}
