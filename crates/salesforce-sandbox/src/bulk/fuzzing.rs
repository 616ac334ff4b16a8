//! Entry point for the fuzz targets: whatever is uploaded is read, judged and given back.
use std::sync::Arc;

use bytes::Bytes;

use super::csv::{Reader, Row};
use super::dialect::{Delimiter, Dialect, LineEnding};
use super::header;
use super::ledger::Ledger;
use super::multipart;
use super::request::{IngestRequest, Operation, QueryRequest, parse_state};
use super::results::{IngestResults, ResultFile, ResultSet};
use super::rows::RowReader;
use crate::config::OrgConfig;
use crate::schema::Schema;

/// The first byte chooses the dialect, the rest is a body.
///
/// # Panics
/// When the rows that come back are not as many as were uploaded.
pub(crate) fn uploads(bytes: &[u8]) {
    let Some((choice, data)) = bytes.split_first() else {
        return;
    };
    let schema = Schema::new(&OrgConfig::default());
    let delimiter = Delimiter::ALL[usize::from(*choice) % Delimiter::ALL.len()];
    let ending = match choice & 0x80 {
        0 => LineEnding::Lf,
        _ => LineEnding::CrLf,
    };
    let dialect = Dialect { delimiter, ending };
    // Whatever is made of the bytes is fine, as long as something is.
    let _ = IngestRequest::parse(&schema, data, 67, true);
    let _ = QueryRequest::parse(data);
    let _ = parse_state(data);
    let _ = multipart::boundary(&String::from_utf8_lossy(data));
    let _ = multipart::parse(data, "b");
    if let Ok(header) = header::read(&schema, data, dialect) {
        let key = schema.find("MySQL_Id__c").unwrap_or_default();
        for operation in [Operation::Insert, Operation::Update, Operation::Upsert(key)] {
            let reader = RowReader::new(&schema, operation, header.clone());
            for row in rows(data, header.end, dialect) {
                let _ = reader.record(data, &row);
            }
        }
    }
    give_back(data, dialect);
}

fn give_back(data: &[u8], dialect: Dialect) {
    let (names, start) = header::names_of(data, dialect);
    let uploaded = rows(data, start, dialect).len();
    let content = Bytes::copy_from_slice(data);
    let results = IngestResults::new(content, dialect, Ledger::default(), 7);
    let file = ResultFile::new(Arc::new(results), ResultSet::Unprocessed);
    let text: Vec<u8> = file.flatten().collect();
    let given = rows(&text, 0, dialect).len();
    let expected = if names.is_empty() { 0 } else { uploaded + 1 };
    assert_eq!(given, expected, "rows came back");
}

fn rows(data: &[u8], start: usize, dialect: Dialect) -> Vec<Row> {
    let mut reader = Reader::new(data, start, dialect);
    let mut row = Row::default();
    let mut found = Vec::new();
    while reader.read(&mut row) {
        found.push(row.clone());
    }
    found
}
