//! What those see of personal values who may not see them: that there is one, and how it begins.

use serde_json::Value;

/// Behind the first character; says nothing of the length.
const REST: &str = "•••";

/// The first character, then `•••`; nothing of what is empty.
#[must_use]
pub fn text(text: &str) -> String {
    match text.chars().next() {
        Some(first) => format!("{first}{REST}"),
        None => String::new(),
    }
}

/// A JSON object with its values masked. `null` stays, because it is nobody's; what is no object
/// is masked whole.
#[must_use]
pub fn object(json: &str) -> String {
    let mut value = serde_json::from_str(json).unwrap_or_else(|_| Value::String(json.to_owned()));
    mask_value(&mut value);
    value.to_string()
}

/// Masks all that is personal in an answer: names of people, what is sent of them, and what
/// Salesforce said of it. What happened, when and where stays.
pub(super) fn people(answer: &mut Value) {
    match answer {
        Value::Array(values) => values.iter_mut().for_each(people),
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "personal" => personal(value),
                    // Of these names a number is a count: the digits of a field, for one.
                    "key" | "keys" | "payload" | "refused" | "before" | "after" | "reason"
                        if !value.is_number() =>
                    {
                        mask_value(value);
                    }
                    // The change that superseded another; of a report, what it is broken down by.
                    "by" if value.is_object() => mask_value(value),
                    "transaction" => {
                        if let Value::String(id) = value {
                            *id = transaction(id);
                        }
                    }
                    _ => people(value),
                }
            }
        }
        _ => {}
    }
}

/// The codes of errors and the fields that they object to are the mapping's, not the person's.
fn personal(part: &mut Value) {
    let Some(fields) = part.as_object_mut() else {
        return mask_value(part);
    };
    for (name, value) in fields {
        let errors = (name == "errors").then(|| value.as_array_mut()).flatten();
        match errors {
            Some(errors) => errors.iter_mut().for_each(error),
            None => mask_value(value),
        }
    }
}

fn error(error: &mut Value) {
    if let Some(fields) = error.as_object_mut() {
        for (name, value) in fields {
            if !matches!(name.as_str(), "code" | "fields") {
                mask_value(value);
            }
        }
    }
}

/// A snapshot's rows are named by their primary key: `snapshot:1:KEY`.
pub(super) fn transaction(id: &str) -> String {
    let Some(rest) = id.strip_prefix("snapshot:") else {
        return id.to_owned();
    };
    let number = rest.split(':').next().unwrap_or_default();
    format!("snapshot:{number}:{REST}")
}

/// Every value within, however deep; the names of fields stay.
fn mask_value(value: &mut Value) {
    match value {
        Value::Null => {}
        Value::String(known) => *known = text(known),
        // A number may be a telephone's.
        Value::Bool(_) | Value::Number(_) => *value = Value::String(text(&value.to_string())),
        Value::Array(values) => values.iter_mut().for_each(mask_value),
        Value::Object(fields) => fields.values_mut().for_each(mask_value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_value_shows_how_it_begins_and_no_more() {
        assert_eq!(text("Ada"), "A•••");
        assert_eq!(text("Ängström"), "Ä•••");
        assert_eq!(text("x"), "x•••");
        assert_eq!(text(""), "");
    }

    #[test]
    fn an_answer_tells_what_happened_and_not_to_whom() {
        let mut answer = serde_json::json!([{
            "kind": "dead_letter", "transaction": "snapshot:3:77-Lovelace", "route": "leads",
            "code": "REQUIRED_FIELD_MISSING", "fields": ["LastName"], "author": "anna",
            "by": {"tx": "snapshot:3:77-Lovelace"},
            "personal": {
                "key": "77-Lovelace", "fields": {"Email": "ada@lovelace.example", "Age": 36},
                "errors": [{"code": "BAD", "message": "bad: Lovelace", "fields": ["Email"]}],
                "before": {"LastName": "Lovelace"}, "after": null, "reason": "Lovelace asked",
            },
        }]);
        people(&mut answer);
        let step = &answer[0];
        let text = answer.to_string();
        assert!(!text.contains("ovelace") && !text.contains("36"), "{text}");
        assert_eq!(step["transaction"], "snapshot:3:•••");
        assert_eq!(step["fields"][0], "LastName");
        assert_eq!(step["personal"]["fields"]["Email"], "a•••");
        assert_eq!(step["personal"]["errors"][0]["code"], "BAD");
        assert_eq!(step["personal"]["errors"][0]["fields"][0], "Email");
        assert_eq!(step["author"], "anna");
    }

    #[test]
    fn a_refused_value_is_masked_and_a_count_of_refusals_is_not() {
        let mut answer = serde_json::json!({ "refused": {"State__c": "Bayern"} });
        people(&mut answer);
        assert_eq!(answer["refused"]["State__c"], "B•••");
        let mut count = serde_json::json!({ "refused": 7 });
        people(&mut count);
        assert_eq!(count["refused"], 7);
    }

    #[test]
    fn an_object_keeps_its_names_alone() {
        let masked = object(r#"{"LastName":"Lovelace","Phone":4930,"Vip":true,"Fax":null}"#);
        let expected = r#"{"Fax":null,"LastName":"L•••","Phone":"4•••","Vip":"t•••"}"#;
        assert_eq!(masked, expected);
        assert_eq!(object(r#"{"a":{"b":["Ada"]}}"#), r#"{"a":{"b":["A•••"]}}"#);
        assert_eq!(object("Lovelace"), "\"L•••\"");
    }
}
