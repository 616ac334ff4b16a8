//! Logins at a browser, refresh tokens, and what becomes of tokens (facts 1.1, 1.4).
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use salesforce_sandbox::{AppConfig, OrgConfig, Sandbox, UserConfig};
use serde_json::{Value, json};

use crate::harness::{Answer, Ask};
use crate::oauth::check_refused;

const CALLBACK: &str = "http://localhost:1717/OauthRedirect";
const SECRET: &str = "client_secret=leadstream-demo-secret";

struct WebOrg {
    sandbox: Sandbox,
}

impl WebOrg {
    fn demo() -> WebOrg {
        WebOrg::with(AppConfig::default())
    }

    fn with(app: AppConfig) -> WebOrg {
        let user = |username: &str, active| UserConfig {
            username: username.into(),
            active,
            ..UserConfig::default()
        };
        let config = OrgConfig {
            apps: vec![
                app,
                AppConfig {
                    client_id: "other".into(),
                    ..AppConfig::default()
                },
            ],
            users: vec![
                user("ada@acme.example", true),
                user("gone@acme.example", false),
            ],
            ..OrgConfig::default()
        };
        WebOrg {
            sandbox: Sandbox::start("127.0.0.1:0".parse().unwrap(), config).unwrap(),
        }
    }

    fn ask(&self, method: &str, path: &str) -> Ask {
        Ask::new(self.sandbox.address(), method, path)
    }

    fn post(&self, resource: &str, form: &str) -> Answer {
        self.ask("POST", &format!("/services/oauth2/{resource}"))
            .body("application/x-www-form-urlencoded", form)
            .send()
    }

    /// An authorize request of the demo app to its callback.
    fn authorize(&self, more: &str) -> Answer {
        let query = format!(
            "client_id=leadstream-demo&redirect_uri={}{more}",
            encoded(CALLBACK)
        );
        self.ask("GET", &format!("/services/oauth2/authorize?{query}"))
            .send()
    }

    #[track_caller]
    fn code(&self, more: &str) -> String {
        let answer = self.authorize(&format!("&response_type=code{more}"));
        let location = redirected(&answer);
        let (url, query) = location.split_once('?').unwrap();
        assert_eq!(url, CALLBACK);
        query.strip_prefix("code=").unwrap().to_owned()
    }

    fn exchange(&self, code: &str, more: &str) -> Answer {
        let callback = encoded(CALLBACK);
        self.post(
            "token",
            &format!(
                "grant_type=authorization_code&client_id=leadstream-demo&{SECRET}&redirect_uri={callback}&code={code}{more}"
            ),
        )
    }

    /// A whole login; what its client is told.
    #[track_caller]
    fn log_in(&self) -> Value {
        let answer = self.exchange(&self.code(""), "");
        assert_eq!(answer.status, 200);
        answer.json()
    }

    fn refresh(&self, token: &str) -> Answer {
        self.post(
            "token",
            &format!(
                "grant_type=refresh_token&client_id=leadstream-demo&{SECRET}&refresh_token={token}"
            ),
        )
    }

    fn status_with(&self, token: &str) -> u16 {
        self.ask("GET", "/services/data/v67.0/limits")
            .header("Authorization", &format!("Bearer {token}"))
            .send()
            .status
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap()
}

#[track_caller]
fn redirected(answer: &Answer) -> &str {
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.header("location").unwrap()
}

#[track_caller]
fn check_shown(answer: &Answer, error: &str) {
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("location"), None);
    assert_eq!(String::from_utf8_lossy(&answer.body), error);
}

#[test]
fn a_code_is_exchanged_once_for_a_session_and_a_refresh_token() {
    let org = WebOrg::demo();
    let code = org.code("");
    assert!(
        code.starts_with("aPrx") && code.ends_with("%3D%3D"),
        "{code}"
    );
    let answer = org.exchange(&code, "");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert!(text(&body, "refresh_token").starts_with("5Aep861"));
    assert_eq!(body["scope"], "api id refresh_token");
    assert_eq!(body.get("expires_in"), None);
    assert!(text(&body, "id").ends_with("/005Hp0000000001IAA"));
    assert_eq!(org.status_with(text(&body, "access_token")), 200);
    check_refused(
        &org.exchange(&code, ""),
        "invalid_grant",
        "expired authorization code",
    );
    check_refused(
        &org.exchange("aPrxnonsense", ""),
        "invalid_grant",
        "invalid authorization code",
    );
}

#[test]
fn a_code_dies_after_fifteen_minutes_of_the_orgs_clock() {
    let org = WebOrg::demo();
    let (young, old) = (org.code(""), org.code(""));
    org.sandbox.advance_clock(Duration::from_secs(14 * 60));
    assert_eq!(org.exchange(&young, "").status, 200);
    org.sandbox.advance_clock(Duration::from_secs(60));
    check_refused(
        &org.exchange(&old, ""),
        "invalid_grant",
        "expired authorization code",
    );
}

#[test]
fn a_code_is_for_its_app_its_callback_and_whoever_knows_the_secret() {
    let org = WebOrg::demo();
    let code = org.code("");
    let form = |client: &str, secret: &str, callback: &str| {
        let callback = encoded(callback);
        org.post(
            "token",
            &format!("grant_type=authorization_code&client_id={client}&redirect_uri={callback}&code={code}{secret}"),
        )
    };
    let secret = format!("&{SECRET}");
    for wrong in ["", "&client_secret=", "&client_secret=x"] {
        check_refused(
            &form("leadstream-demo", wrong, CALLBACK),
            "invalid_client",
            "invalid client credentials",
        );
    }
    check_refused(
        &form("unknown", &secret, CALLBACK),
        "invalid_client_id",
        "client identifier invalid",
    );
    check_refused(
        &form("other", &secret, CALLBACK),
        "invalid_grant",
        "invalid authorization code",
    );
    check_refused(
        &form("leadstream-demo", &secret, "http://localhost/other"),
        "redirect_uri_mismatch",
        "redirect_uri must match configuration",
    );
    assert_eq!(
        form("leadstream-demo", &secret, CALLBACK).status,
        200,
        "what was refused did not spend the code"
    );
    let lenient = WebOrg::with(AppConfig {
        require_secret: false,
        ..AppConfig::default()
    });
    let callback = encoded(CALLBACK);
    let form = format!(
        "grant_type=authorization_code&client_id=leadstream-demo&redirect_uri={callback}&code={}",
        lenient.code("")
    );
    assert_eq!(lenient.post("token", &form).status, 200);
}

#[test]
fn a_code_with_a_challenge_takes_its_verifier() {
    let org = WebOrg::demo();
    let verifier = "v".repeat(171);
    let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    let challenges = [
        format!("&code_challenge={hash}"),
        format!("&code_challenge={hash}&code_challenge_method=S256"),
        format!("&code_challenge={verifier}&code_challenge_method=plain"),
    ];
    for challenge in challenges {
        let code = org.code(&challenge);
        for wrong in ["", "&code_verifier=", "&code_verifier=vvv"] {
            check_refused(
                &org.exchange(&code, wrong),
                "invalid_grant",
                "invalid code verifier",
            );
        }
        let right = format!("&code_verifier={verifier}");
        assert_eq!(org.exchange(&code, &right).status, 200, "{challenge}");
    }
    let answer = org.authorize("&response_type=code&code_challenge=x&code_challenge_method=S512");
    assert!(redirected(&answer).contains("?error=invalid_request&"));
    let strict = WebOrg::with(AppConfig {
        require_pkce: true,
        ..AppConfig::default()
    });
    assert_eq!(
        redirected(&strict.authorize("&response_type=code&state=s")),
        format!(
            "{CALLBACK}?error=invalid_request&error_description=missing%20required%20code%20challenge&state=s"
        )
    );
}

#[test]
fn only_trusted_callbacks_are_redirected_to() {
    let org = WebOrg::demo();
    let mismatch =
        "error=redirect_uri_mismatch&error_description=redirect_uri%20must%20match%20configuration";
    let authorize = |org: &WebOrg, query: &str| {
        org.ask(
            "GET",
            &format!("/services/oauth2/authorize?response_type=code&{query}"),
        )
        .send()
    };
    let to = |org: &WebOrg, callback: &str| {
        authorize(
            org,
            &format!(
                "client_id=leadstream-demo&redirect_uri={}",
                encoded(callback)
            ),
        )
    };
    check_shown(
        &authorize(&org, "client_id=unknown"),
        "error=invalid_client_id&error_description=client%20identifier%20invalid",
    );
    check_shown(
        &authorize(&org, "client_id=leadstream-demo"),
        "error=redirect_uri_missing&error_description=redirect_uri%20not%20provided",
    );
    for callback in [
        "https://evil.example/",
        "http://localhost.evil.example/",
        "http://localhost/\r\nX-Injected: 1",
        "http://localhost/#here",
        "",
    ] {
        check_shown(&to(&org, callback), mismatch);
    }
    assert!(
        redirected(&to(&org, "http://[::1]:8080/cb?a=b"))
            .starts_with("http://[::1]:8080/cb?a=b&code=aPrx")
    );
    let registered = WebOrg::with(AppConfig {
        callback_urls: vec!["https://app.example/cb".into(), "myapp://auth".into()],
        ..AppConfig::default()
    });
    check_shown(&to(&registered, CALLBACK), mismatch);
    check_shown(&to(&registered, "https://app.example/cb/"), mismatch);
    assert!(redirected(&to(&registered, "myapp://auth")).starts_with("myapp://auth?code="));
}

#[test]
fn what_else_goes_wrong_is_told_to_the_callback_with_its_state() {
    let org = WebOrg::demo();
    let told = |more: &str| {
        let answer = org.authorize(&format!("{more}&state=a%26b%0D%0A"));
        let location = redirected(&answer).to_owned();
        let rest = location.strip_prefix(CALLBACK).unwrap();
        assert!(rest.ends_with("&state=a%26b%0D%0A"), "{rest}");
        rest.split('&').next().unwrap().to_owned()
    };
    assert_eq!(told(""), "?error=unsupported_response_type");
    assert_eq!(
        told("&response_type=id_token"),
        "?error=unsupported_response_type"
    );
    assert_eq!(
        told("&response_type=code&scope=api%20web"),
        "?error=invalid_scope"
    );
    assert_eq!(
        told("&response_type=token&scope=web"),
        "#error=invalid_scope"
    );
    assert_eq!(
        told("&response_type=code&login_hint=nobody"),
        "?error=access_denied"
    );
    assert_eq!(
        told("&response_type=code&login_hint=gone@acme.example"),
        "?error=inactive_user"
    );
    assert!(told("&response_type=code").starts_with("?code=aPrx"));
    let strict = WebOrg::with(AppConfig {
        admin_approval: true,
        ..AppConfig::default()
    });
    let answer = strict.authorize("&response_type=code&login_hint=ada@acme.example");
    assert_eq!(
        redirected(&answer),
        format!(
            "{CALLBACK}?error=OAUTH_APP_ACCESS_DENIED&error_description=user%20is%20not%20admin%20approved%20to%20access%20this%20app"
        )
    );
    strict.code("");
}

#[test]
fn the_user_agent_flow_answers_in_the_fragment() {
    let org = WebOrg::demo();
    let answer = org.authorize("&response_type=token&state=s&login_hint=ada@acme.example");
    let location = redirected(&answer);
    let fragment = location.strip_prefix(&format!("{CALLBACK}#")).unwrap();
    let value = |name: &str| {
        let found = fragment
            .split('&')
            .find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        found
            .unwrap_or_else(|| panic!("{name}: {fragment}"))
            .to_owned()
    };
    assert_eq!(value("state"), "s");
    assert!(value("refresh_token").starts_with("5Aep861"));
    assert!(value("id").ends_with("%2F005Hp0000000002IAA"), "{fragment}");
    assert!(value("issued_at").parse::<u64>().is_ok());
    let token = value("access_token").replace("%21", "!");
    assert_eq!(org.status_with(&token), 200);
}

#[test]
fn a_refresh_token_yields_sessions_until_it_is_revoked_and_they_die_with_it() {
    let org = WebOrg::demo();
    let first = org.log_in();
    let refresh = text(&first, "refresh_token");
    let answer = org.refresh(refresh);
    assert_eq!(answer.status, 200);
    let second = answer.json();
    assert_eq!(second.get("refresh_token"), None);
    assert_eq!(second["scope"], first["scope"]);
    assert_eq!(
        second["access_token"], first["access_token"],
        "the living session is given again"
    );
    let unrelated = org.log_in();
    org.sandbox.revoke_sessions();
    let third = org.refresh(refresh).json();
    assert_ne!(third["access_token"], first["access_token"]);
    assert_eq!(org.status_with(text(&first, "access_token")), 401);
    assert_eq!(org.status_with(text(&third, "access_token")), 200);

    assert_eq!(org.post("revoke", &format!("token={refresh}")).status, 200);
    assert_eq!(org.status_with(text(&third, "access_token")), 401);
    check_refused(
        &org.refresh(refresh),
        "invalid_grant",
        "expired access/refresh token",
    );
    check_refused(
        &org.refresh("5Aep861never"),
        "invalid_grant",
        "expired access/refresh token",
    );
    let kept = org.refresh(text(&unrelated, "refresh_token"));
    assert_eq!(kept.status, 200, "another approval is not touched");
}

#[test]
fn a_refresh_token_can_rotate_and_grow_old() {
    let org = WebOrg::with(AppConfig {
        rotate_refresh_tokens: true,
        refresh_token_seconds: Some(3600),
        ..AppConfig::default()
    });
    let first = org.log_in();
    let old = text(&first, "refresh_token");
    let second = org.refresh(old).json();
    let new = text(&second, "refresh_token");
    assert_ne!(new, old);
    let dead = |token: &str| {
        check_refused(
            &org.refresh(token),
            "invalid_grant",
            "expired access/refresh token",
        );
    };
    dead(old);
    assert_eq!(org.status_with(text(&first, "access_token")), 200);
    org.sandbox.advance_clock(Duration::from_secs(3599));
    let third = org.refresh(new).json();
    org.sandbox.advance_clock(Duration::from_secs(1));
    dead(text(&third, "refresh_token"));
}

#[test]
fn a_login_without_the_refresh_scope_or_by_another_app_refreshes_nothing() {
    let org = WebOrg::demo();
    let body = org.exchange(&org.code("&scope=api"), "").json();
    assert_eq!(body["scope"], "api");
    assert_eq!(body.get("refresh_token"), None);
    let body = org
        .exchange(&org.code("&scope=offline_access%20id"), "")
        .json();
    let token = text(&body, "refresh_token");
    let form = format!("grant_type=refresh_token&client_id=other&{SECRET}&refresh_token={token}");
    check_refused(
        &org.post("token", &form),
        "invalid_grant",
        "expired access/refresh token",
    );
    check_refused(
        &org.post(
            "token",
            &format!("grant_type=refresh_token&client_id=leadstream-demo&refresh_token={token}"),
        ),
        "invalid_client",
        "invalid client credentials",
    );
    check_refused(
        &org.refresh(""),
        "invalid_request",
        "missing required parameter: refresh_token",
    );
}

#[test]
fn revocation_takes_tokens_by_get_and_post_and_refuses_dead_ones() {
    let org = WebOrg::demo();
    let body = org.log_in();
    let token = text(&body, "access_token").replace('!', "%21");
    let revoke = |query: &str| {
        org.ask("GET", &format!("/services/oauth2/revoke?{query}"))
            .send()
    };
    let answer = revoke(&format!("token={token}"));
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(org.status_with(text(&body, "access_token")), 401);
    check_refused(
        &revoke(&format!("token={token}")),
        "invalid_token",
        "invalid token",
    );
    check_refused(
        &revoke("token=nonsense"),
        "unsupported_token_type",
        "this token is not supported",
    );
    check_refused(
        &revoke(""),
        "invalid_request",
        "missing required parameter: token",
    );
    assert_eq!(
        org.refresh(text(&body, "refresh_token")).status,
        200,
        "the approval outlives a revoked session"
    );
}

#[test]
fn introspection_tells_an_app_of_its_own_living_tokens() {
    let org = WebOrg::demo();
    let body = org.log_in();
    let introspect = |client: &str, token: &str| {
        let answer = org.post(
            "introspect",
            &format!("client_id={client}&{SECRET}&token={}", encoded(token)),
        );
        assert_eq!(answer.status, 200);
        answer.json()
    };
    let access = text(&body, "access_token");
    let told = introspect("leadstream-demo", access);
    assert_eq!(told["active"], true);
    assert_eq!(told["scope"], "api id refresh_token");
    assert_eq!(told["client_id"], "leadstream-demo");
    assert_eq!(told["username"], "integration@leadstream.example");
    assert_eq!(told["sub"], body["id"]);
    assert_eq!(told["token_type"], "access_token");
    assert_eq!(told["nbf"], told["iat"]);
    assert_eq!(
        told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap(),
        7200
    );
    let told = introspect("leadstream-demo", text(&body, "refresh_token"));
    assert_eq!(
        (&told["active"], &told["token_type"]),
        (&json!(true), &json!("refresh_token"))
    );
    assert_eq!(told.get("exp"), None);

    let inactive = json!({ "active": false });
    assert_eq!(introspect("other", access), inactive);
    assert_eq!(introspect("leadstream-demo", "nonsense"), inactive);
    org.sandbox.revoke_sessions();
    assert_eq!(introspect("leadstream-demo", access), inactive);
    check_refused(
        &org.post(
            "introspect",
            &format!("client_id=leadstream-demo&token={access}"),
        ),
        "invalid_client",
        "invalid client credentials",
    );
    check_refused(
        &org.ask("GET", "/services/oauth2/introspect").send(),
        "invalid_request",
        "must use HTTP POST",
    );
}

#[test]
fn codes_and_refresh_tokens_are_each_good_for_one_of_many_at_once() {
    let org = WebOrg::with(AppConfig {
        rotate_refresh_tokens: true,
        ..AppConfig::default()
    });
    let code = org.code("");
    let race = |ask: &(dyn Fn() -> Answer + Sync)| -> Vec<Answer> {
        std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            let answers = racers.into_iter().map(|racer| racer.join().unwrap());
            answers.filter(|answer| answer.status == 200).collect()
        })
    };
    let won = race(&|| org.exchange(&code, ""));
    assert_eq!(won.len(), 1);
    let token = won[0].json()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(race(&|| org.refresh(&token)).len(), 1);
}
