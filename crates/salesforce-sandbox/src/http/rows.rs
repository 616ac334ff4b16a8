//! Single leads: `/sobjects/Lead`, `/sobjects/Lead/{id}`, `/sobjects/Lead/{field}/{value}` (facts 2).
use std::borrow::Cow;

use serde_json::json;

use super::call::Call;
use super::reply::Reply;
use super::{body, faulted, write};
use crate::faults::Endpoint;
use crate::org::{Draft, Matches, Org, Outcome, Refusal, Target, WriteOptions, id, row_json};
use crate::schema::Schema;
use crate::value::Value;
use crate::value::convert::convert_text;

/// Since this version an update answers 200 with a body, and `created` is told.
const TELLS_CREATED_SINCE: u32 = 46;

/// Answers everything below `/sobjects/Lead` but describe.
pub(super) async fn answer(org: &Org, call: &mut Call, version: u32, row: &[&str]) -> Reply {
    let method = call.method.clone();
    match (row, method.as_str()) {
        ([], "POST") | (["Id"], "POST" | "PATCH") => {
            write_one(org, call, version, Target::New, Way::Create).await
        }
        ([] | ["Id"], other) => Reply::method_not_allowed(other, "GET,HEAD,POST"),
        ([id], _) => by_id(org, call, version, &method, id).await,
        ([field, value], _) => by_key(org, call, version, &method, field, value).await,
        _ => Reply::error(404, &Refusal::not_found()),
    }
}

/// The 415 of a body that is not JSON.
pub(super) fn unsupported_media_type() -> Refusal {
    Refusal::new(
        "UNSUPPORTED_MEDIA_TYPE",
        "The content type of the request is not supported; use application/json.",
    )
}

/// Refuses a request whose record names its own id (facts 2).
pub(super) fn refuse_id(schema: &Schema, values: &[(u16, Value<'_>)]) -> Result<(), Refusal> {
    match schema.standard("Id") {
        Some(id) if values.iter().any(|(field, _)| *field == id) => Err(not_in_body("Id")),
        _ => Ok(()),
    }
}

async fn by_id(org: &Org, call: &mut Call, version: u32, method: &str, text: &str) -> Reply {
    let known = id::parse_lead(text).filter(|place| org.leads().get(*place).is_some());
    let Some(place) = known else {
        return Reply::error(404, &Refusal::no_such_key(text));
    };
    match method {
        "GET" | "HEAD" => show(org, call, version, vec![place]).await,
        "PATCH" => write_one(org, call, version, Target::Place(place), Way::Update).await,
        "DELETE" => delete(org, call, place).await,
        other => Reply::method_not_allowed(other, "DELETE,GET,HEAD,PATCH"),
    }
}

async fn by_key(
    org: &Org,
    call: &mut Call,
    version: u32,
    method: &str,
    name: &str,
    text: &str,
) -> Reply {
    let key = org
        .schema
        .find(name)
        .filter(|n| org.schema.field(*n).is_upsert_key());
    let Some(key) = key else {
        return Reply::error(404, &Refusal::no_such_key(name));
    };
    if org.schema.field(key).name == "Id" {
        return by_id(org, call, version, method, text).await;
    }
    let Ok(value) = convert_text(org.schema.field(key).kind, Cow::Borrowed(text)) else {
        return Reply::error(404, &Refusal::no_such_key(text));
    };
    match method {
        "PATCH" => {
            write_one(
                org,
                call,
                version,
                Target::Key { field: key, value },
                Way::Upsert,
            )
            .await
        }
        "GET" | "HEAD" | "DELETE" => {
            let places: Matches = match value.key_text() {
                Some(text) => org.leads().find(&org.schema, key, text.trim()).to_vec(),
                None => Vec::new(),
            };
            match places.as_slice() {
                [] => Reply::error(404, &Refusal::no_such_key(text)),
                [place] if method == "DELETE" => delete(org, call, *place).await,
                _ => show(org, call, version, places).await,
            }
        }
        other => Reply::method_not_allowed(other, "DELETE,GET,HEAD,PATCH"),
    }
}

/// One lead, or the list of paths when several match.
async fn show(org: &Org, call: &mut Call, version: u32, places: Vec<u32>) -> Reply {
    let plan = org.faults.plan(Endpoint::Other, &[]);
    faulted::run(org, call, plan, |call| {
        if places.len() > 1 {
            return multiple(version, &places);
        }
        let only = match wanted_fields(org, call) {
            Ok(only) => only,
            Err(refusal) => return Reply::error(400, &refusal),
        };
        let store = org.leads();
        let lead = places
            .first()
            .and_then(|place| store.get(*place).map(|lead| (*place, lead)));
        match lead {
            Some((place, lead)) => {
                let version = format!("{version}.0");
                Reply::json(
                    200,
                    &row_json(&org.schema, &version, place, lead, only.as_deref()),
                )
            }
            None => Reply::error(404, &Refusal::not_found()),
        }
    })
    .await
}

async fn delete(org: &Org, call: &mut Call, place: u32) -> Reply {
    let text = id::lead(place);
    let _in_progress = org.watch.enter_keys([text.as_str()]);
    let plan = org.faults.plan(Endpoint::Single, &[text.as_str()]);
    faulted::run(org, call, plan, |_| {
        let mut store = org.leads();
        let deleted = store.delete(place);
        let leads = store.count();
        drop(store);
        org.watch.count(|stats| stats.leads = leads);
        if deleted {
            Reply::empty(204)
        } else {
            Reply::error(404, &Refusal::new("ENTITY_IS_DELETED", "entity is deleted"))
        }
    })
    .await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Create,
    Update,
    Upsert,
}

async fn write_one(
    org: &Org,
    call: &mut Call,
    version: u32,
    target: Target<'_>,
    way: Way,
) -> Reply {
    if !call.is_json() {
        return Reply::error(415, &unsupported_media_type());
    }
    let body = call.body.clone();
    let record = match body::parse_record(&org.schema, &body) {
        Ok(record) => record,
        Err(refusal) => return Reply::error(400, &refusal),
    };
    if let Err(refusal) = refuse_id(&org.schema, &record.values) {
        return Reply::error(400, &refusal);
    }
    if let Target::Key { field, .. } = &target
        && record.values.iter().any(|(number, _)| number == field)
    {
        return Reply::error(400, &not_in_body(&org.schema.field(*field).name));
    }
    let update_only = way == Way::Upsert
        && call
            .query_value("updateOnly")
            .is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let shown = match &target {
        Target::Key { value, .. } => value.key_text().unwrap_or_default().into_owned(),
        Target::Place(_) | Target::New => String::new(),
    };
    let draft = Draft::new(&org.schema, target, record.values);
    let options = WriteOptions {
        update_only,
        ..WriteOptions::default()
    };
    write::run(
        org,
        call,
        Endpoint::Single,
        vec![draft],
        options,
        move |_, outcomes| match outcomes.first() {
            Some(outcome) => one_result(outcome, version, way, &shown),
            None => Reply::error(404, &Refusal::not_found()),
        },
    )
    .await
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
        Outcome::Created(place) => Reply::json(201, &body(*place, true)),
        Outcome::Updated(place) if tells => Reply::json(200, &body(*place, false)),
        Outcome::Updated(_) => Reply::empty(204),
        Outcome::Ambiguous(places) => multiple(version, places),
        Outcome::Missing => Reply::error(404, &Refusal::no_such_key(key)),
        Outcome::Failed(refusals) => Reply::errors(400, refusals),
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

fn wanted_fields(org: &Org, call: &Call) -> Result<Option<Vec<u16>>, Refusal> {
    let Some(list) = call.query_value("fields") else {
        return Ok(None);
    };
    let find = |name: &str| {
        org.schema.find(name.trim()).ok_or_else(|| {
            Refusal::new(
                "INVALID_FIELD",
                format!("No such column '{name}' on sobject of type Lead"),
            )
        })
    };
    list.split(',')
        .map(find)
        .collect::<Result<Vec<u16>, Refusal>>()
        .map(Some)
}
