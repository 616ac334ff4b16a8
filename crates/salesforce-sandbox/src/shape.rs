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
    T::deserialize(value).map_err(|error| vec![error.to_string()])
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
        (!error.starts_with("missing field")).then(|| format!("{at}{key}: {error}"))
    };
    object
        .iter()
        .filter(|(key, _)| !fixed.contains_key(*key))
        .filter_map(mistake)
        .collect()
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
                "left: invalid type: string \"1\", expected u64",
                "right: invalid type: integer `2`, expected a boolean",
                "up: unknown field `up`, expected `left` or `right`",
            ]
        );
    }
}
