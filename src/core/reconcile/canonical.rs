//! Values as they compare: what Salesforce makes of a value when it stores it is no difference.
//!
//! Texts lose white space around them and a carriage return before a line feed; picklists, e-mail
//! addresses and ids compare as Salesforce compares them; numbers are rounded to the field's scale
//! and to the 15 digits that Salesforce keeps; moments are compared in whole seconds of UTC.
//! An empty text, `null`, and an unticked box are no value.

use serde_json::Value;

use crate::core::describe::FieldKind;

/// Digits that a number keeps in Salesforce.
const DIGITS: usize = 15;

/// Never the first of the characters of an id that tell it apart; the other three are a checksum.
const ID_CHARS: usize = 15;

/// The value in the form in which it compares; `None` where there is none.
#[must_use]
pub fn canonical(kind: &FieldKind, value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::Bool(false) => return None,
        Value::Bool(true) => return Some("true".to_owned()),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().replace("\r\n", "\n"),
        Value::Array(_) | Value::Object(_) => return None,
    };
    if text.is_empty() {
        return None;
    }
    match kind {
        FieldKind::Text { .. } => Some(text),
        FieldKind::Email { .. } | FieldKind::Picklist { .. } => Some(text.to_lowercase()),
        FieldKind::MultiPicklist { .. } => {
            let parts = text.split(';').map(|part| part.trim().to_lowercase());
            let mut parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
            parts.sort_unstable();
            parts.dedup();
            (!parts.is_empty()).then(|| parts.join(";"))
        }
        FieldKind::Boolean => match text.to_lowercase().as_str() {
            "true" | "1" => Some("true".to_owned()),
            _ => None,
        },
        FieldKind::Int { .. } => Some(number(&text, 0).unwrap_or(text)),
        FieldKind::Number { scale, .. } => Some(number(&text, *scale as usize).unwrap_or(text)),
        FieldKind::Date => Some(text.get(..10).map(str::to_owned).unwrap_or(text)),
        FieldKind::DateTime => Some(seconds(&text).unwrap_or(text)),
        FieldKind::Time => Some(text.trim_end_matches('Z').to_owned()),
        FieldKind::Reference => Some(text.get(..ID_CHARS).map(str::to_owned).unwrap_or(text)),
        FieldKind::Unsupported(_) => None,
    }
}

/// Whole seconds since 1970.
fn seconds(text: &str) -> Option<String> {
    // Salesforce writes its offset without a colon.
    let parsed = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text)
        .ok()
        .and_then(|parsed| parsed.to_timestamp().ok());
    let moment = parsed.or_else(|| text.parse::<jiff::Timestamp>().ok())?;
    Some(moment.as_microsecond().div_euclid(1_000_000).to_string())
}

/// A decimal, rounded half up to `scale` digits behind the point, without needless zeros; `None`
/// when it is none.
fn number(text: &str, scale: usize) -> Option<String> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    // Far more than any field holds; a larger one would only fill memory.
    if exponent.unsigned_abs() > 400 {
        return None;
    }
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits: Vec<u8> = Vec::new();
    for c in whole.chars().chain(fraction.chars()) {
        digits.push(u8::try_from(c.to_digit(10)?).ok()?);
    }
    let mut point = i32::try_from(whole.len()).ok()? + exponent;
    // Both ends get room, so that the point lies within.
    while point < 1 {
        digits.insert(0, 0);
        point += 1;
    }
    let mut point = usize::try_from(point).ok()?;
    if digits.len() < point {
        digits.resize(point, 0);
    }
    let Some(first) = digits.iter().position(|digit| *digit > 0) else {
        return Some("0".to_owned());
    };
    let first = first.min(point);
    let is_long = point - first > DIGITS;
    let keep = match is_long {
        true => point + scale,
        false => (point + scale).min(first + DIGITS),
    };
    if round(&mut digits, keep) {
        digits.insert(0, 1);
        point += 1;
    }
    let shown: String = digits
        .iter()
        .map(|digit| char::from(b'0' + digit))
        .collect();
    let (whole, fraction) = shown.split_at(point.min(shown.len()));
    // Salesforce keeps a number in floating point, and so it comes back.
    if is_long && let Ok(kept) = format!("{whole}.{fraction}").parse::<f64>() {
        return Some(format!("{sign}{kept}"));
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    Some(match (whole, fraction) {
        ("", "") => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    })
}

/// Cuts to `keep` digits, half up; true when a digit came in before the first.
fn round(digits: &mut Vec<u8>, keep: usize) -> bool {
    let Some(next) = digits.get(keep).copied() else {
        return false;
    };
    digits.truncate(keep);
    if next < 5 {
        return false;
    }
    for digit in digits.iter_mut().rev() {
        if *digit < 9 {
            *digit += 1;
            return false;
        }
        *digit = 0;
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: FieldKind = FieldKind::Text { max_chars: 80 };

    #[track_caller]
    fn same(kind: &FieldKind, ours: Value, theirs: Value) {
        assert_eq!(canonical(kind, &ours), canonical(kind, &theirs));
    }

    #[track_caller]
    fn other(kind: &FieldKind, ours: Value, theirs: Value) {
        assert_ne!(canonical(kind, &ours), canonical(kind, &theirs));
    }

    fn decimal(scale: u32) -> FieldKind {
        FieldKind::Number {
            precision: 18,
            scale,
        }
    }

    #[test]
    fn what_salesforce_makes_of_a_value_is_no_difference() {
        same(&TEXT, json!("  Ann\r\nLee "), json!("Ann\nLee"));
        same(&TEXT, json!(""), json!(null));
        let email = FieldKind::Email { max_chars: 80 };
        same(&email, json!("Ann@Example.org"), json!("ann@example.org"));
        let picklist = FieldKind::Picklist {
            max_chars: 40,
            restricted: None,
        };
        same(&picklist, json!("web"), json!("Web"));
        let multi = FieldKind::MultiPicklist {
            max_chars: 40,
            restricted: None,
        };
        same(&multi, json!("b; A"), json!("A;B"));
        same(&FieldKind::Boolean, json!(null), json!(false));
        same(
            &FieldKind::DateTime,
            json!("2026-11-22T14:00:00.250+02:00"),
            json!("2026-11-22T12:00:00.000+0000"),
        );
        same(
            &FieldKind::Time,
            json!("10:30:00.000"),
            json!("10:30:00.000Z"),
        );
        same(
            &FieldKind::Reference,
            json!("00Q000000000001"),
            json!("00Q000000000001AAA"),
        );
    }

    #[test]
    fn numbers_compare_at_the_scale_of_their_field() {
        same(&decimal(2), json!("10.005"), json!(10.01));
        same(&decimal(2), json!("1000.00"), json!(1000.0));
        same(&decimal(0), json!("1e3"), json!(1000));
        same(&decimal(2), json!("99.999"), json!(100));
        same(&decimal(2), json!("0.00"), json!(0));
        same(&decimal(2), json!("-0.004"), json!("-0.0049"));
        same(
            &decimal(18),
            json!("0.1234567890123456"),
            json!("0.1234567890123458"),
        );
        other(&decimal(2), json!("10.01"), json!("10.02"));
        other(&decimal(2), json!("-10"), json!("10"));
        same(&FieldKind::Int { digits: 8 }, json!("7"), json!(7.0));
        let long = json!("12345678901234567");
        same(&decimal(0), long.clone(), json!(1.234_567_890_123_456_8E16));
        other(&decimal(0), long, json!("12345678901234999"));
        let exact = |number: &str| json!(number);
        other(
            &decimal(0),
            exact("1234567890123456"),
            exact("1234567890123457"),
        );
        same(
            &decimal(2),
            json!("1234567890123456.75"),
            json!(1_234_567_890_123_456.8),
        );
        same(&decimal(0), json!("9999999999999999.5"), json!(1e16));
    }

    #[test]
    fn real_differences_stay() {
        other(&TEXT, json!("Ann"), json!("ann"));
        other(&TEXT, json!("Ann"), json!(null));
        other(&FieldKind::Boolean, json!(true), json!(false));
        other(
            &FieldKind::DateTime,
            json!("2026-11-22T12:00:00Z"),
            json!("2026-11-22T12:00:01.000+0000"),
        );
        other(&FieldKind::Date, json!("2026-11-22"), json!("2026-11-23"));
        other(
            &FieldKind::Reference,
            json!("00q000000000001"),
            json!("00Q000000000001AAA"),
        );
    }
}
