//! What rows say and what becomes of them (facts 0.3, 0.9, 5.3, 5.4).
use salesforce_sandbox::OrgConfig;
use salesforce_sandbox::rules::{DuplicateRule, Trigger};
use serde_json::{Value, json};

use super::client::{numbered, upsert, upsert_with};
use crate::harness::{Org, check_error, lead, lead_with};

fn job(operation: &str) -> Value {
    json!({ "object": "Lead", "operation": operation })
}

/// Runs an upsert of one row and returns its `sf__Error`, empty when it was accepted.
#[track_caller]
fn error_of(org: &Org, header: &str, row: &str) -> String {
    let id = org.run_job(&upsert(), format!("{header}\n{row}\n"));
    let info = org.info(&id);
    assert_eq!(info["state"], "JobComplete", "{info}");
    let failed = org.result(&id, "failedResults");
    match failed.rows.as_slice() {
        [] => String::new(),
        _ => failed.column("sf__Error").concat(),
    }
}

#[test]
fn empty_cells_leave_fields_alone_and_marked_ones_clear_them() {
    let org = Org::demo();
    org.upsert(&[lead_with(
        "1",
        json!({ "FirstName": "Ada", "Score__c": 1.5, "Newsletter__c": true }),
    )]);
    let csv = "MySQL_Id__c,LastName,FirstName,Score__c,Newsletter__c,Birthday__c\n\
               1,,,,,\n";
    org.run_job(&upsert(), csv);
    let fields = &org.leads_by_key()["1"];
    assert_eq!(fields["FirstName"], "Ada");
    assert_eq!(
        (&fields["Score__c"], &fields["Newsletter__c"]),
        (&json!(1.5), &json!(true))
    );
    let csv = "MySQL_Id__c,LastName,FirstName,Score__c,Newsletter__c,Birthday__c\n\
               1,Byron,#N/A,#N/A,0,2000-02-29\n";
    org.run_job(&upsert(), csv);
    let fields = &org.leads_by_key()["1"];
    assert_eq!(
        (&fields["LastName"], &fields["Newsletter__c"]),
        (&json!("Byron"), &json!(false))
    );
    assert_eq!(fields["Birthday__c"], "2000-02-29");
    assert_eq!(
        (fields.get("FirstName"), fields.get("Score__c")),
        (None, None)
    );
}

#[test]
fn quoted_cells_hold_delimiters_quotes_and_line_ends() {
    let org = Org::demo();
    let csv = "MySQL_Id__c,LastName,Company,Street\n\
               1,\"O\"\"Neil, \"\"Jr\"\"\",\"Acme; Ltd\",\"1 Main St\nSuite 2\r\nRoom 3\"\n";
    let id = org.run_job(&upsert(), csv);
    let fields = &org.leads_by_key()["1"];
    assert_eq!(fields["LastName"], "O\"Neil, \"Jr\"");
    assert_eq!(fields["Street"], "1 Main St\nSuite 2\r\nRoom 3");
    let row = org.result(&id, "successfulResults").row("MySQL_Id__c", "1");
    assert_eq!(row["LastName"], "O\"Neil, \"Jr\"");
    assert_eq!(row["Street"], "1 Main St\nSuite 2\r\nRoom 3");
    assert_eq!(row["sf__Created"], "true");
}

#[test]
fn values_that_do_not_convert_refuse_their_row_only() {
    let org = Org::demo();
    let csv = "MySQL_Id__c,LastName,Company,Birthday__c,Signup_At__c,Score__c,Newsletter__c\n\
               1,Doe,Acme,2026-02-29,,,\n\
               2,Doe,Acme,,2026-01-01 00:00:00,,\n\
               3,Doe,Acme,,,abc,yes\n\
               4,Doe,Acme,2026-02-28,2026-01-01T00:00:00.000+02:00,1.5,1\n";
    let id = org.run_job(&upsert(), csv);
    assert_eq!(org.result_sizes(&id), (1, 3, 0));
    let failed = org.result(&id, "failedResults");
    assert_eq!(
        failed.row("MySQL_Id__c", "1")["sf__Error"],
        "INVALID_TYPE_ON_FIELD_IN_RECORD:Birthday: value not of required type: 2026-02-29:Birthday__c --"
    );
    assert_eq!(
        failed.row("MySQL_Id__c", "2")["sf__Error"],
        "INVALID_TYPE_ON_FIELD_IN_RECORD:Signup At: value not of required type: 2026-01-01 00:00:00:Signup_At__c --"
    );
    assert_eq!(
        failed.row("MySQL_Id__c", "3")["sf__Error"],
        "INVALID_TYPE_ON_FIELD_IN_RECORD:Score: value not of required type: abc:Score__c --\
         INVALID_TYPE_ON_FIELD_IN_RECORD:Newsletter: value not of required type: yes:Newsletter__c --"
    );
    let fields = &org.leads_by_key()["4"];
    assert_eq!(fields["Signup_At__c"], "2025-12-31T22:00:00.000+0000");
}

#[test]
fn record_errors_are_those_of_collections() {
    let org = Org::demo();
    let header = "MySQL_Id__c,LastName,Company,Email,Plan__c";
    for (row, error) in [
        (
            "1,,,,",
            "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName, Company]:LastName Company --",
        ),
        (
            "1,Doe,Acme,foo@,",
            "INVALID_EMAIL_ADDRESS:Email: invalid email address: foo@:Email --",
        ),
        (
            "1,Doe,Acme,,Gold",
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:Plan: bad value for restricted picklist field: Gold:Plan__c --",
        ),
        (
            ",Doe,Acme,,",
            "MISSING_ARGUMENT:MySQL_Id__c not specified:--",
        ),
        (
            "#N/A,Doe,Acme,,",
            "MISSING_ARGUMENT:MySQL_Id__c not specified:--",
        ),
        ("1,Doe,Acme,,Team", ""),
    ] {
        assert_eq!(error_of(&org, header, row), error, "{row}");
    }
    let read_only = error_of(
        &org,
        "MySQL_Id__c,LastName,CreatedDate",
        "1,Doe,2026-01-01T00:00:00Z",
    );
    assert!(
        read_only.starts_with("INVALID_FIELD_FOR_INSERT_UPDATE:"),
        "{read_only}"
    );
    let missing_column = error_of(&org, "LastName,Company", "Doe,Acme");
    assert_eq!(
        missing_column,
        "MISSING_ARGUMENT:MySQL_Id__c not specified:--"
    );
}

#[test]
fn rows_that_break_the_rules_of_csv_are_refused_alone() {
    let org = Org::demo();
    let header = "MySQL_Id__c,LastName,Company";
    for (row, text) in [
        ("1,\"Doe\", \"Acme\"", "ClientInputError:A quote"),
        ("1,\"Doe\" ,Acme", "ClientInputError:A quote"),
        ("1,5\" Doe,Acme", "ClientInputError:A quote"),
        (
            "1,Doe",
            "ClientInputError:The row has 2 fields, the header 3:--",
        ),
        (
            "1,Doe,Acme,",
            "ClientInputError:The row has 4 fields, the header 3:--",
        ),
        ("1,Doe,\"Acme", "ClientInputError:A quoted field"),
    ] {
        let error = error_of(&org, header, row);
        assert!(error.starts_with(text), "{row}: {error}");
    }
    let id = org.run_job(
        &upsert(),
        [header.as_bytes(), b"\n1,D\xff,Acme\n2,Doe,Acme\n"].concat(),
    );
    assert_eq!(org.result_sizes(&id), (1, 1, 0));
    let error = &org.result(&id, "failedResults").column("sf__Error")[0];
    assert!(
        error.starts_with("TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET:"),
        "{error}"
    );
    let long = format!("1,Doe,{}", "x".repeat(131_073));
    assert!(error_of(&org, header, &long).starts_with("ClientInputError:A field is longer"));
    let wide = format!("1,{x},{x}", x = "x".repeat(200_000));
    assert!(error_of(&org, header, &wide).starts_with("ClientInputError:The row is longer"));
    // Longer than the field, and yet no longer than a cell may be.
    let long = format!("1,Doe,{}", "x".repeat(131_072));
    assert!(error_of(&org, header, &long).starts_with("STRING_TOO_LONG:"));
}

#[test]
fn a_key_twice_fails_both_in_one_chunk_and_updates_in_the_next() {
    let org = Org::demo();
    let mut csv = numbered(0, 200);
    csv.push_str("0,Late,Acme\n7,First,Acme\n7,Second,Acme\n");
    let id = org.run_job(&upsert(), csv);
    assert_eq!(org.result_sizes(&id), (201, 2, 0));
    let failed = org.result(&id, "failedResults");
    let expected = "DUPLICATE_VALUE:Duplicate external id specified: 7:MySQL_Id__c --";
    assert_eq!(failed.column("sf__Error"), [expected, expected]);
    assert_eq!(failed.column("LastName"), ["First", "Second"]);
    let leads = org.leads_by_key();
    assert_eq!(leads.len(), 200);
    assert_eq!(
        (&leads["0"]["LastName"], &leads["7"]["LastName"]),
        (&json!("Late"), &json!("Doe 7"))
    );
    let created = org.result(&id, "successfulResults").column("sf__Created");
    assert_eq!(created.iter().filter(|c| *c == "false").count(), 1);
}

#[test]
fn inserts_updates_and_deletes_go_by_id() {
    let org = Org::demo();
    let id = org.run_job(
        &job("insert"),
        "LastName,Company,Id\nDoe,Acme,\nRoe,Acme,00QHp0000000001\n",
    );
    assert_eq!(org.result_sizes(&id), (1, 1, 0));
    let failed = org.result(&id, "failedResults");
    assert_eq!(
        failed.column("sf__Error"),
        ["INVALID_FIELD_FOR_INSERT_UPDATE:cannot specify Id in an insert call:Id --"]
    );
    let lead_id = org
        .result(&id, "successfulResults")
        .column("sf__Id")
        .remove(0);
    assert_eq!(lead_id, org.sandbox.leads()[0].id);

    let csv = format!(
        "Id,FirstName\n{},Bea\n,Cat\nnonsense,Dan\n00QHp00000000zz,Eve\n",
        &lead_id[..15]
    );
    let id = org.run_job(&job("update"), csv);
    assert_eq!(org.result_sizes(&id), (1, 3, 0));
    let failed = org.result(&id, "failedResults");
    let error = |name: &str| failed.row("FirstName", name)["sf__Error"].clone();
    assert_eq!(
        error("Cat"),
        "MISSING_ARGUMENT:Id not specified in an update call:--"
    );
    assert_eq!(
        error("Dan"),
        "MALFORMED_ID:Lead ID: id value of incorrect type: nonsense:Id --"
    );
    assert_eq!(
        error("Eve"),
        "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--"
    );
    let unknown = &failed.row("FirstName", "Eve")["sf__Id"];
    assert_eq!((unknown.len(), &unknown[..15]), (18, "00QHp00000000zz"));
    assert_eq!(org.sandbox.leads()[0].fields["FirstName"], "Bea");

    for (count, expected) in [(1, (1, 0, 0)), (0, (0, 1, 0))] {
        let id = org.run_job(&job("delete"), format!("Id\n{lead_id}\n"));
        assert_eq!(org.result_sizes(&id), expected, "{count}");
        assert_eq!(org.sandbox.stats().leads, 0);
        if count == 0 {
            let failed = org.result(&id, "failedResults");
            assert_eq!(
                failed.column("sf__Error"),
                ["ENTITY_IS_DELETED:entity is deleted:--"]
            );
            assert_eq!(failed.column("sf__Id"), [lead_id.as_str()]);
        }
    }
}

#[test]
fn an_id_twice_fails_both_in_one_chunk_whatever_the_operation() {
    let org = Org::with(OrgConfig {
        allow_hard_delete: true,
        ..OrgConfig::default()
    });
    org.upsert(&[lead("1"), lead("2")]);
    let ids: Vec<String> = org.sandbox.leads().into_iter().map(|l| l.id).collect();
    let (twice, once) = (ids[0].as_str(), ids[1].as_str());
    let by_id = upsert_with(json!({ "externalIdFieldName": "Id" }));
    let expected = format!("DUPLICATE_VALUE:Duplicate id specified: {twice}:Id --");
    for body in [job("update"), by_id] {
        let csv = format!("Id,Title\n{twice},a\n{once},b\n{},c\n", &twice[..15]);
        let id = org.run_job(&body, csv);
        assert_eq!(org.result_sizes(&id), (1, 2, 0));
        let failed = org.result(&id, "failedResults");
        assert_eq!(failed.column("sf__Error"), [expected.as_str(); 2]);
        assert_eq!(failed.column("sf__Id"), [twice; 2]);
        assert_eq!(org.leads_by_key()["1"].get("Title"), None);
    }
    for operation in ["delete", "hardDelete"] {
        let id = org.run_job(&job(operation), format!("Id\n{twice}\n{twice}\n"));
        assert_eq!(org.result_sizes(&id), (0, 2, 0), "{operation}");
        let errors = org.result(&id, "failedResults").column("sf__Error");
        assert_eq!(errors, [expected.as_str(); 2]);
    }
    assert_eq!(org.sandbox.stats().leads, 2);
}

#[test]
fn an_upsert_may_go_by_id_and_by_a_key_that_is_not_unique() {
    let org = Org::demo();
    org.upsert(&[lead("1")]);
    let lead_id = org.sandbox.leads()[0].id.clone();
    let by_id = upsert_with(json!({ "externalIdFieldName": "Id" }));
    let csv = format!("Id,LastName,Company\n{lead_id},Roe,Acme\n,New,Acme\nx,Bad,Acme\n");
    let id = org.run_job(&by_id, csv);
    assert_eq!(org.result_sizes(&id), (2, 1, 0));
    assert_eq!(org.sandbox.leads()[0].fields["LastName"], "Roe");
    let named = org.run_job(&upsert(), format!("MySQL_Id__c,Id\n1,{lead_id}\n"));
    let error = &org.result(&named, "failedResults").column("sf__Error")[0];
    assert!(error.starts_with("INVALID_FIELD:The Id field"), "{error}");

    for key in ["2", "3"] {
        org.upsert(&[lead_with(key, json!({ "Email": "ada@example.com" }))]);
    }
    let by_email = upsert_with(json!({ "externalIdFieldName": "Email" }));
    let csv = "Email,LastName,Company\nada@example.com,Doe,Acme\nbea@example.com,Doe,Acme\n";
    let id = org.run_job(&by_email, csv);
    assert_eq!(org.result_sizes(&id), (1, 1, 0));
    let error = &org.result(&id, "failedResults").column("sf__Error")[0];
    let text =
        "DUPLICATE_EXTERNAL_ID:Email: more than one record found for external id field: [00Q";
    assert!(
        error.starts_with(text) && error.ends_with("]:Email --"),
        "{error}"
    );
}

#[test]
fn assignment_rules_run_for_jobs_that_name_one() {
    let org = Org::with(OrgConfig {
        assignment_rule_owner: Some("005Hp00000000ZZIAY".into()),
        ..OrgConfig::default()
    });
    org.run_job(&upsert(), numbered(0, 1));
    assert_eq!(org.leads_by_key()["0"].get("OwnerId"), None);
    let rule = upsert_with(json!({ "assignmentRuleId": "01QHp0000000001" }));
    let id = org.run_job(&rule, numbered(1, 2));
    assert_eq!(org.leads_by_key()["1"]["OwnerId"], "005Hp00000000ZZIAY");
    assert_eq!(org.info(&id)["assignmentRuleId"], "01QHp0000000001");
    let none = Org::demo();
    let unknown = none.ask("POST", "/services/data/v67.0/jobs/ingest");
    let answer = unknown.json(&rule).send();
    check_error(
        &answer,
        400,
        "INVALIDJOB",
        "Invalid assignmentRuleId: 01QHp0000000001",
    );
}

#[test]
fn a_duplicate_rule_that_alerts_blocks_the_rows_of_a_job() {
    let rule = DuplicateRule {
        match_fields: vec!["LastName".into(), "Company".into()],
        ..DuplicateRule::default()
    };
    let org = Org::with(OrgConfig {
        duplicate_rules: vec![rule],
        triggers: vec![Trigger::default()],
        ..OrgConfig::default()
    });
    org.upsert(&[lead("1")]);
    let csv = "MySQL_Id__c,LastName,Company\n2,Doe,Acme\n3,Roe,Acme\n";
    let id = org.run_job(&upsert(), csv);
    assert_eq!(org.result_sizes(&id), (1, 1, 0));
    let errors = org.result(&id, "failedResults").column("sf__Error");
    assert_eq!(errors, ["DUPLICATES_DETECTED:Use one of these records?:--"]);
    assert_eq!(
        org.sandbox.stats().trigger_runs,
        3,
        "the good row has a second attempt"
    );
}

#[test]
fn hard_deletes_are_done_where_they_are_allowed() {
    let org = Org::with(OrgConfig {
        allow_hard_delete: true,
        ..OrgConfig::default()
    });
    org.upsert(&[lead("1")]);
    let lead_id = org.sandbox.leads()[0].id.clone();
    let id = org.run_job(&job("hardDelete"), format!("Id\n{lead_id}\n"));
    assert_eq!(org.info(&id)["operation"], "hardDelete");
    assert_eq!(org.result_sizes(&id), (1, 0, 0));
    assert_eq!(org.sandbox.stats().leads, 0);
    let answer = org.get(&format!("/services/data/v67.0/sobjects/Lead/{lead_id}"));
    check_error(&answer, 404, "NOT_FOUND", "");
    org.sandbox.administrator().undelete(&lead_id).unwrap_err();
    // Only what is in the recycle bin is found among the deleted.
    let all = "/services/data/v67.0/queryAll?q=SELECT+Id+FROM+Lead";
    assert_eq!(org.get(all).json()["totalSize"], 0);
    org.upsert(&[lead("1")]);
    let lead_id = org.sandbox.leads()[0].id.clone();
    org.run_job(&job("delete"), format!("Id\n{lead_id}\n"));
    assert_eq!(org.get(all).json()["records"][0]["Id"], lead_id);
}
