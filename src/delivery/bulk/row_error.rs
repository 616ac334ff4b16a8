//! The text of `sf__Error`: `CODE:message:field1 field2 --`, or `CODE:message:--` where no field is
//! to blame; several errors of a row stand one after another. Source: salesforce-facts 5.3.
//!
//! Messages hold colons, and an administrator's hold anything; what does not read as a code or as
//! names of fields is left in the message.

use crate::core::outcome::RecordError;
use crate::delivery::classify;

/// The errors of a row; empty for an empty text.
pub(super) fn decode(text: &str) -> Vec<RecordError> {
    let mut errors = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (one, after) = first(rest);
        errors.push(decode_one(one));
        rest = after;
    }
    errors
}

/// Splits after the first ` --` or `:--` behind which the text ends or another code begins.
fn first(text: &str) -> (&str, &str) {
    for (at, _) in text.match_indices("--") {
        let before = &text[..at];
        let after = text[at + 2..].trim_start_matches([' ', ';', ',', '\n', '\r']);
        let is_end = before.ends_with([' ', ':']);
        if is_end && (after.is_empty() || split_code(after).is_some()) {
            return (text[..at + 2].trim_end(), after);
        }
    }
    (text, "")
}

/// The code before the first colon, and what follows.
fn split_code(text: &str) -> Option<(&str, &str)> {
    let (code, rest) = text.split_once(':')?;
    let word = code.len() > 2
        && code.starts_with(|c: char| c.is_ascii_uppercase())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    word.then_some((code, rest))
}

fn decode_one(text: &str) -> RecordError {
    let (code, rest) = split_code(text).unwrap_or(("", text));
    let (message, fields) = rest
        .strip_suffix("--")
        .and_then(|rest| rest.rsplit_once(':'))
        .filter(|(_, fields)| fields.split_whitespace().all(is_name))
        .unwrap_or((rest, ""));
    RecordError {
        code: classify::clean_code(code.to_string()),
        message: message.to_string(),
        fields: fields.split_whitespace().map(str::to_string).collect(),
    }
}

fn is_name(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(code: &str, message: &str, fields: &[&str]) -> RecordError {
        RecordError {
            code: code.to_string(),
            message: message.to_string(),
            fields: fields.iter().map(ToString::to_string).collect(),
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &[RecordError]) {
        assert_eq!(decode(text), expected, "{text}");
    }

    #[test]
    fn errors_are_read_with_and_without_fields() {
        check(
            "REQUIRED_FIELD_MISSING:Required fields are missing: [Company, LastName]:Company LastName --",
            &[error(
                "REQUIRED_FIELD_MISSING",
                "Required fields are missing: [Company, LastName]",
                &["Company", "LastName"],
            )],
        );
        check(
            "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: 00Q000000000001:--",
            &[error(
                "UNABLE_TO_LOCK_ROW",
                "unable to obtain exclusive access to this record or 1 records: 00Q000000000001",
                &[],
            )],
        );
    }

    #[test]
    fn several_errors_of_a_row_are_told_apart() {
        check(
            "STRING_TOO_LONG:First Name: data value too large: -- (max length=1):FirstName --INVALID_EMAIL_ADDRESS:Email: invalid email address: x:Email --",
            &[
                error(
                    "STRING_TOO_LONG",
                    "First Name: data value too large: -- (max length=1)",
                    &["FirstName"],
                ),
                error(
                    "INVALID_EMAIL_ADDRESS",
                    "Email: invalid email address: x",
                    &["Email"],
                ),
            ],
        );
    }

    #[test]
    fn what_does_not_follow_the_grammar_stays_a_message() {
        check("", &[]);
        check("broken", &[error("NO_CODE", "broken", &[])]);
        check(
            "please: call us",
            &[error("NO_CODE", "please: call us", &[])],
        );
        check("SOME_CODE:cut of", &[error("SOME_CODE", "cut of", &[])]);
        check(
            "SOME_CODE:see: the rules, please --",
            &[error("SOME_CODE", "see: the rules, please --", &[])],
        );
        check("SOME_CODE:--", &[error("SOME_CODE", "--", &[])]);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            errors in prop::collection::vec(
                ("[A-Z][A-Z_]{2,20}", "[a-z :\\[\\]{}'\u{e9}-]{0,40}", prop::collection::vec("[A-Z][A-Za-z_0-9]{0,9}", 0..3)),
                1..4,
            )
        ) {
            let text: String = errors
                .iter()
                .map(|(code, message, fields)| {
                    let gap = if fields.is_empty() { "" } else { " " };
                    format!("{code}:{message}:{}{gap}--", fields.join(" "))
                })
                .collect();
            let expected: Vec<_> = errors
                .iter()
                .map(|(code, message, fields)| RecordError {
                    code: code.clone(),
                    message: message.clone(),
                    fields: fields.clone(),
                })
                .collect();
            prop_assert_eq!(decode(&text), expected);
        }

        #[test]
        fn no_text_is_too_strange(text in "(?s).{0,200}") {
            decode(&text);
        }
    }
}
