//! What a query's columns are: `columns=true`, as Salesforce's own CLI asks it.
use serde_json::{Value, json};

use crate::harness::{Org, check_error};

fn columns(org: &Org, soql: &str) -> Value {
    let soql = soql.replace(' ', "+");
    let path = format!("/services/data/v67.0/query?q={soql}&columns=true");
    let answer = org.get(&path);
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    answer.json()
}

#[test]
fn fields_are_described_in_their_order() {
    let org = Org::demo();
    let found = columns(&org, "select id, Score__c, Newsletter__c, Name from Lead");
    assert_eq!(found["entityName"], "Lead");
    assert_eq!(found["keyPrefix"], "00Q");
    assert_eq!(found["groupBy"], false);
    assert_eq!(found["idSelected"], true);
    let columns = found["columnMetadata"].as_array().unwrap();
    let shown: Vec<_> = columns
        .iter()
        .map(|column| {
            json!([
                column["columnName"],
                column["apexType"],
                column["custom"],
                column["updatable"]
            ])
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!(["Id", "Id", false, false]),
            json!(["Score__c", "Decimal", true, true]),
            json!(["Newsletter__c", "Boolean", true, true]),
            json!(["Name", "String", false, false]),
        ]
    );
    assert_eq!(columns[1]["numberType"], true);
    assert_eq!(columns[2]["booleanType"], true);
    assert_eq!(columns[3]["textType"], true);
    assert!(
        columns
            .iter()
            .all(|column| column["joinColumns"] == json!([]) && column["aggregate"] == false)
    );
}

#[test]
fn fields_of_one_parent_stand_together() {
    let org = Org::demo();
    let soql = "SELECT Owner.Name, City, Owner.Email, CreatedBy.Name FROM Lead";
    let found = columns(&org, soql);
    let shown: Vec<_> = found["columnMetadata"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| {
            let joined: Vec<_> = column["joinColumns"]
                .as_array()
                .unwrap()
                .iter()
                .map(|joined| joined["columnName"].clone())
                .collect();
            json!([column["columnName"], column["foreignKeyName"], joined])
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!(["Owner", "OwnerId", ["Name", "Email"]]),
            json!(["City", null, []]),
            json!(["CreatedBy", "CreatedById", ["Name"]]),
        ]
    );
}

#[test]
fn aggregates_are_told_from_fields() {
    let org = Org::demo();
    let soql = "SELECT Status, COUNT(Id), MAX(Score__c) best FROM Lead GROUP BY Status";
    let found = columns(&org, soql);
    assert_eq!(found["groupBy"], true);
    let shown: Vec<_> = found["columnMetadata"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| {
            json!([
                column["columnName"],
                column["displayName"],
                column["aggregate"]
            ])
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!(["Status", "Status", false]),
            json!(["expr0", "count(Id)", true]),
            json!(["best", "max(Score__c)", true]),
        ]
    );
}

#[test]
fn a_query_that_may_not_run_has_no_columns() {
    let org = Org::demo();
    let answer = org.get("/services/data/v67.0/query?q=SELECT+Nope__c+FROM+Lead&columns=true");
    check_error(&answer, 400, "INVALID_FIELD", "\nSELECT Nope__c FROM Lead");
}
