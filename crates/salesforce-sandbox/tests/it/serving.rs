//! Bounds of time and number on connections. The times are short and what is waited for is the close.
use std::io::Write;

use salesforce_sandbox::{Error, Listen, OrgConfig, Sandbox, ServingConfig};

use crate::harness::{Ask, COLLECTIONS, Org, PATIENCE, lead};
use crate::wire::{connect, exchange, read_reply, read_to_end};

/// Short enough not to be waited for.
const SOON_MS: u64 = 20;

fn org(serving: ServingConfig) -> Org {
    Org::with(OrgConfig {
        serving,
        ..OrgConfig::default()
    })
}

fn slow_heads() -> ServingConfig {
    ServingConfig {
        request_head_timeout_ms: SOON_MS,
        ..ServingConfig::default()
    }
}

#[test]
fn a_head_that_does_not_come_to_its_end_is_answered_with_408() {
    let org = org(slow_heads());
    let reply = exchange(
        org.sandbox.address(),
        b"GET /services/data HTTP/1.1\r\nHost: ",
    );
    assert!(
        reply.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
        "{reply}"
    );
    assert!(
        reply.ends_with("<h1>Request Timeout</h1></body></html>\n"),
        "{reply}"
    );
}

#[test]
fn a_second_head_has_to_come_to_its_end_too() {
    let org = org(slow_heads());
    let mut stream = connect(org.sandbox.address());
    stream
        .write_all(&org.ask("GET", "/services/data").bytes(false))
        .unwrap();
    assert!(read_reply(&mut stream).0.starts_with("HTTP/1.1 200 "));
    stream
        .write_all(b"GET /services/data HTTP/1.1\r\n")
        .unwrap();
    assert!(read_to_end(&mut stream).starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_new_connection_that_stays_silent_is_closed_without_a_word() {
    let org = org(slow_heads());
    assert_eq!(exchange(org.sandbox.address(), b""), "");
}

#[test]
fn a_connection_between_requests_is_kept_beyond_the_time_for_a_head() {
    let org = org(slow_heads());
    let mut stream = connect(org.sandbox.address());
    let ask = org.ask("GET", "/services/data").bytes(false);
    stream.write_all(&ask).unwrap();
    assert!(read_reply(&mut stream).0.starts_with("HTTP/1.1 200 "));
    // A connection that was opened later is closed for its silence; this one is not.
    assert_eq!(exchange(org.sandbox.address(), b""), "");
    assert_eq!(exchange(org.sandbox.address(), b""), "");
    stream.write_all(&ask).unwrap();
    assert!(read_reply(&mut stream).0.starts_with("HTTP/1.1 200 "));
}

#[test]
fn an_idle_connection_is_closed() {
    let org = org(ServingConfig {
        idle_timeout_ms: SOON_MS,
        ..ServingConfig::default()
    });
    let reply = exchange(
        org.sandbox.address(),
        &org.ask("GET", "/services/data").bytes(false),
    );
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    assert!(!reply.contains("connection: close"), "{reply}");
}

#[test]
fn a_body_that_stands_still_is_answered_with_408_and_logged() {
    let org = org(ServingConfig {
        request_body_timeout_ms: SOON_MS,
        ..ServingConfig::default()
    });
    let bytes = org.collection(&[lead("1")]).bytes(false);
    let reply = exchange(org.sandbox.address(), &bytes[..bytes.len() - 5]);
    assert!(reply.starts_with("HTTP/1.1 408 "), "{reply}");
    let log = org.sandbox.requests();
    let last = log.last().unwrap();
    assert_eq!((last.path.as_str(), last.status), (COLLECTIONS, Some(408)));
    assert_eq!(org.sandbox.stats().leads, 0);
}

#[test]
fn a_request_that_takes_its_time_is_not_cut() {
    let org = org(ServingConfig {
        request_head_timeout_ms: SOON_MS,
        request_body_timeout_ms: SOON_MS,
        idle_timeout_ms: SOON_MS,
        ..ServingConfig::default()
    });
    let hold = salesforce_sandbox::Action::Hold { after_commit: true };
    org.sandbox
        .faults()
        .add(salesforce_sandbox::Fault::new(hold));
    let ask = org.collection(&[lead("1")]);
    let client = std::thread::spawn(move || ask.send());
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    // Each of these lasts as long as any of the times.
    for _ in 0..3 {
        assert_eq!(exchange(org.sandbox.address(), b""), "");
    }
    org.sandbox.faults().clear();
    assert_eq!(client.join().unwrap().status, 200);
}

#[test]
fn connections_beyond_the_bound_wait_until_others_end() {
    let config = OrgConfig {
        serving: ServingConfig {
            max_connections: 2,
            ..ServingConfig::default()
        },
        ..OrgConfig::default()
    };
    let any = "127.0.0.1:0".parse().unwrap();
    let sandbox = Sandbox::start_with(Listen::http(any).control(any), config).unwrap();
    let ask = Ask::new(sandbox.address(), "GET", "/services/data").bytes(false);
    let ask_on = |stream: &mut std::net::TcpStream| {
        stream.write_all(&ask).unwrap();
        assert!(read_reply(stream).0.starts_with("HTTP/1.1 200 "));
    };
    let (mut first, mut second) = (connect(sandbox.address()), connect(sandbox.address()));
    ask_on(&mut first);
    ask_on(&mut second);
    let mut third = connect(sandbox.address());
    third.write_all(&ask).unwrap();
    ask_on(&mut second);
    assert_eq!(sandbox.stats().requests, 3, "the third connection waits");
    // The control endpoints have places of their own.
    let control = sandbox.control_url().unwrap();
    let control = control.strip_prefix("http://").unwrap().parse().unwrap();
    assert_eq!(
        Ask::new(control, "GET", "/__sandbox/stats").send().status,
        200
    );
    drop(first);
    assert!(read_reply(&mut third).0.starts_with("HTTP/1.1 200 "));
    assert_eq!(sandbox.stats().requests, 4);
}

#[test]
fn a_request_whose_client_is_gone_keeps_its_place() {
    let org = org(ServingConfig {
        max_connections: 1,
        ..ServingConfig::default()
    });
    let hold = salesforce_sandbox::Action::Hold { after_commit: true };
    org.sandbox
        .faults()
        .add(salesforce_sandbox::Fault::new(hold).times(1));
    let mut client = connect(org.sandbox.address());
    client
        .write_all(&org.collection(&[lead("1")]).bytes(true))
        .unwrap();
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    drop(client);
    let requests = org.sandbox.stats().requests;
    let ask = org.ask("GET", "/services/data");
    let next = std::thread::spawn(move || ask.send());
    org.sandbox.faults().release_all();
    assert_eq!(next.join().unwrap().status, 200);
    assert_eq!(org.sandbox.stats().requests, requests + 1);
}

#[test]
fn bounds_of_nothing_are_mistakes() {
    let serving = ServingConfig {
        max_connections: 0,
        idle_timeout_ms: 0,
        request_head_timeout_ms: 0,
        request_body_timeout_ms: 0,
        tls_handshake_timeout_ms: 0,
        max_buffered_bytes: 0,
    };
    let config = OrgConfig {
        serving,
        ..OrgConfig::default()
    };
    let started = Sandbox::start("127.0.0.1:0".parse().unwrap(), config);
    let Err(Error::Config { mistakes }) = started else {
        panic!("it must be refused")
    };
    assert_eq!(mistakes.len(), 6, "{mistakes:#?}");
    assert!(mistakes[0].starts_with("serving.max_connections "));
}
