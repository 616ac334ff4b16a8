//! `/composite/sobjects/{Object}` by GET or by POST: up to 2,000 records by id, in the order of the ids (facts 3.3).
use serde::Deserialize;

use super::call::Request;
use super::collections::check_length;
use super::objects;
use super::record_json::push_record;
use super::reply::{MAX_REPLY_BYTES, Reply};
use super::work::Work;
use crate::json::{self, AtMost};
use crate::org::{Org, RecordRow, Refusal, id};
use crate::schema::ObjectKind;
use crate::soql::Column;

/// Ids of one call (facts 3.3).
const MAX_IDS: usize = 2_000;
/// More names than an object can have fields.
const MAX_FIELDS: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    ids: Option<AtMost<String, MAX_IDS>>,
    fields: Option<AtMost<String, MAX_FIELDS>>,
}

/// `GET …?ids=…&fields=…`.
pub(super) fn by_query<'r>(
    org: &'r Org,
    request: &'r Request,
    version: u32,
    object: ObjectKind,
) -> Result<Work<'r>, Reply> {
    let ids = list(request.query_value("ids"));
    let fields = list(request.query_value("fields"));
    retrieve(org, version, object, &ids, &fields)
}

/// `POST … {"ids": […], "fields": […]}`.
pub(super) fn by_body<'r>(
    org: &'r Org,
    request: &'r Request,
    version: u32,
    object: ObjectKind,
) -> Result<Work<'r>, Reply> {
    request.must_be_json()?;
    let wanted: Wanted =
        json::parse_plain(&request.body).map_err(|refusal| Reply::error(400, &refusal))?;
    let ids = wanted.ids.map_or_else(Vec::new, |list| list.0);
    let fields = wanted.fields.map_or_else(Vec::new, |list| list.0);
    retrieve(
        org,
        version,
        object,
        &ids.iter().map(String::as_str).collect::<Vec<_>>(),
        &fields.iter().map(String::as_str).collect::<Vec<_>>(),
    )
}

/// The parts of a comma-separated parameter.
pub(super) fn list(parameter: Option<&str>) -> Vec<&str> {
    parameter
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

fn retrieve<'r>(
    org: &'r Org,
    version: u32,
    object: ObjectKind,
    ids: &[&str],
    fields: &[&str],
) -> Result<Work<'r>, Reply> {
    let bad_request = |refusal: Refusal| Reply::error(400, &refusal);
    for (name, list) in [("ids", ids), ("fields", fields)] {
        if list.is_empty() {
            let text = format!("The parameter {name} is required.");
            return Err(bad_request(Refusal::new("MISSING_ARGUMENT", text)));
        }
    }
    check_length(ids.len(), MAX_IDS).map_err(bad_request)?;
    let names = fields.iter().copied();
    let columns = objects::named_columns(org, object, names).map_err(bad_request)?;
    let places: Vec<Option<u32>> = ids
        .iter()
        .map(|text| match org.records.table(object) {
            Some(table) => table.find(text.trim()),
            None => id::parse_lead(text.trim()),
        })
        .collect();
    Ok(match object {
        ObjectKind::Lead => Work::read(move |org, store| {
            let row = |place| Some(RecordRow::lead(org, place, store.get(place)?));
            show(org, version, &places, &columns, row)
        }),
        other => Work::read_fixed(move |org| {
            let row = |place| RecordRow::fixed(org, other, place);
            show(org, version, &places, &columns, row)
        }),
    })
}

/// One row for each place, null where there is no record.
fn show<'o>(
    org: &Org,
    version: u32,
    places: &[Option<u32>],
    columns: &[Column],
    row: impl Fn(u32) -> Option<RecordRow<'o>>,
) -> Reply {
    let mut json = vec![b'['];
    for (i, place) in places.iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        match place.and_then(&row) {
            Some(row) => push_record(&mut json, org, version, columns, &row),
            None => json.extend_from_slice(b"null"),
        }
        if json.len() > MAX_REPLY_BYTES {
            return Reply::too_large();
        }
    }
    json.push(b']');
    Reply::raw_json(200, json)
}
