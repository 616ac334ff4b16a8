//! Who a token belongs to: userinfo, identity URLs, discovery (facts 1.1, 12).
use salesforce_sandbox::{Action, Fault, OrgConfig, UserConfig};
use serde_json::{Value, json};

use crate::harness::{Answer, Org, check_error};

const USERINFO: &str = "/services/oauth2/userinfo";
const ORG: &str = "00DHp000001SbxOMAS";
const USER: &str = "005Hp0000000001IAA";
const OTHER: &str = "005Hp0000000002IAA";

fn org() -> Org {
    let user = |username: &str, name: &str| UserConfig {
        username: username.into(),
        name: Some(name.into()),
        ..UserConfig::default()
    };
    Org::with(OrgConfig {
        users: vec![
            UserConfig {
                email: Some("box@leadstream.example".into()),
                ..user("integration@leadstream.example", "Ida van der Integration")
            },
            UserConfig {
                active: false,
                ..user("ada@acme.example", "Ada")
            },
        ],
        ..OrgConfig::default()
    })
}

#[track_caller]
fn check_bare(answer: &Answer, status: u16, word: &str) {
    assert_eq!(answer.status, status);
    assert_eq!(String::from_utf8_lossy(&answer.body), word);
}

#[test]
fn userinfo_tells_who_holds_the_session() {
    let org = org();
    let base = org.sandbox.base_url();
    let body = org.get(USERINFO).json();
    let expected = json!({
        "sub": format!("{base}/id/{ORG}/{USER}"),
        "user_id": USER,
        "organization_id": ORG,
        "preferred_username": "integration@leadstream.example",
        "nickname": "integration",
        "name": "Ida van der Integration",
        "given_name": "Ida van der",
        "family_name": "Integration",
        "email": "box@leadstream.example",
        "email_verified": true,
        "active": true,
        "user_type": "STANDARD",
        "zoneinfo": "GMT",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&body[name], value, "{name}");
    }
    assert_eq!(
        body["urls"]["rest"],
        format!("{base}/services/data/v{{version}}/")
    );
    assert_eq!(
        body["urls"]["partner"],
        format!("{base}/services/Soap/u/{{version}}/{}", &ORG[..15])
    );
    assert_eq!(
        body.get("username"),
        None,
        "that is the identity service's word"
    );
}

#[test]
fn a_token_is_taken_from_the_header_or_from_the_parameters() {
    let org = org();
    let token = org.token.replace('!', "%21");
    let form = "application/x-www-form-urlencoded";
    let get = |path: &str| org.ask_anonymously("GET", path).send();
    let header = |scheme: &str, token: &str| {
        org.ask_anonymously("GET", USERINFO)
            .header("Authorization", &format!("{scheme}{token}"))
            .send()
    };
    for answer in [
        get(&format!("{USERINFO}?access_token={token}")),
        get(&format!("{USERINFO}?oauth_token={token}")),
        org.ask_anonymously("POST", USERINFO)
            .body(form, format!("access_token={token}"))
            .send(),
        header("bEaReR ", &org.token),
        header("OAuth  ", &org.token),
    ] {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["user_id"], USER);
    }
    check_bare(&get(USERINFO), 403, "Missing_OAuth_Token");
    check_bare(&header("Basic ", "x"), 403, "Missing_OAuth_Token");
    check_bare(&header("Bearer ", "00D!nonsense"), 403, "Bad_OAuth_Token");
    check_bare(
        &get(&format!("{USERINFO}?access_token=")),
        403,
        "Bad_OAuth_Token",
    );
    check_error(
        &org.ask("DELETE", USERINFO).send(),
        405,
        "METHOD_NOT_ALLOWED",
        "HTTP Method",
    );
    org.sandbox.revoke_sessions();
    check_bare(&header("Bearer ", &org.token), 403, "Bad_OAuth_Token");
}

#[test]
fn an_identity_url_tells_of_every_user_of_its_org_and_of_no_other() {
    let org = org();
    let path = |org_id: &str, user: &str| format!("/id/{org_id}/{user}");
    let own = org.get(&path(ORG, USER)).json();
    let expected = json!({
        "id": format!("{}/id/{ORG}/{USER}", org.sandbox.base_url()),
        "asserted_user": true,
        "user_id": USER,
        "organization_id": ORG,
        "username": "integration@leadstream.example",
        "nick_name": "integration",
        "display_name": "Ida van der Integration",
        "first_name": "Ida van der",
        "last_name": "Integration",
        "email": "box@leadstream.example",
        "timezone": "GMT",
        "active": true,
        "addr_street": null,
        "status": { "created_date": null, "body": null },
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(own.get(name), Some(value), "{name}");
    }
    assert_eq!(org.get(&path(&ORG[..15], &USER[..15])).json(), own);
    let other = org.get(&path(ORG, OTHER)).json();
    assert_eq!(other["asserted_user"], false);
    assert_eq!(other["username"], "ada@acme.example");
    assert_eq!(
        (&other["first_name"], &other["last_name"]),
        (&json!(""), &json!("Ada"))
    );
    assert_eq!(other["active"], false);

    check_bare(
        &org.get(&path("00DHp000001SbxPMAS", USER)),
        403,
        "Wrong_Org",
    );
    check_bare(&org.get(&path("%C3%A9", USER)), 403, "Wrong_Org");
    for user in ["005Hp0000000009IAA", "00QHp0000000001IAA", "x", "%00"] {
        check_bare(&org.get(&path(ORG, user)), 404, "Bad_Id");
    }
    let anonymous = org.ask_anonymously("GET", &path("00DHp000001SbxPMAS", USER));
    check_bare(&anonymous.send(), 403, "Missing_OAuth_Token");
}

#[test]
fn an_identity_comes_in_the_format_and_with_the_version_that_is_asked_for() {
    let org = org();
    let path = format!("/id/{ORG}/{USER}");
    let rest = |version: &str| {
        let body: Value = org.get(&format!("{path}?version={version}")).json();
        body["urls"]["rest"].as_str().unwrap().to_owned()
    };
    assert!(rest("latest").ends_with("/services/data/v67.0/"));
    assert!(rest("58.0").ends_with("/services/data/v58.0/"));
    for version in ["99.0", "30", "x", ""] {
        let answer = org.get(&format!("{path}?version={version}"));
        check_bare(&answer, 406, "Invalid_Version");
    }
    let xml = org
        .ask("GET", &path)
        .header("Accept", "application/xml")
        .send();
    let xml = String::from_utf8(xml.body).unwrap();
    assert!(
        xml.contains("<display_name>Ida van der Integration</display_name>"),
        "{xml}"
    );
    assert!(xml.contains("<addr_street xsi:nil=\"true\"/>"), "{xml}");
    let form = org.get(&format!("{path}?format=urlencoded"));
    let form = String::from_utf8(form.body).unwrap();
    assert!(
        form.contains("display_name=Ida%20van%20der%20Integration"),
        "{form}"
    );
}

#[test]
fn an_expired_session_looks_different_to_the_identity_service() {
    let org = org();
    let expire = |revoke| {
        let action = Action::SessionExpired {
            revoke,
            message: None,
        };
        org.sandbox.faults().add(Fault::new(action).times(1));
    };
    expire(false);
    check_bare(&org.get(USERINFO), 403, "Bad_OAuth_Token");
    assert_eq!(org.get(USERINFO).status, 200);
    expire(true);
    for _ in 0..2 {
        check_bare(&org.get(USERINFO), 403, "Bad_OAuth_Token");
    }
}

#[test]
fn discovery_names_endpoints_that_are_there() {
    let org = org();
    let answer = org
        .ask_anonymously("GET", "/.well-known/openid-configuration")
        .send();
    let body = answer.json();
    let base = org.sandbox.base_url();
    assert_eq!(body["issuer"], base);
    for name in [
        "authorization_endpoint",
        "token_endpoint",
        "revocation_endpoint",
        "userinfo_endpoint",
        "introspection_endpoint",
        "jwks_uri",
    ] {
        let path = body[name].as_str().unwrap().strip_prefix(&base).unwrap();
        let answer = org.ask_anonymously("GET", path).send();
        assert_ne!(answer.status, 404, "{name}");
    }
    assert_eq!(
        org.get("/services/oauth2/keys").json(),
        json!({ "keys": [] })
    );
    assert_eq!(org.get("/services/oauth2/singleaccess").status, 404);
}
