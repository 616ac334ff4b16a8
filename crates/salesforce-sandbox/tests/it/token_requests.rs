//! Token requests as HTTP requests: their parameters and the formats of their answers.
use crate::harness::{Answer, Org};
use crate::oauth::check_refused;

#[test]
fn a_token_reply_comes_in_the_format_that_is_asked_for() {
    let org = Org::demo();
    let form = "grant_type=client_credentials&client_id=leadstream-demo&client_secret=";
    let ask = |more: &str, accept: Option<&str>| {
        let ask = org
            .ask_anonymously("POST", "/services/oauth2/token")
            .body("application/x-www-form-urlencoded", format!("{form}{more}"));
        match accept {
            Some(accept) => ask.header("Accept", accept).send(),
            None => ask.send(),
        }
    };
    let check = |answer: Answer, kind: &str, part: &str| {
        assert!(answer.header("content-type").unwrap().starts_with(kind));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let body = String::from_utf8(answer.body).unwrap();
        assert!(body.contains(part), "{body}");
    };
    let good = "leadstream-demo-secret";
    let token = org.token.as_str();
    let url_encoded = "application/x-www-form-urlencoded";
    let in_url = format!("access_token={}", token.replace('!', "%21"));
    let in_xml = format!(
        "<OAuth xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><access_token>{token}<"
    );
    check(ask(good, None), "application/json", token);
    check(
        ask(good, Some("text/plain, */*")),
        "application/json",
        token,
    );
    check(
        ask(good, Some("Application/XML;q=1, application/json")),
        "application/xml",
        &in_xml,
    );
    check(ask(good, Some(url_encoded)), url_encoded, &in_url);
    check(
        ask(
            &format!("{good}&format=urlencoded"),
            Some("application/xml"),
        ),
        url_encoded,
        &in_url,
    );
    check(
        ask(&format!("{good}&format=xml"), None),
        "application/xml",
        &in_xml,
    );
    check(
        ask(&format!("{good}&format=yaml"), None),
        "application/json",
        token,
    );
    let refused = "error=invalid_client&error_description=invalid%20client%20credentials";
    check(ask("x&format=urlencoded", None), url_encoded, refused);
}

#[test]
fn parameters_are_read_as_a_servlet_reads_them() {
    let org = Org::demo();
    let path = "/services/oauth2/token";
    let form = "grant_type=client_credentials&client_id=leadstream-demo&client_secret=leadstream-demo-secret";
    let not_seen = |kind: &str, body: &str| {
        let answer = org.ask_anonymously("POST", path).body(kind, body).send();
        check_refused(
            &answer,
            "unsupported_grant_type",
            "grant type not supported",
        );
    };
    not_seen("application/json", r#"{"grant_type":"client_credentials"}"#);
    not_seen("application/json", form);
    not_seen("text/plain", form);
    let query = org
        .ask_anonymously("POST", &format!("{path}?{form}"))
        .send();
    assert_eq!(query.status, 200);
    let kind = "application/x-www-form-urlencoded; charset=UTF-8";
    let post = |path: &str, body: &str| org.ask_anonymously("POST", path).body(kind, body).send();
    assert_eq!(
        post(path, &format!("&&{form}&=&client_secret=x")).status,
        200
    );
    check_refused(
        &post(&format!("{path}?client_secret=x"), form),
        "invalid_client",
        "invalid client credentials",
    );
    for broken in ["%ff%fe", "%", "%4", "%zz", "+", "%00"] {
        let secret = "client_secret=leadstream-demo-secret";
        check_refused(
            &post(path, &form.replace(secret, &format!("{secret}{broken}"))),
            "invalid_client",
            "invalid client credentials",
        );
    }
}

#[test]
fn a_form_of_endless_length_is_not_read() {
    let org = Org::demo();
    let endless = format!(
        "{}grant_type=client_credentials&client_id=leadstream-demo&client_secret=leadstream-demo-secret",
        "a&".repeat(2_000_000)
    );
    for resource in ["token", "revoke", "introspect", "authorize", "userinfo"] {
        let answer = org
            .ask_anonymously("POST", &format!("/services/oauth2/{resource}"))
            .body("application/x-www-form-urlencoded", endless.as_str())
            .send();
        assert!(
            (400..404).contains(&answer.status),
            "{resource}: {}",
            answer.status
        );
    }
}
