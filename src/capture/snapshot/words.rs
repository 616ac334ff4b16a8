//! SQL that names rows by their keys, written out: for a condition that is handed to somebody else.
//!
//! It stands in the journal, so a key of texts or bytes, which may be personal, is named by digests;
//! numbers and dates stand as they are. Nothing of a row is quoted as text: a value can end no
//! literal, whatever the server's mode.

use std::fmt::Write;

use super::key::{Compared, Key, KeyColumn, quoted};
use crate::core::snapshot::KeyPart;

/// The condition for exactly these rows; `None` when a part does not fit the key.
pub(super) fn among(key: &Key, places: &[Vec<KeyPart>]) -> Option<String> {
    if places.is_empty() {
        return None;
    }
    if let [column] = key.columns.as_slice() {
        let mut values = Vec::new();
        for place in places {
            values.push(literal(column, place.first()?)?);
        }
        return Some(format!("{} IN ({})", named(column), values.join(", ")));
    }
    let mut rows = Vec::new();
    for place in places {
        let mut parts = Vec::new();
        for (column, part) in key.columns.iter().zip(place) {
            parts.push(format!("{} = {}", named(column), literal(column, part)?));
        }
        rows.push(format!("({})", parts.join(" AND ")));
    }
    Some(rows.join(" OR "))
}

/// The condition for the rows from this key on; for keys of one column.
pub(super) fn from_key(key: &Key, from: &str) -> Option<String> {
    let [column] = key.columns.as_slice() else {
        return None;
    };
    let value = match &column.compared {
        Compared::Text => format!("_utf8mb4 X'{}'", hex(from.as_bytes())),
        _ => literal(column, &part_of(key, from)?)?,
    };
    Some(format!("{} >= {value}", quoted(&column.name)))
}

/// What a person or Salesforce calls a row by; `None` where the key is not one plain column.
pub(super) fn part_of(key: &Key, text: &str) -> Option<KeyPart> {
    let [column] = key.columns.as_slice() else {
        return None;
    };
    match column.compared {
        Compared::Integer => match text.parse::<u64>() {
            Ok(number) => Some(KeyPart::UInt(number)),
            Err(_) => text.parse().ok().map(KeyPart::Int),
        },
        Compared::Text => Some(KeyPart::Text(text.to_owned())),
        Compared::Printed if is_plain(text) => Some(KeyPart::Text(text.to_owned())),
        _ => None,
    }
}

/// What is compared with [`literal`].
fn named(column: &KeyColumn) -> String {
    let name = quoted(&column.name);
    match &column.compared {
        Compared::Text => format!("SHA2(CONVERT({name} USING utf8mb4), 256)"),
        Compared::Encoded { .. } | Compared::Bytes => format!("SHA2({name}, 256)"),
        _ => name,
    }
}

fn literal(column: &KeyColumn, part: &KeyPart) -> Option<String> {
    Some(match (&column.compared, part) {
        (Compared::Integer | Compared::Number | Compared::Bit, KeyPart::Int(number)) => {
            number.to_string()
        }
        (Compared::Integer | Compared::Number | Compared::Bit, KeyPart::UInt(number)) => {
            number.to_string()
        }
        (Compared::Real, KeyPart::Text(text)) => text.parse::<f64>().ok()?.to_string(),
        (Compared::Decimal { .. }, KeyPart::Text(text)) => {
            let digits = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
            text.chars().all(digits).then(|| text.clone())?
        }
        (Compared::Printed, KeyPart::Text(text)) if is_plain(text) => format!("'{text}'"),
        (Compared::Text, KeyPart::Text(text)) => format!("'{}'", digest(text.as_bytes())),
        (Compared::Encoded { .. } | Compared::Bytes, KeyPart::Bytes(hex)) => {
            format!("'{}'", digest(&unhex(hex)?))
        }
        _ => return None,
    })
}

/// Dates, times and UUIDs hold nothing else.
fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.' | ' ');
    !text.is_empty() && text.chars().all(plain)
}

fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex(&sha2::Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(columns: &[(&str, Compared)]) -> Key {
        let column = |(name, compared): &(&str, Compared)| KeyColumn {
            name: (*name).to_owned(),
            compared: compared.clone(),
        };
        Key {
            index: "PRIMARY".to_owned(),
            columns: columns.iter().map(column).collect(),
        }
    }

    #[test]
    fn numbers_are_named_as_they_are_and_texts_by_digests() {
        let numbers = key(&[("id", Compared::Integer)]);
        let rows = [vec![KeyPart::UInt(7)], vec![KeyPart::Int(-9)]];
        assert_eq!(among(&numbers, &rows).unwrap(), "`id` IN (7, -9)");
        let texts = key(&[("mail", Compared::Text)]);
        let condition = among(&texts, &[vec![KeyPart::Text("ann'@x".into())]]).unwrap();
        assert!(!condition.contains("ann"), "{condition}");
        assert!(
            condition.starts_with("SHA2(CONVERT(`mail` USING utf8mb4), 256) IN ('"),
            "{condition}"
        );
        let both = key(&[("a", Compared::Integer), ("b", Compared::Printed)]);
        let row = vec![KeyPart::UInt(1), KeyPart::Text("2026-01-01".into())];
        assert_eq!(
            among(&both, &[row]).unwrap(),
            "(`a` = 1 AND `b` = '2026-01-01')"
        );
        let bad = vec![KeyPart::UInt(1), KeyPart::Text("' OR 1".into())];
        assert_eq!(among(&both, &[bad]), None);
    }

    #[test]
    fn a_key_to_begin_at_fits_its_column() {
        let numbers = key(&[("id", Compared::Integer)]);
        assert_eq!(from_key(&numbers, "17").unwrap(), "`id` >= 17");
        assert_eq!(from_key(&numbers, "17 OR 1"), None);
        let texts = key(&[("code", Compared::Text)]);
        assert_eq!(
            from_key(&texts, "a'").unwrap(),
            "`code` >= _utf8mb4 X'6127'"
        );
        let two = key(&[("a", Compared::Integer), ("b", Compared::Integer)]);
        assert_eq!(from_key(&two, "1"), None);
    }
}
