//! Logins by password, and who may not log in at all (facts 1.5 and 1.6).
use std::time::Duration;

use salesforce_sandbox::{AppConfig, Error, OrgConfig, Sandbox, UserConfig};

use crate::harness::{Answer, Ask};
use crate::oauth::check_refused;

fn password_org(config: OrgConfig) -> Sandbox {
    let user = UserConfig {
        username: "ada@acme.example".into(),
        password: Some("correct horse".into()),
        security_token: Some("TOKEN".into()),
        ..UserConfig::default()
    };
    let gone = UserConfig {
        username: "gone@acme.example".into(),
        active: false,
        security_token: None,
        ..user.clone()
    };
    let config = OrgConfig {
        users: vec![user, gone],
        ..config
    };
    Sandbox::start("127.0.0.1:0".parse().unwrap(), config).unwrap()
}

fn log_in_by_password(sandbox: &Sandbox, username: &str, password: &str) -> Answer {
    let form = format!(
        "grant_type=password&client_id=leadstream-demo&client_secret=leadstream-demo-secret\
         &username={username}&password={password}"
    );
    Ask::new(sandbox.address(), "POST", "/services/oauth2/token")
        .body("application/x-www-form-urlencoded", form)
        .send()
}

#[test]
fn a_password_opens_a_session_with_its_security_token_or_from_a_trusted_network() {
    let sandbox = password_org(OrgConfig::default());
    let answer = log_in_by_password(&sandbox, "Ada@acme.example", "correct+horseTOKEN");
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!(body.get("refresh_token"), None);
    assert!(body["signature"].is_string() && body["issued_at"].is_string());
    assert!(
        body["id"]
            .as_str()
            .unwrap()
            .ends_with("/005Hp0000000002IAA")
    );
    for (user, password) in [
        ("ada@acme.example", "correct+horse"),
        ("ada@acme.example", "wrongTOKEN"),
        ("nobody@acme.example", "correct+horseTOKEN"),
        ("integration@leadstream.example", "x"),
    ] {
        check_refused(
            &log_in_by_password(&sandbox, user, password),
            "invalid_grant",
            "authentication failure",
        );
    }
    let trusted = password_org(OrgConfig {
        trusted_network: true,
        ..OrgConfig::default()
    });
    assert_eq!(
        log_in_by_password(&trusted, "ada@acme.example", "correct+horse").status,
        200
    );
    let blocked = password_org(OrgConfig {
        password_grant: false,
        ..OrgConfig::default()
    });
    check_refused(
        &log_in_by_password(&blocked, "ada@acme.example", "correct+horseTOKEN"),
        "invalid_grant",
        "authentication failure",
    );
}

#[test]
fn inactive_users_and_inactive_orgs_let_nobody_in() {
    let sandbox = password_org(OrgConfig::default());
    check_refused(
        &log_in_by_password(&sandbox, "gone@acme.example", "correct+horse"),
        "inactive_user",
        "user is inactive",
    );
    let inactive = password_org(OrgConfig {
        inactive_org: true,
        ..OrgConfig::default()
    });
    check_refused(
        &log_in_by_password(&inactive, "ada@acme.example", "correct+horseTOKEN"),
        "inactive_org",
        "organization is inactive",
    );
}

#[test]
fn a_user_who_logs_in_too_often_is_refused_until_the_hour_has_passed() {
    let sandbox = password_org(OrgConfig {
        logins_per_hour: 2,
        ..OrgConfig::default()
    });
    let log_in = || log_in_by_password(&sandbox, "ada@acme.example", "correct+horseTOKEN");
    for _ in 0..2 {
        assert_eq!(log_in().status, 200);
    }
    check_refused(&log_in(), "rate_limit_exceeded", "login rate exceeded");
    let other = Ask::new(sandbox.address(), "POST", "/services/oauth2/token").body(
        "application/x-www-form-urlencoded",
        "grant_type=client_credentials&client_id=leadstream-demo&client_secret=leadstream-demo-secret",
    );
    assert_eq!(other.send().status, 200, "each user has an hour of its own");
    sandbox.advance_clock(Duration::from_secs(3600));
    assert_eq!(log_in().status, 200);
    assert_eq!(sandbox.stats().logins, 4);
}

#[test]
fn apps_and_users_are_configured_by_toml() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = r#"
        logins_per_hour = 10
        password_grant = false
        trusted_network = true
        inactive_org = false
        session_lifetime_seconds = 86400

        [[apps]]
        client_id = "app"
        username = "one@acme.example"
        approved_users = ["Two@acme.example"]
        admin_approval = true
        scopes = ["api", "web", "offline_access"]
        callback_urls = ["https://app.example/cb"]
        require_secret = false
        require_pkce = true
        rotate_refresh_tokens = true
        refresh_token_seconds = 60

        [[apps]]
        client_id = "old"
        username = ""

        [[users]]
        username = "two@acme.example"
        password = "secret"
        security_token = "TOKEN"
        active = false
        email = "box@acme.example"
        name = "Two Doe"
        profile = "Minimum Access"
    "#;
    std::fs::write(file.path(), text).unwrap();
    let config = OrgConfig::load(file.path()).unwrap();
    assert_eq!(config.mistakes(), [] as [String; 0]);
    assert_eq!(config.apps[0].refresh_token_seconds, Some(60));
    assert!(config.apps[1].require_secret);
    assert_eq!(config.apps[1].scopes, ["api", "id", "refresh_token"]);
    assert!(!config.users[0].active);
    let shown = format!("{config:?}");
    assert!(
        !shown.contains("\"secret\"") && !shown.contains("TOKEN"),
        "{shown}"
    );
}

#[test]
fn mistakes_in_apps_and_users_are_told_with_their_keys() {
    let user = |username: &str| UserConfig {
        username: username.into(),
        ..UserConfig::default()
    };
    let config = OrgConfig {
        apps: vec![AppConfig {
            approved_users: vec!["nobody@acme.example".into()],
            callback_urls: vec!["localhost".into(), "http://app.example/#x".into()],
            scopes: vec!["api id".into()],
            ..AppConfig::default()
        }],
        users: vec![user("a@acme.example"), user("A@acme.example"), user("")],
        ..OrgConfig::default()
    };
    let Err(Error::Config { mistakes }) = Sandbox::start("127.0.0.1:0".parse().unwrap(), config)
    else {
        panic!("it must be refused")
    };
    let keys: Vec<&str> = mistakes
        .iter()
        .map(|mistake| mistake.split([':', ' ']).next().unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "apps[0].approved_users",
            "apps[0].callback_urls",
            "apps[0].callback_urls",
            "apps[0].scopes",
            "users[1].username",
            "users[2].username",
        ]
    );
}
