//! Start, stop, refuse connections, resume.
use std::time::Duration;

use salesforce_sandbox::{Action, AppConfig, CustomField, Error, Fault, OrgConfig, Sandbox};

use crate::harness::{Org, PATIENCE, check_accepted, lead};

#[test]
fn an_org_that_stops_listening_refuses_connections_and_keeps_its_contents() {
    let org = Org::demo();
    org.upsert(&[lead("1")]);
    org.sandbox.stop_listening();
    let refused = org.collection(&[lead("1")]).try_send().unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    org.sandbox.resume_listening().unwrap();
    org.sandbox.resume_listening().unwrap();
    check_accepted(&org.upsert(&[lead("1")])[0], false);
}

#[test]
fn an_open_connection_is_cut_when_the_org_stops_listening() {
    use std::io::Read;
    let org = Org::demo();
    let mut stream = std::net::TcpStream::connect(org.sandbox.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A request of its own makes sure that the connection has been accepted.
    std::io::Write::write_all(&mut stream, &org.ask("GET", "/services/data").bytes(false)).unwrap();
    assert!(stream.read(&mut [0; 64]).unwrap() > 0);
    org.sandbox.stop_listening();
    let rest = stream.read_to_end(&mut Vec::new());
    assert!(rest.is_ok() || rest.unwrap_err().kind() == std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_request_in_progress_is_cut_when_the_org_stops_listening_but_still_commits() {
    let org = Org::demo();
    org.sandbox.faults().add(
        Fault::new(Action::Hold {
            after_commit: false,
        })
        .times(1),
    );
    let ask = org.collection(&[lead("1")]);
    let client = std::thread::spawn(move || ask.try_send());
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    org.sandbox.stop_listening();
    let error = client.join().unwrap().unwrap_err();
    assert_ne!(
        error.kind(),
        std::io::ErrorKind::WouldBlock,
        "cut, not timed out"
    );
    org.sandbox.faults().release_all();
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.leads == 1));
    org.sandbox.resume_listening().unwrap();
    check_accepted(&org.upsert(&[lead("1")])[0], false);
}

#[test]
fn two_orgs_cannot_share_a_port_but_it_is_free_after_stop() {
    let org = Org::demo();
    let address = org.sandbox.address();
    assert!(matches!(
        Sandbox::start(address, OrgConfig::default()),
        Err(Error::Listen { .. })
    ));
    org.sandbox.stop();
    Sandbox::start(address, OrgConfig::default())
        .unwrap()
        .stop();
}

#[test]
fn all_mistakes_of_a_configuration_are_told_at_once() {
    let app = AppConfig {
        public_key_pem: Some("nonsense".into()),
        ..AppConfig::default()
    };
    let field = |name: &str| CustomField {
        name: name.into(),
        ..CustomField::default()
    };
    let config = OrgConfig {
        apps: vec![app, AppConfig::default()],
        fields: vec![field("LastName"), field("A__c"), field("a__C")],
        daily_api_requests: 0,
        ..OrgConfig::default()
    };
    let Err(Error::Config { mistakes }) = Sandbox::start("127.0.0.1:0".parse().unwrap(), config)
    else {
        panic!("it must be refused")
    };
    assert_eq!(mistakes.len(), 6, "{mistakes:#?}");
}

#[test]
fn waiting_ends_in_vain_when_the_condition_does_not_come_true() {
    let org = Org::demo();
    assert!(!org.sandbox.wait_for(Duration::ZERO, |s| s.leads > 0));
    assert!(org.sandbox.wait_for(Duration::ZERO, |s| s.logins == 1));
}

#[test]
fn the_control_endpoints_answer_on_loopback_only() {
    let sandbox = Sandbox::start("0.0.0.0:0".parse().unwrap(), OrgConfig::default()).unwrap();
    let address = format!("127.0.0.1:{}", sandbox.address().port())
        .parse()
        .unwrap();
    assert_eq!(
        crate::harness::Ask::new(address, "GET", "/__sandbox/stats")
            .send()
            .status,
        404
    );
    assert_eq!(
        crate::harness::Ask::new(address, "GET", "/services/data")
            .send()
            .status,
        200
    );
}

#[test]
fn the_log_is_bounded_by_requests_and_by_keys() {
    let org = Org::with(OrgConfig {
        request_log_entries: 3,
        request_log_keys: 4,
        ..OrgConfig::default()
    });
    for n in 0..5 {
        org.upsert(&[lead(&format!("{n}a")), lead(&format!("{n}b"))]);
    }
    let log = org.sandbox.requests();
    assert_eq!(log.iter().map(|r| r.sequence).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(org.sandbox.stats().requests, 6);
}

#[test]
fn an_org_can_be_started_and_dropped_inside_of_another_runtime() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let org = Org::demo();
        check_accepted(&org.upsert(&[lead("1")])[0], true);
        org.sandbox.stop();
    });
}
