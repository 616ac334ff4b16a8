//! What somebody may try at the port, against the layer that all routes stand behind.

use std::cell::Cell;
use std::path::PathBuf;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use tower::ServiceExt;

use super::gate::{Gate, Peer, Reach};
use super::*;
use crate::core::time::Micros;
use crate::operator::http::behind;
use crate::telemetry::metrics::Metrics;

const SECOND: i64 = 1_000_000;
const START: i64 = 1_800_000_000 * SECOND;

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(START) };
}

fn now() -> Micros {
    Micros(NOW.get())
}

fn pass(seconds: i64) {
    NOW.set(NOW.get() + seconds * SECOND);
}

/// A port with a page, a change and a question behind the gate.
struct Port {
    router: Router,
    file: PathBuf,
    metrics: Metrics,
    _folder: tempfile::TempDir,
}

const LOOPBACK: Reach = Reach {
    loopback: true,
    tls: false,
};

fn port() -> Port {
    port_with(LOOPBACK)
}

fn port_with(reach: Reach) -> Port {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let metrics = Metrics::new("0").unwrap();
    let gate = Gate::open(Some(&file), reach, metrics.sign_ins.clone(), now).unwrap();
    let who = |who: Identity| async move { format!("{} {}", who.name, who.role) };
    let csrf = |who: Identity| async move { who.csrf.unwrap_or_default().to_string() };
    let change = |who: Identity, body: String| async move {
        who.require(Role::Operator)?;
        Ok::<_, Problem>(body)
    };
    let routes = Router::new()
        .route("/", get(who))
        .route("/csrf", get(csrf))
        .route("/change", post(change))
        .route("/api/v1/leads", get(who).post(change))
        .route("/api/v1/status", get("{}"))
        .route("/livez", get("alive"));
    Port {
        router: behind(gate, routes),
        file,
        metrics,
        _folder: folder,
    }
}

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Port {
    fn token(&self, name: &str, role: Role) -> String {
        let (token, _) = token_file::add(&self.file, name, role, None).unwrap();
        pass(2);
        token.expose().to_owned()
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "127.0.0.1:9464");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        request
            .extensions_mut()
            .insert(Peer("192.0.2.7".parse().unwrap()));
        let answer: Response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, headers, "").await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], form: &str) -> Answer {
        let mut headers = headers.to_vec();
        headers.push(("content-type", "application/x-www-form-urlencoded"));
        self.ask(Method::POST, path, &headers, form).await
    }

    /// Signs in; gives the cookie and the mark of its forms.
    async fn sign_in(&self, token: &str) -> (String, String) {
        let answer = self.post("/login", &[], &format!("token={token}")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        let cookie = answer.header("set-cookie").split(';').next().unwrap();
        (cookie.to_owned(), self.csrf(cookie).await)
    }

    async fn csrf(&self, cookie: &str) -> String {
        self.get("/csrf", &[("cookie", cookie)]).await.body
    }

    fn count(&self, outcome: &str) -> u64 {
        self.metrics.sign_ins.with_label_values(&[outcome]).get()
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn nobody_gets_in_without_a_token() {
    let port = port();
    let answer = port.get("/", &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/login");
    let answer = port.get("/attention?cause=a%20b&page=2", &[]).await;
    assert_eq!(
        answer.header("location"),
        "/login?next=/attention%3Fcause%3Da%2520b%26page%3D2"
    );
    let answer = port.post("/change", &[], "state=x").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/login?ended=1");
    for path in ["/api/v1/leads", "/api/v1/nothing", "/api"] {
        let answer = port.get(path, &[]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(answer.body.contains("LS6050"), "{}", answer.body);
    }
    for path in ["/livez", "/api/v1/status", "/login", "/assets/login.css"] {
        assert_eq!(port.get(path, &[]).await.status, StatusCode::OK, "{path}");
    }
    // With a token that is wrong, too: probes and Prometheus need none.
    let answer = port.get("/livez", &[("authorization", "Bearer x")]).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_bearer_token_says_who_asks_and_needs_no_mark() {
    let port = port();
    let token = bearer(&port.token("nightly", Role::Operator));
    let answer = port
        .get("/api/v1/leads", &[("authorization", &token)])
        .await;
    assert_eq!(answer.body, "nightly operator");
    let lower = token.replace("Bearer", "bearer");
    let answer = port.get("/", &[("authorization", &lower)]).await;
    assert_eq!(answer.body, "nightly operator");
    let headers = [("authorization", &*token)];
    let answer = port.post("/api/v1/leads", &headers, "{}").await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "{}"));
}

#[tokio::test]
async fn a_viewer_changes_nothing() {
    let port = port();
    let token = port.token("vera", Role::Viewer);
    let headers = [("authorization", &*bearer(&token))];
    let answer = port.post("/api/v1/leads", &headers, "{}").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.body.contains("LS6051"), "{}", answer.body);
    let (cookie, csrf) = port.sign_in(&token).await;
    let form = format!("csrf={csrf}");
    let answer = port.post("/change", &[("cookie", &cookie)], &form).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.body.contains("LS6051"), "{}", answer.body);
}

#[tokio::test]
async fn unknown_expired_revoked_and_broken_tokens_get_the_same_answer() {
    let port = port();
    port.token("real", Role::Admin);
    let end = Some(Micros(NOW.get() + 10 * SECOND));
    let (expired, _) = token_file::add(&port.file, "expired", Role::Admin, end).unwrap();
    pass(2);
    let headers = [("authorization", &*bearer(expired.expose()))];
    assert_eq!(port.get("/", &headers).await.status, StatusCode::OK);
    let (cookie, _) = port.sign_in(expired.expose()).await;
    pass(10);
    let revoked = port.token("revoked", Role::Admin);
    token_file::revoke(&port.file, "revoked").unwrap();
    pass(2);

    let long = "a".repeat(5_000);
    let tokens = [
        "ls_unknown",
        expired.expose(),
        &revoked,
        "",
        "\u{fc}",
        &long,
    ];
    let mut answers = Vec::new();
    for token in tokens {
        let answer = port.get("/", &[("authorization", &bearer(token))]).await;
        answers.push((answer.status, answer.body));
    }
    assert_eq!(answers[0].0, StatusCode::UNAUTHORIZED);
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(port.count("token_refused"), 6);

    // And at the page, where the session of the expired one is over, too.
    let answer = port.get("/", &[("cookie", &cookie)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let mut answers = Vec::new();
    for token in ["ls_unknown", expired.expose(), &revoked] {
        let answer = port.post("/login", &[], &format!("token={token}")).await;
        answers.push((answer.status, answer.body));
    }
    assert_eq!(answers[0].0, StatusCode::UNAUTHORIZED);
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(port.count("refused"), 3);
}

#[tokio::test]
async fn a_person_signs_in_goes_on_and_signs_out() {
    let port = port();
    let token = port.token("anna", Role::Operator);
    let page = port.get("/login?next=/attention", &[]).await.body;
    assert!(
        page.contains("name=\"next\" value=\"/attention\""),
        "{page}"
    );
    let form = format!("next=%2Fattention&token=+{token}%0A");
    let answer = port.post("/login", &[], &form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/attention");
    let set = answer.header("set-cookie");
    assert!(
        set.ends_with("; HttpOnly; SameSite=Strict; Path=/"),
        "{set}"
    );
    assert!(!set.contains(&token));
    let cookie = format!("other=1; {}", set.split(';').next().unwrap());

    let answer = port.get("/", &[("cookie", &cookie)]).await;
    assert_eq!(answer.body, "anna operator");
    let answer = port
        .get("/login?next=/attention", &[("cookie", &cookie)])
        .await;
    assert_eq!(answer.header("location"), "/attention");

    let csrf = port.csrf(&cookie).await;
    let headers = [("cookie", &*cookie)];
    let answer = port.post("/logout", &headers, "csrf=wrong").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let answer = port
        .post("/logout", &headers, &format!("csrf={csrf}"))
        .await;
    assert_eq!(answer.header("location"), "/login");
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    let answer = port.get("/", &headers).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(port.count("signed_in"), 1);
}

#[tokio::test]
async fn a_session_is_new_at_each_sign_in_and_never_one_that_was_brought() {
    let port = port();
    let token = port.token("anna", Role::Operator);
    let (first, _) = port.sign_in(&token).await;
    let form = format!("token={token}");
    let answer = port.post("/login", &[("cookie", &first)], &form).await;
    let second = answer.header("set-cookie").split(';').next().unwrap();
    assert_ne!(first, second);
    let answer = port.get("/", &[("cookie", &first)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "the old one is over");
    let brought = "leadstream_session=mine";
    let answer = port.post("/login", &[("cookie", brought)], &form).await;
    assert!(!answer.header("set-cookie").starts_with(brought));
}

#[tokio::test]
async fn only_our_own_pages_change_something_by_a_session() {
    let port = port();
    let token = port.token("anna", Role::Operator);
    let (cookie, csrf) = port.sign_in(&token).await;
    let cookie = ("cookie", &*cookie);
    #[track_caller]
    fn refused(answer: &Answer) {
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
        assert!(answer.body.contains("LS6056"), "{}", answer.body);
    }
    refused(&port.post("/change", &[cookie], "state=x").await);
    refused(&port.post("/change", &[cookie], "csrf=&state=x").await);
    refused(&port.post("/change", &[cookie], "csrf=wrong").await);
    refused(
        &port
            .post("/change", &[cookie], &format!("csrf=x&csrf={csrf}"))
            .await,
    );
    let wrong = ("x-csrf-token", "wrong");
    refused(
        &port
            .post("/change", &[cookie, wrong], &format!("csrf={csrf}"))
            .await,
    );
    let json = [cookie, ("content-type", "application/json")];
    refused(&port.ask(Method::POST, "/api/v1/leads", &json, "{}").await);
    refused(
        &port
            .ask(Method::DELETE, "/api/v1/leads", &[cookie], "")
            .await,
    );
    let form = format!("state=a%26b&csrf={csrf}&note=%C3%BC");
    for foreign in [
        ("origin", "https://example.com"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        refused(&port.post("/change", &[cookie, foreign], &form).await);
        let sign_in = format!("token={token}");
        refused(&port.post("/login", &[foreign], &sign_in).await);
        refused(&port.post("/login", &[cookie, foreign], &sign_in).await);
    }
    // Another session's mark is as good as none.
    let (_, other) = port.sign_in(&token).await;
    refused(
        &port
            .post("/change", &[cookie], &format!("csrf={other}"))
            .await,
    );

    // The handler finds the form as it was sent.
    let ours = ("origin", "http://127.0.0.1:9464");
    let answer = port.post("/change", &[cookie, ours], &form).await;
    assert_eq!((answer.status, &answer.body), (StatusCode::OK, &form));
    let mark = ("x-csrf-token", &*csrf);
    let json = [cookie, mark, ("content-type", "application/json")];
    let answer = port.ask(Method::POST, "/api/v1/leads", &json, "{}").await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "{}"));
}

#[tokio::test]
async fn a_revoked_token_ends_its_sessions_and_a_changed_role_counts_at_once() {
    let port = port();
    let token = port.token("anna", Role::Operator);
    let (cookie, csrf) = port.sign_in(&token).await;
    let headers = [("cookie", &*cookie)];
    let text = std::fs::read_to_string(&port.file).unwrap();
    std::fs::write(&port.file, text.replace(" operator ", " viewer ")).unwrap();
    pass(1);
    assert_eq!(port.get("/", &headers).await.body, "anna viewer");
    let answer = port
        .post("/change", &headers, &format!("csrf={csrf}"))
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);

    assert!(token_file::revoke(&port.file, "anna").unwrap());
    pass(1);
    assert_eq!(port.get("/", &headers).await.status, StatusCode::SEE_OTHER);
    // Not even when the file comes back.
    std::fs::write(&port.file, text).unwrap();
    pass(1);
    assert_eq!(port.get("/", &headers).await.status, StatusCode::SEE_OTHER);
    let token = bearer(&token);
    let answer = port.get("/", &[("authorization", &token)]).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn whoever_tries_tokens_waits_and_others_go_on() {
    let port = port();
    let token = port.token("anna", Role::Operator);
    for _ in 0..10 {
        let answer = port.post("/login", &[], "token=ls_x").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    // Not even a good one is looked at now.
    let form = format!("token={token}");
    let answer = port.post("/login", &[], &form).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "6");
    assert_eq!(answer.header("set-cookie"), "");
    assert_eq!((port.count("refused"), port.count("limited")), (10, 1));

    // Programs are counted apart, and a good token is never kept waiting by bad ones.
    for _ in 0..10 {
        let answer = port
            .get("/api/v1/leads", &[("authorization", "Bearer x")])
            .await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let answer = port
        .get("/api/v1/leads", &[("authorization", "Bearer x")])
        .await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "6");
    assert!(answer.body.contains("LS6057"), "{}", answer.body);
    let good = bearer(&token);
    let answer = port.get("/api/v1/leads", &[("authorization", &good)]).await;
    assert_eq!(answer.status, StatusCode::OK);

    pass(6);
    let answer = port.post("/login", &[], &form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_form_that_is_too_long_is_refused() {
    let port = port();
    let token = port.token("anna", Role::Operator);
    let (cookie, csrf) = port.sign_in(&token).await;
    let long = format!("csrf={csrf}&text={}", "a".repeat(1 << 20));
    let answer = port.post("/change", &[("cookie", &cookie)], &long).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.body.contains("LS6058"), "{}", answer.body);
    let headers = [("authorization", &*bearer(&token))];
    let answer = port.post("/change", &headers, &long).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let answer = port.post("/login", &[], &format!("token={long}")).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn the_page_to_go_on_to_is_always_one_of_ours() {
    let port = port();
    let token = port.token("anna", Role::Operator);
    for next in [
        "//example.com",
        "https://example.com",
        "%2F%2Fexample.com",
        "/%5Cexample.com",
        "/a%0D%0ASet-Cookie:%20x=y",
        "javascript:alert(1)",
        "/logout",
    ] {
        let form = format!("token={token}&next={next}");
        let answer = port.post("/login", &[], &form).await;
        assert_eq!(answer.header("location"), "/", "{next}");
        assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 1);
        let page = port.get(&format!("/login?next={next}"), &[]).await.body;
        assert!(page.contains("name=\"next\" value=\"/\""), "{page}");
    }
    let answer = port.get("//example.com/a", &[]).await;
    assert_eq!(answer.header("location"), "/login");
}

#[tokio::test]
async fn another_name_for_this_machine_is_refused() {
    let port = port();
    for host in ["example.com", "127.0.0.1.example.com:9464", "192.0.2.1"] {
        for path in ["/", "/livez", "/metrics", "/login", "/assets/login.css"] {
            let answer = port.get(path, &[("host", host)]).await;
            assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
            assert!(answer.body.contains("LS6058"), "{}", answer.body);
        }
    }
    let beyond = Reach {
        loopback: false,
        tls: true,
    };
    let port = port_with(beyond);
    let answer = port.get("/livez", &[("host", "leads.example.com")]).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn no_path_leads_around_the_gate() {
    let port = port();
    for path in [
        "/assets/../csrf",
        "/assets/%2e%2e/csrf",
        "/assets/../../etc/passwd",
        "/assets/..%2f..%2fetc%2fpasswd",
        "/favicon/../csrf",
    ] {
        let answer = port.get(path, &[]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in [
        "/livez/",
        "/LIVEZ",
        "/login/",
        "/%6Civez",
        "/api/v1/status/",
    ] {
        let answer = port.get(path, &[]).await;
        let shut = [StatusCode::SEE_OTHER, StatusCode::UNAUTHORIZED];
        assert!(shut.contains(&answer.status), "{path}: {}", answer.status);
    }
}

/// Word for word: a source more is a hole, and is not noticed on any page.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[tokio::test]
async fn every_answer_says_what_browsers_may_do_with_it() {
    let port = port();
    let hosts = [("host", "example.com")];
    let answers = [
        port.get("/", &[]).await,
        port.get("/login", &[]).await,
        port.get("/livez", &[]).await,
        port.get("/assets/login.css", &[]).await,
        port.get("/assets/none", &[]).await,
        port.get("/api/v1/leads", &[]).await,
        port.get("/livez", &hosts).await,
        port.post("/login", &[], "token=x").await,
        port.ask(Method::PUT, "/livez", &[], "").await,
    ];
    for answer in answers {
        let policy = answer.header("content-security-policy");
        assert_eq!(policy, POLICY);
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_ne!(answer.header("permissions-policy"), "");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("strict-transport-security"), "");
    }
    let encrypted = port_with(Reach {
        tls: true,
        ..LOOPBACK
    });
    let answer = encrypted.get("/livez", &[]).await;
    let hsts = answer.header("strict-transport-security");
    assert!(hsts.starts_with("max-age="), "{hsts}");
    let token = encrypted.token("anna", Role::Viewer);
    let answer = encrypted
        .post("/login", &[], &format!("token={token}"))
        .await;
    let set = answer.header("set-cookie");
    assert!(
        set.ends_with("; HttpOnly; SameSite=Strict; Path=/; Secure"),
        "{set}"
    );
}

#[tokio::test]
async fn a_link_on_another_site_does_not_ask_a_person_to_sign_in_again() {
    let port = port();
    let followed = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
    ];
    let answer = port.get("/attention?a=1&b=%22", &followed).await;
    assert_eq!(answer.status, StatusCode::OK);
    let again = "content=\"0; url=/attention?a=1&#38;b=%22\"";
    assert!(answer.body.contains(again), "{}", answer.body);
    // Our own page asks then, and is told.
    let ours = [
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "navigate"),
    ];
    let answer = port.get("/attention", &ours).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn the_login_page_says_how_to_make_a_token_when_there_is_none() {
    let port = port();
    let page = port.get("/login", &[]).await.body;
    assert!(page.contains("leadstream token new"), "{page}");
    assert!(!page.contains("<form"), "{page}");
    port.token("anna", Role::Operator);
    let page = port.get("/login", &[]).await.body;
    assert!(page.contains("<form"), "{page}");

    let metrics = Metrics::new("0").unwrap();
    let gate = Gate::open(None, LOOPBACK, metrics.sign_ins, now).unwrap();
    let router = behind(gate, Router::new());
    let request = Request::get("/login").header(header::HOST, "localhost");
    let answer = router.oneshot(request.body(Body::empty()).unwrap()).await;
    let body = axum::body::to_bytes(answer.unwrap().into_body(), 1 << 20).await;
    let page = String::from_utf8(body.unwrap().to_vec()).unwrap();
    assert!(page.contains("token_file = "), "{page}");
}
