//! From the text of a cell to a typed value (facts 0.9 and 5.4).
//!
//! Unlike in a JSON body, what does not convert refuses its own record only.
use std::borrow::Cow;

use crate::org::Refusal;
use crate::schema::{Field, FieldType as T};
use crate::value::Value;
use crate::value::convert::convert_text;

/// How a cell says null; the text itself can therefore not be stored.
const NULL: &str = "#N/A";

/// The value of a cell; `None` for an empty one, which leaves the field alone.
pub(super) fn convert<'a>(field: &Field, text: Cow<'a, str>) -> Result<Option<Value<'a>>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    if text == NULL && field.kind != T::Boolean {
        return Ok(Some(Value::Null));
    }
    let converted = match (field.kind, text.as_ref()) {
        (T::Boolean, "1") => Ok(Value::Boolean(true)),
        (T::Boolean, "0") => Ok(Value::Boolean(false)),
        // Nobody can write it; the record is refused for that, and not for its type.
        (T::Address, _) => Ok(Value::Text(text)),
        (kind, shown) if !kind.is_text() && shown.trim().len() != shown.len() => Err(text),
        (kind, _) => convert_text(kind, text),
    };
    converted.map(Some).map_err(|text| {
        Refusal::record(
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            format!("{}: value not of required type: {text}", field.label),
            &[&field.name],
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OrgConfig;
    use crate::schema::Schema;
    use crate::value::calendar;

    #[track_caller]
    fn check(field: &str, text: &str, expected: Option<Option<Value<'_>>>) {
        let schema = Schema::new(&OrgConfig::default());
        let field = schema.field(schema.find(field).unwrap());
        let found = convert(field, Cow::Borrowed(text));
        match expected {
            Some(value) => assert_eq!(found.unwrap(), value, "{text}"),
            None => {
                let refusal = found.unwrap_err();
                assert_eq!(refusal.code, "INVALID_TYPE_ON_FIELD_IN_RECORD");
                let message = format!("{}: value not of required type: {text}", field.label);
                assert_eq!(refusal.message, message);
                assert_eq!(refusal.fields, [field.name.as_str()]);
            }
        }
    }

    #[test]
    fn an_empty_cell_is_no_value_and_a_marked_one_is_null() {
        for field in ["LastName", "Score__c", "Birthday__c", "Newsletter__c"] {
            check(field, "", Some(None));
        }
        for field in ["LastName", "Score__c", "Birthday__c", "Signup_At__c"] {
            check(field, "#N/A", Some(Some(Value::Null)));
        }
        check("Newsletter__c", "#N/A", None);
        check("LastName", "#n/a", Some(Some(Value::Text("#n/a".into()))));
    }

    #[test]
    fn booleans_come_as_words_or_digits() {
        for (text, flag) in [
            ("true", true),
            ("TRUE", true),
            ("1", true),
            ("false", false),
            ("False", false),
            ("0", false),
        ] {
            check("Newsletter__c", text, Some(Some(Value::Boolean(flag))));
        }
        for text in ["yes", "2", " true", "-1", "t"] {
            check("Newsletter__c", text, None);
        }
    }

    #[test]
    fn numbers_and_dates_are_taken_untrimmed_and_strictly() {
        check("Score__c", "12.5", Some(Some(Value::Number(12.5))));
        check("Score__c", "1.25e3", Some(Some(Value::Number(1250.0))));
        check("NumberOfEmployees", "12", Some(Some(Value::Int(12))));
        for text in ["abc", " 12", "12 ", "1,5", "NaN", "inf", " "] {
            check("Score__c", text, None);
        }
        check("NumberOfEmployees", "12.5", None);
        let day = calendar::parse_date("2026-02-28").unwrap();
        check("Birthday__c", "2026-02-28", Some(Some(Value::Date(day))));
        for text in ["2026-02-29", "28.02.2026", "2026-02-28T00:00:00Z", "0"] {
            check("Birthday__c", text, None);
        }
        let moment = calendar::parse_datetime("2026-03-29T02:30:00.123Z").unwrap();
        for text in ["2026-03-29T02:30:00.123Z", "2026-03-29T04:30:00.123+02:00"] {
            check("Signup_At__c", text, Some(Some(Value::DateTime(moment))));
        }
        for text in ["2026-03-29 02:30:00", "2026-03-29", "0000-00-00T00:00:00Z"] {
            check("Signup_At__c", text, None);
        }
    }

    #[test]
    fn text_is_taken_as_it_is() {
        for text in [" x ", "12", "true", "a\nb", "Zoë"] {
            check("LastName", text, Some(Some(Value::Text(text.into()))));
        }
    }
}
