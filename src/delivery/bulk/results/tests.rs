//! Result sets: rows by column name, whatever the cut; faults in our own words.

use proptest::prelude::*;

use super::*;
use crate::core::outcome::Disposition;

const ID: &str = "00Q5g00000AbCdEEAV";
const KEY: &str = "MySQL_Id__c";

fn read(set: ResultSet, text: &[u8], size: usize) -> Result<Vec<ResultRow>, String> {
    let mut reader = ResultReader::new(set, KEY);
    let mut rows = Vec::new();
    for piece in text.chunks(size) {
        reader.feed(piece, &mut rows)?;
    }
    let count = reader.finish(&mut rows)?;
    assert_eq!(count, rows.len() as u64);
    Ok(rows)
}

/// Whole and byte by byte.
#[track_caller]
fn rows(set: ResultSet, text: &str) -> Vec<ResultRow> {
    let whole = read(set, text.as_bytes(), usize::MAX).unwrap();
    assert_eq!(read(set, text.as_bytes(), 1).unwrap(), whole);
    whole
}

#[track_caller]
fn check_fault(set: ResultSet, text: &str, expected: &str) {
    for size in [1, usize::MAX] {
        let fault = read(set, text.as_bytes(), size).unwrap_err();
        assert!(fault.contains(expected), "{fault}");
        assert!(!fault.contains("Sofia"), "{fault}");
    }
}

#[test]
fn successes_have_their_id() {
    let text = format!(
        "\"sf__Id\",\"sf__Created\",\"LastName\",\"MySQL_Id__c\"\n\"{ID}\",\"true\",\"A \"\"B\"\", \nC\",\"1\"\n\"{}\",\"false\",\"\",\"2,3\"\n",
        &ID[..15]
    );
    let id = ID.to_string();
    let delivered = |key: &str, created| ResultRow {
        key: key.to_string(),
        result: Some(RecordResult::Delivered {
            id: id.clone(),
            created,
        }),
    };
    assert_eq!(
        rows(ResultSet::Successful, &text),
        [delivered("1", true), delivered("2,3", false)]
    );
}

#[test]
fn failures_are_classified() {
    let text = "sf__Id,sf__Error,mysql_id__C,LastName\r\n\"\",\"REQUIRED_FIELD_MISSING:Required fields are missing: [Company]:Company --\",\"1\",\"\"\r\n,UNABLE_TO_LOCK_ROW:wait:--,2,x";
    let rows = rows(ResultSet::Failed, text);
    let Some(RecordResult::Rejected(missing)) = &rows[0].result else {
        panic!("not rejected")
    };
    assert_eq!(
        (missing.code.as_str(), missing.disposition),
        ("REQUIRED_FIELD_MISSING", Disposition::DeadLetter)
    );
    assert_eq!(missing.errors[0].fields, ["Company"]);
    let Some(RecordResult::Rejected(locked)) = &rows[1].result else {
        panic!("not rejected")
    };
    assert_eq!(
        (rows[1].key.as_str(), locked.disposition),
        ("2", Disposition::Backoff)
    );
}

#[test]
fn unprocessed_rows_have_no_result() {
    let found = rows(ResultSet::Unprocessed, "\"MySQL_Id__c\"\n\"1\"\n\"2\"\n");
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|row| row.result.is_none()));
}

#[test]
fn an_empty_set_has_a_header_or_nothing() {
    assert_eq!(rows(ResultSet::Unprocessed, ""), []);
    assert_eq!(
        rows(ResultSet::Failed, "sf__Id,sf__Error,MySQL_Id__c\n"),
        []
    );
    assert_eq!(rows(ResultSet::Failed, "sf__Id,sf__Error,MySQL_Id__c"), []);
}

#[test]
fn broken_sets_are_refused_in_our_own_words() {
    use ResultSet::{Failed, Successful, Unprocessed};
    let lacks = "lacks a column";
    check_fault(Successful, "sf__Id,sf__Created\n", lacks);
    check_fault(Successful, "sf__Id,MySQL_Id__c\n", lacks);
    check_fault(Failed, "sf__Id,MySQL_Id__c\n", lacks);
    check_fault(Unprocessed, "<html>Sofia is down</html>", lacks);
    let head = "sf__Id,sf__Created,MySQL_Id__c\n";
    let after = |row: &str| format!("{head}{ID},true,1\n{row}");
    check_fault(
        Successful,
        &after("Sofia,true,2\n"),
        "row 2 of successfulResults succeeds without a valid id",
    );
    check_fault(
        Successful,
        &after(&format!("{ID},true\n")),
        "row 2 of successfulResults has too few cells",
    );
    check_fault(
        Successful,
        &after(&format!("{ID},true,2,Sofia\n")),
        "has too many cells",
    );
    check_fault(
        Successful,
        &after(&format!("{ID},true,\n")),
        "has no external id",
    );
    check_fault(
        Successful,
        &after(&format!("{ID},true,\"So")),
        "ends inside of quotes",
    );
    check_fault(Successful, &after(&format!("{ID},tr")), "has too few cells");
}

#[test]
fn a_cell_without_end_is_not_kept() {
    let long = format!(
        "sf__Id,sf__Error,MySQL_Id__c\n,{},1\n",
        "x".repeat(MAX_CELL_BYTES + 1)
    );
    check_fault_once(&long, "a cell that is too long");
    // Of a column that nobody asked for it is passed over.
    let long = format!(
        "MySQL_Id__c,Description\n1,{}\n",
        "x".repeat(MAX_CELL_BYTES + 1)
    );
    let found = read(ResultSet::Unprocessed, long.as_bytes(), 65_536).unwrap();
    assert_eq!(found.len(), 1);
    let wide = format!("MySQL_Id__c{}\n", ",x".repeat(MAX_COLUMNS));
    let fault = read(ResultSet::Unprocessed, wide.as_bytes(), 65_536).unwrap_err();
    assert!(fault.contains("too many cells"), "{fault}");
}

#[track_caller]
fn check_fault_once(text: &str, expected: &str) {
    let fault = read(ResultSet::Failed, text.as_bytes(), 65_536).unwrap_err();
    assert!(fault.contains(expected), "{fault}");
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

proptest! {
    #[test]
    fn however_a_set_is_cut_its_rows_are_the_same(
        cells in prop::collection::vec(("(?s)[\",\r\n\u{e9}a-c]{1,10}", "(?s)[\",\r\n: -]{0,10}"), 0..8),
        size in 1_usize..40,
    ) {
        let mut text = "\"Description\",\"MySQL_Id__c\"\n".to_string();
        for (key, other) in &cells {
            text.push_str(&format!("{},{}\n", quoted(other), quoted(key)));
        }
        let rows = read(ResultSet::Unprocessed, text.as_bytes(), size).unwrap();
        let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        let expected: Vec<&str> = cells.iter().map(|(key, _)| key.as_str()).collect();
        prop_assert_eq!(keys, expected);
    }

    #[test]
    fn no_set_is_too_strange(text in prop::collection::vec(any::<u8>(), 0..200), size in 1_usize..40) {
        for set in ResultSet::ALL {
            let whole = read(set, &text, usize::MAX);
            let cut = read(set, &text, size);
            prop_assert_eq!(whole.ok(), cut.ok());
        }
    }
}
