//! `/composite/sobjects`: inserts, updates, upserts and deletes of up to 200 records in one call (facts 3).
//!
//! Only leads can be written in this org. A record of another object is refused by itself; a record that does not say
//! what it is refuses the request. Other objects can be retrieved.
use super::body::{self, MAX_RECORDS, Record, UnknownField};
use super::call::Request;
use super::reply::Reply;
use super::results::{self, Verb};
use super::work::Work;
use super::{objects, retrieve, rows};
use crate::faults::Endpoint;
use crate::json::Flag;
use crate::org::{Draft, Org, Refusal, Target, WriteOptions, id};
use crate::schema::{FieldType, ObjectKind, Schema};
use crate::value::Value;

/// First version with collections.
const SINCE_VERSION: u32 = 42;
/// First version with upserts in collections.
const UPSERT_SINCE_VERSION: u32 = 46;
/// Most runs of records of one object in a call.
const MAX_CHUNKS: usize = 10;

/// Understands everything below `/composite/sobjects`.
pub(super) fn understand<'r>(
    org: &'r Org,
    request: &'r Request,
    version: u32,
    rest: &[&'r str],
) -> Result<Work<'r>, Reply> {
    let not_found = || Err(Reply::error(404, &Refusal::not_found()));
    let object = match rest.first().map(|name| ObjectKind::named(name)) {
        _ if version < SINCE_VERSION => return not_found(),
        Some(None) => return not_found(),
        Some(Some(object)) => object,
        None => ObjectKind::Lead,
    };
    match (rest, request.method.as_str()) {
        ([], "POST") => insert(org, request, version),
        ([], "PATCH") => update(org, request, version),
        ([], "DELETE") => delete(org, request),
        ([], other) => Err(Reply::method_not_allowed(other, "DELETE,PATCH,POST")),
        ([_], "GET" | "HEAD") => retrieve::by_query(org, request, version, object),
        ([_], "POST") => retrieve::by_body(org, request, version, object),
        ([_], other) => Err(Reply::method_not_allowed(other, "GET,HEAD,POST")),
        ([_, key], method) if version >= UPSERT_SINCE_VERSION => match (method, object) {
            ("PATCH", ObjectKind::Lead) => upsert(org, request, version, key),
            ("PATCH", other) => Err(bad_request(objects::cannot_be("updated", other))),
            (other, _) => Err(Reply::method_not_allowed(other, "PATCH")),
        },
        _ => not_found(),
    }
}

/// Refuses a list of records that is missing, empty or too long.
pub(super) fn check_count(records: Option<Vec<Record<'_>>>) -> Result<Vec<Record<'_>>, Refusal> {
    let Some(records) = records else {
        return Err(Refusal::parser(
            "The request must hold a list records with at least one record.",
        ));
    };
    if records.is_empty() {
        let text = "At least 1 record is required";
        return Err(Refusal::new("REQUIRED_FIELD_MISSING", text));
    }
    check_length(records.len(), MAX_RECORDS).map(|()| records)
}

/// Refuses more than `most` records or ids.
pub(super) fn check_length(length: usize, most: usize) -> Result<(), Refusal> {
    if length <= most {
        return Ok(());
    }
    let text =
        format!("record limit reached. cannot submit more than {most} records into this call");
    Err(Refusal::new("EXCEEDED_ID_LIMIT", text))
}

/// For a record of another object than Lead that is to be `inserted` or `updated`.
pub(super) fn unsupported(verb: &str, object: &str) -> Refusal {
    match ObjectKind::named(object) {
        Some(object) => objects::cannot_be(verb, object),
        None => {
            let text = format!("sObject type '{object}' is not supported.");
            Refusal::new("INVALID_TYPE", text)
        }
    }
}

fn bad_request(refusal: Refusal) -> Reply {
    Reply::error(400, &refusal)
}

/// `PATCH /composite/sobjects/Lead/{field}`.
fn upsert<'r>(
    org: &'r Org,
    request: &'r Request,
    version: u32,
    key_field: &str,
) -> Result<Work<'r>, Reply> {
    let key = org
        .schema
        .find(key_field)
        .filter(|n| org.schema.field(*n).is_upsert_key())
        .ok_or_else(|| Reply::error(404, &Refusal::no_such_key(key_field)))?;
    request.must_be_json()?;
    let collection = body::parse_collection(&org.schema, &request.body, UnknownField::Request)
        .map_err(bad_request)?;
    let records = check_count(collection.records).map_err(bad_request)?;
    for record in &records {
        check_is_lead(record).map_err(bad_request)?;
    }
    let drafts = if org.schema.field(key).kind == FieldType::Id {
        drafts_by_id(&org.schema, key, records, || Ok(Target::New))
    } else {
        let draft = |record| draft_by_key(&org.schema, key, record);
        records
            .into_iter()
            .map(draft)
            .collect::<Result<_, _>>()
            .map_err(bad_request)?
    };
    let options = WriteOptions {
        all_or_none: collection.all_or_none,
        version,
        ..WriteOptions::default()
    };
    write(org, request, drafts, options, Verb::Upsert { key })
}

/// `POST /composite/sobjects`.
fn insert<'r>(org: &'r Org, request: &'r Request, version: u32) -> Result<Work<'r>, Reply> {
    let (records, all_or_none) = mixed_records(org, request)?;
    let own_id = org.schema.standard("Id");
    let draft = |mut record: Record<'r>| {
        let names_id = own_id.is_some_and(|key| !take(&mut record.values, key).is_null());
        if names_id {
            let text = "cannot specify Id in an insert call";
            let refusal = Refusal::record("INVALID_FIELD_FOR_INSERT_UPDATE", text, &["Id"]);
            return Draft::refused(Target::New, refusal);
        }
        draft(&org.schema, "inserted", Ok(Target::New), record)
    };
    let drafts = records.into_iter().map(draft).collect();
    let options = WriteOptions {
        all_or_none,
        version,
        ..WriteOptions::default()
    };
    write(org, request, drafts, options, Verb::Insert)
}

/// `PATCH /composite/sobjects`.
fn update<'r>(org: &'r Org, request: &'r Request, version: u32) -> Result<Work<'r>, Reply> {
    let (records, all_or_none) = mixed_records(org, request)?;
    let missing = || {
        let text = "Id not specified in an update call";
        Err(Refusal::new("MISSING_ARGUMENT", text))
    };
    let drafts = match org.schema.standard("Id") {
        Some(key) => drafts_by_id(&org.schema, key, records, missing),
        None => records
            .into_iter()
            .map(|record| draft(&org.schema, "updated", missing(), record))
            .collect(),
    };
    let options = WriteOptions {
        all_or_none,
        update_only: true,
        version,
        ..WriteOptions::default()
    };
    write(org, request, drafts, options, Verb::Update)
}

/// `DELETE /composite/sobjects?ids=…&allOrNone=…`.
fn delete<'r>(org: &'r Org, request: &'r Request) -> Result<Work<'r>, Reply> {
    let ids: Vec<&str> = retrieve::list(request.query_value("ids"));
    if ids.is_empty() {
        let text = "The parameter ids is required.";
        return Err(bad_request(Refusal::new("MISSING_ARGUMENT", text)));
    }
    check_length(ids.len(), MAX_RECORDS).map_err(bad_request)?;
    let wanted = request.query_value("allOrNone").unwrap_or_default();
    let Some(Flag(all_or_none)) = Flag::from_text(wanted) else {
        let text = format!("The parameter allOrNone is no boolean: {wanted}");
        return Err(bad_request(Refusal::new("INVALID_ARGUMENT", text)));
    };
    let draft = |text: &str| {
        if let Some(place) = id::parse_lead(text) {
            return Draft::new(&org.schema, Target::Place(place), Vec::new());
        }
        let is_record = |object: &ObjectKind| {
            let table = org.records.table(*object);
            table.is_some_and(|table| table.find(text).is_some())
        };
        let refusal = match id::object_of(text).filter(is_record) {
            Some(object) => objects::cannot_be("deleted", object),
            None if id::is_well_formed(text) => Refusal::unknown_id(),
            None => Refusal::new("MALFORMED_ID", format!("malformed id {text}")),
        };
        Draft::refused(Target::New, refusal)
    };
    let drafts = ids.into_iter().map(draft).collect();
    let options = WriteOptions {
        all_or_none,
        delete: true,
        ..WriteOptions::default()
    };
    write(org, request, drafts, options, Verb::Delete)
}

fn write<'r>(
    org: &'r Org,
    request: &'r Request,
    drafts: Vec<Draft<'r>>,
    options: WriteOptions<'r>,
    verb: Verb,
) -> Result<Work<'r>, Reply> {
    Work::write(
        org,
        &request.headers,
        Endpoint::Collections,
        drafts,
        options,
        move |org, outcomes| {
            Reply::raw_json(200, results::save_results(&org.schema, verb, outcomes))
        },
    )
}

/// Records of inserts and updates, which may be of several objects.
fn mixed_records<'r>(org: &'r Org, request: &'r Request) -> Result<(Vec<Record<'r>>, bool), Reply> {
    request.must_be_json()?;
    let collection = body::parse_collection(&org.schema, &request.body, UnknownField::Record)
        .map_err(bad_request)?;
    let records = check_count(collection.records).map_err(bad_request)?;
    let mut chunks = 0;
    let mut before: Option<&str> = None;
    for record in &records {
        let Some(object) = record.object.as_deref() else {
            return Err(bad_request(untyped()));
        };
        if before.is_none_or(|before| !before.eq_ignore_ascii_case(object)) {
            chunks += 1;
        }
        before = Some(object);
    }
    if chunks > MAX_CHUNKS {
        let text = format!(
            "Cannot have more than {MAX_CHUNKS} chunks in a single operation. Please rearrange the data to reduce \
             chunking."
        );
        return Err(bad_request(Refusal::new("LIMIT_EXCEEDED", text)));
    }
    Ok((records, collection.all_or_none))
}

fn check_is_lead(record: &Record<'_>) -> Result<(), Refusal> {
    match record.object.as_deref() {
        Some(_) if record.is_lead() => Ok(()),
        Some(other) => {
            let text =
                format!("The type {other} of a record differs from the type Lead of the request.");
            Err(Refusal::new("INVALID_TYPE", text))
        }
        None => Err(untyped()),
    }
}

fn untyped() -> Refusal {
    let text = "Every record must have attributes with a type.";
    Refusal::new("INVALID_TYPE", text)
}

/// A record whose target is settled, or that has none.
fn draft<'a>(
    schema: &Schema,
    verb: &str,
    target: Result<Target<'a>, Refusal>,
    record: Record<'a>,
) -> Draft<'a> {
    if let Some(object) = record.object.as_deref().filter(|_| !record.is_lead()) {
        return Draft::refused(Target::New, unsupported(verb, object));
    }
    match (target, record.refusal) {
        (Err(refusal), _) => Draft::refused(Target::New, refusal),
        (Ok(target), Some(refusal)) => Draft::refused(target, *refusal),
        (Ok(target), None) => Draft::new(schema, target, record.values),
    }
}

fn draft_by_key<'a>(
    schema: &Schema,
    key: u16,
    mut record: Record<'a>,
) -> Result<Draft<'a>, Refusal> {
    let value = take(&mut record.values, key);
    rows::refuse_id(schema, &record.values)?;
    Ok(Draft::new(
        schema,
        Target::Key { field: key, value },
        record.values,
    ))
}

/// Records that name their leads by id; `without` says what a record without an id is.
fn drafts_by_id<'a>(
    schema: &Schema,
    key: u16,
    records: Vec<Record<'a>>,
    without: impl Fn() -> Result<Target<'a>, Refusal>,
) -> Vec<Draft<'a>> {
    let draft_of = |mut record: Record<'a>| {
        let target = match take(&mut record.values, key) {
            Value::Text(text) if !text.trim().is_empty() => target_by_id(text.trim()),
            _ => without(),
        };
        draft(schema, "updated", target, record)
    };
    records.into_iter().map(draft_of).collect()
}

fn target_by_id<'a>(text: &str) -> Result<Target<'a>, Refusal> {
    match id::parse_lead(text) {
        Some(place) => Ok(Target::Place(place)),
        // Of a lead, but none that this org gave out.
        None if id::is_well_formed(text) && text.starts_with("00Q") => Err(Refusal::unknown_id()),
        None => {
            let text = format!("Lead ID: id value of incorrect type: {text}");
            Err(Refusal::record("MALFORMED_ID", text, &["Id"]))
        }
    }
}

/// Takes the value of a field out of a record; of several the last.
fn take<'a>(values: &mut Vec<(u16, Value<'a>)>, key: u16) -> Value<'a> {
    let mut value = Value::Null;
    values.retain_mut(|(field, found)| {
        let is_key = *field == key;
        if is_key {
            value = std::mem::replace(found, Value::Null);
        }
        !is_key
    });
    value
}
