//! A row as it stands in its table, columns by name: what is kept of a change whose route cannot
//! be mapped yet.
//!
//! As JSON it loses nothing: every value carries its type, so that a row that waited on disk is
//! mapped exactly like one that just came. `docs/journal.md` has the form.

use std::fmt::Write;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::mapping::{nearest, write_json_string};
use super::schema::TableName;
use super::value::{Date, DateTime, Value};

/// One row with all of its columns.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRow {
    /// Shared by the rows of one table map: rows with the same list have the same shape.
    pub columns: Arc<[Arc<str>]>,
    /// One for each column.
    pub values: Vec<Kept>,
}

/// What is known of one column's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    Value(Value),
    /// Left out of the row image (MINIMAL).
    Absent,
    /// Its type or charset cannot be read; what it held is not kept.
    Unreadable,
}

/// Why a row cannot be mapped for now: a column that its route needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    pub column: String,
    /// For people; free of values.
    pub text: String,
    pub remedy: String,
}

impl Lack {
    /// The table has no such column, or had none when the row was written.
    pub fn absent<'n>(
        table: &TableName,
        column: &str,
        columns: impl Iterator<Item = &'n str>,
    ) -> Self {
        let hint = nearest(column, columns)
            .map(|near| format!(" ({near:?} perhaps?)"))
            .unwrap_or_default();
        Self {
            column: column.to_owned(),
            text: format!("table {table} has no column {column:?}"),
            remedy: format!(
                "the route's rows wait on disk: let it name the column that they have{hint} and \
                 restart leadstream, or rename the column back"
            ),
        }
    }

    /// The column is there, but what it holds cannot be read.
    #[must_use]
    pub fn unreadable(table: &TableName, column: &str, why: &str) -> Self {
        Self {
            column: column.to_owned(),
            text: format!("column {column:?} of {table} cannot be read: {why}"),
            remedy: "the route's rows wait on disk: let it name another column and restart \
                     leadstream; the values that could not be read are not among what waits"
                .to_owned(),
        }
    }
}

impl SourceRow {
    /// What the row has under that name; MySQL compares column names without case.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Kept> {
        let same =
            |known: &Arc<str>| **known == *name || known.to_lowercase() == name.to_lowercase();
        let index = self.columns.iter().position(same)?;
        self.values.get(index)
    }

    /// The values of these columns in this order, or the first one that cannot be had.
    ///
    /// # Errors
    /// The column that lacks.
    pub fn pick(
        &self,
        table: &TableName,
        columns: &[String],
    ) -> Result<Box<[Option<Value>]>, Lack> {
        let value = |column: &String| match self.column(column) {
            Some(Kept::Value(value)) => Ok(Some(value.clone())),
            Some(Kept::Absent) => Ok(None),
            Some(Kept::Unreadable) => Err(Lack::unreadable(
                table,
                column,
                "its type or charset was not supported when the row was written",
            )),
            None => {
                let names = self.columns.iter().map(|name| &**name);
                Err(Lack::absent(table, column, names))
            }
        };
        columns.iter().map(value).collect()
    }

    /// One JSON object; see `docs/journal.md`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(32 * self.columns.len());
        out.push('{');
        for (index, (name, value)) in self.columns.iter().zip(&self.values).enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_json_string(name, &mut out);
            out.push(':');
            match value {
                Kept::Absent => out.push_str("\"absent\""),
                Kept::Unreadable => out.push_str("\"unreadable\""),
                Kept::Value(value) => write_value(value, &mut out),
            }
        }
        out.push('}');
        out
    }

    /// The row that [`SourceRow::to_json`] wrote; its columns in the order of their names.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn from_json(text: &str) -> Result<Self, &'static str> {
        let object: Map<String, Json> =
            serde_json::from_str(text).map_err(|_| "a kept row is no JSON object")?;
        let mut columns = Vec::with_capacity(object.len());
        let mut values = Vec::with_capacity(object.len());
        for (name, value) in object {
            columns.push(Arc::from(name));
            values.push(read_kept(&value).ok_or("a kept row holds a value of unknown form")?);
        }
        Ok(Self {
            columns: columns.into(),
            values,
        })
    }
}

fn write_value(value: &Value, out: &mut String) {
    // Writing into a String cannot fail.
    let _ = match value {
        Value::Null => {
            out.push_str("null");
            Ok(())
        }
        Value::Int(number) => write!(out, "{{\"int\":{number}}}"),
        Value::UInt(number) => write!(out, "{{\"uint\":{number}}}"),
        // As text: it is the shortest that reads back as the same number, whatever reads it.
        Value::Float(number) => write!(out, "{{\"float\":\"{number:?}\"}}"),
        Value::Double(number) => write!(out, "{{\"double\":\"{number:?}\"}}"),
        Value::Decimal(text) => write_text("decimal", text, out),
        Value::Text(text) => write_text("text", text, out),
        Value::Json(text) => write_text("json", text, out),
        Value::Bytes(bytes) => {
            out.push_str("{\"bytes\":\"");
            for byte in bytes {
                let _ = write!(out, "{byte:02x}");
            }
            out.push_str("\"}");
            Ok(())
        }
        Value::Date(date) => write!(
            out,
            "{{\"date\":[{},{},{}]}}",
            date.year, date.month, date.day
        ),
        Value::DateTime(at) => write!(
            out,
            "{{\"datetime\":[{},{},{},{},{},{},{}]}}",
            at.date.year, at.date.month, at.date.day, at.hour, at.minute, at.second, at.micros
        ),
        Value::Timestamp(micros) => write!(out, "{{\"timestamp\":{micros}}}"),
        Value::Time(micros) => write!(out, "{{\"time\":{micros}}}"),
        Value::Year(year) => write!(out, "{{\"year\":{year}}}"),
        Value::Bit(bits) => write!(out, "{{\"bit\":{bits}}}"),
    };
}

fn write_text(kind: &str, text: &str, out: &mut String) -> std::fmt::Result {
    write!(out, "{{\"{kind}\":")?;
    write_json_string(text, out);
    out.push('}');
    Ok(())
}

fn read_kept(json: &Json) -> Option<Kept> {
    Some(match json {
        Json::Null => Kept::Value(Value::Null),
        Json::String(word) if word == "absent" => Kept::Absent,
        Json::String(word) if word == "unreadable" => Kept::Unreadable,
        Json::Object(object) if object.len() == 1 => {
            let (kind, value) = object.iter().next()?;
            Kept::Value(read_value(kind, value)?)
        }
        _ => return None,
    })
}

fn read_value(kind: &str, json: &Json) -> Option<Value> {
    let text = || json.as_str().map(str::to_owned);
    Some(match kind {
        "int" => Value::Int(json.as_i64()?),
        "uint" => Value::UInt(json.as_u64()?),
        "float" => Value::Float(json.as_str()?.parse().ok()?),
        "double" => Value::Double(json.as_str()?.parse().ok()?),
        "decimal" => Value::Decimal(text()?),
        "text" => Value::Text(text()?),
        "json" => Value::Json(text()?),
        "bytes" => Value::Bytes(read_hex(json.as_str()?)?),
        "date" => Value::Date(read_date(&read_numbers::<3>(json)?)?),
        "datetime" => {
            let parts = read_numbers::<7>(json)?;
            Value::DateTime(DateTime {
                date: read_date(&parts)?,
                hour: u8::try_from(parts[3]).ok()?,
                minute: u8::try_from(parts[4]).ok()?,
                second: u8::try_from(parts[5]).ok()?,
                micros: u32::try_from(parts[6]).ok()?,
            })
        }
        "timestamp" => Value::Timestamp(json.as_i64()?),
        "time" => Value::Time(json.as_i64()?),
        "year" => Value::Year(u16::try_from(json.as_u64()?).ok()?),
        "bit" => Value::Bit(json.as_u64()?),
        _ => return None,
    })
}

fn read_numbers<const N: usize>(json: &Json) -> Option<[u64; N]> {
    let numbers: Option<Vec<u64>> = json.as_array()?.iter().map(Json::as_u64).collect();
    numbers?.try_into().ok()
}

fn read_date(parts: &[u64]) -> Option<Date> {
    let [year, month, day, ..] = parts else {
        return None;
    };
    Some(Date {
        year: u16::try_from(*year).ok()?,
        month: u8::try_from(*month).ok()?,
        day: u8::try_from(*day).ok()?,
    })
}

fn read_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs
        .remainder()
        .is_empty()
        .then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn any_date() -> impl Strategy<Value = Date> {
        any::<(u16, u8, u8)>().prop_map(|(year, month, day)| Date { year, month, day })
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Int),
            any::<u64>().prop_map(Value::UInt),
            any::<f32>().prop_map(Value::Float),
            any::<f64>().prop_map(Value::Double),
            "-?[0-9]{1,65}(\\.[0-9]{1,30})?".prop_map(Value::Decimal),
            any::<String>().prop_map(Value::Text),
            any::<Vec<u8>>().prop_map(Value::Bytes),
            any_date().prop_map(Value::Date),
            (any_date(), any::<(u8, u8, u8, u32)>()).prop_map(
                |(date, (hour, minute, second, micros))| Value::DateTime(DateTime {
                    date,
                    hour,
                    minute,
                    second,
                    micros,
                })
            ),
            any::<i64>().prop_map(Value::Timestamp),
            any::<i64>().prop_map(Value::Time),
            any::<u16>().prop_map(Value::Year),
            any::<u64>().prop_map(Value::Bit),
            any::<String>().prop_map(Value::Json),
        ]
    }

    fn any_kept() -> impl Strategy<Value = Kept> {
        prop_oneof![
            8 => any_value().prop_map(Kept::Value),
            1 => Just(Kept::Absent),
            1 => Just(Kept::Unreadable),
        ]
    }

    fn row(columns: BTreeMap<String, Kept>) -> SourceRow {
        let (names, values): (Vec<Arc<str>>, Vec<Kept>) = columns
            .into_iter()
            .map(|(name, value)| (Arc::from(name), value))
            .unzip();
        SourceRow {
            columns: names.into(),
            values,
        }
    }

    /// Floats by their bits: minus zero is not zero, and a value that is no number stays none.
    fn shown(row: &SourceRow) -> String {
        format!("{row:?}")
    }

    proptest! {
        #[test]
        fn every_row_comes_back_as_it_was(
            columns in proptest::collection::btree_map(any::<String>(), any_kept(), 0..8)
        ) {
            let row = row(columns);
            let json = row.to_json();
            let back = SourceRow::from_json(&json).unwrap();
            prop_assert_eq!(shown(&back), shown(&row), "{}", json);
        }

        #[test]
        fn no_text_makes_reading_panic(text in any::<String>()) {
            let _ = SourceRow::from_json(&text);
        }
    }

    #[test]
    fn the_form_is_that_of_the_documentation() {
        let row = row(BTreeMap::from([
            ("email".into(), Kept::Value(Value::Text("a\"b".into()))),
            ("id".into(), Kept::Value(Value::UInt(u64::MAX))),
            ("key".into(), Kept::Value(Value::Bytes(vec![0, 255]))),
            ("notes".into(), Kept::Value(Value::Null)),
            ("old".into(), Kept::Unreadable),
            ("score".into(), Kept::Value(Value::Double(-0.1))),
        ]));
        let json = r#"{"email":{"text":"a\"b"},"id":{"uint":18446744073709551615},"key":{"bytes":"00ff"},"notes":null,"old":"unreadable","score":{"double":"-0.1"}}"#;
        assert_eq!(row.to_json(), json);
    }

    #[test]
    fn what_is_no_kept_row_is_refused() {
        for text in [
            "",
            "[]",
            r#"{"a":1}"#,
            r#"{"a":{"int":1.5}}"#,
            r#"{"a":{"int":1,"uint":1}}"#,
            r#"{"a":{"bytes":"0"}}"#,
            r#"{"a":{"date":[1,2]}}"#,
            r#"{"a":{"date":[1,2,300]}}"#,
            r#"{"a":{"new":1}}"#,
        ] {
            assert!(SourceRow::from_json(text).is_err(), "{text}");
        }
    }

    #[test]
    fn columns_are_picked_by_name_and_the_first_that_lacks_is_named() {
        let table = TableName {
            schema: "crm".into(),
            table: "leads".into(),
        };
        let row = row(BTreeMap::from([
            ("Mail".into(), Kept::Value(Value::Int(1))),
            ("left_out".into(), Kept::Absent),
            ("odd".into(), Kept::Unreadable),
        ]));
        let pick = |columns: &[&str]| {
            let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
            row.pick(&table, &columns)
        };
        let values = pick(&["left_out", "mail"]).unwrap();
        assert_eq!(*values, [None, Some(Value::Int(1))]);
        let lack = pick(&["mail", "email"]).unwrap_err();
        assert_eq!(lack.column, "email");
        assert!(lack.remedy.contains("\"Mail\""), "{lack:?}");
        assert!(pick(&["odd"]).unwrap_err().text.contains("cannot be read"));
    }
}
