//! Files: what a payload becomes, what has no row, and that every value comes back as it was.

use csv_core::{ReadRecordResult, Reader};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn header() -> CsvHeader {
    CsvHeader::new(
        "MySQL_Id__c",
        ["LastName", "Company", "Score__c", "News__c"],
    )
    .unwrap()
}

fn row(key: &str, payload: &str) -> Result<String, NotForBulk> {
    let mut out = b"before".to_vec();
    let written = header().write_row(key, payload, &mut out);
    let text = String::from_utf8(out).unwrap();
    let row = text.strip_prefix("before").unwrap().to_string();
    assert!(written.is_ok() || row.is_empty(), "{row}");
    written.map(|()| row)
}

#[track_caller]
fn check(payload: &str, expected: &str) {
    assert_eq!(
        row("7", payload).unwrap(),
        format!("\"7\",{expected}\n"),
        "{payload}"
    );
}

#[track_caller]
fn check_refused(payload: &str, expected: NotForBulk) {
    assert_eq!(row("7", payload), Err(expected), "{payload}");
}

/// The cells of all rows, by a reader that is not ours.
fn read(mut text: &[u8]) -> Vec<Vec<String>> {
    let mut reader = Reader::new();
    let (mut cells, mut ends) = (vec![0; text.len() + 16], vec![0; 64]);
    let mut rows = Vec::new();
    loop {
        let (result, taken, _, count) = reader.read_record(text, &mut cells, &mut ends);
        text = &text[taken..];
        match result {
            ReadRecordResult::Record => {
                let starts = std::iter::once(0).chain(ends[..count].iter().copied());
                rows.push(
                    starts
                        .zip(&ends[..count])
                        .map(|(start, &end)| String::from_utf8(cells[start..end].to_vec()).unwrap())
                        .collect(),
                );
            }
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::End => return rows,
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => panic!("no room"),
        }
    }
}

#[test]
fn a_header_holds_the_key_and_the_fields() {
    let mut out = Vec::new();
    header().write(&mut out);
    assert_eq!(out, b"MySQL_Id__c,LastName,Company,Score__c,News__c\n");
}

#[test]
fn a_header_that_salesforce_would_refuse_is_refused() {
    for (fields, fault) in [
        (vec!["A b"], HeaderFault::Name("A b".into())),
        (vec![""], HeaderFault::Name(String::new())),
        (vec!["Key__C"], HeaderFault::Twice("Key__C".into())),
        (vec!["A", "B", "a"], HeaderFault::Twice("a".into())),
    ] {
        assert_eq!(CsvHeader::new("Key__c", fields), Err(fault));
    }
    let long: Vec<String> = (0..4000).map(|n| format!("Field_{n}__c")).collect();
    let header = CsvHeader::new("Key__c", long.iter().map(String::as_str));
    assert_eq!(header, Err(HeaderFault::TooMany));
}

#[test]
fn texts_are_quoted_and_the_rest_is_bare() {
    check(
        r#"{"LastName":"Doe","Company":"A, \"B\" & C","Score__c":-1.50,"News__c":true}"#,
        r#""Doe","A, ""B"" & C",-1.50,true"#,
    );
    check(
        r#"{"LastName":" two\nlines\t","Company":"\u017dofie \ud83d\ude00 back\\slash"}"#,
        "\" two\nlines\t\",\"Žofie 😀 back\\slash\",,",
    );
}

#[test]
fn absent_is_empty_and_null_is_marked_as_is_a_blank_text() {
    check("{}", ",,,");
    check(r#"{"Score__c":null,"LastName":null}"#, "#N/A,,#N/A,");
    check(r#"{"LastName":"","Company":" \n "}"#, "#N/A,#N/A,,");
}

#[test]
fn the_order_of_the_payload_does_not_matter() {
    check(
        r#"{"News__c":false,"Company":"C","LastName":"L"}"#,
        r#""L","C",,false"#,
    );
}

#[test]
fn what_a_file_cannot_say_has_no_row() {
    let company = || "Company".to_string();
    for text in ["#N/A", "#n/a", " #N/A "] {
        let payload = json!({"LastName": "L", "Company": text}).to_string();
        check_refused(&payload, NotForBulk::Null { field: company() });
    }
    let field = company();
    check_refused(r#"{"Company":"a\u0000b"}"#, NotForBulk::Character { field });
    for nested in [r#"{"Company":{"a":1}}"#, r#"{"Company":["x"]}"#] {
        check_refused(nested, NotForBulk::Nested { field: company() });
    }
    let field = "Phone".to_string();
    check_refused(
        r#"{"Company":"x","Phone":"1"}"#,
        NotForBulk::Column { field },
    );
    let field = "MySQL_Id__c".to_string();
    check_refused(r#"{"MySQL_Id__c":"8"}"#, NotForBulk::Column { field });
    for broken in [
        "",
        "[]",
        "{",
        r#"{"Company":}"#,
        "{} {}",
        r#"{"Company":"\ud800"}"#,
    ] {
        check_refused(broken, NotForBulk::Payload);
    }
    assert_eq!(row("", "{}"), Err(NotForBulk::Key));
    assert_eq!(row(" ", "{}"), Err(NotForBulk::Key));
    let field = "MySQL_Id__c".to_string();
    assert_eq!(row("#N/A", "{}"), Err(NotForBulk::Null { field }));
}

#[test]
fn lengths_are_counted_in_characters() {
    let wide = |chars: usize| json!({"Company": "é".repeat(chars)}).to_string();
    assert!(row("7", &wide(MAX_CELL_CHARS)).is_ok());
    let field = "Company".to_string();
    check_refused(&wide(MAX_CELL_CHARS + 1), NotForBulk::Cell { field });
    let text = "é".repeat(MAX_CELL_CHARS);
    let fields = |last: &str| {
        json!({"LastName": text, "Company": text, "Score__c": text, "News__c": last}).to_string()
    };
    assert!(row("7", &fields("x")).is_ok());
    check_refused(&fields(&"x".repeat(7_000)), NotForBulk::Row);
}

#[test]
fn texts_of_faults_hold_no_values() {
    let fault = row("7", r##"{"Company":" #N/A "}"##).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the text of Company is #N/A, which Bulk takes for null"
    );
}

fn value() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        Just(None),
        Just(Some(Value::Null)),
        any::<bool>().prop_map(|flag| Some(flag.into())),
        any::<i64>().prop_map(|number| Some(number.into())),
        "(?s)[\",\r\n #N/Aéa-c\u{1}]{0,12}".prop_map(|text| Some(text.into())),
        "(?s)\\PC{0,20}".prop_map(|text| Some(text.into())),
    ]
}

/// What a cell holds that means the same as a value of a payload.
fn cell(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::Null) => NULL.to_string(),
        Some(Value::String(text)) if text.trim().is_empty() => NULL.to_string(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

proptest! {
    #[test]
    fn a_file_reads_as_what_was_written(
        records in prop::collection::vec(("[!-~]{1,8}", prop::collection::vec(value(), 4)), 0..6)
    ) {
        let header = header();
        let mut out = Vec::new();
        header.write(&mut out);
        let names = ["LastName", "Company", "Score__c", "News__c"];
        let mut expected = vec![["MySQL_Id__c"].iter().chain(&names).map(ToString::to_string).collect::<Vec<_>>()];
        for (key, values) in &records {
            let payload: Map<String, Value> = names
                .iter()
                .zip(values)
                .filter_map(|(name, value)| Some((name.to_string(), value.clone()?)))
                .collect();
            let text = Value::Object(payload.clone()).to_string();
            if header.write_row(key, &text, &mut out).is_ok() {
                let cells = names.iter().map(|name| cell(payload.get(*name)));
                expected.push(std::iter::once(key.clone()).chain(cells).collect());
            } else {
                let odd = |text: &str| text.trim().eq_ignore_ascii_case(NULL) || text.contains('\0');
                let says_null = payload.values().any(|value| value.as_str().is_some_and(odd));
                prop_assert!(says_null || odd(key), "{}", text);
            }
        }
        prop_assert_eq!(read(&out), expected);
    }
}
