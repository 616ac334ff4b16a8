//! Which listener answers what, and to whom: the org, the control endpoints, both.
use std::net::SocketAddr;

use salesforce_sandbox::{Error, Listen, OrgConfig, Sandbox};
use serde_json::json;

use crate::harness::{Ask, Org, check_error};

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn address_of(url: &str) -> SocketAddr {
    url.split_once("://").unwrap().1.parse().unwrap()
}

#[test]
fn control_endpoints_with_a_listener_of_their_own_answer_there_alone() {
    let listen = Listen::http("0.0.0.0:0".parse().unwrap())
        .and_http(any())
        .control(any());
    let sandbox = Sandbox::start_with(listen, OrgConfig::default()).unwrap();
    let control = address_of(&sandbox.control_url().unwrap());
    let stats = |address| Ask::new(address, "GET", "/__sandbox/stats").send().status;
    let versions = |address| Ask::new(address, "GET", "/services/data").send().status;
    assert_eq!((stats(control), versions(control)), (200, 404));
    assert_eq!(sandbox.base_urls().len(), 2);
    for url in sandbox.base_urls() {
        let address = SocketAddr::new(any().ip(), address_of(&url).port());
        assert_eq!((stats(address), versions(address)), (404, 200));
    }
    assert_eq!(sandbox.stats().requests, 2);
    // They outlast the org's listeners.
    sandbox.stop_listening();
    assert_eq!(stats(control), 200);
    let main = SocketAddr::new(any().ip(), sandbox.address().port());
    assert!(Ask::new(main, "GET", "/services/data").try_send().is_err());
    sandbox.resume_listening().unwrap();
    assert_eq!(versions(main), 200);
    sandbox.stop();
    assert!(
        Ask::new(control, "GET", "/__sandbox/stats")
            .try_send()
            .is_err()
    );
}

#[test]
fn a_control_listener_that_others_could_reach_is_refused() {
    let listen = Listen::http(any()).control("0.0.0.0:0".parse().unwrap());
    let error = Sandbox::start_with(listen, OrgConfig::default())
        .err()
        .unwrap();
    assert!(matches!(error, Error::ControlNotLoopback { .. }), "{error}");
    assert!(error.is_configuration());
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
}

#[test]
fn a_listener_that_cannot_be_had_is_named() {
    let org = Org::demo();
    let taken = org.sandbox.address();
    for listen in [
        Listen::http(any()).and_http(taken),
        Listen::http(any()).control(taken),
    ] {
        let error = Sandbox::start_with(listen, OrgConfig::default())
            .err()
            .unwrap();
        assert!(error.to_string().contains(&taken.to_string()), "{error}");
        assert!(error.remedy().unwrap().contains("port"));
    }
}

#[test]
fn control_endpoints_answer_to_names_of_this_machine_alone() {
    let org = Org::demo();
    let ask = |host: &str| {
        org.ask_anonymously("GET", "/__sandbox/stats")
            .header("Host", host)
            .send()
    };
    for host in ["localhost", "127.0.0.1:1", "[::1]:8080"] {
        assert_eq!(ask(host).status, 200, "{host}");
    }
    check_error(
        &ask("rebound.example"),
        403,
        "FORBIDDEN",
        "The control endpoints answer to",
    );
    // The org itself answers to any name, as behind a proxy.
    let versions = org.ask_anonymously("GET", "/services/data");
    assert_eq!(
        versions.header("Host", "rebound.example").send().status,
        200
    );
}

#[test]
fn pages_of_other_sites_change_nothing() {
    let org = Org::demo();
    let fault = json!({ "action": { "kind": "down", "outage": "reset" } });
    let ask = |origin: &str| {
        org.ask_anonymously("POST", "/__sandbox/faults")
            .header("Origin", origin)
            .json(&fault)
            .send()
    };
    check_error(&ask("http://elsewhere.example"), 403, "FORBIDDEN", "");
    check_error(&ask("null"), 403, "FORBIDDEN", "");
    let wipe = org.ask_anonymously("DELETE", "/__sandbox/sessions");
    let wiped = wipe.header("Origin", "http://elsewhere.example").send();
    check_error(&wiped, 403, "FORBIDDEN", "");
    assert_eq!(org.get("/services/data/v67.0/limits").status, 200);
    let own = format!("http://{}", org.sandbox.address());
    assert_eq!(ask(&own).status, 201);
}
