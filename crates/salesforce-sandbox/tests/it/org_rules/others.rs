//! What others do to leads while a client is not looking, by library and by control endpoint.
use serde_json::{Value, json};

use super::{BY_KEY, LEAD, id_of, org, save, shown};
use crate::harness::{Answer, Org, check_accepted, check_error, check_refused, lead};

fn control(org: &Org, method: &str, id: &str, path: &str, body: Option<Value>) -> Answer {
    let ask = org.ask_anonymously(method, &format!("/__sandbox/leads/{id}{path}"));
    match body {
        Some(body) => ask.json(&body).send(),
        None => ask.send(),
    }
}

#[test]
fn a_lead_converted_behind_a_clients_back_refuses_its_updates_for_good() {
    let org = Org::demo();
    org.upsert(&[lead("1"), lead("2")]);
    let id = id_of(&org, "1");
    assert_eq!(control(&org, "POST", &id, "/convert", None).status, 204);
    let text = "cannot reference converted lead";
    check_refused(
        &save(&org, "1", json!({})),
        "CANNOT_UPDATE_CONVERTED_LEAD",
        text,
        &[],
    );
    let lead = shown(&org, "1");
    assert_eq!(
        (&lead["IsConverted"], &lead["Status"]),
        (&json!(true), &json!("Closed - Converted"))
    );
    for (field, prefix) in [
        ("ConvertedAccountId", "001"),
        ("ConvertedContactId", "003"),
        ("ConvertedOpportunityId", "006"),
    ] {
        let found = lead[field].as_str().unwrap();
        assert!(found.starts_with(prefix) && found.len() == 18, "{found}");
    }
    assert_eq!(lead["ConvertedDate"].as_str().unwrap().len(), 10);
    assert_eq!(lead["MySQL_Id__c"], "1", "the key stays");
    check_error(
        &control(&org, "POST", &id, "/convert", None),
        400,
        "CANNOT_UPDATE_CONVERTED_LEAD",
        text,
    );
    let second = id_of(&org, "2");
    org.sandbox.administrator().convert(&second).unwrap();
    assert_eq!(shown(&org, "2")["IsConverted"], true);
    assert_eq!(
        org.ask("DELETE", &format!("{LEAD}/{id}")).send().status,
        204
    );
}

#[test]
fn a_hidden_flag_converts_all_the_same() {
    let org = org("hidden_fields = ['IsConverted']");
    org.upsert(&[lead("1")]);
    let id = id_of(&org, "1");
    org.sandbox.administrator().convert(&id).unwrap();
    let result = save(&org, "1", json!({}));
    assert_eq!(
        result["errors"][0]["statusCode"],
        "CANNOT_UPDATE_CONVERTED_LEAD"
    );
}

#[test]
fn a_lead_can_be_changed_behind_a_clients_back() {
    let org = Org::demo();
    org.upsert(&[lead("1")]);
    let id = id_of(&org, "1");
    let calls = org.sandbox.stats().api_calls;
    let change = json!({ "Title": "CTO", "Score__c": 1.5, "Company": "Other" });
    assert_eq!(control(&org, "PATCH", &id, "", Some(change)).status, 204);
    let found = &org.sandbox.leads()[0];
    assert_eq!(
        (&found.fields["Title"], &found.fields["Score__c"]),
        (&json!("CTO"), &json!(1.5))
    );
    assert_eq!(found.writes, 2);
    let administrator = org.sandbox.administrator();
    let fields = |value: Value| value.as_object().unwrap().clone();
    administrator
        .change(&id, &fields(json!({ "Title": null })))
        .unwrap();
    assert_eq!(org.sandbox.leads()[0].fields.get("Title"), None);
    for (wrong, code) in [
        (json!({ "Nowhere": 1 }), "INVALID_FIELD"),
        (json!({ "Score__c": "many" }), "JSON_PARSER_ERROR"),
        (json!({ "Company": null }), "REQUIRED_FIELD_MISSING"),
        (json!({ "Email": "foo@" }), "INVALID_EMAIL_ADDRESS"),
    ] {
        let refused = administrator.change(&id, &fields(wrong)).unwrap_err();
        assert_eq!(refused.code, code, "{refused}");
    }
    assert_eq!(org.sandbox.stats().api_calls, calls, "none of it is a call");
}

#[test]
fn what_is_not_there_cannot_be_touched() {
    let org = Org::demo();
    for id in [
        "00QHp0000000042MAA",
        "00QHp0000000042",
        "x",
        "005Hp0000000001",
    ] {
        for (method, path, body) in [
            ("POST", "/convert", None),
            ("PATCH", "", Some(json!({}))),
            ("DELETE", "", None),
            ("POST", "/lock", None),
            ("POST", "/approval", None),
        ] {
            check_error(
                &control(&org, method, id, path, body),
                404,
                "NOT_FOUND",
                &format!("there is no lead {id}"),
            );
        }
    }
    check_error(
        &control(&org, "POST", "00QHp0000000042", "/undelete", None),
        400,
        "UNDELETE_FAILED",
        "Entity is not in the recycle bin",
    );
    assert_eq!(control(&org, "PUT", "x", "", None).status, 405);
    assert_eq!(control(&org, "GET", "x", "/lock", None).status, 405);
    assert_eq!(control(&org, "POST", "x", "/fly", None).status, 404);
    let path = format!("/__sandbox/leads/{}", "00QHp0000000042");
    let ask = org.ask_anonymously("PATCH", &path);
    assert_eq!(ask.clone().body("text/plain", "{}").send().status, 415);
    for wrong in ["", "[]", "{"] {
        let answer = ask.clone().body("application/json", wrong).send();
        check_error(&answer, 400, "INVALID_ARGUMENT", "the body is no");
    }
    check_accepted(&org.upsert(&[lead("1")])[0], true);
    assert_eq!(org.get(&format!("{BY_KEY}/1")).status, 200);
}
