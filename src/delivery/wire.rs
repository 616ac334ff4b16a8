//! The bytes of sObject Collections: the body of an upsert, the answer to it, and bodies of errors.
//!
//! Invariants: an answer is taken only when it has exactly one well-formed result per record, in
//! the call's order, and none names the record of another; an id is valid only with its checksum, and always leaves as 18 characters.
//! Texts that it returns name counts and places, never values.
//! It does not judge errors (`classify`) and does not check payloads beyond their outer braces:
//! the core wrote them.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use serde::Deserialize;

use super::classify;
use super::duplicates::DuplicateResult;
use crate::core::outcome::{RecordError, RecordResult};

/// Below this, compressing costs more than it saves.
const GZIP_FROM_BYTES: usize = 1024;

/// One record of an upsert.
#[derive(Clone, Debug)]
pub struct UpsertRecord {
    /// The external id's value.
    pub key: Arc<str>,
    /// A JSON object of the fields without the external id, such as `{"LastName":"Doe"}` or `{}`.
    pub payload: Arc<str>,
}

/// A body ready to send.
pub(super) struct Body {
    pub bytes: Bytes,
    pub gzip: bool,
}

/// Writes the body of a collection upsert into one buffer. Fails with the position of a record
/// whose payload is not an object.
pub(super) fn encode_upsert(
    object: &str,
    external_id: &str,
    records: &[UpsertRecord],
) -> Result<Vec<u8>, usize> {
    let mut head = Vec::with_capacity(48 + object.len() + external_id.len());
    head.extend_from_slice(br#"{"attributes":{"type":"#);
    push_string(&mut head, object);
    head.extend_from_slice(b"},");
    push_string(&mut head, external_id);
    head.push(b':');
    let size: usize = records
        .iter()
        .map(|record| head.len() + record.key.len() + record.payload.len() + 4)
        .sum();
    let mut body = Vec::with_capacity(size + 40);
    body.extend_from_slice(br#"{"allOrNone":false,"records":["#);
    for (at, record) in records.iter().enumerate() {
        let fields = record
            .payload
            .trim()
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .ok_or(at)?
            .trim();
        if at > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&head);
        push_string(&mut body, &record.key);
        if !fields.is_empty() {
            body.push(b',');
            body.extend_from_slice(fields.as_bytes());
        }
        body.push(b'}');
    }
    body.extend_from_slice(b"]}");
    Ok(body)
}

/// Compresses a body when that is asked for and worth it.
pub(super) fn finish(body: Vec<u8>, compress: bool) -> Body {
    if compress && body.len() > GZIP_FROM_BYTES {
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::new(1));
        // Writing into memory does not fail; if it ever did, the plain body is as good.
        if let Ok(packed) = encoder.write_all(&body).and_then(|()| encoder.finish()) {
            return Body {
                bytes: packed.into(),
                gzip: true,
            };
        }
    }
    Body {
        bytes: body.into(),
        gzip: false,
    }
}

/// Appends a JSON string: RFC 8259 escapes for quote, backslash and control characters.
fn push_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut done = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[done..at]);
        done = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[done..]);
    out.push(b'"');
}

/// A text as a part of an address: everything but letters, digits, `-` and `_` is encoded. A dot is,
/// too: Salesforce would take what follows it for a format.
pub(super) fn percent_encoded(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len() * 3 / 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            encoded.push(char::from(byte));
        } else {
            // Writing into a text does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[derive(Deserialize)]
struct Element<'a> {
    #[serde(default, borrow)]
    id: Option<&'a str>,
    success: bool,
    #[serde(default)]
    created: Option<bool>,
    #[serde(default)]
    errors: Option<Vec<ErrorElement>>,
}

/// One error; records say `statusCode`, requests say `errorCode`.
#[derive(Deserialize)]
struct ErrorElement {
    #[serde(default, rename = "statusCode")]
    status_code: Option<String>,
    #[serde(default, rename = "errorCode")]
    error_code: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    fields: Option<Vec<String>>,
    /// Misspelt by many versions of the API. Details, so their shape may be anything.
    #[serde(default, alias = "duplicateResut", rename = "duplicateResult")]
    duplicates: Option<serde_json::Value>,
}

impl From<ErrorElement> for RecordError {
    fn from(element: ErrorElement) -> Self {
        let code = element
            .status_code
            .or(element.error_code)
            .unwrap_or_default();
        let mut message = element.message.unwrap_or_default();
        let details = element
            .duplicates
            .and_then(|details| serde_json::from_value::<DuplicateResult>(details).ok());
        if let Some(details) = details {
            message.push(' ');
            message.push_str(&details.words());
        }
        RecordError {
            code: classify::clean_code(code),
            message,
            fields: element.fields.unwrap_or_default(),
        }
    }
}

/// Reads the answer to an upsert of `expected` records. The error says in our own words how the
/// answer breaks the protocol.
pub(super) fn decode_answer(
    body: &[u8],
    expected: usize,
    external_id: &str,
) -> Result<Vec<RecordResult>, String> {
    let elements: Vec<Element<'_>> = serde_json::from_slice(body).map_err(|error| {
        format!(
            "answer is not a list of results (line {}, column {}, {} bytes)",
            error.line(),
            error.column(),
            body.len()
        )
    })?;
    if elements.len() != expected {
        return Err(format!(
            "answer has {} results for {expected} records",
            elements.len()
        ));
    }
    // Records of one call differ in their external ids, so they are different records: a list in which
    // one comes twice has slipped, and nobody can tell by how much.
    let mut places = HashMap::new();
    elements
        .into_iter()
        .enumerate()
        .map(|(at, element)| {
            if element.success {
                let id = element.id.and_then(full_id).ok_or_else(|| {
                    format!(
                        "result {} of {expected} succeeds without a valid id",
                        at + 1
                    )
                })?;
                if let Some(before) = places.insert(id.clone(), at) {
                    return Err(format!(
                        "results {} and {} of {expected} name one record",
                        before + 1,
                        at + 1
                    ));
                }
                return Ok(RecordResult::Delivered {
                    id,
                    created: element.created.unwrap_or(false),
                });
            }
            let errors = element
                .errors
                .unwrap_or_default()
                .into_iter()
                .map(RecordError::from);
            Ok(RecordResult::Rejected(classify::record(
                errors.collect(),
                external_id,
            )))
        })
        .collect()
}

/// The errors of a failed request: a list of them, or one bare object; empty when the body is
/// neither.
pub(super) fn decode_errors(body: &[u8]) -> Vec<RecordError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Shape {
        Many(Vec<ErrorElement>),
        One(ErrorElement),
    }
    match serde_json::from_slice(body) {
        Ok(Shape::Many(errors)) => errors.into_iter().map(RecordError::from).collect(),
        Ok(Shape::One(error)) if error.error_code.is_some() => vec![error.into()],
        Ok(Shape::One(_)) | Err(_) => Vec::new(),
    }
}

/// An id as 18 characters; `None` when it is not an id. The last three characters say which of
/// the first fifteen are upper case, five by five.
pub(super) fn full_id(id: &str) -> Option<String> {
    const SYMBOLS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let bytes = id.as_bytes();
    if !matches!(bytes.len(), 15 | 18) || !bytes.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let mut full = String::with_capacity(18);
    full.push_str(&id[..15]);
    for five in bytes[..15].chunks_exact(5) {
        let bits = five
            .iter()
            .enumerate()
            .map(|(at, byte)| usize::from(byte.is_ascii_uppercase()) << at)
            .sum::<usize>();
        full.push(char::from(SYMBOLS[bits]));
    }
    (bytes.len() == 15 || full.as_bytes()[15..].eq_ignore_ascii_case(&bytes[15..])).then_some(full)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::core::outcome::{Disposition, ErrorClass};

    const LEAD: &str = "00Q5g00000AbCdE";
    const LEAD_FULL: &str = "00Q5g00000AbCdEEAV";
    const OTHER: &str = "00Q5g00000AbCdF";

    fn record(key: &str, payload: &str) -> UpsertRecord {
        UpsertRecord {
            key: key.into(),
            payload: payload.into(),
        }
    }

    #[track_caller]
    fn check_body(records: &[UpsertRecord], expected: &str) {
        let body = encode_upsert("Lead", "MySQL_Id__c", records).unwrap();
        assert_eq!(std::str::from_utf8(&body).unwrap(), expected);
        serde_json::from_slice::<serde_json::Value>(&body).unwrap();
    }

    #[test]
    fn a_body_holds_type_key_and_fields_of_each_record() {
        check_body(
            &[
                record("42", r#"{"LastName":"Doe","Company":null}"#),
                record("43", "{}"),
            ],
            concat!(
                r#"{"allOrNone":false,"records":["#,
                r#"{"attributes":{"type":"Lead"},"MySQL_Id__c":"42","LastName":"Doe","Company":null},"#,
                r#"{"attributes":{"type":"Lead"},"MySQL_Id__c":"43"}]}"#
            ),
        );
        check_body(
            &[record("1", " { } ")],
            r#"{"allOrNone":false,"records":[{"attributes":{"type":"Lead"},"MySQL_Id__c":"1"}]}"#,
        );
    }

    #[test]
    fn a_text_cannot_leave_its_place_in_an_address() {
        assert_eq!(percent_encoded("a-1_B"), "a-1_B");
        assert_eq!(
            percent_encoded("a/../b.json?x"),
            "a%2F%2E%2E%2Fb%2Ejson%3Fx"
        );
        assert_eq!(percent_encoded("é"), "%C3%A9");
    }

    #[test]
    fn keys_are_escaped_as_json_strings() {
        for key in [
            "a\"b\\c",
            "line\nfeed\r\ttab",
            "nul\u{0}bell\u{7}del\u{7f}",
            "Žofie 😀",
            "",
        ] {
            let body = encode_upsert("Lead", "Key__c", &[record(key, "{}")]).unwrap();
            let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(value["records"][0]["Key__c"], key);
        }
    }

    #[test]
    fn every_low_character_survives_in_a_key() {
        let key: String = (0..0x300).filter_map(char::from_u32).collect();
        let body = encode_upsert("Lead", "Key__c", &[record(&key, "{}")]).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(value["records"][0]["Key__c"], key);
    }

    #[test]
    fn a_payload_that_is_no_object_is_named_by_its_place() {
        let records = [record("1", "{}"), record("2", "[1]")];
        assert_eq!(encode_upsert("Lead", "Key__c", &records), Err(1));
    }

    #[test]
    fn a_long_body_is_compressed_and_reads_the_same() {
        let long: Vec<_> = (0..200)
            .map(|n| {
                record(
                    &n.to_string(),
                    r#"{"LastName":"Invented","Company":"Example"}"#,
                )
            })
            .collect();
        let plain = encode_upsert("Lead", "Key__c", &long).unwrap();
        let body = finish(plain.clone(), true);
        assert!(body.gzip && body.bytes.len() * 5 < plain.len());
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(&body.bytes[..])
            .read_to_end(&mut read)
            .unwrap();
        assert_eq!(read, plain);
        assert!(!finish(plain, false).gzip);
        assert!(!finish(vec![b'x'; GZIP_FROM_BYTES], true).gzip);
    }

    #[test]
    fn an_answer_gives_one_result_per_record() {
        let body = format!(
            r#"[{{"id":"{LEAD}","success":true,"errors":[],"created":true}},
                {{"success":false,"errors":[{{"statusCode":"STRING_TOO_LONG","message":"First Name: data value too large: Maximiliane (max length=5)","fields":["FirstName"],"extendedErrorDetails":null}}]}},
                {{"id":"{OTHER}","success":true,"created":false}}]"#
        );
        let results = decode_answer(body.as_bytes(), 3, "Key__c").unwrap();
        let delivered = |id: Option<String>, created| RecordResult::Delivered {
            id: id.unwrap(),
            created,
        };
        assert_eq!(results[0], delivered(Some(LEAD_FULL.to_owned()), true));
        assert_eq!(results[2], delivered(full_id(OTHER), false));
        let RecordResult::Rejected(rejection) = &results[1] else {
            panic!("not rejected")
        };
        assert_eq!(rejection.code, "STRING_TOO_LONG");
        assert_eq!(
            (rejection.class, rejection.disposition),
            (ErrorClass::Data, Disposition::DeadLetter)
        );
        assert_eq!(rejection.errors[0].fields, ["FirstName"]);
        assert!(rejection.errors[0].message.contains("Maximiliane"));
    }

    #[test]
    fn a_failure_without_errors_is_still_explained() {
        for body in [
            r#"[{"success":false}]"#,
            r#"[{"id":"x","success":false,"errors":[]}]"#,
        ] {
            let results = decode_answer(body.as_bytes(), 1, "Key__c").unwrap();
            let RecordResult::Rejected(rejection) = &results[0] else {
                panic!("not rejected")
            };
            assert_eq!(rejection.errors.len(), 1);
            assert_eq!(
                (rejection.class, rejection.disposition),
                (ErrorClass::Unknown, Disposition::Backoff)
            );
        }
    }

    #[track_caller]
    fn check_broken(body: &str, expected: &str) {
        let text = decode_answer(body.as_bytes(), 2, "Key__c").unwrap_err();
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("Sofia"), "{text}");
    }

    #[test]
    fn broken_answers_are_refused_in_our_own_words() {
        let good = format!(r#"{{"id":"{LEAD}","success":true,"created":true}}"#);
        check_broken("[]", "0 results for 2 records");
        check_broken(&format!("[{good}]"), "1 results for 2 records");
        check_broken(
            &format!("[{good},{good},{good}]"),
            "3 results for 2 records",
        );
        check_broken(
            &format!("[{good},{good}]"),
            "results 1 and 2 of 2 name one record",
        );
        check_broken("", "not a list of results");
        check_broken("<html>Sofia is down</html>", "not a list of results");
        check_broken(r#"{"message":"Sofia"}"#, "not a list of results");
        check_broken(&format!("[{good},{good}"), "not a list of results");
        check_broken(&format!("[{good},null]"), "not a list of results");
        check_broken(
            &format!(r#"[{good},{{"id":"{LEAD}"}}]"#),
            "not a list of results",
        );
        for id in [
            r#""""#,
            r#""Sofia""#,
            "null",
            r#""00Q5g00000AbCdEAAA""#,
            r#""00Q5g00000AbCd-""#,
        ] {
            check_broken(
                &format!(r#"[{good},{{"id":{id},"success":true}}]"#),
                "result 2 of 2 succeeds without a valid id",
            );
        }
    }

    #[test]
    fn ids_are_extended_and_verified() {
        assert_eq!(
            full_id("001A0000006Vm9r").as_deref(),
            Some("001A0000006Vm9rIAC")
        );
        assert_eq!(
            full_id("001A0000006Vm9rIAC").as_deref(),
            Some("001A0000006Vm9rIAC")
        );
        assert_eq!(
            full_id("001A0000006Vm9riac").as_deref(),
            Some("001A0000006Vm9rIAC")
        );
        assert_eq!(full_id("001A0000006Vm9rIAD"), None);
        assert_eq!(full_id("001A0000006Vm9"), None);
        assert_eq!(full_id("001A0000006Vm9é"), None);
    }

    #[test]
    fn error_bodies_come_in_two_shapes_or_none() {
        let many = decode_errors(br#"[{"message":"m","errorCode":"NOT_FOUND"}]"#);
        assert_eq!(many[0].code, "NOT_FOUND");
        let one = decode_errors(br#"{"message":"m","errorCode":"UNKNOWN_EXCEPTION"}"#);
        assert_eq!(one[0].code, "UNKNOWN_EXCEPTION");
        assert!(decode_errors(b"<html></html>").is_empty());
        assert!(decode_errors(b"").is_empty());
        assert!(decode_errors(br#"{"error":"invalid_grant"}"#).is_empty());
    }
}
