//! The whole matrix: every kind of column against every kind of field, with an example of what
//! becomes of a value or with the reason why nothing can.

use super::*;
use crate::core::mapping::convert;
use crate::core::value::{Date, DateTime, Value};

/// The columns of the matrix below, in its order.
fn fields() -> [FieldKind; 12] {
    let max_chars = 100;
    let restricted = None;
    [
        FieldKind::Text { max_chars },
        FieldKind::Email { max_chars },
        FieldKind::Picklist {
            max_chars,
            restricted: restricted.clone(),
        },
        FieldKind::MultiPicklist {
            max_chars,
            restricted,
        },
        FieldKind::Boolean,
        FieldKind::Int { digits: 9 },
        FieldKind::Number {
            precision: 18,
            scale: 2,
        },
        FieldKind::Date,
        FieldKind::DateTime,
        FieldKind::Time,
        FieldKind::Reference,
        FieldKind::Unsupported("address".into()),
    ]
}

/// No `_`: a new kind of field does not compile until it stands in the matrix.
fn place_of_field(kind: &FieldKind) -> usize {
    match kind {
        FieldKind::Text { .. } => 0,
        FieldKind::Email { .. } => 1,
        FieldKind::Picklist { .. } => 2,
        FieldKind::MultiPicklist { .. } => 3,
        FieldKind::Boolean => 4,
        FieldKind::Int { .. } => 5,
        FieldKind::Number { .. } => 6,
        FieldKind::Date => 7,
        FieldKind::DateTime => 8,
        FieldKind::Time => 9,
        FieldKind::Reference => 10,
        FieldKind::Unsupported(_) => 11,
    }
}

/// The same for columns.
fn place_of_column(kind: &ColumnKind) -> usize {
    match kind {
        ColumnKind::Integer { .. } => 0,
        ColumnKind::Decimal { .. } => 1,
        ColumnKind::Float => 2,
        ColumnKind::Double => 3,
        ColumnKind::Text { .. } => 4,
        ColumnKind::Bytes => 5,
        ColumnKind::Uuid => 6,
        ColumnKind::Date => 7,
        ColumnKind::DateTime => 8,
        ColumnKind::Timestamp => 9,
        ColumnKind::Time => 10,
        ColumnKind::Year => 11,
        ColumnKind::Enum { .. } => 12,
        ColumnKind::Set => 13,
        ColumnKind::Bit { .. } => 14,
        ColumnKind::Json => 15,
        ColumnKind::Other(_) => 16,
    }
}

const KINDS_OF_COLUMN: usize = 17;

/// A value that becomes that JSON, or a refusal with that in its reason.
enum Cell {
    Becomes(Value, &'static str),
    Refused(&'static str),
}

use Cell::{Becomes, Refused};

const NO_MAIL: Cell = Refused("an e-mail address is found in text and ENUM columns only");
const NO_LABELS: Cell = Refused("taken from SET, ENUM or text");
const NO_YES: Cell = Refused("only 0 and 1");
const NO_DAY: Cell = Refused("a number is no date");
const NO_TIME: Cell = Refused("it holds no time of day");
const NO_ID: Cell = Refused("a Salesforce id is found in text and ENUM columns only");
const NO_FIELD: Cell = Refused("fields of type address cannot be written");
const NO_BYTES: Cell = Refused("their charset is not known");
const NO_FORM: Cell = Refused("point has no form");
const NO_NUMBER: Cell = Refused("it holds no number");
const NO_COUNT: Cell = Refused("a date or time is no number");
const NO_DATE: Cell = Refused("it holds no date");
const FLOATING: Cell = Refused("no one way to be written");

#[allow(clippy::too_many_lines, reason = "one table")]
fn matrix() -> Vec<(ColumnKind, [Cell; 12])> {
    let text = |text: &str| Value::Text(text.into());
    let date = Date {
        year: 2024,
        month: 2,
        day: 29,
    };
    let at = DateTime {
        date,
        hour: 23,
        minute: 59,
        second: 58,
        micros: 123_456,
    };
    let moment = || Value::Timestamp(at.to_epoch());
    let afternoon = || Value::Time(-(3_661 * 1_000_000 + 500_000));
    let morning = || Value::Time(3_661 * 1_000_000 + 500_000);
    let decimal = |text: &str| Value::Decimal(text.into());
    let uuid = || Value::Bytes((0..16).collect());
    let zoned = "\"2024-02-29T23:59:58.123Z\"";
    vec![
        (
            ColumnKind::Integer {
                bytes: 4,
                unsigned: false,
            },
            [
                Becomes(Value::Int(-5), "\"-5\""),
                NO_MAIL,
                Becomes(Value::Int(5), "\"5\""),
                NO_LABELS,
                Becomes(Value::Int(1), "true"),
                Becomes(Value::Int(-5), "-5"),
                Becomes(Value::UInt(5), "5"),
                NO_DAY,
                NO_DAY,
                NO_TIME,
                NO_ID,
                NO_FIELD,
            ],
        ),
        (
            ColumnKind::Decimal {
                precision: 10,
                scale: 2,
            },
            [
                Becomes(decimal("-0.50"), "\"-0.50\""),
                NO_MAIL,
                Becomes(decimal("1.50"), "\"1.50\""),
                NO_LABELS,
                Becomes(decimal("1.00"), "true"),
                Becomes(decimal("12.00"), "12"),
                Becomes(decimal("-0.50"), "-0.50"),
                NO_DAY,
                NO_DAY,
                NO_TIME,
                NO_ID,
                NO_FIELD,
            ],
        ),
        (
            ColumnKind::Float,
            [
                Becomes(Value::Float(0.1), "\"0.1\""),
                NO_MAIL,
                FLOATING,
                NO_LABELS,
                NO_YES,
                Becomes(Value::Float(3.0), "3"),
                Becomes(Value::Float(0.5), "0.5"),
                NO_DAY,
                NO_DAY,
                NO_TIME,
                NO_ID,
                NO_FIELD,
            ],
        ),
        (
            ColumnKind::Double,
            [
                Becomes(Value::Double(1e20), "\"1e20\""),
                NO_MAIL,
                FLOATING,
                NO_LABELS,
                NO_YES,
                Becomes(Value::Double(-3.0), "-3"),
                Becomes(Value::Double(1e15), "1000000000000000"),
                NO_DAY,
                NO_DAY,
                NO_TIME,
                NO_ID,
                NO_FIELD,
            ],
        ),
        (
            ColumnKind::Text { max_chars: 100 },
            [
                Becomes(text("Zoë"), "\"Zoë\""),
                Becomes(text("ann@example.org"), "\"ann@example.org\""),
                Becomes(text("Hot"), "\"Hot\""),
                Becomes(text("a;b"), "\"a;b\""),
                Becomes(text("TRUE"), "true"),
                Becomes(text("12.0"), "12"),
                Becomes(text("+007.50"), "7.50"),
                Becomes(text("2024-02-29"), "\"2024-02-29\""),
                Becomes(text("2024-02-29 23:59:58.123456"), zoned),
                Becomes(text("01:01:01.5"), "\"01:01:01.500Z\""),
                Becomes(text("00Q000000000001"), "\"00Q000000000001\""),
                NO_FIELD,
            ],
        ),
        (
            ColumnKind::Bytes,
            [
                NO_BYTES, NO_BYTES, NO_BYTES, NO_BYTES, NO_BYTES, NO_BYTES, NO_BYTES, NO_BYTES,
                NO_BYTES, NO_BYTES, NO_BYTES, NO_FIELD,
            ],
        ),
        (
            ColumnKind::Uuid,
            [
                Becomes(uuid(), "\"00010203-0405-0607-0809-0a0b0c0d0e0f\""),
                NO_MAIL,
                Becomes(uuid(), "\"00010203-0405-0607-0809-0a0b0c0d0e0f\""),
                NO_LABELS,
                NO_YES,
                NO_NUMBER,
                NO_NUMBER,
                NO_DATE,
                NO_DATE,
                NO_TIME,
                NO_ID,
                NO_FIELD,
            ],
        ),
        (
            ColumnKind::Date,
            [
                Becomes(Value::Date(date), "\"2024-02-29\""),
                NO_MAIL,
                Becomes(Value::Date(date), "\"2024-02-29\""),
                NO_LABELS,
                NO_YES,
                NO_COUNT,
                NO_COUNT,
                Becomes(Value::Date(date), "\"2024-02-29\""),
                Becomes(Value::Date(date), "\"2024-02-29T00:00:00.000Z\""),
                NO_TIME,
                NO_ID,
                NO_FIELD,
            ],
        ),
        (
            ColumnKind::DateTime,
            [
                Becomes(Value::DateTime(at), "\"2024-02-29T23:59:58.123456\""),
                NO_MAIL,
                Becomes(Value::DateTime(at), "\"2024-02-29T23:59:58.123456\""),
                NO_LABELS,
                NO_YES,
                NO_COUNT,
                NO_COUNT,
                Becomes(Value::DateTime(at), "\"2024-02-29\""),
                Becomes(Value::DateTime(at), zoned),
                Refused("the date would be lost"),
                NO_ID,
                NO_FIELD,
            ],
        ),
        (
            ColumnKind::Timestamp,
            [
                Becomes(moment(), "\"2024-02-29T23:59:58.123456Z\""),
                NO_MAIL,
                Becomes(moment(), "\"2024-02-29T23:59:58.123456Z\""),
                NO_LABELS,
                NO_YES,
                NO_COUNT,
                NO_COUNT,
                Becomes(moment(), "\"2024-02-29\""),
                Becomes(moment(), zoned),
                Refused("the date would be lost"),
                NO_ID,
                NO_FIELD,
            ],
        ),
        (
            ColumnKind::Time,
            [
                Becomes(afternoon(), "\"-01:01:01.500000\""),
                NO_MAIL,
                Becomes(morning(), "\"01:01:01.500000\""),
                NO_LABELS,
                NO_YES,
                NO_COUNT,
                NO_COUNT,
                Refused("a time of day has no date"),
                Refused("a time of day has no date"),
                Becomes(morning(), "\"01:01:01.500Z\""),
                NO_ID,
                NO_FIELD,
            ],
        ),
        (
            ColumnKind::Year,
            [
                Becomes(Value::Year(0), "\"0000\""),
                NO_MAIL,
                Becomes(Value::Year(1999), "\"1999\""),
                NO_LABELS,
                NO_YES,
                Becomes(Value::Year(2155), "2155"),
                Becomes(Value::Year(0), "0"),
                Refused("a year is no day"),
                Refused("a year is no day"),
                NO_TIME,
                NO_ID,
                NO_FIELD,
            ],
        ),
        (
            ColumnKind::Enum { labels: Vec::new() },
            [
                Becomes(text("hot"), "\"hot\""),
                Becomes(text("ann@example.org"), "\"ann@example.org\""),
                Becomes(text("hot"), "\"hot\""),
                Becomes(text("hot"), "\"hot\""),
                Becomes(text("0"), "false"),
                Becomes(text("12"), "12"),
                Becomes(text("1.5"), "1.5"),
                NO_DATE,
                NO_DATE,
                NO_TIME,
                Becomes(text("00Q000000000001AAA"), "\"00Q000000000001AAA\""),
                NO_FIELD,
            ],
        ),
        (
            ColumnKind::Set,
            [
                Becomes(text("a,b"), "\"a,b\""),
                NO_MAIL,
                Refused("a SET may hold several values"),
                // The plan makes semicolons of the commas before it comes to this.
                Becomes(text("a;b"), "\"a;b\""),
                NO_YES,
                NO_NUMBER,
                NO_NUMBER,
                NO_DATE,
                NO_DATE,
                NO_TIME,
                NO_ID,
                NO_FIELD,
            ],
        ),
        (
            ColumnKind::Bit { bits: 8 },
            [
                Becomes(Value::Bit(5), "\"5\""),
                NO_MAIL,
                Becomes(Value::Bit(5), "\"5\""),
                NO_LABELS,
                Becomes(Value::Bit(1), "true"),
                Becomes(Value::Bit(255), "255"),
                Becomes(Value::Bit(255), "255"),
                NO_DAY,
                NO_DAY,
                NO_TIME,
                NO_ID,
                NO_FIELD,
            ],
        ),
        (
            ColumnKind::Json,
            [
                Becomes(Value::Json("{\"a\": 1}".into()), "\"{\\\"a\\\": 1}\""),
                NO_MAIL,
                Refused("a JSON document is no picklist value"),
                NO_LABELS,
                NO_YES,
                NO_NUMBER,
                NO_NUMBER,
                NO_DATE,
                NO_DATE,
                NO_TIME,
                NO_ID,
                NO_FIELD,
            ],
        ),
        (
            ColumnKind::Other("point".into()),
            [
                NO_FORM, NO_FORM, NO_FORM, NO_FORM, NO_FORM, NO_FORM, NO_FORM, NO_FORM, NO_FORM,
                NO_FORM, NO_FORM, NO_FIELD,
            ],
        ),
    ]
}

#[test]
fn every_column_either_feeds_a_field_or_says_why_not() {
    let (fields, matrix) = (fields(), matrix());
    assert_eq!(matrix.len(), KINDS_OF_COLUMN);
    for (place, (column, cells)) in matrix.iter().enumerate() {
        assert_eq!(place_of_column(column), place, "{column:?}");
        for (place, (field, cell)) in fields.iter().zip(cells).enumerate() {
            assert_eq!(place_of_field(field), place, "{field:?}");
            match (check_fit(column, field), cell) {
                (Ok(()), Becomes(value, expected)) => {
                    let mut json = String::new();
                    let written = convert::write_value(value, field, true, &mut json);
                    assert_eq!(written, Ok(()), "{column:?} in {field:?}");
                    assert_eq!(json, *expected, "{column:?} in {field:?}");
                }
                (Err(misfit), Refused(reason)) => {
                    assert!(
                        misfit.reason.contains(reason),
                        "{column:?} in {field:?}: {misfit:?}"
                    );
                    assert!(!misfit.remedy.is_empty(), "{column:?} in {field:?}");
                }
                (found, Becomes(..)) => panic!("{column:?} in {field:?}: {found:?}"),
                (found, Refused(reason)) => {
                    panic!("{column:?} in {field:?}: {found:?}, not {reason:?}")
                }
            }
        }
    }
}

#[test]
fn a_value_that_only_looks_as_if_it_fitted_is_refused() {
    let refused = |value: Value, field: FieldKind| {
        let mut json = String::new();
        assert!(
            convert::write_value(&value, &field, true, &mut json).is_err(),
            "{value:?} in {field:?} became {json}"
        );
    };
    let text = |text: &str| Value::Text(text.into());
    refused(Value::Decimal("2".into()), FieldKind::Boolean);
    refused(Value::Decimal("0.50".into()), FieldKind::Boolean);
    refused(Value::Int(-1), FieldKind::Boolean);
    refused(text("yes"), FieldKind::Boolean);
    refused(Value::Bytes(vec![1; 15]), FieldKind::Text { max_chars: 99 });
    refused(Value::Time(-1), FieldKind::Time);
    refused(Value::Time(86_400_000_000), FieldKind::Time);
    refused(text("24:00:00"), FieldKind::Time);
    refused(text("10:00:00+01:00"), FieldKind::Time);
    refused(text("10:00"), FieldKind::Time);
    refused(text("0x10"), FieldKind::Int { digits: 9 });
    refused(text("1e3"), FieldKind::Int { digits: 9 });
    refused(text("29.02.2024"), FieldKind::Date);
}
