//! What makes a whole job fail before a row is written (facts 5.4).
use serde_json::json;

use super::client::{upsert, upsert_with};
use crate::harness::Org;

#[track_caller]
fn check(line_ending: &str, csv: &str, error: &str, unprocessed: usize) {
    let org = Org::demo();
    let job = upsert_with(json!({ "lineEnding": line_ending }));
    let before = org.sandbox.stats().bulk_jobs_failed;
    let id = org.start_job(&job, csv);
    org.wait_for_ended(1);
    assert_eq!(org.sandbox.stats().bulk_jobs_failed, before + 1, "{csv:?}");
    let info = org.info(&id);
    assert_eq!(
        (&info["state"], &info["errorMessage"]),
        (&json!("Failed"), &json!(error))
    );
    assert_eq!(info["numberRecordsProcessed"], 0);
    assert_eq!(org.sandbox.stats().leads, 0);
    let rows = |name: &str| {
        let ending = if line_ending == "LF" { "\n" } else { "\r\n" };
        let answer = org.get(&format!("{}/{name}", super::client::path(&id)));
        let text = super::client::text(&answer);
        super::client::Table::parse(&text, ',', ending).rows.len()
    };
    assert_eq!(
        [
            rows("successfulResults"),
            rows("failedResults"),
            rows("unprocessedrecords")
        ],
        [0, 0, unprocessed],
        "{csv:?}"
    );
}

#[test]
fn the_line_endings_must_be_those_of_the_job() {
    let lf =
        "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF";
    let crlf =
        "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is CRLF";
    let header = "MySQL_Id__c,LastName,Company";
    check(
        "LF",
        &format!("{header}\r\n1,Doe,Acme\r\n2,Doe,Acme\r\n"),
        lf,
        2,
    );
    check(
        "LF",
        &format!("{header}\n1,Doe,Acme\n2,Doe,Acme\r\n"),
        lf,
        2,
    );
    check("LF", &format!("{header}\r\n"), lf, 0);
    check(
        "CRLF",
        &format!("{header}\n1,Doe,Acme\n2,Doe,Acme\n"),
        crlf,
        2,
    );
    check("CRLF", &format!("{header}\r\n1,Doe,Acme\n"), crlf, 1);
}

#[test]
fn a_header_that_is_not_understood_fails_the_job() {
    for (header, error) in [
        (
            "MySQL_Id__c,LastName,Foo__c",
            "Field name not found : Foo__c",
        ),
        (
            "MySQL_Id__c, LastName,Company",
            "Field name not found :  LastName",
        ),
        (
            "\u{feff}MySQL_Id__c,LastName,Company",
            "Field name not found : \u{feff}MySQL_Id__c",
        ),
        (
            "MySQL_Id__c,LastName,Owner.Username",
            "Field name not found : Owner.Username",
        ),
        (
            "MySQL_Id__c,LastName,lastname",
            "Duplicate field name : lastname",
        ),
    ] {
        let csv = format!("{header}\n1,Doe,Acme\n2,Doe,Acme\n");
        check("LF", &csv, &format!("InvalidBatch : {error}"), 2);
    }
    check("LF", "\n", "InvalidBatch : The data have no header row", 0);
}

#[test]
fn a_job_without_rows_is_complete() {
    let org = Org::demo();
    for csv in [
        "MySQL_Id__c,LastName\n",
        "MySQL_Id__c",
        "\n\nMySQL_Id__c\n\n",
    ] {
        let id = org.run_job(&upsert(), csv);
        assert_eq!(org.info(&id)["state"], "JobComplete", "{csv:?}");
    }
    let id = org.run_job(&upsert(), "");
    assert_eq!(org.info(&id)["state"], "Failed", "an upload without a byte");
}
