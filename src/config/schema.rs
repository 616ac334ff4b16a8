//! The configuration's JSON Schema (draft 2020-12), made from [`KEYS`]: with it editors complete and
//! check the file while it is written.
//!
//! A value may come from the environment or a flag as well, so nothing is required but in a route,
//! which comes whole. What only the whole configuration can tell is left to the reader.

use serde_json::{Map, Value, json};

use super::keys::{KEYS, Key, Kind, Need};

/// As `config/leadstream.schema.json` has it.
#[must_use]
pub fn schema() -> Value {
    let mut root = table_of("");
    let head = [
        ("$schema", "https://json-schema.org/draft/2020-12/schema"),
        ("title", "leadstream"),
        (
            "description",
            "The configuration of leadstream, docs/configuration.md",
        ),
    ];
    for (name, text) in head {
        root.insert(name.to_owned(), text.into());
    }
    root.into()
}

/// The table at a path (`""` is the whole file): its keys, and no others.
fn table_of(path: &str) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in KEYS {
        let Some(name) = child(key.path, path) else {
            continue;
        };
        if key.kind == Kind::Secret {
            continue;
        }
        properties.insert(name.to_owned(), value_of(key));
        if key.need == Need::Required && path.starts_with("route[]") {
            required.push(Value::from(name));
        }
    }
    let mut table = Map::from_iter([
        ("type".to_owned(), "object".into()),
        ("additionalProperties".to_owned(), false.into()),
        ("properties".to_owned(), properties.into()),
    ]);
    if !required.is_empty() {
        table.insert("required".to_owned(), required.into());
    }
    table
}

/// The name of a key directly under a path.
fn child<'k>(key: &'k str, path: &str) -> Option<&'k str> {
    let name = match path {
        "" => key,
        path => key.strip_prefix(path)?.strip_prefix('.')?,
    };
    (!name.contains(['.', '[', '*'])).then_some(name)
}

fn value_of(key: &Key) -> Value {
    let mut value = match key.path {
        "route" => json!({
            "type": "array", "minItems": 1, "maxItems": 1000, "items": table_of("route[]")
        }),
        "route[].operations" => json!({
            "type": "array", "minItems": 1, "uniqueItems": true,
            "items": { "enum": ["insert", "update"] }
        }),
        "route[].fields" => json!({
            "type": "object",
            "additionalProperties": {
                "anyOf": [{ "type": "string" }, table_of("route[].fields.*")]
            }
        }),
        "route[].fields.*.map" => json!({
            "type": "object", "additionalProperties": { "type": SCALAR }
        }),
        "pace.quiet_hours" => json!({
            "type": "array",
            "items": { "type": "string", "pattern": "^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$" }
        }),
        "pace.bulk_from" => json!({
            "anyOf": [{ "const": "off" }, { "type": "integer", "minimum": 100, "maximum": 100_000_000 }]
        }),
        _ => by_kind(key),
    };
    if let Some(value) = value.as_object_mut() {
        let rule = match key.kind {
            Kind::Table => String::new(),
            kind => format!("; must be {kind}"),
        };
        value.insert(
            "description".to_owned(),
            format!("{}{rule}", key.meaning).into(),
        );
        if let Need::Default(default) = key.need
            && let Ok(mut table) = toml::from_str::<Map<String, Value>>(&format!("v = {default}"))
            && let Some(default) = table.remove("v")
        {
            value.insert("default".to_owned(), default);
        }
    }
    value
}

const SCALAR: [&str; 3] = ["string", "number", "boolean"];

fn by_kind(key: &Key) -> Value {
    match key.kind {
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Duration { .. } => {
            json!({ "type": "string", "pattern": "^( *[0-9]+(ms|s|m|h|d))+ *$" })
        }
        Kind::Size { min, max } => json!({
            "anyOf": [
                { "type": "string", "pattern": "^ *[0-9]+ *(B|KiB|MiB|GiB|TiB) *$" },
                { "type": "integer", "minimum": min, "maximum": max }
            ]
        }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Text(_) | Kind::Path(_) => json!({ "type": "string" }),
        Kind::Mixed(_) => json!({ "type": SCALAR }),
        Kind::List(_) => json!({ "type": "array" }),
        Kind::Table => table_of(key.path).into(),
        // Never in the file.
        Kind::Secret => Value::Bool(false),
    }
}
