//! Logins by SOAP (facts 1.5).
use salesforce_sandbox::{Action, Endpoint, Fault, OrgConfig, UserConfig};

use crate::harness::{Answer, Org};

const PARTNER: &str = "urn:partner.soap.sforce.com";
const ENTERPRISE: &str = "urn:enterprise.soap.sforce.com";
const BAD_LOGIN: &str =
    "INVALID_LOGIN: Invalid username, password, security token; or user locked out.";

fn org(config: OrgConfig) -> Org {
    let user = UserConfig {
        username: "ada@acme.example".into(),
        password: Some("a<b&c".into()),
        security_token: Some("TOKEN".into()),
        name: Some("Ada Love & Lace".into()),
        ..UserConfig::default()
    };
    Org::with(OrgConfig {
        users: vec![
            user.clone(),
            UserConfig {
                username: "gone@acme.example".into(),
                active: false,
                ..user
            },
        ],
        ..config
    })
}

/// As simple-salesforce sends it.
fn login(username: &str, password: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n<env:Envelope xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:urn=\"{PARTNER}\"><env:Header>\
         <urn:CallOptions><urn:client>test</urn:client></urn:CallOptions></env:Header><env:Body>\
         <n1:login xmlns:n1=\"{PARTNER}\"><n1:username>{username}</n1:username><n1:password>{password}</n1:password>\
         </n1:login></env:Body></env:Envelope>"
    )
}

/// As jsforce sends it.
fn call(operation: &str, namespace: &str, session: &str) -> String {
    format!(
        "<se:Envelope xmlns:se=\"http://schemas.xmlsoap.org/soap/envelope/\"><se:Header>\
         <SessionHeader xmlns=\"{namespace}\"><sessionId>{session}</sessionId></SessionHeader></se:Header><se:Body>\
         <{operation} xmlns=\"{namespace}\"/></se:Body></se:Envelope>"
    )
}

fn post(org: &Org, path: &str, body: &str) -> Answer {
    org.ask_anonymously("POST", path)
        .body("text/xml", body)
        .header("SOAPAction", "\"\"")
        .chunked()
        .send()
}

/// What jsforce's regular expressions find.
#[track_caller]
fn element(text: &str, name: &str) -> String {
    let (_, rest) = text
        .split_once(&format!("<{name}>"))
        .unwrap_or_else(|| panic!("{name}: {text}"));
    rest.split_once('<').unwrap().0.to_owned()
}

#[track_caller]
fn body(answer: &Answer) -> String {
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    assert_eq!(
        answer.header("content-type"),
        Some("text/xml; charset=utf-8")
    );
    String::from_utf8(answer.body.clone()).unwrap()
}

#[track_caller]
fn check_fault(answer: &Answer, code: &str, words: &str) {
    assert_eq!(answer.status, 500);
    assert_eq!(
        answer.header("content-type"),
        Some("text/xml; charset=utf-8")
    );
    let text = String::from_utf8(answer.body.clone()).unwrap();
    assert_eq!(element(&text, "faultcode"), code);
    let told = element(&text, "faultstring");
    assert!(told.starts_with(words), "{told}");
    if let Some(code) = code.strip_prefix("sf:") {
        assert_eq!(element(&text, "sf:exceptionCode"), code);
        let message = element(&text, "sf:exceptionMessage");
        assert_eq!(told, format!("{code}: {message}"));
    }
}

#[test]
fn a_login_by_soap_opens_a_session_for_the_rest_api() {
    let org = org(OrgConfig::default());
    let answer = post(
        &org,
        "/services/Soap/u/59.0",
        &login("ada@acme.example", "a&lt;b&amp;cTOKEN"),
    );
    let text = body(&answer);
    assert!(
        text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope "),
        "{text}"
    );
    assert!(
        text.contains("<soapenv:Body><loginResponse><result><metadataServerUrl>"),
        "{text}"
    );
    let server = format!(
        "{}/services/Soap/u/59.0/00DHp000001SbxO",
        org.sandbox.base_url()
    );
    assert_eq!(element(&text, "serverUrl"), server);
    assert_eq!(element(&text, "userId"), "005Hp0000000002IAA");
    assert_eq!(element(&text, "organizationId"), "00DHp000001SbxOMAS");
    assert_eq!(element(&text, "sessionSecondsValid"), "7200");
    assert_eq!(element(&text, "userName"), "ada@acme.example");
    assert_eq!(element(&text, "userFullName"), "Ada Love &amp; Lace");
    assert_eq!(element(&text, "passwordExpired"), "false");
    let session = element(&text, "sessionId");
    let limits = org
        .ask_anonymously("GET", "/services/data/v67.0/limits")
        .header("Authorization", &format!("Bearer {session}"))
        .send();
    assert_eq!(limits.status, 200);

    let path = server.strip_prefix(&org.sandbox.base_url()).unwrap();
    let used = org.sandbox.stats().api_calls;
    let text = body(&post(&org, path, &call("getUserInfo", PARTNER, &session)));
    assert!(
        text.contains("<getUserInfoResponse><result><accessibilityMode>"),
        "{text}"
    );
    assert_eq!(element(&text, "userId"), "005Hp0000000002IAA");
    let text = body(&post(
        &org,
        path,
        &call("getServerTimestamp", PARTNER, &session),
    ));
    assert!(element(&text, "timestamp").ends_with('Z'), "{text}");
    assert_eq!(org.sandbox.stats().api_calls, used + 2);

    let text = body(&post(&org, path, &call("logout", PARTNER, &session)));
    assert!(text.contains("<logoutResponse/>"), "{text}");
    check_fault(
        &post(&org, path, &call("logout", PARTNER, &session)),
        "sf:INVALID_SESSION_ID",
        "INVALID_SESSION_ID: Invalid Session ID found in SessionHeader: Illegal Session.",
    );
}

#[test]
fn a_login_by_soap_is_refused_without_saying_what_was_wrong() {
    let org = org(OrgConfig::default());
    let log_in = |username: &str, password: &str| {
        post(&org, "/services/Soap/u/67.0", &login(username, password))
    };
    for (username, password) in [
        ("ada@acme.example", "wrongTOKEN"),
        ("ada@acme.example", ""),
        ("nobody@acme.example", "a&lt;b&amp;cTOKEN"),
        ("gone@acme.example", "a&lt;b&amp;cTOKEN"),
        ("integration@leadstream.example", ""),
    ] {
        check_fault(&log_in(username, password), "sf:INVALID_LOGIN", BAD_LOGIN);
    }
    check_fault(
        &log_in("ada@acme.example", "a&lt;b&amp;c"),
        "sf:LOGIN_MUST_USE_SECURITY_TOKEN",
        "LOGIN_MUST_USE_SECURITY_TOKEN: Invalid username, password, security token; or user locked out.",
    );
}

#[test]
fn a_trusted_network_needs_no_security_token_but_the_right_org() {
    let org = org(OrgConfig {
        trusted_network: true,
        ..OrgConfig::default()
    });
    let log_in = |organization: &str| {
        let body = login("ada@acme.example", "a&lt;b&amp;c").replace(
            "</env:Header>",
            &format!(
                "<urn:LoginScopeHeader><urn:organizationId>{organization}</urn:organizationId></urn:LoginScopeHeader></env:Header>"
            ),
        );
        post(&org, "/services/Soap/u/59.0", &body)
    };
    assert_eq!(log_in("00DHp000001SbxO").status, 200);
    assert_eq!(log_in("00DHp000001SbxOMAS").status, 200);
    check_fault(&log_in("00DHp000001SbxP"), "sf:INVALID_LOGIN", BAD_LOGIN);
}

#[test]
fn the_enterprise_api_has_a_namespace_of_its_own() {
    let org = org(OrgConfig::default());
    let partner = login("ada@acme.example", "a&lt;b&amp;cTOKEN");
    let enterprise = partner.replace(PARTNER, ENTERPRISE);
    let text = body(&post(&org, "/services/Soap/c/67.0", &enterprise));
    assert!(text.contains(&format!("xmlns=\"{ENTERPRISE}\"")), "{text}");
    assert!(element(&text, "serverUrl").contains("/services/Soap/c/67.0/"));
    check_fault(
        &post(&org, "/services/Soap/c/67.0", &partner),
        "soapenv:Client",
        "No operation available for request {urn:partner.soap.sforce.com}login, please check the WSDL",
    );
    check_fault(
        &post(
            &org,
            "/services/Soap/c/67.0",
            &call("logout", ENTERPRISE, "x"),
        ),
        "sf:INVALID_SESSION_ID",
        "INVALID_SESSION_ID",
    );
    assert_eq!(post(&org, "/services/Soap/x/67.0", &partner).status, 404);
}

#[test]
fn what_is_no_login_is_answered_by_a_fault() {
    let org = org(OrgConfig::default());
    let good = login("ada@acme.example", "a&lt;b&amp;cTOKEN");
    let path = "/services/Soap/u/67.0";
    for version in [
        "30.0",
        "68.0",
        "67.1",
        "v67.0",
        "x",
        "99999999999",
        "%C3%A9",
    ] {
        check_fault(
            &post(&org, &format!("/services/Soap/u/{version}"), &good),
            "sf:UNSUPPORTED_API_VERSION",
            "UNSUPPORTED_API_VERSION: Invalid Api version specified on URL",
        );
    }
    let check =
        |body: &str, words: &str| check_fault(&post(&org, path, body), "soapenv:Client", words);
    check("", "Premature end of file.");
    check("{\"a\":1}", "Content is not allowed in prolog.");
    check("<a/>", "Unrecognized element: a");
    check(&good[..good.len() - 3], "");
    check(
        &format!("<!DOCTYPE x [<!ENTITY a \"b\">]>{}", &good[40..]),
        "",
    );
    check(
        &call("query", PARTNER, "x"),
        "No operation available for request {urn:partner.soap.sforce.com}query",
    );
    check(
        &call("login", "urn:&lt;x&gt;", "x"),
        "No operation available for request {urn:&lt;x&gt;}login",
    );
    let ask = || org.ask_anonymously("POST", path);
    check_fault(
        &ask().body("text/xml", good.as_str()).send(),
        "soapenv:Client",
        "SOAPAction HTTP header missing",
    );
    check_fault(
        &ask()
            .body("application/json", good.as_str())
            .header("SOAPAction", "x")
            .send(),
        "soapenv:Client",
        "content-type of the request should be text/xml",
    );
    assert_eq!(org.ask_anonymously("GET", path).send().status, 405);
}

#[test]
fn limits_policies_and_faults_are_told_by_soap_in_its_own_words() {
    let good = login("ada@acme.example", "a&lt;b&amp;cTOKEN");
    let path = "/services/Soap/u/67.0";
    let hurried = org(OrgConfig {
        logins_per_hour: 1,
        daily_api_requests: 1,
        session_idle_seconds: Some(900),
        ..OrgConfig::default()
    });
    let text = body(&post(&hurried, path, &good));
    assert_eq!(element(&text, "sessionSecondsValid"), "900");
    check_fault(
        &post(&hurried, path, &good),
        "sf:REQUEST_LIMIT_EXCEEDED",
        "REQUEST_LIMIT_EXCEEDED: login rate exceeded",
    );
    let session = element(&text, "sessionId");
    let info = || post(&hurried, path, &call("getUserInfo", PARTNER, &session));
    body(&info());
    check_fault(
        &info(),
        "sf:REQUEST_LIMIT_EXCEEDED",
        "REQUEST_LIMIT_EXCEEDED: TotalRequests Limit exceeded.",
    );

    let faulty = org(OrgConfig::default());
    let refuse = Action::Refuse {
        status: 503,
        code: "SERVER_UNAVAILABLE".into(),
        message: "Server <Unavailable>".into(),
    };
    faulty
        .sandbox
        .faults()
        .add(Fault::new(refuse).on(Endpoint::Login).times(1));
    let expired = Action::SessionExpired {
        revoke: true,
        message: None,
    };
    faulty.sandbox.faults().add(Fault::new(expired));
    check_fault(
        &post(&faulty, path, &good),
        "sf:SERVER_UNAVAILABLE",
        "SERVER_UNAVAILABLE: Server &lt;Unavailable&gt;",
    );
    body(&post(&faulty, path, &good));
}

#[test]
fn an_inactive_org_is_locked() {
    let sandbox = salesforce_sandbox::Sandbox::start(
        "127.0.0.1:0".parse().unwrap(),
        OrgConfig {
            inactive_org: true,
            ..OrgConfig::default()
        },
    )
    .unwrap();
    let org = Org {
        sandbox,
        token: String::new(),
    };
    let answer = post(&org, "/services/Soap/u/67.0", &login("a@b.example", "x"));
    check_fault(
        &answer,
        "sf:ORG_LOCKED",
        "ORG_LOCKED: organization is inactive",
    );
}
