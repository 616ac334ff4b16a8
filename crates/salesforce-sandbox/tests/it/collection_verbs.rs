//! Collections beyond upserts: insert, update, delete, retrieve (facts 3.2 and 3.3).
use serde_json::{Value, json};

use crate::harness::{Answer, Org, check_accepted, check_error, check_refused, lead, lead_with};

const ALL: &str = "/services/data/v67.0/composite/sobjects";
const LEADS: &str = "/services/data/v67.0/composite/sobjects/Lead";
/// A well-formed id of no lead.
const UNKNOWN: &str = "00QHp00000000ZZMAY";

fn send(org: &Org, method: &str, records: &[Value], all_or_none: &Value) -> Answer {
    org.ask(method, ALL)
        .json(&json!({ "allOrNone": all_or_none, "records": records }))
        .send()
}

/// Sends a collection that is answered with 200 and returns its results.
#[track_caller]
fn save(org: &Org, method: &str, records: &[Value]) -> Vec<Value> {
    let answer = send(org, method, records, &json!(false));
    assert_eq!(answer.status, 200, "{}", answer.json());
    let results = answer.json().as_array().unwrap().clone();
    assert_eq!(results.len(), records.len());
    results
}

#[track_caller]
fn delete(org: &Org, query: &str) -> Answer {
    org.ask("DELETE", &format!("{ALL}?{query}")).send()
}

/// An accepted record of any verb but upsert.
#[track_caller]
fn check_saved(result: &Value) -> String {
    assert_eq!(result.as_object().unwrap().len(), 3, "{result}");
    assert_eq!(
        (&result["success"], &result["errors"]),
        (&json!(true), &json!([]))
    );
    let id = result["id"].as_str().unwrap();
    assert_eq!(id.len(), 18);
    id.to_owned()
}

fn account() -> Value {
    json!({ "attributes": { "type": "Account" }, "Name": "Acme", "Industry": ["no lead's"] })
}

fn with_id(id: &str, more: Value) -> Value {
    let mut record = json!({ "attributes": { "type": "Lead" }, "id": id });
    let fields = more.as_object().unwrap().clone();
    record.as_object_mut().unwrap().extend(fields);
    record
}

fn ids(org: &Org) -> Vec<String> {
    org.sandbox.leads().into_iter().map(|l| l.id).collect()
}

#[test]
fn inserts_create_one_lead_for_each_record_and_do_not_tell_created() {
    let org = Org::demo();
    let results = save(&org, "POST", &[lead("1"), lead("2")]);
    let saved: Vec<String> = results.iter().map(check_saved).collect();
    assert_eq!(saved, ids(&org));
    let again = save(&org, "POST", &[lead("2"), lead("3")]);
    let text = format!(
        "duplicate value found: MySQL_Id__c duplicates value on record with id: {}",
        saved[1]
    );
    check_refused(&again[0], "DUPLICATE_VALUE", &text, &[]);
    check_saved(&again[1]);
    let stats = org.sandbox.stats();
    assert_eq!(
        (
            stats.leads,
            stats.records_created,
            stats.records_rejected,
            stats.api_calls
        ),
        (3, 3, 1, 2)
    );
}

#[test]
fn an_insert_that_names_an_id_is_refused_but_a_null_id_is_none() {
    let org = Org::demo();
    let records = [
        with_id(UNKNOWN, json!({})),
        lead_with("1", json!({ "Id": null })),
    ];
    let results = save(&org, "POST", &records);
    check_refused(
        &results[0],
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        "cannot specify Id in an insert call",
        &["Id"],
    );
    check_saved(&results[1]);
}

#[test]
fn records_of_other_objects_and_with_unknown_fields_are_refused_one_by_one() {
    let org = Org::demo();
    let records = [
        account(),
        lead("1"),
        lead_with("2", json!({ "Foo__c": { "x": [1] }, "Title": "CTO" })),
    ];
    let results = save(&org, "POST", &records);
    check_refused(
        &results[0],
        "INVALID_TYPE",
        "sObject type 'Account' is not supported.",
        &[],
    );
    let id = check_saved(&results[1]);
    let unknown = "No such column 'Foo__c' on sobject of type Lead";
    check_refused(&results[2], "INVALID_FIELD", unknown, &[]);
    let results = save(
        &org,
        "PATCH",
        &[with_id(&id, json!({ "Foo__c": 1 })), account()],
    );
    check_refused(&results[0], "INVALID_FIELD", unknown, &[]);
    assert_eq!(results[1]["errors"][0]["statusCode"], "INVALID_TYPE");
    assert_eq!(org.sandbox.leads()[0].writes, 1);
    let untyped = json!({ "LastName": "Doe" });
    for method in ["POST", "PATCH"] {
        let answer = send(&org, method, &[lead("9"), untyped.clone()], &json!(false));
        check_error(&answer, 400, "INVALID_TYPE", "Every record must have");
    }
    let broken = lead_with("3", json!({ "Birthday__c": "soon" }));
    let answer = send(&org, "POST", &[lead("9"), broken], &json!(false));
    check_error(
        &answer,
        400,
        "JSON_PARSER_ERROR",
        "Cannot deserialize instance of date",
    );
    assert_eq!(org.sandbox.stats().leads, 1);
}

#[test]
fn a_call_has_at_most_10_runs_of_one_object() {
    let org = Org::demo();
    let mixed: Vec<Value> = (0..5)
        .flat_map(|n| [lead(&format!("a{n}")), lead(&format!("b{n}")), account()])
        .collect();
    let results = save(&org, "POST", &mixed);
    assert_eq!(results.iter().filter(|r| r["success"] == true).count(), 10);
    let mut more = mixed;
    more.push(lead("last"));
    let answer = send(&org, "POST", &more, &json!(false));
    check_error(
        &answer,
        400,
        "LIMIT_EXCEEDED",
        "Cannot have more than 10 chunks in a single operation.",
    );
    assert_eq!(org.sandbox.stats().leads, 10);
}

#[test]
fn updates_find_their_leads_by_id_in_any_spelling() {
    let org = Org::demo();
    org.upsert(&[lead("1"), lead("2")]);
    let ids = ids(&org);
    let records = [
        with_id(&ids[1], json!({ "Title": "CTO" })),
        json!({ "attributes": { "type": "lead" }, "Id": &ids[0][..15], "Title": "CEO" }),
    ];
    let results = save(&org, "PATCH", &records);
    assert_eq!(check_saved(&results[0]), ids[1]);
    assert_eq!(check_saved(&results[1]), ids[0]);
    let titles: Vec<_> = org
        .sandbox
        .leads()
        .iter()
        .map(|l| l.fields["Title"].clone())
        .collect();
    assert_eq!(titles, ["CEO", "CTO"]);
    let log = org.sandbox.requests();
    let entry = log.last().unwrap();
    assert_eq!(
        (entry.records, &entry.keys),
        (2, &vec![ids[1].clone(), ids[0].clone()])
    );
}

#[test]
fn updates_without_a_usable_id_are_refused_each_in_its_way() {
    let org = Org::demo();
    org.upsert(&[lead("1"), lead("2"), lead("3")]);
    let ids = ids(&org);
    assert_eq!(delete(&org, &format!("ids={}", ids[2])).status, 200);
    let results = save(
        &org,
        "PATCH",
        &[
            lead("x"),
            with_id("", json!({ "Title": "CTO" })),
            with_id("nonsense", json!({})),
            with_id("003Hp0000000001", json!({})),
            with_id(UNKNOWN, json!({})),
            with_id("00QXX0000000001", json!({})),
            with_id(&ids[2], json!({})),
            with_id(&ids[0], json!({ "Title": "once" })),
            with_id(&ids[0][..15], json!({ "Title": "twice" })),
            with_id(&ids[1], json!({ "Title": "fine" })),
        ],
    );
    for result in &results[..2] {
        let text = "Id not specified in an update call";
        check_refused(result, "MISSING_ARGUMENT", text, &[]);
    }
    for (result, id) in results[2..4].iter().zip(["nonsense", "003Hp0000000001"]) {
        let text = format!("Lead ID: id value of incorrect type: {id}");
        check_refused(result, "MALFORMED_ID", &text, &["Id"]);
    }
    for result in &results[4..6] {
        let text = "invalid cross reference id";
        check_refused(result, "INVALID_CROSS_REFERENCE_KEY", text, &[]);
    }
    check_refused(&results[6], "ENTITY_IS_DELETED", "entity is deleted", &[]);
    for result in &results[7..9] {
        let text = format!("Duplicate id specified: {}", ids[0]);
        check_refused(result, "DUPLICATE_VALUE", &text, &["Id"]);
    }
    check_saved(&results[9]);
    assert_eq!(org.sandbox.leads()[0].fields.get("Title"), None);
}

#[test]
fn upserts_by_id_refuse_unknown_and_repeated_ids() {
    let org = Org::demo();
    org.upsert(&[lead("1")]);
    let id = ids(&org)[0].clone();
    let records = [
        with_id(UNKNOWN, json!({})),
        with_id(&id, json!({})),
        with_id(&id, json!({})),
        lead("2"),
    ];
    let answer = org.patch(&format!("{LEADS}/Id"), &json!({ "records": records }));
    let results = answer.json();
    check_refused(
        &results[0],
        "INVALID_CROSS_REFERENCE_KEY",
        "invalid cross reference id",
        &[],
    );
    let text = format!("Duplicate id specified: {id}");
    check_refused(&results[1], "DUPLICATE_VALUE", &text, &["Id"]);
    check_accepted(&results[3], true);
}

#[test]
fn deletes_take_ids_from_the_query() {
    let org = Org::demo();
    org.upsert(&[lead("1"), lead("2"), lead("3")]);
    let ids = ids(&org);
    let query = format!("ids={},bad,{UNKNOWN},{},{}", ids[0], &ids[1][..15], ids[0]);
    let answer = delete(&org, &query);
    assert_eq!(answer.status, 200);
    let results = answer.json();
    for copy in [&results[0], &results[4]] {
        let text = format!("Duplicate id specified: {}", ids[0]);
        check_refused(copy, "DUPLICATE_VALUE", &text, &["Id"]);
    }
    check_refused(&results[1], "MALFORMED_ID", "malformed id bad", &[]);
    check_refused(
        &results[2],
        "INVALID_CROSS_REFERENCE_KEY",
        "invalid cross reference id",
        &[],
    );
    assert_eq!(check_saved(&results[3]), ids[1]);
    assert_eq!(org.sandbox.stats().leads, 2);
    let again = delete(&org, &format!("ids={}", ids[1])).json();
    check_refused(&again[0], "ENTITY_IS_DELETED", "entity is deleted", &[]);
    for query in ["", "ids=", "ids=,&allOrNone=true"] {
        check_error(&delete(&org, query), 400, "MISSING_ARGUMENT", "");
    }
    let answer = delete(&org, &format!("ids={}&allOrNone=maybe", ids[2]));
    check_error(&answer, 400, "INVALID_ARGUMENT", "");
}

#[test]
fn all_or_none_undoes_every_verb_in_whatever_way_it_is_spelt() {
    let org = Org::demo();
    org.upsert(&[lead("1"), lead("2")]);
    let ids = ids(&org);
    let before = org.sandbox.leads();
    for flag in [json!(true), json!("true"), json!("TRUE"), json!(1)] {
        let answer = send(&org, "POST", &[lead("3"), account()], &flag);
        assert_eq!(
            answer.json()[0]["errors"][0]["statusCode"],
            "ALL_OR_NONE_OPERATION_ROLLED_BACK"
        );
        let changed = with_id(&ids[0], json!({ "Title": "CTO" }));
        let unknown = with_id(UNKNOWN, json!({}));
        let answer = send(&org, "PATCH", &[changed, unknown], &flag);
        assert_eq!(
            answer.json()[0]["errors"][0]["statusCode"],
            "ALL_OR_NONE_OPERATION_ROLLED_BACK"
        );
    }
    for flag in ["true", "TRUE", "1"] {
        let answer = delete(&org, &format!("ids={},{UNKNOWN}&allOrNone={flag}", ids[0]));
        assert_eq!(
            answer.json()[0]["errors"][0]["statusCode"],
            "ALL_OR_NONE_OPERATION_ROLLED_BACK"
        );
    }
    assert_eq!(org.sandbox.leads(), before);
    for flag in [json!(false), json!("false"), json!(0), json!(null)] {
        let answer = send(
            &org,
            "PATCH",
            &[with_id(&ids[0], json!({})), account()],
            &flag,
        );
        check_saved(&answer.json()[0]);
    }
    for flag in [json!("yes"), json!(2), json!([true]), json!({})] {
        let answer = send(&org, "POST", &[lead("3")], &flag);
        check_error(&answer, 400, "JSON_PARSER_ERROR", "Cannot deserialize");
    }
    let answer = org
        .ask("POST", ALL)
        .json(&json!({ "allornone": true, "records": [lead("3"), account()] }))
        .send();
    assert_eq!(answer.json()[0]["success"], false);
    let answer = delete(&org, &format!("ids={},{}&allOrNone=true", ids[0], ids[1]));
    assert_eq!(answer.json()[1]["success"], true);
    assert_eq!(org.sandbox.stats().leads, 0);
}

#[test]
fn over_200_records_or_ids_refuse_the_call_however_many_there_are() {
    let org = Org::demo();
    let text = "record limit reached. cannot submit more than 200 records into this call";
    let many: Vec<Value> = (0..201).map(|n| lead(&n.to_string())).collect();
    for method in ["POST", "PATCH"] {
        check_error(
            &send(&org, method, &many, &json!(false)),
            400,
            "EXCEEDED_ID_LIMIT",
            text,
        );
    }
    let ids = vec![UNKNOWN; 201].join(",");
    check_error(
        &delete(&org, &format!("ids={ids}")),
        400,
        "EXCEEDED_ID_LIMIT",
        text,
    );
    let endless = format!("{{\"records\":[{}{{}}]}}", "{},".repeat(500_000));
    let answer = org
        .ask("POST", ALL)
        .body("application/json", endless)
        .send();
    check_error(&answer, 400, "EXCEEDED_ID_LIMIT", text);
    assert_eq!(save(&org, "POST", &many[..200]).len(), 200);
}

#[test]
fn leads_are_retrieved_in_the_order_of_their_ids_with_null_for_those_that_are_not_there() {
    let org = Org::demo();
    org.upsert(&[lead("1"), lead("2"), lead("3")]);
    let ids = ids(&org);
    delete(&org, &format!("ids={}", ids[1]));
    let wanted = [
        ids[2].as_str(),
        "nonsense",
        &ids[1],
        UNKNOWN,
        &ids[0],
        &ids[0][..15],
    ];
    let body = json!({ "ids": wanted, "fields": ["mysql_id__c", "Company"] });
    let posted = org.ask("POST", LEADS).json(&body).send();
    assert_eq!(posted.status, 200);
    let row = |id: &str, key: &str| {
        json!({ "attributes": { "type": "Lead", "url": format!("/services/data/v67.0/sobjects/Lead/{id}") },
                "Id": id, "MySQL_Id__c": key, "Company": "Acme" })
    };
    let expected = json!([
        row(&ids[2], "3"),
        null,
        null,
        null,
        row(&ids[0], "1"),
        row(&ids[0], "1")
    ]);
    assert_eq!(posted.json(), expected);
    let path = format!(
        "{LEADS}?ids={}&fields=MySQL_Id__c,Company",
        wanted.join(",")
    );
    assert_eq!(org.get(&path).json(), expected);
    assert_eq!(org.sandbox.stats().records_rejected, 0);
}

#[test]
fn retrieving_needs_known_fields_and_at_most_2000_ids() {
    let org = Org::demo();
    let post = |body: Value| org.ask("POST", LEADS).json(&body).send();
    let ids = vec![UNKNOWN; 2001];
    check_error(
        &post(json!({ "ids": ids, "fields": ["Id"] })),
        400,
        "EXCEEDED_ID_LIMIT",
        "record limit reached. cannot submit more than 2000 records into this call",
    );
    let nulls = post(json!({ "ids": &ids[1..], "fields": ["Id"] })).json();
    assert_eq!(nulls, json!(vec![Value::Null; 2000]));
    let text = "No such column 'Foo__c' on sobject of type Lead";
    check_error(
        &post(json!({ "ids": [UNKNOWN], "fields": ["Id", "Foo__c"] })),
        400,
        "INVALID_FIELD",
        text,
    );
    check_error(
        &org.get(&format!("{LEADS}?ids={UNKNOWN}&fields=Foo__c")),
        400,
        "INVALID_FIELD",
        text,
    );
    for body in [
        json!({ "fields": ["Id"] }),
        json!({ "ids": [UNKNOWN], "fields": [] }),
    ] {
        check_error(&post(body), 400, "MISSING_ARGUMENT", "The parameter");
    }
    check_error(
        &org.get(LEADS),
        400,
        "MISSING_ARGUMENT",
        "The parameter ids",
    );
    let unknown = post(json!({ "ids": [], "fields": [], "limit": 1 }));
    check_error(
        &unknown,
        400,
        "JSON_PARSER_ERROR",
        "Unrecognized field \"limit\"",
    );
}

#[test]
fn the_other_verbs_exist_since_version_42_and_for_leads_alone() {
    let org = Org::demo();
    let body = json!({ "records": [lead("1")] });
    let old = "/services/data/v41.0/composite/sobjects";
    let text = "The requested resource does not exist";
    check_error(
        &org.ask("POST", old).json(&body).send(),
        404,
        "NOT_FOUND",
        text,
    );
    let first = "/services/data/v42.0/composite/sobjects";
    assert_eq!(org.ask("POST", first).json(&body).send().status, 200);
    let other = format!("{ALL}/Account?ids={UNKNOWN}&fields=Id");
    check_error(&org.get(&other), 404, "NOT_FOUND", text);
    for (method, path, allowed) in [
        ("GET", ALL.to_owned(), "DELETE,PATCH,POST"),
        ("PATCH", LEADS.to_owned(), "GET,HEAD,POST"),
        ("GET", format!("{LEADS}/MySQL_Id__c"), "PATCH"),
    ] {
        let answer = org.ask(method, &path).send();
        check_error(&answer, 405, "METHOD_NOT_ALLOWED", "");
        assert_eq!(answer.header("allow"), Some(allowed));
    }
    let unlabelled = org
        .ask("POST", ALL)
        .body("text/plain", body.to_string())
        .send();
    check_error(&unlabelled, 415, "UNSUPPORTED_MEDIA_TYPE", "");
}

#[test]
fn a_created_lead_is_located() {
    let org = Org::demo();
    let body = json!({ "LastName": "Doe", "Company": "Acme" });
    let path = "/services/data/v67.0/sobjects/Lead";
    let created = org.ask("POST", path).json(&body).send();
    let expected = format!("{path}/{}", created.json()["id"].as_str().unwrap());
    assert_eq!(created.header("location"), Some(expected.as_str()));
    let upserted = org.patch(&format!("{path}/MySQL_Id__c/1"), &body);
    assert!(upserted.header("location").unwrap().starts_with(path));
    let again = org.patch(&format!("{path}/MySQL_Id__c/1"), &body);
    assert_eq!((again.status, again.header("location")), (200, None));
}

#[test]
fn objects_that_cannot_be_written_can_be_retrieved() {
    let org = Org::demo();
    let user = "005Hp0000000001IAA";
    let row = json!({ "attributes": { "type": "User", "url": format!("/services/data/v67.0/sobjects/User/{user}") },
                      "Username": "integration@leadstream.example", "Id": user });
    let body = json!({ "ids": [user, "005Hp0000000009IAA"], "fields": ["Username"] });
    let rows = org.ask("POST", &format!("{ALL}/user")).json(&body).send();
    assert_eq!(rows.json(), json!([row, null]));
    let text = |verb: &str| format!("entity type cannot be {verb}: User");
    let code = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY";
    let record = json!({ "attributes": { "type": "User" }, "Id": user });
    check_refused(
        &save(&org, "POST", std::slice::from_ref(&record))[0],
        code,
        &text("inserted"),
        &[],
    );
    check_refused(
        &save(&org, "PATCH", std::slice::from_ref(&record))[0],
        code,
        &text("updated"),
        &[],
    );
    let deleted = delete(&org, &format!("ids={user}")).json();
    check_refused(&deleted[0], code, &text("deleted"), &[]);
    let upserted = org.patch(
        &format!("{ALL}/User/Username"),
        &json!({ "records": [record] }),
    );
    check_error(&upserted, 400, code, &text("updated"));
}
