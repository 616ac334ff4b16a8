//! Query jobs (facts 5, 12).
use salesforce_sandbox::{Action, Fault, JobState, OrgConfig};
use serde_json::{Value, json};

use super::client::{Table, ended, text};
use crate::harness::{Org, PATIENCE, check_error, lead, lead_with};

const QUERY: &str = "/services/data/v67.0/jobs/query";

fn path(id: &str) -> String {
    format!("{QUERY}/{id}")
}

#[track_caller]
fn create(org: &Org, body: &Value) -> String {
    let answer = org.ask("POST", QUERY).json(body).send();
    assert_eq!(answer.status, 200, "{}", text(&answer));
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn run(org: &Org, body: &Value) -> String {
    let before = ended(&org.sandbox.stats());
    let id = create(org, body);
    org.wait_for_ended(before + 1);
    id
}

fn query(soql: &str) -> Value {
    json!({ "operation": "query", "query": soql })
}

fn with_leads(count: usize) -> Org {
    let org = Org::demo();
    for first in (0..count).step_by(200) {
        let keys = first..count.min(first + 200);
        let records: Vec<Value> = keys.map(|n| lead(&format!("{n:05}"))).collect();
        org.upsert(&records);
    }
    org
}

#[test]
fn a_query_starts_at_once_and_its_rows_are_read_page_by_page() {
    let org = with_leads(2_500);
    let soql = "SELECT MySQL_Id__c, LastName FROM Lead ORDER BY MySQL_Id__c";
    let answer = org.ask("POST", QUERY).json(&query(soql)).send();
    let job = answer.json();
    assert_eq!(job["state"], "UploadComplete");
    let user = job["createdById"].clone();
    assert_eq!(
        job,
        json!({ "id": job["id"], "operation": "query", "object": "Lead", "createdById": user,
                "createdDate": job["createdDate"], "systemModstamp": job["systemModstamp"],
                "state": "UploadComplete", "concurrencyMode": "Parallel", "contentType": "CSV",
                "apiVersion": 67.0, "lineEnding": "LF", "columnDelimiter": "COMMA" })
    );
    org.wait_for_ended(1);
    let id = job["id"].as_str().unwrap();
    assert!(id.starts_with("750") && id.len() == 18);
    let info = org.get(&path(id)).json();
    assert_eq!(
        (&info["state"], &info["jobType"]),
        (&json!("JobComplete"), &json!("V2Query"))
    );
    assert_eq!(
        (&info["numberRecordsProcessed"], &info["retries"]),
        (&json!(2_500), &json!(0))
    );
    assert!(info["totalProcessingTime"].is_u64());

    let (mut keys, mut locator) = (Vec::new(), String::new());
    loop {
        let answer = org.get(&format!("{}/results?maxRecords=1000{locator}", path(id)));
        assert_eq!(answer.status, 200, "{}", text(&answer));
        assert_eq!(answer.header("content-type"), Some("text/csv"));
        let table = Table::parse(&text(&answer), ',', "\n");
        assert_eq!(table.header, ["MySQL_Id__c", "LastName"]);
        let count = answer.header("sforce-numberofrecords").unwrap();
        assert_eq!(count, table.rows.len().to_string());
        keys.extend(table.column("MySQL_Id__c"));
        match answer.header("sforce-locator").unwrap() {
            "null" => break,
            next => locator = format!("&locator={next}"),
        }
    }
    let expected: Vec<String> = (0..2_500).map(|n| format!("{n:05}")).collect();
    assert_eq!(keys, expected);
    let whole = org.get(&format!("{}/results/", path(id)));
    assert_eq!(whole.header("sforce-numberofrecords"), Some("2500"));
    assert_eq!(whole.header("sforce-locator"), Some("null"));
    let packed = org.ask("GET", &format!("{}/results", path(id)));
    let packed = packed.header("Accept-Encoding", "gzip").send();
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
}

#[test]
fn values_are_quoted_in_the_jobs_dialect_and_null_is_empty() {
    let org = Org::demo();
    org.upsert(&[
        lead_with(
            "1",
            json!({ "FirstName": "A|\"b\"", "Score__c": 12.5, "Newsletter__c": true,
                    "Birthday__c": "2000-02-29", "Signup_At__c": "2026-03-29T02:30:00.123Z" }),
        ),
        lead("2"),
    ]);
    let soql = "SELECT Id, FirstName, Score__c, Newsletter__c, Birthday__c, Signup_At__c, Owner.Name FROM Lead \
                ORDER BY MySQL_Id__c";
    let mut body = query(soql);
    body["columnDelimiter"] = json!("PIPE");
    body["lineEnding"] = json!("CRLF");
    let id = run(&org, &body);
    let answer = org.get(&format!("{}/results", path(&id)));
    let table = Table::parse(&text(&answer), '|', "\r\n");
    assert_eq!(table.header[6], "Owner.Name");
    let leads = org.sandbox.leads();
    assert_eq!(
        table.rows[0][..6],
        [
            leads[0].id.as_str(),
            "A|\"b\"",
            "12.5",
            "true",
            "2000-02-29",
            "2026-03-29T02:30:00.123Z"
        ]
    );
    assert_eq!(
        table.rows[1][..5],
        [leads[1].id.as_str(), "", "", "false", ""]
    );
}

#[test]
fn query_all_sees_deleted_leads_and_an_empty_answer_is_a_header() {
    let org = with_leads(2);
    let lead_id = &org.sandbox.leads()[0].id;
    let deleted = format!("/services/data/v67.0/sobjects/Lead/{lead_id}");
    assert_eq!(org.ask("DELETE", &deleted).send().status, 204);
    let mut body = query("SELECT Id, IsDeleted FROM Lead");
    let rows = |id: &str| {
        let answer = org.get(&format!("{}/results", path(id)));
        Table::parse(&text(&answer), ',', "\n")
    };
    assert_eq!(rows(&run(&org, &body)).column("IsDeleted"), ["false"]);
    body["operation"] = json!("queryAll");
    let all = run(&org, &body);
    assert_eq!(rows(&all).column("IsDeleted"), ["false", "true"]);
    assert_eq!(org.get(&path(&all)).json()["operation"], "queryAll");
    let none = run(
        &org,
        &query("SELECT Id FROM Lead WHERE LastName = 'Nobody'"),
    );
    assert_eq!(
        rows(&none),
        Table {
            header: vec!["Id".into()],
            rows: vec![]
        }
    );
}

#[test]
fn queries_that_cannot_be_exported_are_refused_at_the_creation() {
    let org = Org::demo();
    for (soql, code) in [
        ("SELECT Foo__c FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Foo", "INVALID_TYPE"),
        ("SELECT Id FROM", "MALFORMED_QUERY"),
        ("SELECT COUNT() FROM Lead", "API_ERROR"),
        (
            "SELECT COUNT(Id), LeadSource FROM Lead GROUP BY LeadSource",
            "API_ERROR",
        ),
        ("SELECT Address FROM Lead", "API_ERROR"),
        ("SELECT Id FROM Lead OFFSET 5", "API_ERROR"),
        ("", "INVALIDJOB"),
    ] {
        let answer = org.ask("POST", QUERY).json(&query(soql)).send();
        check_error(&answer, 400, code, "");
    }
    let insert = json!({ "operation": "insert", "query": "SELECT Id FROM Lead" });
    let answer = org.ask("POST", QUERY).json(&insert).send();
    check_error(&answer, 400, "INVALIDJOB", "Unknown operation");
    let old = org.ask("POST", "/services/data/v46.0/jobs/query");
    let old = old.json(&query("SELECT Id FROM Lead")).send();
    check_error(&old, 404, "NOT_FOUND", "");
    assert_eq!(org.sandbox.jobs(), []);
}

#[test]
fn query_jobs_are_listed_aborted_and_deleted_like_ingest_jobs() {
    let org = with_leads(3);
    let hold = Fault::new(Action::BulkHold { after_rows: 0 });
    org.sandbox.faults().add(hold.times(1));
    let id = create(&org, &query("SELECT Id FROM Lead"));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    let results = format!("{}/results", path(&id));
    check_error(
        &org.get(&results),
        400,
        "INVALIDJOBSTATE",
        "The job has no results",
    );
    let aborted = org.patch(&path(&id), &json!({ "state": "Aborted" }));
    assert_eq!(aborted.json()["state"], "Aborted");
    org.sandbox.faults().release_all();
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 0));
    check_error(&org.get(&results), 404, "NOT_FOUND", "");
    let other = run(&org, &query("SELECT Id FROM Lead"));
    assert_eq!(org.job(&id).state, JobState::Aborted);

    let listed = org.get(&format!("{QUERY}?jobType=V2Query")).json();
    let listed: Vec<&Value> = listed["records"].as_array().unwrap().iter().collect();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|job| job["jobType"] == "V2Query"));
    let ingest = org.get("/services/data/v67.0/jobs/ingest").json();
    assert_eq!(ingest["records"], json!([]));
    assert_eq!(org.ask("DELETE", &path(&other)).send().status, 204);
    check_error(&org.get(&path(&other)), 404, "NOT_FOUND", "");
    let upload = format!("{}/batches", path(&id));
    let upload = org.ask("PUT", &upload).body("text/csv", "x").send();
    check_error(&upload, 404, "NOT_FOUND", "");
}

#[test]
fn wrong_locators_and_counts_are_refused_and_jobs_can_be_made_to_fail() {
    let org = with_leads(3);
    let id = run(&org, &query("SELECT Id FROM Lead"));
    for parameters in [
        "locator=x",
        "locator=null",
        "locator=MTAwMDA",
        "maxRecords=0",
    ] {
        let answer = org.get(&format!("{}/results?{parameters}", path(&id)));
        assert_eq!(answer.status, 400, "{parameters}");
    }
    let fail = Action::BulkFail {
        after_rows: 0,
        message: "Timeout : as told".into(),
    };
    org.sandbox.faults().add(Fault::new(fail).times(1));
    let id = run(&org, &query("SELECT Id FROM Lead"));
    assert_eq!(
        org.get(&path(&id)).json()["errorMessage"],
        "Timeout : as told"
    );
    check_error(
        &org.get(&format!("{}/results", path(&id))),
        404,
        "NOT_FOUND",
        "",
    );
    let limits = org.get("/services/data/v67.0/limits").json();
    assert_eq!(limits["DailyBulkV2QueryJobs"]["Remaining"], 9_998);
}

#[test]
fn an_answer_larger_than_the_room_for_jobs_fails_its_job() {
    let org = Org::with(OrgConfig {
        bulk_storage_bytes: 1_000,
        ..OrgConfig::default()
    });
    let records: Vec<Value> = (0..200).map(|n| lead(&n.to_string())).collect();
    org.upsert(&records);
    let id = run(&org, &query("SELECT Id FROM Lead"));
    let info = org.get(&path(&id)).json();
    assert_eq!(
        info["errorMessage"],
        "ExceededQuota : The data of all jobs together are too large."
    );
}
