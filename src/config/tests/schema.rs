//! The schema says what the reader says, as far as a schema can.

use serde_json::Value;

use super::*;
use crate::config::schema::schema as made;

const ANNOTATED: &str = include_str!("../../../config/leadstream.toml");

/// Whether a value keeps a schema, for the words that ours uses; at which path it does not.
fn check(schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let broken = || Err(format!("{path}: {value} breaks {schema}"));
    let Some(schema) = schema.as_object() else {
        return broken();
    };
    for (word, rule) in schema {
        let holds = match word.as_str() {
            "$schema" | "title" | "description" | "default" => true,
            "type" => {
                let types: Vec<&Value> = match rule {
                    Value::Array(types) => types.iter().collect(),
                    one => vec![one],
                };
                types.into_iter().any(|of| match of.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    other => panic!("{other}"),
                })
            }
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "minimum" => value.as_i64().is_none_or(|it| it >= rule.as_i64().unwrap()),
            "maximum" => value.as_i64().is_none_or(|it| it <= rule.as_i64().unwrap()),
            "minItems" => value.as_array().unwrap().len() as u64 >= rule.as_u64().unwrap(),
            "maxItems" => value.as_array().unwrap().len() as u64 <= rule.as_u64().unwrap(),
            "uniqueItems" => true,
            "pattern" => value
                .as_str()
                .is_none_or(|text| keeps(rule.as_str().unwrap(), text)),
            "anyOf" => rule
                .as_array()
                .unwrap()
                .iter()
                .any(|one| check(one, value, path).is_ok()),
            "items" => {
                for (at, item) in value.as_array().unwrap().iter().enumerate() {
                    check(rule, item, &format!("{path}[{at}]"))?;
                }
                true
            }
            "required" => {
                let names = rule.as_array().unwrap();
                names
                    .iter()
                    .all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "properties" | "additionalProperties" => true,
            other => panic!("this check does not know {other}"),
        };
        if !holds {
            return broken();
        }
    }
    if schema.get("additionalProperties").is_none() {
        return Ok(());
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let known = schema.get("properties").and_then(|known| known.get(name));
        match known.or_else(|| schema.get("additionalProperties")) {
            Some(rule) => check(rule, value, &path)?,
            None => return Err(format!("{path}: nothing says what it may be")),
        }
    }
    Ok(())
}

/// The three patterns that there are.
fn keeps(pattern: &str, text: &str) -> bool {
    match pattern {
        "^( *[0-9]+(ms|s|m|h|d))+ *$" => units::parse_duration_ms(text).is_some(),
        "^ *[0-9]+ *(B|KiB|MiB|GiB|TiB) *$" => units::parse_bytes(text).is_some(),
        "^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$" => text.len() == 11,
        other => panic!("this check does not know {other}"),
    }
}

fn by_schema(text: &str) -> Result<(), String> {
    check(&made(), &toml::from_str(text).unwrap(), "")
}

#[test]
fn the_file_for_editors_is_the_one_that_the_program_prints() {
    let file = include_str!("../../../config/leadstream.schema.json");
    assert!(
        file == format!("{:#}\n", made()),
        "renew it: leadstream config schema > config/leadstream.schema.json"
    );
    assert!(ANNOTATED.starts_with("#:schema ./leadstream.schema.json\n"));
}

#[test]
fn what_the_reader_takes_the_schema_takes() {
    let every_form = "
        [source]
        url = \"mysql://leadstream@mysql.example.com\"
        tls = { mode = \"verify_ca\", ca_file = \"ca.pem\" }
        heartbeat = \"1m 30s\"
        window_bytes = 8388608

        [[route]]
        name = \"leads\"
        table = \"crm.leads\"
        operations = [\"insert\", \"update\"]
        external_id = { field = \"MySQL_Id__c\", column = \"id\" }
        auto_assign = \"01Q000000000001AAA\"

        [route.fields]
        LastName = \"last_name\"
        Company = { column = \"company\", default = \"Unknown\" }
        Country = { column = \"country\", map = { DE = \"Germany\", \"1\" = 7 }, otherwise = \"Other\" }
        Score__c = { constant = 1.5 }

        [pace]
        bulk_from = \"off\"
        quiet_hours = [\"22:00-06:00\"]
    ";
    for text in [
        ANNOTATED,
        include_str!("../../../tests/golden/0.1.0/leadstream.toml"),
        every_form,
        "",
    ] {
        assert_eq!(by_schema(text), Ok(()), "{text}");
    }
}

#[test]
fn what_the_reader_refuses_of_a_single_key_the_schema_refuses() {
    for (text, at) in [
        ("[batch]\nmax_record = 5", ".batch.max_record"),
        ("[batch]\nmax_records = 500", ".batch.max_records"),
        ("[batch]\nmax_records = \"5\"", ".batch.max_records"),
        ("[batch]\nmax_age = 5", ".batch.max_age"),
        ("[batch]\nmax_age = \"5 lines\"", ".batch.max_age"),
        ("[batch]\nmax_bytes = \"1MB\"", ".batch.max_bytes"),
        ("[source]\npassword = \"never here\"", ".source.password"),
        ("[source.tls]\nmode = \"none\"", ".source.tls.mode"),
        ("[[route]]\nname = \"leads\"", ".route[0]"),
        ("[pace]\nbulk_from = \"never\"", ".pace.bulk_from"),
        ("[sourc]\nurl = \"\"", ".sourc"),
    ] {
        let refused = by_schema(text).unwrap_err();
        assert!(refused.starts_with(&format!("{at}:")), "{text}: {refused}");
    }
}

#[test]
fn every_key_but_secrets_is_in_the_schema_with_its_default() {
    let schema = made();
    for key in keys::KEYS {
        let mut place = Some(&schema);
        for name in key.path.split('.') {
            let (name, is_list) = match name.strip_suffix("[]") {
                Some(name) => (name, true),
                None => (name, false),
            };
            place = place.and_then(|it| match name {
                "*" => it["additionalProperties"]["anyOf"].get(1),
                name => it["properties"].get(name),
            });
            if is_list {
                place = place.and_then(|it| it.get("items"));
            }
        }
        assert_eq!(
            place.is_none(),
            key.kind == keys::Kind::Secret,
            "{}",
            key.path
        );
        let default = place.is_some_and(|it| it.get("default").is_some());
        let has_default = matches!(key.need, keys::Need::Default(_));
        assert_eq!(default, has_default, "{}", key.path);
    }
}
