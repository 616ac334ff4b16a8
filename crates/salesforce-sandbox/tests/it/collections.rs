//! Collections upserts (facts 3.1 and 3.5).
use serde_json::{Value, json};

use crate::harness::{
    COLLECTIONS, Org, check_accepted, check_error, check_refused, lead, lead_with,
};

fn with_field(name: &str, value: Value) -> Value {
    lead_with("1", json!({ name: value }))
}

#[test]
fn records_are_created_then_updated_with_results_in_the_requests_order() {
    let org = Org::demo();
    let results = org.upsert(&[lead("a"), lead("b")]);
    results.iter().for_each(|r| check_accepted(r, true));
    let again = org.upsert(&[lead("c"), lead_with("B", json!({ "Title": "CTO" }))]);
    check_accepted(&again[0], true);
    check_accepted(&again[1], false);
    assert_eq!(
        again[1]["id"], results[1]["id"],
        "the key matches in any case"
    );
    let stats = org.sandbox.stats();
    assert_eq!(
        (stats.leads, stats.records_upserted, stats.records_created),
        (3, 4, 3)
    );
    assert_eq!(stats.api_calls, 2);
}

#[test]
fn a_refused_record_leaves_the_others_alone() {
    let org = Org::demo();
    let mut bad = lead("2");
    bad.as_object_mut().unwrap().remove("Company");
    let results = org.upsert(&[lead("1"), bad, lead("3")]);
    check_accepted(&results[0], true);
    check_refused(
        &results[1],
        "REQUIRED_FIELD_MISSING",
        "Required fields are missing: [Company]",
        &["Company"],
    );
    check_accepted(&results[2], true);
}

#[test]
fn required_fields_are_asked_for_on_insert_only_but_may_not_be_emptied() {
    let org = Org::demo();
    let bare = json!({ "attributes": { "type": "Lead" }, "MySQL_Id__c": "1" });
    let both = "Required fields are missing: [LastName, Company]";
    check_refused(
        &org.upsert(std::slice::from_ref(&bare))[0],
        "REQUIRED_FIELD_MISSING",
        both,
        &["LastName", "Company"],
    );
    check_accepted(&org.upsert(&[lead("1")])[0], true);
    check_accepted(&org.upsert(&[bare])[0], false);
    let emptied = &org.upsert(&[with_field("Company", json!("  "))])[0];
    check_refused(
        emptied,
        "REQUIRED_FIELD_MISSING",
        "Required fields are missing: [Company]",
        &["Company"],
    );
}

#[test]
fn with_all_or_none_one_refused_record_undoes_the_others() {
    let org = Org::demo();
    org.upsert(&[lead("old")]);
    let records = [
        lead_with("old", json!({ "Title": "CTO" })),
        lead("new"),
        with_field("Email", json!("foo@")),
    ];
    let answer = org.patch(
        COLLECTIONS,
        &json!({ "allOrNone": true, "records": records }),
    );
    assert_eq!(answer.status, 200);
    let text = "Record rolled back because not all records were valid and the request was using AllOrNone header";
    check_refused(
        &answer.json()[0],
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        text,
        &[],
    );
    check_refused(
        &answer.json()[1],
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        text,
        &[],
    );
    check_refused(
        &answer.json()[2],
        "INVALID_EMAIL_ADDRESS",
        "Email: invalid email address: foo@",
        &["Email"],
    );
    let leads = org.sandbox.leads();
    assert_eq!(leads.len(), 1);
    assert_eq!((leads[0].writes, leads[0].fields.get("Title")), (1, None));
    check_accepted(&org.upsert(&[lead("new")])[0], true);
    let fine = org.patch(
        COLLECTIONS,
        &json!({ "allOrNone": true, "records": [lead("x"), lead("y")] }),
    );
    check_accepted(&fine.json()[1], true);
}

#[test]
fn all_copies_of_a_repeated_key_are_refused_whether_its_lead_exists_or_not() {
    let org = Org::demo();
    org.upsert(&[lead("old")]);
    let results = org.upsert(&[
        lead("new"),
        lead("old"),
        lead("fine"),
        lead("OLD"),
        lead("new "),
    ]);
    check_accepted(&results[2], true);
    for (index, key) in [(0, "new"), (1, "old"), (3, "OLD"), (4, "new")] {
        let text = format!("Duplicate external id specified: {key}");
        check_refused(&results[index], "DUPLICATE_VALUE", &text, &["MySQL_Id__c"]);
    }
    assert_eq!(org.sandbox.stats().leads, 2);
}

#[test]
fn a_missing_or_blank_key_is_refused() {
    let org = Org::demo();
    let mut without = lead("1");
    without.as_object_mut().unwrap().remove("MySQL_Id__c");
    for result in org.upsert(&[
        without,
        lead(""),
        lead("  "),
        lead_with("1", json!({ "MySQL_Id__c": null })),
    ]) {
        check_refused(
            &result,
            "MISSING_ARGUMENT",
            "MySQL_Id__c not specified",
            &[],
        );
    }
}

#[test]
fn a_key_that_several_leads_carry_is_refused() {
    let org = Org::demo();
    let path = "/services/data/v67.0/composite/sobjects/Lead/Email";
    org.upsert(&[
        lead_with("1", json!({ "Email": "a@example.com" })),
        lead_with("2", json!({ "Email": "a@example.com" })),
    ]);
    let ids: Vec<String> = org.sandbox.leads().into_iter().map(|l| l.id).collect();
    let record =
        json!({ "attributes": { "type": "Lead" }, "Email": "A@example.com", "Title": "CTO" });
    let results = org.patch(path, &json!({ "records": [record] })).json();
    let text = format!(
        "Email: more than one record found for external id field: [{}, {}]",
        ids[0], ids[1]
    );
    check_refused(&results[0], "DUPLICATE_EXTERNAL_ID", &text, &["Email"]);
}

#[test]
fn a_unique_value_that_another_lead_holds_is_refused() {
    let org = Org::demo();
    org.upsert(&[lead_with("1", json!({ "Email": "a@example.com" }))]);
    let holder = org.sandbox.leads()[0].id.clone();
    let record = json!({ "attributes": { "type": "Lead" }, "Email": "b@example.com", "MySQL_Id__c": "1",
                         "LastName": "Doe", "Company": "Acme" });
    let path = "/services/data/v67.0/composite/sobjects/Lead/Email";
    let results = org.patch(path, &json!({ "records": [record] })).json();
    let text =
        format!("duplicate value found: MySQL_Id__c duplicates value on record with id: {holder}");
    check_refused(&results[0], "DUPLICATE_VALUE", &text, &[]);
}

#[test]
fn by_id_a_null_id_inserts_a_known_one_updates_and_a_malformed_one_is_refused() {
    let org = Org::demo();
    let path = "/services/data/v67.0/composite/sobjects/Lead/Id";
    let send = |id: Value| {
        let record = json!({ "attributes": { "type": "Lead" }, "Id": id, "LastName": "Doe", "Company": "Acme" });
        org.patch(path, &json!({ "records": [record] })).json()[0].clone()
    };
    let created = send(json!(null));
    check_accepted(&created, true);
    check_accepted(&send(created["id"].clone()), false);
    check_refused(
        &send(json!("x")),
        "MALFORMED_ID",
        "Lead ID: id value of incorrect type: x",
        &["Id"],
    );
}

#[test]
fn broken_requests_are_refused_as_a_whole() {
    let org = Org::demo();
    let send = |body: &str| {
        org.ask("PATCH", COLLECTIONS)
            .body("application/json", body)
            .send()
    };
    check_error(
        &send(""),
        400,
        "JSON_PARSER_ERROR",
        "The HTTP entity body is required, but this request has no entity body.",
    );
    check_error(
        &send("{\"records\": [}"),
        400,
        "JSON_PARSER_ERROR",
        "Unexpected character at [line:1, column:14]",
    );
    check_error(
        &send("{\"records\": ["),
        400,
        "JSON_PARSER_ERROR",
        "Unexpected end-of-input",
    );
    check_error(&send("{}"), 400, "JSON_PARSER_ERROR", "");
    check_error(
        &send("{\"records\": []}"),
        400,
        "REQUIRED_FIELD_MISSING",
        "At least 1 record is required",
    );
    let many: Vec<Value> = (0..201).map(|n| lead(&n.to_string())).collect();
    let text = "record limit reached. cannot submit more than 200 records into this call";
    check_error(
        &org.collection(&many).send(),
        400,
        "EXCEEDED_ID_LIMIT",
        text,
    );
    org.upsert(&many[..200]);
    let mut untyped = lead("x");
    untyped.as_object_mut().unwrap().remove("attributes");
    check_error(
        &org.collection(&[lead("y"), untyped]).send(),
        400,
        "INVALID_TYPE",
        "",
    );
    let other = lead_with("x", json!({ "attributes": { "type": "Account" } }));
    check_error(&org.collection(&[other]).send(), 400, "INVALID_TYPE", "");
    let with_id = lead_with("x", json!({ "Id": "00QHp00000000ZZMAY" }));
    check_error(
        &org.collection(&[with_id]).send(),
        400,
        "INVALID_FIELD",
        "The Id field should not be specified",
    );
    let unknown = lead_with("x", json!({ "Foo__c": 1 }));
    check_error(
        &org.collection(&[lead("y"), unknown]).send(),
        400,
        "INVALID_FIELD",
        "No such column 'Foo__c' on sobject of type Lead",
    );
    assert_eq!(org.sandbox.stats().leads, 200);
    assert_eq!(org.sandbox.stats().records_rejected, 0);
}

#[test]
fn a_literal_that_does_not_convert_refuses_the_request_and_names_its_place() {
    let org = Org::demo();
    let check = |name: &str, value: Value, text: &str| {
        let answer = org
            .collection(&[lead("good"), with_field(name, value)])
            .send();
        let start = format!("Cannot deserialize instance of {text}");
        check_error(&answer, 400, "JSON_PARSER_ERROR", &start);
        let message = answer.json()[0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(" at [line:1, column:"), "{message}");
    };
    check(
        "Signup_At__c",
        json!("2026-01-01 00:00:00"),
        "datetime from VALUE_STRING value 2026-01-01 00:00:00 or request",
    );
    check(
        "Birthday__c",
        json!("0000-00-00"),
        "date from VALUE_STRING value 0000-00-00",
    );
    check(
        "Score__c",
        json!("many"),
        "double from VALUE_STRING value many",
    );
    check(
        "AnnualRevenue",
        json!("1,5"),
        "currency from VALUE_STRING value 1,5",
    );
    check(
        "NumberOfEmployees",
        json!(1.5),
        "int from VALUE_NUMBER_FLOAT value 1.5",
    );
    check(
        "Newsletter__c",
        json!("1"),
        "boolean from VALUE_STRING value 1",
    );
    check(
        "Newsletter__c",
        json!(1),
        "boolean from VALUE_NUMBER_INT value 1",
    );
    check(
        "Newsletter__c",
        json!("FALSE"),
        "boolean from VALUE_STRING value FALSE",
    );
    check(
        "NumberOfEmployees",
        json!(2_147_483_648_u32),
        "int from VALUE_NUMBER_INT value 2147483648",
    );
    check(
        "NumberOfEmployees",
        json!("99999999999"),
        "int from VALUE_STRING value 99999999999",
    );
    check(
        "Birthday__c",
        json!("2026-01-01T00:00:00Z"),
        "date from VALUE_STRING value 2026-01-01T00:00:00Z",
    );
    check(
        "Signup_At__c",
        json!("2026-01-01T00:00:00"),
        "datetime from VALUE_STRING value 2026-01-01T00:00:00",
    );
    check(
        "FirstName",
        json!(7),
        "string from VALUE_NUMBER_INT value 7",
    );
    check(
        "FirstName",
        json!(true),
        "string from VALUE_TRUE value true",
    );
    check("FirstName", json!(["x"]), "string from START_ARRAY value [");
    check(
        "FirstName",
        json!({ "x": 1 }),
        "string from START_OBJECT value {",
    );
    assert_eq!(org.sandbox.stats().leads, 0);
}

#[test]
fn values_are_converted_trimmed_and_shown_as_the_api_shows_them() {
    let org = Org::demo();
    let record = json!({
        "attributes": { "type": "Lead" }, "mysql_id__C": " 7 ", "LastName": "  Doe\t", "Company": "Zoë & Söhne",
        "Title": "", "Score__c": "12.5", "NumberOfEmployees": "42", "Newsletter__c": true,
        "Signup_At__c": "2026-03-29T02:30:00.123456+02:00", "Birthday__c": "1990-02-28", "Phone": null,
        "Industry": "Not on the list", "FirstName": "New",
    });
    check_accepted(&org.upsert(&[record])[0], true);
    let lead = &org.sandbox.leads()[0];
    let expected = json!({
        "MySQL_Id__c": "7", "LastName": "Doe", "Company": "Zoë & Söhne", "Score__c": 12.5, "NumberOfEmployees": 42,
        "Newsletter__c": true, "Signup_At__c": "2026-03-29T00:30:00.123+0000", "Birthday__c": "1990-02-28",
        "Industry": "Not on the list", "FirstName": "New",
    });
    assert_eq!(serde_json::to_value(&lead.fields).unwrap(), expected);
    check_accepted(
        &org.upsert(&[lead_with("7", json!({ "FirstName": null, "Score__c": "" }))])[0],
        false,
    );
    let lead = &org.sandbox.leads()[0];
    assert_eq!(
        (lead.fields.get("FirstName"), lead.fields.get("Score__c")),
        (None, None),
        "null empties a field"
    );
}

#[test]
fn values_that_do_not_fit_their_field_refuse_the_record() {
    let org = Org::demo();
    let check = |name: &str, value: Value, code: &str, text: &str| {
        check_refused(
            &org.upsert(&[with_field(name, value)])[0],
            code,
            text,
            &[name],
        );
    };
    let long = "é".repeat(41);
    check(
        "FirstName",
        json!(long),
        "STRING_TOO_LONG",
        &format!("First Name: data value too large: {long} (max length=40)"),
    );
    check_accepted(
        &org.upsert(&[with_field("FirstName", json!("é".repeat(40)))])[0],
        true,
    );
    check(
        "Email",
        json!("foo@"),
        "INVALID_EMAIL_ADDRESS",
        "Email: invalid email address: foo@",
    );
    check(
        "Plan__c",
        json!("Gold"),
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "Plan: bad value for restricted picklist field: Gold",
    );
    let range = "value outside of valid range on numeric field";
    check(
        "NumberOfEmployees",
        json!(123_456_789),
        "NUMBER_OUTSIDE_VALID_RANGE",
        &format!("Employees: {range}: 123456789"),
    );
    check(
        "AnnualRevenue",
        json!(2e18),
        "NUMBER_OUTSIDE_VALID_RANGE",
        &format!("Annual Revenue: {range}: 2000000000000000000"),
    );
    check(
        "Score__c",
        json!(1_000_000),
        "NUMBER_OUTSIDE_VALID_RANGE",
        &format!("Score: {range}: 1000000"),
    );
    check_accepted(
        &org.upsert(&[with_field("NumberOfEmployees", json!(99_999_999))])[0],
        false,
    );
    check(
        "OwnerId",
        json!("nobody"),
        "MALFORMED_ID",
        "Owner ID: id value of incorrect type: nobody",
    );
    let text = |name| {
        format!(
            "Unable to create/update fields: {name}. Please check the security settings of this field and verify that \
             it is read/write for your profile or permission set."
        )
    };
    check(
        "CreatedDate",
        json!("2026-01-01T00:00:00Z"),
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        &text("CreatedDate"),
    );
    check(
        "IsConverted",
        json!(true),
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        &text("IsConverted"),
    );
}

#[test]
fn collections_upserts_exist_since_version_46() {
    let org = Org::demo();
    let path = |version| format!("/services/data/v{version}.0/composite/sobjects/Lead/MySQL_Id__c");
    check_error(
        &org.patch(&path(45), &json!({})),
        404,
        "NOT_FOUND",
        "The requested resource does not exist",
    );
    assert_eq!(
        org.patch(&path(46), &json!({ "records": [lead("1")] }))
            .status,
        200
    );
    let unknown = "/services/data/v67.0/composite/sobjects/Lead/Foo__c";
    check_error(
        &org.patch(unknown, &json!({})),
        404,
        "NOT_FOUND",
        "Provided external ID field does not exist",
    );
}
