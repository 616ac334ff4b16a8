//! The first row of a job's data: which column is which field, and what makes the whole job fail (facts 5.4).
use super::csv::{Reader, Row};
use super::dialect::Dialect;
use crate::schema::{FieldType, Schema};

/// Longest header, and most columns (facts 5.4, 5.5).
const MAX_HEADER_CHARACTERS: usize = 32_000;
const MAX_COLUMNS: usize = 5_000;

/// A header that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// The field of each column.
    pub(super) fields: Vec<u16>,
    /// The names as they were uploaded, which is how results give them back.
    pub(super) names: Vec<String>,
    /// Where the first row begins.
    pub(super) end: usize,
}

/// Reads and resolves the header; the error is the job's `errorMessage`.
pub(super) fn read(schema: &Schema, data: &[u8], dialect: Dialect) -> Result<Header, String> {
    let mut reader = Reader::new(data, 0, dialect);
    let mut row = Row::default();
    if !reader.read(&mut row) {
        return Err("InvalidBatch : The data have no header row".into());
    }
    let raw = data.get(row.start..row.end).unwrap_or_default();
    if std::str::from_utf8(raw).is_err() {
        return Err("InvalidBatch : The header row is not UTF-8".into());
    }
    if row.flaw.is_some() {
        return Err("InvalidBatch : The header row is not valid CSV".into());
    }
    let names = names(data, &row);
    if raw.len() > MAX_HEADER_CHARACTERS
        && String::from_utf8_lossy(raw).chars().count() > MAX_HEADER_CHARACTERS
    {
        return Err(format!(
            "InvalidBatch : The header row is longer than {MAX_HEADER_CHARACTERS} characters"
        ));
    }
    if names.len() > MAX_COLUMNS {
        return Err(format!(
            "InvalidBatch : The header row has more than {MAX_COLUMNS} columns"
        ));
    }
    let mut fields = Vec::with_capacity(names.len());
    for name in &names {
        let Some(field) = schema.find(name) else {
            return Err(format!("InvalidBatch : Field name not found : {name}"));
        };
        if fields.contains(&field) {
            return Err(format!("InvalidBatch : Duplicate field name : {name}"));
        }
        fields.push(field);
    }
    Ok(Header {
        fields,
        names,
        end: reader.position(),
    })
}

/// The names of the first row as they stand there, understood or not, and where the next row begins. A row that is
/// too long for a header has no names.
pub(super) fn names_of(data: &[u8], dialect: Dialect) -> (Vec<String>, usize) {
    let mut reader = Reader::new(data, 0, dialect);
    let mut row = Row::default();
    reader.read(&mut row);
    if row.end - row.start > 4 * MAX_HEADER_CHARACTERS {
        row.cells.clear();
    }
    (names(data, &row), reader.position())
}

fn names(data: &[u8], row: &Row) -> Vec<String> {
    let names = row.cells.iter().map(|cell| cell.text(data).into_owned());
    names.collect()
}

impl Header {
    /// The column of the record's own id.
    pub(super) fn id_column(&self, schema: &Schema) -> Option<usize> {
        self.fields
            .iter()
            .position(|field| schema.field(*field).kind == FieldType::Id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulk::dialect::Delimiter;
    use crate::config::OrgConfig;

    fn header(text: &str, dialect: Dialect) -> Result<Header, String> {
        let config = OrgConfig {
            hidden_fields: vec!["Jigsaw".into()],
            ..OrgConfig::default()
        };
        read(&Schema::new(&config), text.as_bytes(), dialect)
    }

    #[track_caller]
    fn check(text: &str, error: &str) {
        assert_eq!(
            header(text, Dialect::default()),
            Err(format!("InvalidBatch : {error}")),
            "{text:?}"
        );
    }

    #[test]
    fn names_are_resolved_in_any_case_and_kept_as_uploaded() {
        let found = header("mysql_id__C,\"LastName\"\n1,Doe\n", Dialect::default()).unwrap();
        assert_eq!(found.names, ["mysql_id__C", "LastName"]);
        assert_eq!(found.end, 23);
        let pipes = Dialect {
            delimiter: Delimiter::Pipe,
            ..Dialect::default()
        };
        assert_eq!(header("LastName|Company", pipes).unwrap().fields.len(), 2);
    }

    #[test]
    fn unknown_hidden_repeated_and_spaced_names_fail_the_job() {
        check("LastName,Foo__c\n", "Field name not found : Foo__c");
        check("Jigsaw\n", "Field name not found : Jigsaw");
        check("LastName, Company\n", "Field name not found :  Company");
        check("Owner.Username\n", "Field name not found : Owner.Username");
        check("LastName,\n", "Field name not found : ");
        check(
            "LastName;Company\n",
            "Field name not found : LastName;Company",
        );
        check(
            "\u{feff}LastName\n",
            "Field name not found : \u{feff}LastName",
        );
        check("LastName,lastname\n", "Duplicate field name : lastname");
        check("\n\n", "The data have no header row");
        check("", "The data have no header row");
        check("\"LastName\n", "The header row is not valid CSV");
        check(
            &"x".repeat(32_001),
            "The header row is longer than 32000 characters",
        );
        check(
            &"x".repeat(32_000),
            &format!("Field name not found : {}", "x".repeat(32_000)),
        );
        check(
            &",".repeat(5_000),
            "The header row has more than 5000 columns",
        );
    }
}
