//! TOML into figment's values, with the place of every key, so that a mistake can name its line and
//! mistakes come in the file's order. figment's own TOML provider keeps no places.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Byte offsets in the file, by key path.
pub(super) type Places = BTreeMap<String, usize>;

/// Why a text is not TOML, and where.
#[derive(Debug)]
pub(super) struct Broken {
    /// Without any text of the file.
    pub message: String,
    pub offset: usize,
}

/// Reads a whole document.
pub(super) fn parse_document(text: &str) -> Result<(Dict, Places), Broken> {
    let table = DeTable::parse(text).map_err(|error| Broken {
        message: error.message().to_owned(),
        offset: error
            .span()
            .map_or(text.len(), |span| span.start.min(text.len())),
    })?;
    let mut places = Places::new();
    let dict = convert_table(table.get_ref(), "", &mut places);
    Ok((dict, places))
}

/// Reads one value, `[1, 2]` or `{ kind = "jwt" }`; `None` when it is not TOML.
pub(super) fn parse_value(text: &str) -> Option<Value> {
    let value = DeValue::parse(text).ok()?;
    Some(convert(value.get_ref(), "", &mut Places::new()))
}

/// Line and column of a byte offset, both from 1, and the line's text.
pub(super) fn locate(text: &str, offset: usize) -> (usize, usize, &str) {
    // An offset behind the last line end belongs to the line that it ends.
    let offset = (0..=offset.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or_default();
    let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let line = text[..start].matches('\n').count() + 1;
    let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    (
        line,
        text[start..offset].chars().count() + 1,
        text[start..end].trim_end(),
    )
}

/// A text as TOML writes it.
pub(super) fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// `parent.name`, or `name` at the top.
pub(super) fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}

fn convert_table(table: &DeTable<'_>, path: &str, places: &mut Places) -> Dict {
    let mut dict = Dict::new();
    for (name, value) in table {
        let path = join(path, name.get_ref());
        places.insert(path.clone(), name.span().start);
        dict.insert(
            name.get_ref().to_string(),
            convert(value.get_ref(), &path, places),
        );
    }
    dict
}

fn convert(value: &DeValue<'_>, path: &str, places: &mut Places) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.to_string()),
        DeValue::Boolean(value) => Value::from(*value),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            match i64::from_str_radix(&digits, number.radix()) {
                Ok(number) => Value::from(number),
                // Too large for any key: infinity is in no range and is refused as a constant.
                Err(_) => Value::from(f64::INFINITY),
            }
        }
        DeValue::Float(number) => {
            Value::from(number.as_str().replace('_', "").parse().unwrap_or(f64::NAN))
        }
        // Salesforce takes dates as text, and no key of ours is a date.
        DeValue::Datetime(moment) => Value::from(moment.to_string()),
        DeValue::Array(items) => Value::from(
            items
                .iter()
                .enumerate()
                .map(|(index, item): (usize, &Spanned<DeValue<'_>>)| {
                    let path = format!("{path}[{index}]");
                    places.insert(path.clone(), item.span().start);
                    convert(item.get_ref(), &path, places)
                })
                .collect::<Vec<Value>>(),
        ),
        DeValue::Table(table) => Value::from(convert_table(table, path, places)),
    }
}
