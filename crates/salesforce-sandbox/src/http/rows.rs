//! Single leads: `/sobjects/Lead`, `/sobjects/Lead/{id}`, `/sobjects/Lead/{field}/{value}` (facts 2).
use std::borrow::Cow;

use axum::http::{HeaderValue, header};
use serde_json::json;

use super::call::Request;
use super::condition::{self, Stamp};
use super::record_json::push_record;
use super::reply::Reply;
use super::work::Work;
use super::{body, objects, resources};
use crate::faults::Endpoint;
use crate::org::{
    Draft, LeadStore, Matches, Org, Outcome, RecordRow, Refusal, Target, WriteOptions, id,
};
use crate::schema::{ObjectKind, Schema};
use crate::value::Value;
use crate::value::convert::convert_text;

/// Since this version an update answers 200 with a body, and `created` is told.
const TELLS_CREATED_SINCE: u32 = 46;

/// Understands everything below `/sobjects/Lead`.
pub(super) fn understand<'r>(
    org: &'r Org,
    request: &'r Request,
    version: u32,
    row: &[&'r str],
) -> Result<Work<'r>, Reply> {
    let lead = ObjectKind::Lead;
    match (row, request.method.as_str()) {
        ([], "GET" | "HEAD") => Ok(Work::read_fixed(move |_| {
            resources::object(request, version, lead)
        })),
        (["describe"], _) => Ok(Work::read_fixed(move |org| {
            resources::describe(org, request, version, lead)
        })),
        ([] | ["Id"], "POST") => write_one(org, request, version, Target::New, Way::Create),
        ([], other) => Err(Reply::method_not_allowed(other, "GET,HEAD,POST")),
        // Nothing but a creation stands behind the name of the key (facts 2).
        (["Id"], other) => Err(Reply::method_not_allowed(other, "POST")),
        ([id], _) => by_id(org, request, version, id),
        ([field, value], _) => by_key(org, request, version, field, value),
        _ => Err(Reply::error(404, &Refusal::not_found())),
    }
}

/// Refuses a request whose record names its own id (facts 2).
pub(super) fn refuse_id(schema: &Schema, values: &[(u16, Value<'_>)]) -> Result<(), Refusal> {
    match schema.standard("Id") {
        Some(id) if values.iter().any(|(field, _)| *field == id) => Err(not_in_body("Id")),
        _ => Ok(()),
    }
}

fn by_id<'r>(
    org: &'r Org,
    request: &'r Request,
    version: u32,
    text: &'r str,
) -> Result<Work<'r>, Reply> {
    let place =
        id::parse_lead(text).ok_or_else(|| Reply::error(404, &Refusal::no_such_key(text)))?;
    match request.method.as_str() {
        "GET" | "HEAD" => Ok(Work::read(move |org, store| match store.get(place) {
            Some(_) => show(org, store, request, version, &[place]),
            None if store.is_in_bin(place) => Reply::error(404, &Refusal::deleted()),
            None => Reply::error(404, &Refusal::no_such_key(text)),
        })),
        "PATCH" => write_one(org, request, version, Target::Place(place), Way::Update),
        "DELETE" => delete(org, request, version, Target::Place(place)),
        other => Err(Reply::method_not_allowed(other, "DELETE,GET,HEAD,PATCH")),
    }
}

fn by_key<'r>(
    org: &'r Org,
    request: &'r Request,
    version: u32,
    name: &str,
    text: &'r str,
) -> Result<Work<'r>, Reply> {
    let key = org
        .schema
        .find(name)
        .filter(|n| org.schema.field(*n).is_upsert_key())
        .ok_or_else(|| Reply::error(404, &Refusal::no_such_key(name)))?;
    if org.schema.field(key).name == "Id" {
        return by_id(org, request, version, text);
    }
    let value = convert_text(org.schema.field(key).kind, Cow::Borrowed(text))
        .map_err(|_| Reply::error(404, &Refusal::no_such_key(text)))?;
    match request.method.as_str() {
        "PATCH" => {
            let target = Target::Key { field: key, value };
            write_one(org, request, version, target, Way::Upsert)
        }
        "DELETE" => delete(org, request, version, Target::Key { field: key, value }),
        "GET" | "HEAD" => Ok(Work::read(move |org, store| {
            let places: Matches = match value.key_text() {
                Some(text) => store.find(&org.schema, key, text.trim()).to_vec(),
                None => Vec::new(),
            };
            if places.is_empty() {
                return Reply::error(404, &Refusal::no_such_key(text));
            }
            show(org, store, request, version, &places)
        })),
        other => Err(Reply::method_not_allowed(other, "DELETE,GET,HEAD,PATCH")),
    }
}

/// One lead, or the list of paths when several match.
fn show(org: &Org, store: &LeadStore, request: &Request, version: u32, places: &[u32]) -> Reply {
    if places.len() > 1 {
        return multiple(version, places);
    }
    let columns = match objects::columns(org, request, ObjectKind::Lead) {
        Ok(columns) => columns,
        Err(refusal) => return Reply::error(400, &refusal),
    };
    let lead = places
        .first()
        .and_then(|place| store.get(*place).map(|lead| (*place, lead)));
    match lead {
        Some((place, lead)) => {
            let stamp = Stamp {
                etag: format!("\"{:x}\"", lead.modified_micros),
                modified_micros: lead.modified_micros,
                matched_by_etag: false,
            };
            condition::answer(request, &stamp, || {
                let mut body = Vec::new();
                let row = RecordRow::lead(org, place, lead);
                push_record(&mut body, org, version, &columns, &row);
                Reply::raw_json(200, body)
            })
        }
        None => Reply::error(404, &Refusal::not_found()),
    }
}

fn delete<'r>(
    org: &'r Org,
    request: &'r Request,
    version: u32,
    target: Target<'r>,
) -> Result<Work<'r>, Reply> {
    let draft = Draft::new(&org.schema, target, Vec::new());
    let shown = draft.key().into_owned();
    let options = WriteOptions {
        delete: true,
        version,
        unmodified_since: condition::unmodified_since(request),
        ..WriteOptions::default()
    };
    Work::write(
        org,
        &request.headers,
        Endpoint::Single,
        vec![draft],
        options,
        move |_, outcomes| match outcomes.first() {
            Some(Outcome::Failed(refusals)) => Reply::errors(failure(refusals, 404), refusals),
            Some(Outcome::Ambiguous(places)) => multiple(version, places),
            Some(Outcome::Missing) => Reply::error(404, &Refusal::no_such_key(&shown)),
            _ => Reply::empty(204),
        },
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Create,
    Update,
    Upsert,
}

fn write_one<'r>(
    org: &'r Org,
    request: &'r Request,
    version: u32,
    target: Target<'r>,
    way: Way,
) -> Result<Work<'r>, Reply> {
    request.must_be_json()?;
    let bad_request = |refusal: Refusal| Reply::error(400, &refusal);
    let record = body::parse_record(&org.schema, &request.body).map_err(bad_request)?;
    refuse_id(&org.schema, &record.values).map_err(bad_request)?;
    if let Target::Key { field, .. } = &target
        && record.values.iter().any(|(number, _)| number == field)
    {
        return Err(bad_request(not_in_body(&org.schema.field(*field).name)));
    }
    let update_only = way == Way::Upsert
        && request
            .query_value("updateOnly")
            .is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let draft = Draft::new(&org.schema, target, record.values);
    let shown = draft.key().into_owned();
    let options = WriteOptions {
        update_only: update_only || way == Way::Update,
        version,
        unmodified_since: condition::unmodified_since(request),
        ..WriteOptions::default()
    };
    Work::write(
        org,
        &request.headers,
        Endpoint::Single,
        vec![draft],
        options,
        move |_, outcomes| match outcomes.first() {
            Some(outcome) => one_result(outcome, version, way, &shown),
            None => Reply::error(404, &Refusal::not_found()),
        },
    )
}

fn one_result(outcome: &Outcome, version: u32, way: Way, key: &str) -> Reply {
    let tells = way == Way::Upsert && version >= TELLS_CREATED_SINCE;
    let body = |place: u32, created: bool| {
        let mut body = json!({ "id": id::lead(place), "success": true, "errors": [] });
        if tells {
            body["created"] = created.into();
        }
        body
    };
    match outcome {
        Outcome::Created(place) => {
            let reply = Reply::json(201, &body(*place, true));
            let path = format!(
                "/services/data/v{version}.0/sobjects/Lead/{}",
                id::lead(*place)
            );
            match HeaderValue::from_str(&path) {
                Ok(path) => reply.with(header::LOCATION, path),
                Err(_) => reply,
            }
        }
        Outcome::Updated(place) if tells => Reply::json(200, &body(*place, false)),
        Outcome::Updated(_) | Outcome::Deleted(_) => Reply::empty(204),
        Outcome::Ambiguous(places) => multiple(version, places),
        Outcome::Missing => Reply::error(404, &Refusal::no_such_key(key)),
        Outcome::Failed(refusals) => Reply::errors(failure(refusals, 400), refusals),
    }
}

/// The status of a refused record.
fn failure(refusals: &[Refusal], otherwise: u16) -> u16 {
    let has = |code: &str| refusals.iter().any(|refusal| refusal.code == code);
    if has("ENTITY_IS_DELETED") {
        404
    } else if has("PRECONDITION_FAILED") {
        412
    } else {
        otherwise
    }
}

/// 300: several leads carry the key.
fn multiple(version: u32, places: &[u32]) -> Reply {
    let paths: Vec<String> = places
        .iter()
        .map(|p| format!("/services/data/v{version}.0/sobjects/Lead/{}", id::lead(*p)))
        .collect();
    Reply::json(300, &paths)
}

fn not_in_body(field: &str) -> Refusal {
    Refusal::new(
        "INVALID_FIELD",
        format!("The {field} field should not be specified in the sobject data."),
    )
}
