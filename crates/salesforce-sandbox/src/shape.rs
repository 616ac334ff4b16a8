//! Reading JSON objects from outside, with a word on each wrong key.
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Reads an object, or says what is wrong with each of its keys, one sentence each, which begins with the key.
pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Vec<String>> {
    let Value::Object(object) = value else {
        return Err(vec!["it must be a JSON object".into()]);
    };
    let found = mistakes::<T>(object, &Map::new(), "");
    if !found.is_empty() {
        return Err(found);
    }
    T::deserialize(value).map_err(|error| vec![plain(&error.to_string())])
}

/// What is wrong with each key by itself: a type's own deserialisation names no key when a value has the wrong type,
/// and ends at the first mistake. So each key is tried alone, beside those that are `fixed`; that others are missing
/// then is to be expected.
pub(crate) fn mistakes<T: DeserializeOwned>(
    object: &Map<String, Value>,
    fixed: &Map<String, Value>,
    at: &str,
) -> Vec<String> {
    let mistake = |(key, value): (&String, &Value)| {
        let mut alone = fixed.clone();
        alone.insert(key.clone(), value.clone());
        let error = T::deserialize(Value::Object(alone)).err()?.to_string();
        (!error.starts_with("missing field")).then(|| format!("{at}{key}: {}", plain(&error)))
    };
    object
        .iter()
        .filter(|(key, _)| !fixed.contains_key(*key))
        .filter_map(mistake)
        .collect()
}

/// What is wrong with a value, without the words of the language that this is written in.
pub(crate) fn plain(error: &str) -> String {
    let told = error
        .strip_prefix("invalid type: ")
        .or_else(|| error.strip_prefix("invalid value: "))
        .and_then(|rest| rest.rsplit_once(", expected "));
    match told {
        Some((found, expected)) => {
            format!("must be {}, not {}", wanted(expected), shown(found))
        }
        None => error.to_owned(),
    }
}

fn wanted(expected: &str) -> String {
    let text = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "string" => "a text",
        "a sequence" => "a list",
        "variant identifier" | "string or map" => "one of the names that it knows",
        "a map" => "an object",
        other if other.starts_with("struct ") || other.starts_with("internally tagged enum") => {
            "an object"
        }
        other => other,
    };
    text.to_owned()
}

fn shown(found: &str) -> String {
    match found {
        "sequence" => return "a list".into(),
        "map" => return "an object".into(),
        _ => {}
    }
    for kind in ["integer ", "floating point ", "boolean "] {
        if let Some(value) = found.strip_prefix(kind) {
            return value.trim_matches('`').to_owned();
        }
    }
    found.strip_prefix("string ").unwrap_or(found).to_owned()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Pair {
        left: u64,
        right: Option<bool>,
    }

    #[test]
    fn every_wrong_key_is_named() {
        let good = Pair {
            left: 1,
            right: None,
        };
        assert_eq!(read::<Pair>(&json!({ "left": 1 })), Ok(good));
        let wrong = |value| read::<Pair>(&value).unwrap_err();
        assert_eq!(wrong(json!([1])), ["it must be a JSON object"]);
        assert_eq!(wrong(json!({})), ["missing field `left`"]);
        assert_eq!(
            wrong(json!({ "left": "1", "right": 2, "up": 3 })),
            [
                "left: must be a whole number, 0 or more, not \"1\"",
                "right: must be true or false, not 2",
                "up: unknown field `up`, expected `left` or `right`",
            ]
        );
    }
}
