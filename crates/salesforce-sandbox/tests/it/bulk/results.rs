//! The three result files (facts 0.10, 5.3, 12).
use std::io::Read;

use serde_json::json;

use super::client::{Table, numbered, path, text, upsert, upsert_with};
use crate::harness::Org;

#[test]
fn the_files_have_their_leading_columns_and_the_uploaded_ones_even_when_empty() {
    let org = Org::demo();
    let id = org.run_job(&upsert(), "mysql_id__C,\"LastName\",Company\n");
    let header = |name: &str| org.result(&id, name).header;
    assert_eq!(
        header("successfulResults"),
        [
            "sf__Id",
            "sf__Created",
            "mysql_id__C",
            "LastName",
            "Company"
        ]
    );
    assert_eq!(header("failedResults")[..2], ["sf__Id", "sf__Error"]);
    assert_eq!(
        header("unprocessedrecords"),
        ["mysql_id__C", "LastName", "Company"]
    );
    assert_eq!(org.result_sizes(&id), (0, 0, 0));
}

#[test]
fn names_are_taken_in_any_case_and_with_a_slash_at_the_end() {
    let org = Org::demo();
    let id = org.run_job(&upsert(), numbered(0, 2));
    for name in [
        "successfulResults/",
        "successfulresults",
        "SUCCESSFULRESULTS/",
    ] {
        assert_eq!(org.result(&id, name).rows.len(), 2, "{name}");
    }
    for name in ["unprocessedRecords", "unprocessedrecords/", "FailedResults"] {
        assert_eq!(org.result(&id, name).rows.len(), 0, "{name}");
    }
}

#[test]
fn rows_come_in_another_order_than_that_of_the_upload_and_always_in_the_same() {
    let org = Org::demo();
    for rows in [2, 5, 200, 1_000] {
        let id = org.run_job(&upsert(), numbered(0, rows));
        let table = org.result(&id, "successfulResults");
        let order: Vec<&str> = table.rows.iter().map(|row| row[2].as_str()).collect();
        let uploaded: Vec<String> = (0..rows).map(|n| n.to_string()).collect();
        assert_ne!(order, uploaded, "{rows}");
        assert_eq!(table.column("MySQL_Id__c").len(), rows);
        assert_eq!(org.result(&id, "successfulResults"), table);
    }
}

#[test]
fn results_speak_the_dialect_of_the_job() {
    let org = Org::demo();
    for (name, delimiter) in [
        ("BACKQUOTE", '`'),
        ("CARET", '^'),
        ("COMMA", ','),
        ("PIPE", '|'),
        ("SEMICOLON", ';'),
        ("TAB", '\t'),
    ] {
        for (ending, bytes) in [("LF", "\n"), ("CRLF", "\r\n")] {
            let job = upsert_with(json!({ "columnDelimiter": name, "lineEnding": ending }));
            let csv = format!(
                "MySQL_Id__c{delimiter}LastName{delimiter}Company{bytes}\
                 {name}-{ending}{delimiter}\"a`b^c,d|e;f\tg\"{delimiter}Acme{bytes}"
            );
            let id = org.run_job(&job, csv);
            let answer = org.get(&format!("{}/successfulResults", path(&id)));
            let table = Table::parse(&text(&answer), delimiter, bytes);
            assert_eq!(table.column("LastName"), ["a`b^c,d|e;f\tg"]);
            let lead = &org.leads_by_key()[&format!("{name}-{ending}")];
            assert_eq!(lead["LastName"], "a`b^c,d|e;f\tg");
        }
    }
}

#[test]
fn large_results_are_streamed_packed_or_not_and_hold_every_row_once() {
    const ROWS: usize = 60_000;
    let org = Org::demo();
    let mut csv = numbered(0, ROWS);
    assert!(csv.len() > 1 << 20);
    csv.push_str("bad,,\n");
    let id = org.run_job(&upsert(), csv);
    assert_eq!(org.info(&id)["numberRecordsFailed"], 1);
    let results = format!("{}/successfulResults", path(&id));
    let plain = org.get(&results);
    assert_eq!(plain.header("transfer-encoding"), Some("chunked"));
    let packed = org
        .ask("GET", &results)
        .header("Accept-Encoding", "gzip")
        .send();
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() * 3 < plain.body.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    assert!(unpacked == plain.body);
    let mut keys: Vec<usize> = Table::parse(&text(&plain), ',', "\n")
        .column("MySQL_Id__c")
        .iter()
        .map(|key| key.parse().unwrap())
        .collect();
    keys.sort_unstable();
    assert_eq!(keys, (0..ROWS).collect::<Vec<_>>());
    let failed = org.result(&id, "failedResults");
    assert_eq!(failed.column("MySQL_Id__c"), ["bad"]);
}
