//! Single leads by external id and by id (facts 2).
use salesforce_sandbox::OrgConfig;
use serde_json::json;

use crate::harness::{Org, check_error, lead};

const BY_KEY: &str = "/services/data/v67.0/sobjects/Lead/MySQL_Id__c";
const LEAD: &str = "/services/data/v67.0/sobjects/Lead";

#[test]
fn an_upsert_creates_with_201_and_updates_with_200() {
    let org = Org::demo();
    let created = org.patch(
        &format!("{BY_KEY}/a%2Fb%20c"),
        &json!({ "LastName": "Doe", "Company": "Acme" }),
    );
    assert_eq!(created.status, 201);
    let body = created.json();
    assert_eq!(
        (&body["success"], &body["created"], &body["errors"]),
        (&json!(true), &json!(true), &json!([]))
    );
    let updated = org.patch(&format!("{BY_KEY}/A%2FB%20C"), &json!({ "Title": "CTO" }));
    assert_eq!(updated.status, 200);
    assert_eq!(
        updated.json(),
        json!({ "id": body["id"], "success": true, "errors": [], "created": false })
    );
    let leads = org.sandbox.leads();
    assert_eq!(leads.len(), 1);
    assert_eq!(leads[0].writes, 2);
    assert_eq!(leads[0].fields["MySQL_Id__c"], "A/B C");
    assert_eq!(leads[0].fields["Title"], "CTO");
    assert_eq!(
        leads[0].fields["LastName"], "Doe",
        "absent fields are left alone"
    );
}

#[test]
fn before_version_46_created_is_not_told_and_updates_have_no_body() {
    let org = Org::demo();
    let path = "/services/data/v45.0/sobjects/Lead/MySQL_Id__c/1";
    let created = org.patch(path, &json!({ "LastName": "Doe", "Company": "Acme" }));
    assert_eq!((created.status, created.json().get("created")), (201, None));
    let updated = org.patch(path, &json!({ "Title": "CTO" }));
    assert_eq!((updated.status, updated.body.len()), (204, 0));
}

#[test]
fn several_matches_answer_300_with_their_paths_and_write_nothing() {
    let org = Org::demo();
    for _ in 0..2 {
        let body = json!({ "LastName": "Doe", "Company": "Acme", "Email": "ada@example.com" });
        assert_eq!(org.ask("POST", LEAD).json(&body).send().status, 201);
    }
    let answer = org.patch(
        &format!("{LEAD}/Email/ada@example.com"),
        &json!({ "Title": "CTO" }),
    );
    assert_eq!(answer.status, 300);
    let ids: Vec<String> = org.sandbox.leads().into_iter().map(|l| l.id).collect();
    assert_eq!(
        answer.json(),
        json!([format!("{LEAD}/{}", ids[0]), format!("{LEAD}/{}", ids[1])])
    );
    assert!(org.sandbox.leads().iter().all(|l| l.writes == 1));
    assert_eq!(
        org.get(&format!("{LEAD}/Email/ada@example.com")).status,
        300
    );
}

#[test]
fn update_only_without_a_match_is_404_and_writes_nothing() {
    let org = Org::demo();
    let body = json!({ "LastName": "Doe", "Company": "Acme" });
    let answer = org.patch(&format!("{BY_KEY}/1?updateOnly=true"), &body);
    assert_eq!(
        (answer.status, &answer.json()[0]["errorCode"]),
        (404, &json!("NOT_FOUND"))
    );
    assert_eq!(org.sandbox.leads().len(), 0);
    assert_eq!(org.patch(&format!("{BY_KEY}/1"), &body).status, 201);
    assert_eq!(
        org.patch(&format!("{BY_KEY}/1?updateOnly=true"), &body)
            .status,
        200
    );
}

#[test]
fn a_field_that_is_no_key_and_an_unknown_id_are_404() {
    let org = Org::demo();
    let text = |what: &str| {
        format!("Provided external ID field does not exist or is not accessible: {what}")
    };
    for field in ["Nothing__c", "LastName"] {
        let answer = org.patch(&format!("{LEAD}/{field}/1"), &json!({}));
        check_error(&answer, 404, "NOT_FOUND", &text(field));
    }
    for path in ["00QHp00000000ZZMAY", "x", "MySQL_Id__c/none"] {
        let answer = org.get(&format!("{LEAD}/{path}"));
        check_error(
            &answer,
            404,
            "NOT_FOUND",
            &text(path.trim_start_matches("MySQL_Id__c/")),
        );
    }
}

#[test]
fn a_refused_record_is_400_with_its_fields() {
    let org = Org::demo();
    let answer = org.patch(&format!("{BY_KEY}/1"), &json!({ "LastName": "Doe" }));
    assert_eq!(answer.status, 400);
    let expected = json!([{ "message": "Required fields are missing: [Company]",
                            "errorCode": "REQUIRED_FIELD_MISSING", "fields": ["Company"] }]);
    assert_eq!(answer.json(), expected);
    assert_eq!(org.sandbox.stats().records_rejected, 1);
}

#[test]
fn neither_the_id_nor_the_key_may_stand_in_the_body() {
    let org = Org::demo();
    let path = format!("{BY_KEY}/1");
    let id = org.patch(
        &path,
        &json!({ "Id": "00QHp00000000ZZMAY", "LastName": "Doe", "Company": "Acme" }),
    );
    check_error(
        &id,
        400,
        "INVALID_FIELD",
        "The Id field should not be specified in the sobject data.",
    );
    let key = org.patch(
        &path,
        &json!({ "MySQL_Id__c": "1", "LastName": "Doe", "Company": "Acme" }),
    );
    check_error(
        &key,
        400,
        "INVALID_FIELD",
        "The MySQL_Id__c field should not be specified in the sobject data.",
    );
}

#[test]
fn create_update_show_and_delete_by_id() {
    let org = Org::demo();
    let created = org
        .ask("POST", &format!("{LEAD}/"))
        .json(&json!({ "FirstName": "Ada", "LastName": "Doe", "Company": "Acme" }))
        .send();
    assert_eq!(created.status, 201);
    let body = created.json();
    assert_eq!(body.get("created"), None);
    let path = format!("{LEAD}/{}", body["id"].as_str().unwrap());
    assert_eq!(
        org.patch(&path, &json!({ "FirstName": "Grace" })).status,
        204
    );
    let shown = org.get(&path).json();
    assert_eq!(shown["Id"], body["id"]);
    assert_eq!(shown["attributes"], json!({ "type": "Lead", "url": path }));
    assert_eq!(shown["Name"], "Grace Doe");
    assert_eq!(shown["Status"], "Open - Not Contacted");
    assert_eq!(shown["IsConverted"], false);
    assert_eq!(shown["Email"], json!(null));
    assert!(shown["OwnerId"].as_str().unwrap().starts_with("005"));
    assert!(shown["CreatedDate"].as_str().unwrap().ends_with("+0000"));
    let some = org.get(&format!("{path}?fields=LastName,Company")).json();
    assert_eq!(
        some,
        json!({ "attributes": shown["attributes"], "Id": body["id"], "LastName": "Doe", "Company": "Acme" })
    );
    assert_eq!(org.ask("DELETE", &path).send().status, 204);
    assert_eq!(org.get(&path).status, 404);
    assert_eq!(org.sandbox.stats().leads, 0);
    let generic = org
        .ask("POST", &format!("{LEAD}/Id"))
        .json(&json!({ "LastName": "Doe", "Company": "Acme" }))
        .send();
    assert_eq!(generic.status, 201);
}

#[test]
fn the_key_of_a_deleted_lead_does_not_match() {
    let org = Org::demo();
    let body = json!({ "LastName": "Doe", "Company": "Acme" });
    let path = format!("{BY_KEY}/1");
    let first = org.patch(&path, &body).json()["id"].clone();
    assert_eq!(org.ask("DELETE", &path).send().status, 204);
    let second = org.patch(&path, &body);
    assert_eq!(second.status, 201);
    assert_ne!(second.json()["id"], first);
}

#[test]
fn the_assignment_rule_sets_the_owner_unless_it_is_switched_off() {
    let rule_owner = "005Hp00000000ZZIAY";
    let org = Org::with(OrgConfig {
        assignment_rule_owner: Some(rule_owner.into()),
        ..OrgConfig::default()
    });
    let send = |key: &str, switch: Option<&str>| {
        let mut ask = org.collection(&[lead(key)]);
        if let Some(switch) = switch {
            ask = ask.header("Sforce-Auto-Assign", switch);
        }
        let answer = ask.send();
        assert_eq!(answer.status, 200);
        org.get(&format!("{BY_KEY}/{key}")).json()["OwnerId"].clone()
    };
    assert_eq!(send("1", None), rule_owner);
    assert_eq!(send("2", Some("TRUE")), rule_owner);
    assert_ne!(send("3", Some("false")), rule_owner);
    assert_eq!(send("3", None), rule_owner, "the rule runs on updates too");
    let log = org.sandbox.requests();
    let writes: Vec<_> = log
        .iter()
        .filter(|r| r.method == "PATCH")
        .map(|r| r.auto_assign.as_deref())
        .collect();
    assert_eq!(writes, [None, Some("TRUE"), Some("false"), None]);
    let wrong = org
        .collection(&[lead("4")])
        .header("Sforce-Auto-Assign", "maybe")
        .send();
    check_error(&wrong, 400, "INVALID_ASSIGNMENT_RULE", "");
}

#[test]
fn a_converted_lead_keeps_its_key_and_refuses_every_update() {
    let org = Org::demo();
    let path = format!("{BY_KEY}/1");
    let body = json!({ "LastName": "Doe", "Company": "Acme", "IsConverted": true });
    assert_eq!(org.patch(&path, &body).status, 201);
    let again = org.patch(&path, &json!({ "Title": "CTO" }));
    check_error(
        &again,
        400,
        "CANNOT_UPDATE_CONVERTED_LEAD",
        "cannot reference converted lead",
    );
    assert_eq!(org.sandbox.leads()[0].writes, 1);
}
