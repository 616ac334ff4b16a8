//! `PATCH /composite/sobjects/Lead/{field}`: up to 200 upserts in one call (facts 3.1 and 3.5).
use super::body::{self, Record};
use super::call::Request;
use super::reply::Reply;
use super::work::Work;
use crate::faults::Endpoint;
use crate::org::{Draft, Org, Outcome, Refusal, Target, WriteOptions, ambiguous, id};
use crate::schema::{FieldType, Schema};
use crate::value::Value;

/// First version with upserts in collections.
pub(super) const SINCE_VERSION: u32 = 46;
const MAX_RECORDS: usize = 200;

/// Understands a collections upsert by the named field.
pub(super) fn upsert<'r>(
    org: &'r Org,
    request: &'r Request,
    key_field: &str,
) -> Result<Work<'r>, Reply> {
    if request.method != "PATCH" {
        return Err(Reply::method_not_allowed(&request.method, "PATCH"));
    }
    let key = org
        .schema
        .find(key_field)
        .filter(|n| org.schema.field(*n).is_upsert_key())
        .ok_or_else(|| Reply::error(404, &Refusal::no_such_key(key_field)))?;
    request.must_be_json()?;
    let bad_request = |refusal: Refusal| Reply::error(400, &refusal);
    let collection = body::parse_collection(&org.schema, &request.body).map_err(bad_request)?;
    let drafts = drafts(&org.schema, key, collection.records).map_err(bad_request)?;
    let options = WriteOptions {
        all_or_none: collection.all_or_none,
        ..WriteOptions::default()
    };
    Work::write(
        org,
        &request.headers,
        Endpoint::Collections,
        drafts,
        options,
        move |org, outcomes| Reply::raw_json(200, results(&org.schema, key, outcomes)),
    )
}

fn drafts<'a>(
    schema: &Schema,
    key: u16,
    records: Option<Vec<Record<'a>>>,
) -> Result<Vec<Draft<'a>>, Refusal> {
    let records = match records {
        Some(records) if !records.is_empty() => records,
        _ => {
            return Err(Refusal::parser(
                "The request must hold a list `records` with at least one record.",
            ));
        }
    };
    if records.len() > MAX_RECORDS {
        let text = format!(
            "record limit reached. cannot submit more than {MAX_RECORDS} records into this call"
        );
        return Err(Refusal::new("EXCEEDED_ID_LIMIT", text));
    }
    records
        .into_iter()
        .map(|record| draft(schema, key, record))
        .collect()
}

fn draft<'a>(schema: &Schema, key: u16, record: Record<'a>) -> Result<Draft<'a>, Refusal> {
    match record.object.as_deref() {
        Some(object) if object.eq_ignore_ascii_case("Lead") => {}
        Some(other) => {
            let text =
                format!("The type {other} of a record differs from the type Lead of the request.");
            return Err(Refusal::new("INVALID_TYPE", text));
        }
        None => {
            return Err(Refusal::new(
                "INVALID_TYPE",
                "Every record must have attributes with a type.",
            ));
        }
    }
    let mut values = record.values;
    let mut value = Value::Null;
    values.retain_mut(|(field, found)| {
        let is_key = *field == key;
        if is_key {
            value = std::mem::replace(found, Value::Null);
        }
        !is_key
    });
    if schema.field(key).kind != FieldType::Id {
        super::rows::refuse_id(schema, &values)?;
        return Ok(Draft::new(
            schema,
            Target::Key { field: key, value },
            values,
        ));
    }
    let target = match &value {
        Value::Text(text) if !text.trim().is_empty() => match id::parse_lead(text.trim()) {
            Some(place) => Target::Place(place),
            None => {
                let text = format!("Lead ID: id value of incorrect type: {text}");
                return Ok(Draft::refused(
                    Target::New,
                    Refusal::record("MALFORMED_ID", text, &["Id"]),
                ));
            }
        },
        _ => Target::New,
    };
    Ok(Draft::new(schema, target, values))
}

/// The result array, in the request's order.
fn results(schema: &Schema, key: u16, outcomes: &[Outcome]) -> Vec<u8> {
    let mut json = Vec::with_capacity(outcomes.len() * 80 + 2);
    json.push(b'[');
    for (i, outcome) in outcomes.iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        match outcome {
            Outcome::Created(place) | Outcome::Updated(place) => {
                let created = matches!(outcome, Outcome::Created(_));
                json.extend_from_slice(b"{\"id\":\"");
                json.extend_from_slice(id::lead(*place).as_bytes());
                json.extend_from_slice(b"\",\"success\":true,\"errors\":[],\"created\":");
                json.extend_from_slice(if created { b"true}" } else { b"false}" });
            }
            Outcome::Deleted(place) => {
                json.extend_from_slice(b"{\"id\":\"");
                json.extend_from_slice(id::lead(*place).as_bytes());
                json.extend_from_slice(b"\",\"success\":true,\"errors\":[]}");
            }
            Outcome::Failed(refusals) => push_failure(&mut json, refusals),
            Outcome::Ambiguous(places) => {
                push_failure(&mut json, &[ambiguous(schema, key, places)])
            }
            Outcome::Missing => push_failure(&mut json, &[Refusal::not_found()]),
        }
    }
    json.push(b']');
    json
}

fn push_failure(json: &mut Vec<u8>, refusals: &[Refusal]) {
    let errors: Vec<_> = refusals.iter().map(Refusal::record_json).collect();
    let object = serde_json::json!({ "success": false, "errors": errors });
    json.extend_from_slice(object.to_string().as_bytes());
}
