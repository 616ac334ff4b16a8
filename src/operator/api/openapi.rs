//! The OpenAPI 3.1 document, made of the table and the schemas beside it.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::ROOT;
use super::endpoints::{ENDPOINTS, Endpoint, Work};
use super::parameters::Parameter;
use super::serving::MAX_BODY_BYTES;

/// Shapes of bodies and answers, by name.
const SCHEMAS: &str = include_str!("schemas.json");

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| make().to_string().into());

pub(super) fn document() -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, DOCUMENT.clone()).into_response()
}

pub(super) fn make() -> Value {
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        let path = paths.entry(format!("{ROOT}{}", endpoint.path));
        let methods = path.or_insert_with(|| json!({}));
        methods[endpoint.method.as_str().to_lowercase()] = operation(endpoint);
    }
    // The file is part of the program; a test reads it.
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "leadstream",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the console and the command line do. Moments are microseconds \
                since 1970-01-01T00:00:00Z. Unknown parameters and fields are refused. For viewers \
                personal values are masked: their first character, then •••.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "leadstream_session"},
            },
        },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let in_path = endpoint.in_path.iter().map(|it| parameter(it, "path"));
    let in_query = endpoint.in_query.iter().map(|it| parameter(it, "query"));
    let mut parameters: Vec<Value> = in_path.chain(in_query).collect();
    if endpoint.method == Method::POST {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Sent again with the same key, the command is not carried out again, \
                and the first answer is given. The last 256 that succeeded are remembered until a \
                restart; an answer above 64 KiB is remembered as null.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        }));
    }
    let kind = match endpoint.work {
        Work::Listen => "text/event-stream",
        _ => "application/json",
    };
    let mut operation = json!({
        "summary": endpoint.summary,
        "operationId": operation_id(endpoint),
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "Done",
                "content": {kind: {"schema": reference(endpoint.answer)}},
            },
            "default": {
                "description": "An error; `type` names the page docs/errors/LS####.md",
                "content": {"application/problem+json": {"schema": reference("Problem")}},
            },
        },
    });
    operation["security"] = match endpoint.role {
        Some(_) => json!([{"token": []}, {"session": []}]),
        None => json!([]),
    };
    if let Some(role) = endpoint.role {
        operation["x-role"] = json!(role);
    }
    if let Some(body) = endpoint.body {
        operation["requestBody"] = json!({
            "required": true,
            "description": format!("At most {MAX_BODY_BYTES} bytes"),
            "content": {"application/json": {"schema": reference(body)}},
        });
    }
    operation
}

/// `get_dead_letters_number`.
fn operation_id(endpoint: &Endpoint) -> String {
    let words = |text: &str| {
        let words = text.split(|sign: char| !sign.is_ascii_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        words.join("_")
    };
    format!(
        "{}_{}",
        endpoint.method.as_str().to_lowercase(),
        words(endpoint.path)
    )
}

fn parameter(parameter: &Parameter, place: &str) -> Value {
    json!({
        "name": parameter.name,
        "in": place,
        "required": place == "path",
        "description": parameter.about,
        "schema": parameter.kind.schema(),
    })
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}
