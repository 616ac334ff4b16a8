//! Whether a value has the shape that a document's schema tells: every field is known, none that
//! must be there is missing, and each is of its type.

use serde_json::Value;

#[track_caller]
pub fn check(document: &Value, schema: &Value, value: &Value, path: &str) {
    if let Err(wrong) = fits(document, schema, value) {
        panic!("{path}: {wrong}: {value}");
    }
}

fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(target) = schema["$ref"].as_str() {
        let found = document.pointer(target.trim_start_matches('#'));
        let found = found.ok_or_else(|| format!("{target} leads nowhere"))?;
        return fits(document, found, value);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let tried: Result<Vec<()>, Vec<String>> = {
            let all = any.iter().map(|schema| fits(document, schema, value));
            let wrong: Vec<String> = all.filter_map(Result::err).collect();
            if wrong.len() < any.len() {
                Ok(Vec::new())
            } else {
                Err(wrong)
            }
        };
        return tried.map(|_| ()).map_err(|wrong| wrong.join(" or "));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    if !types.iter().any(|kind| is(kind, value)) {
        return Err(format!("{value} is no {}", types.join(" or ")));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        return Err(format!("{value} is none of {words:?}"));
    }
    if let Some(items) = value.as_array() {
        for item in items {
            fits(document, &schema["items"], item)?;
        }
    }
    if let Some(fields) = value.as_object() {
        fits_object(document, schema, fields)?;
    }
    Ok(())
}

fn fits_object(
    document: &Value,
    schema: &Value,
    fields: &serde_json::Map<String, Value>,
) -> Result<(), String> {
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        if !fields.contains_key(name) {
            return Err(format!("{name} is missing"));
        }
    }
    for (name, value) in fields {
        let schema = match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Object(_)) => &schema["additionalProperties"],
            (Value::Null, _) if schema["properties"].is_object() => {
                return Err(format!("{name} stands in no schema"));
            }
            (known, _) => known,
        };
        fits(document, schema, value).map_err(|wrong| format!("{name}: {wrong}"))?;
    }
    Ok(())
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}
