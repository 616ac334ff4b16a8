//! How long sessions live, whose they are, and the 401s of the REST API (facts 1.7).
use std::time::Duration;

use salesforce_sandbox::{Action, AppConfig, Fault, OrgConfig, UserConfig};
use serde_json::json;

use crate::harness::{Answer, Org, check_error, lead};

const LIMITS: &str = "/services/data/v67.0/limits";

#[track_caller]
fn check_dead(answer: &Answer) {
    check_error(
        answer,
        401,
        "INVALID_SESSION_ID",
        "Session expired or invalid",
    );
}

#[test]
fn each_call_prolongs_a_session_until_its_whole_life_is_over() {
    let org = Org::with(OrgConfig {
        session_idle_seconds: Some(7200),
        session_lifetime_seconds: Some(20_000),
        ..OrgConfig::default()
    });
    for _ in 0..2 {
        org.sandbox.advance_clock(Duration::from_secs(7_000));
        assert_eq!(org.get(LIMITS).status, 200);
    }
    assert_eq!(org.log_in(), org.token, "a login gives the living session");
    org.sandbox.advance_clock(Duration::from_secs(6_000));
    check_dead(&org.get(LIMITS));
    assert_ne!(org.log_in(), org.token);
}

#[test]
fn a_session_that_nobody_uses_dies() {
    let org = Org::with(OrgConfig {
        session_idle_seconds: Some(7200),
        ..OrgConfig::default()
    });
    org.sandbox.advance_clock(Duration::from_secs(7200));
    check_dead(&org.get(LIMITS));
    check_dead(&org.get(LIMITS));
}

#[test]
fn an_authorization_header_is_read_leniently_and_told_apart_from_a_dead_session() {
    let org = Org::demo();
    let with = |header: &str| {
        org.ask_anonymously("GET", LIMITS)
            .header("Authorization", header)
            .send()
    };
    let token = &org.token;
    for header in [
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("OAUTH  {token} "),
    ] {
        assert_eq!(with(&header).status, 200, "{header}");
    }
    for header in ["", "Bearer", token, "Basic eDp5"] {
        check_error(
            &with(header),
            401,
            "INVALID_AUTH_HEADER",
            "INVALID_HEADER_TYPE",
        );
    }
    for header in [
        "Bearer nonsense".to_owned(),
        format!("Bearer {token}x"),
        format!("Bearer {}", token.to_ascii_lowercase()),
    ] {
        check_dead(&with(&header));
    }
    check_dead(&org.ask_anonymously("GET", LIMITS).send());
}

#[test]
fn a_401_can_be_one_that_no_login_cures() {
    let org = Org::demo();
    for message in [
        "This session is not valid for use with the REST API",
        "Connected app is not attached to Agent",
    ] {
        let fault = json!({
            "times": 1,
            "action": { "kind": "session_expired", "message": message },
        });
        let armed = org
            .ask_anonymously("POST", "/__sandbox/faults")
            .json(&fault)
            .send();
        assert_eq!(armed.status, 201);
        let answer = org.collection(&[lead("1")]).send();
        check_error(&answer, 401, "INVALID_SESSION_ID", message);
        assert_eq!(answer.json()[0]["message"], message);
    }
    assert_eq!(org.sandbox.leads().len(), 0);
    assert_eq!(org.get(LIMITS).status, 200);
    let action = Action::SessionExpired {
        revoke: false,
        message: None,
    };
    let written = serde_json::to_value(Fault::new(action)).unwrap();
    assert_eq!(
        written["action"],
        json!({ "kind": "session_expired", "revoke": false })
    );
}

#[test]
fn records_say_which_users_wrote_them() {
    let app = |client_id: &str, username: &str| AppConfig {
        client_id: client_id.into(),
        username: username.into(),
        ..AppConfig::default()
    };
    let mut org = Org::with(OrgConfig {
        apps: vec![
            app("leadstream-demo", "one@acme.example"),
            app("second", "two@acme.example"),
        ],
        users: vec![UserConfig {
            username: "three@acme.example".into(),
            ..UserConfig::default()
        }],
        ..OrgConfig::default()
    });
    let first = org.token.clone();
    let second = org
        .login_form(
            "grant_type=client_credentials&client_id=second&client_secret=leadstream-demo-secret",
        )
        .json();
    org.token = second["access_token"].as_str().unwrap().to_owned();
    assert_ne!(org.token, first);
    let id = org.upsert(&[lead("1")])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let home = org.get("/services/data/v67.0").json();
    assert!(
        home["identity"]
            .as_str()
            .unwrap()
            .ends_with("/005Hp0000000002IAA")
    );
    org.token = first;
    org.upsert(&[lead("1")]);
    let row = org
        .get(&format!("/services/data/v67.0/sobjects/Lead/{id}"))
        .json();
    assert_eq!(row["CreatedById"], "005Hp0000000002IAA");
    assert_eq!(row["OwnerId"], "005Hp0000000002IAA");
    assert_eq!(row["LastModifiedById"], "005Hp0000000001IAA");
}
