//! Holding a typed value against its field: trimming, lengths, ranges, picklists, e-mail syntax.
//!
//! What fails here refuses one record (facts 3.5 and 7.1). Messages carry labels, not API names, as Salesforce's do.
use std::borrow::Cow;
use std::collections::HashSet;

use super::{Value, calendar};
use crate::org::{Refusal, id};
use crate::schema::{Field, FieldType as T};

/// Trims text and turns empty text into null. NUL characters, which the platform's storage cannot hold, are left out
/// (inference).
pub(crate) fn normalise(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Text(text) if text.contains('\0') => {
            let text = text.replace('\0', "");
            normalise(Value::Text(Cow::Owned(text)))
        }
        Value::Text(text) => {
            let trimmed = text.trim();
            if trimmed.is_empty() {
                Value::Null
            } else if trimmed.len() == text.len() {
                Value::Text(text)
            } else if let Cow::Borrowed(text) = text {
                Value::Text(Cow::Borrowed(text.trim()))
            } else {
                Value::Text(Cow::Owned(trimmed.to_owned()))
            }
        }
        other => other,
    }
}

/// Checks a normalised value that is about to be written to `field`.
pub(crate) fn check(field: &Field, value: &Value<'_>) -> Result<(), Refusal> {
    match value {
        Value::Text(text) => check_text(field, text),
        Value::Int(number) => check_range(
            field,
            number.unsigned_abs() as f64,
            field.digits,
            &number.to_string(),
        ),
        Value::Number(number) => check_range(
            field,
            number.abs().trunc(),
            field.precision.saturating_sub(field.scale),
            &shown(*number),
        ),
        // A checkbox has two states (seen: the message ends with the value, which is nothing).
        Value::Null if field.kind == T::Boolean => Err(Refusal::record(
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            format!("{}: value not of required type: ", field.label),
            &[&field.name],
        )),
        Value::Date(days) if !calendar::is_stored_day(*days) => {
            Err(out_of_range(field, i64::from(*days) * 86_400_000))
        }
        Value::DateTime(millis) if !calendar::is_stored_moment(*millis) => {
            Err(out_of_range(field, *millis))
        }
        Value::Null | Value::Boolean(_) | Value::Date(_) | Value::DateTime(_) => Ok(()),
    }
}

fn out_of_range(field: &Field, millis: i64) -> Refusal {
    let shown = calendar::format_for_errors(millis);
    Refusal::record(
        "FIELD_INTEGRITY_EXCEPTION",
        format!("{}: invalid date: {shown}", field.label),
        &[&field.name],
    )
}

fn check_text(field: &Field, text: &str) -> Result<(), Refusal> {
    let limit = field.length as usize;
    // A text of that many bytes has no more characters; counting is for the rest.
    if text.len() > limit && text.chars().count() > limit {
        return Err(Refusal::record(
            "STRING_TOO_LONG",
            format!(
                "{}: data value too large: {text} (max length={limit})",
                field.label
            ),
            &[&field.name],
        ));
    }
    match field.kind {
        T::Email if !is_email(text) => Err(Refusal::record(
            "INVALID_EMAIL_ADDRESS",
            format!("{}: invalid email address: {text}", field.label),
            &[&field.name],
        )),
        T::Picklist if field.restricted && field.picklist_value(text).is_none() => {
            Err(bad_value(field, text))
        }
        T::MultiPicklist if field.restricted => {
            let mut values = picks(text);
            match values.find(|value| field.picklist_value(value).is_none()) {
                Some(bad) => Err(bad_value(field, bad)),
                None => Ok(()),
            }
        }
        T::Reference => check_reference(field, text),
        _ => Ok(()),
    }
}

fn bad_value(field: &Field, value: &str) -> Refusal {
    Refusal::record(
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        format!(
            "{}: bad value for restricted picklist field: {value}",
            field.label
        ),
        &[&field.name],
    )
}

/// Whether a text is an id, and of an object that the field may point to.
fn check_reference(field: &Field, text: &str) -> Result<(), Refusal> {
    let code = if !id::is_well_formed(text) {
        "MALFORMED_ID"
    } else if !may_point_to(field, text) {
        "FIELD_INTEGRITY_EXCEPTION"
    } else {
        return Ok(());
    };
    let message = format!("{}: id value of incorrect type: {text}", field.label);
    Err(Refusal::record(code, message, &[&field.name]))
}

fn may_point_to(field: &Field, text: &str) -> bool {
    field.reference_to.is_empty()
        || field
            .reference_to
            .iter()
            .any(|object| id::prefix(object).is_none_or(|prefix| text.starts_with(prefix)))
}

/// A checked value as it is stored: ids with 18 characters, values of restricted picklists as the list spells them,
/// each value of a multi-select picklist once.
pub(crate) fn canonical<'a>(field: &Field, value: Value<'a>) -> Value<'a> {
    let Value::Text(text) = value else {
        return value;
    };
    let other = match field.kind {
        T::Reference if text.len() == 15 => Some(id::eighteen(&text)),
        T::Picklist if field.restricted => field
            .picklist_value(&text)
            .filter(|listed| *listed != text)
            .map(str::to_owned),
        T::MultiPicklist => {
            let mut seen = HashSet::new();
            let chosen: Vec<&str> = picks(&text)
                .map(|value| field.picklist_value(value).unwrap_or(value))
                .filter(|value| seen.insert(*value))
                .collect();
            if chosen.is_empty() {
                return Value::Null;
            }
            Some(chosen.join(";"))
        }
        _ => None,
    };
    Value::Text(other.map_or(text, Cow::Owned))
}

/// The values in the text of a multi-select picklist.
fn picks(text: &str) -> impl Iterator<Item = &str> {
    text.split(';')
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

/// Doubles tell apart all whole numbers of so many digits. Beyond that the greatest number that a field takes may be
/// the same double as the least that it does not.
const EXACT_DIGITS: u32 = 15;

fn check_range(field: &Field, magnitude: f64, digits: u32, shown: &str) -> Result<(), Refusal> {
    let end = 10_f64.powi(digits.cast_signed());
    if magnitude < end || (digits > EXACT_DIGITS && magnitude <= end) {
        return Ok(());
    }
    Err(outside_range(field, shown))
}

/// A number as messages show it: with an exponent where there are more digits than anybody reads (inference).
fn shown(number: f64) -> String {
    if number.abs() < 1e21 {
        return number.to_string();
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

/// A number that its field cannot hold.
pub(crate) fn outside_range(field: &Field, shown: &str) -> Refusal {
    Refusal::record(
        "NUMBER_OUTSIDE_VALID_RANGE",
        format!(
            "{}: value outside of valid range on numeric field: {shown}",
            field.label
        ),
        &[&field.name],
    )
}

/// Salesforce's rules are undocumented; this refuses what it is known to refuse: no or several `@`, blanks,
/// a domain without a dot or with empty labels, dots at the edges of the local part.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let local_is_fine = !local.is_empty()
        && local.len() <= 64
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local
            .chars()
            .all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
    let labels: Vec<&str> = domain.split('.').collect();
    let domain_is_fine = labels.len() >= 2
        && labels.iter().all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        })
        && labels.last().is_some_and(|last| last.chars().count() >= 2);
    local_is_fine && domain_is_fine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_syntax_is_judged_by_local_part_and_domain_labels() {
        for good in [
            "ada@example.com",
            "a.b+c@mail.example.org",
            "o'neil@example.co.uk",
        ] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "foo@",
            "foo",
            "@example.com",
            "a@b@example.com",
            "a b@example.com",
            "a@example",
            "a@.com",
            ".a@example.com",
            "a..b@example.com",
            "a@example.c",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn a_number_of_as_many_digits_as_its_field_takes_fits() {
        let field = |name: &str| {
            let fields = crate::schema::standard_fields();
            fields.into_iter().find(|field| field.name == name).unwrap()
        };
        let revenue = field("AnnualRevenue");
        let judged = |text: &str| check(&revenue, &Value::Number(text.parse().unwrap()));
        assert_eq!(judged("999999999999999999"), Ok(()));
        assert_eq!(judged("-999999999999999999"), Ok(()));
        let refused = judged("1000000000000000256").unwrap_err();
        assert_eq!(refused.code, "NUMBER_OUTSIDE_VALID_RANGE");
        assert!(
            refused.message.ends_with(": 1000000000000000300"),
            "{}",
            refused.message
        );
        let refused = judged("1e300").unwrap_err();
        assert!(
            refused.message.ends_with(": 1.0E300"),
            "{}",
            refused.message
        );
        let latitude = field("Latitude");
        assert!(check(&latitude, &Value::Number(1000.0)).is_err());
    }

    #[test]
    fn text_is_trimmed_and_blank_text_is_null() {
        assert_eq!(
            normalise(Value::Text("  x ".into())),
            Value::Text("x".into())
        );
        assert_eq!(
            normalise(Value::Text(Cow::Owned(" y".into()))),
            Value::Text("y".into())
        );
        assert_eq!(normalise(Value::Text("   ".into())), Value::Null);
        assert_eq!(
            normalise(Value::Text("a\0 \0".into())),
            Value::Text("a".into())
        );
        assert_eq!(normalise(Value::Text("\0".into())), Value::Null);
    }
}
