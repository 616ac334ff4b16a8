//! What fills a field: a column, a constant, a value map, a template or an expression; and the
//! route's filter. Forms are checked here; whether they fit table and object is seen at the start.

use figment::value::{Dict, Value};

use crate::core::mapping::{OnTooLong, Unmapped, parse_expression, parse_template};

use super::mistake::WRONG_VALUE;
use super::reader::{Given, Reader, Table};
use super::{FieldSource, Scalar};

/// Entries of one value map: a table that long belongs in MySQL.
const MOST_PAIRS: usize = 1_000;

pub(super) fn check_filter<'a>(
    reader: &mut Reader<'a>,
    route: &Table<'a>,
) -> Option<Option<String>> {
    match reader.optional(route, "where", |given| given.some_text())? {
        Some(source) => expression(reader, route, "where", source).map(Some),
        None => Some(None),
    }
}

fn expression<'a>(
    reader: &mut Reader<'a>,
    table: &Table<'a>,
    name: &str,
    source: String,
) -> Option<String> {
    match parse_expression(&source) {
        Ok(_) => Some(source),
        Err(fault) => reader.refuse(table, name, BAD_EXPRESSION, fault.text, fault.remedy),
    }
}

pub(super) const BAD_EXPRESSION: &str = "LS4020";
pub(super) const BAD_TEMPLATE: &str = "LS4022";

pub(super) fn on_too_long<'a>(reader: &mut Reader<'a>, table: &Table<'a>) -> Option<OnTooLong> {
    optional_on_too_long(reader, table).map(Option::unwrap_or_default)
}

pub(super) fn optional_on_too_long<'a>(
    reader: &mut Reader<'a>,
    table: &Table<'a>,
) -> Option<Option<OnTooLong>> {
    reader.optional(table, "on_too_long", |given| match given.text()? {
        "dead_letter" => Some(OnTooLong::DeadLetter),
        "truncate" => Some(OnTooLong::Truncate),
        _ => None,
    })
}

/// What was given for a field's source, each where it stands.
struct Parts {
    column: Option<String>,
    constant: Option<Scalar>,
    map: Option<Vec<(String, Scalar)>>,
    template: Option<String>,
    expression: Option<String>,
    default: Option<Scalar>,
    unmapped: Option<Unmapped>,
}

pub(super) fn check_source<'a>(
    reader: &mut Reader<'a>,
    fields: &Table<'a>,
    name: &str,
    table: &Table<'a>,
) -> Option<FieldSource> {
    let parts = read_parts(reader, table);
    let given = |key: &&str| table.get(key).is_some();
    let sources: Vec<&str> = ["column", "constant", "template", "expression"]
        .into_iter()
        .filter(given)
        .collect();
    match sources.as_slice() {
        [_] => {}
        [] => {
            return reader.refuse(
                fields,
                name,
                WRONG_VALUE,
                "names neither column nor constant, template or expression",
                format!("write {name} = {{ column = \"…\" }} or {name} = {{ constant = … }}"),
            );
        }
        [first, second, ..] => {
            return reader.refuse(
                table,
                second,
                WRONG_VALUE,
                format!("stands beside {first}"),
                "keep one of them; what NULL becomes is the key default",
            );
        }
    }
    let alone: &[&str] = match sources.first() {
        Some(&"column") if given(&"map") => &[],
        Some(&"constant") => &["default", "map", "otherwise", "on_unmapped"],
        Some(&"column") => &["otherwise", "on_unmapped"],
        _ => &["map", "otherwise", "on_unmapped"],
    };
    if let Some(key) = alone.iter().find(|key| given(key)) {
        let rule = match (*key, sources.first()) {
            ("default", _) => "has no effect beside a constant",
            ("map", _) => "goes with column alone",
            _ => "goes with map alone",
        };
        return reader.refuse(table, key, WRONG_VALUE, rule, "leave it out");
    }
    let Parts {
        column,
        constant,
        map,
        template,
        expression,
        default,
        unmapped,
    } = parts?;
    Some(match (column, map, constant, template, expression) {
        (Some(column), Some(pairs), ..) => FieldSource::Map {
            column,
            pairs,
            unmapped: unmapped.unwrap_or(Unmapped::DeadLetter),
            default,
        },
        (Some(name), None, ..) => FieldSource::Column { name, default },
        (_, _, Some(constant), ..) => FieldSource::Constant(constant),
        (.., Some(text), _) => FieldSource::Template { text, default },
        (.., Some(text)) => FieldSource::Expression { text, default },
        _ => return None,
    })
}

/// Reads all of them, so that every mistake is told at once.
fn read_parts<'a>(reader: &mut Reader<'a>, table: &Table<'a>) -> Option<Parts> {
    let column = reader.optional(table, "column", super::route::column_name);
    let default = reader.optional(table, "default", |given| given.scalar());
    let constant = reader.optional(table, "constant", |given| given.scalar());
    let map = check_map(reader, table);
    let unmapped = check_unmapped(reader, table);
    let text = |given: &Given<'_>| given.some_text();
    let template = match reader.optional(table, "template", text) {
        Some(Some(source)) => match parse_template(&source) {
            Ok(_) => Some(Some(source)),
            Err(text) => {
                let remedy = "write \"{first_name} {last_name}\"";
                reader.refuse(table, "template", BAD_TEMPLATE, text, remedy)
            }
        },
        other => other,
    };
    let source = match reader.optional(table, "expression", text) {
        Some(Some(source)) => expression(reader, table, "expression", source).map(Some),
        other => other,
    };
    Some(Parts {
        column: column?,
        constant: constant?,
        map: map?,
        template: template?,
        expression: source?,
        default: default?,
        unmapped: unmapped?,
    })
}

fn check_map<'a>(
    reader: &mut Reader<'a>,
    table: &Table<'a>,
) -> Option<Option<Vec<(String, Scalar)>>> {
    reader.optional(table, "map", |given| {
        let dict: &Dict = given.value.as_dict()?;
        (1..=MOST_PAIRS).contains(&dict.len()).then_some(())?;
        let pair = |(key, value): (&String, &Value)| {
            let value = Given {
                value,
                textual: given.textual,
            };
            Some((key.clone(), value.scalar()?))
        };
        dict.iter().map(pair).collect()
    })
}

fn check_unmapped<'a>(reader: &mut Reader<'a>, table: &Table<'a>) -> Option<Option<Unmapped>> {
    let otherwise = reader.optional(table, "otherwise", |given| given.scalar());
    let policy = reader.optional(table, "on_unmapped", |given| match given.text()? {
        "dead_letter" => Some(Unmapped::DeadLetter),
        "keep" => Some(Unmapped::Keep),
        _ => None,
    });
    match (otherwise?, policy?) {
        (Some(_), Some(_)) => reader.refuse(
            table,
            "on_unmapped",
            WRONG_VALUE,
            "stands beside otherwise",
            "keep one of them",
        ),
        (Some(scalar), None) => Some(Some(Unmapped::Otherwise(scalar))),
        (None, policy) => Some(policy),
    }
}
