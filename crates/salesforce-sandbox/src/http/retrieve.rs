//! `/composite/sobjects/Lead` by GET or by POST: up to 2,000 leads by id, in the order of the ids (facts 3.3).
use serde::Deserialize;

use super::call::Request;
use super::collections::check_length;
use super::json::{self, AtMost};
use super::reply::{MAX_REPLY_BYTES, Reply};
use super::work::Work;
use crate::org::{LeadStore, Org, Refusal, id, row_json};
use crate::schema::Schema;

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
) -> Result<Work<'r>, Reply> {
    let ids = list(request.query_value("ids"));
    let fields = list(request.query_value("fields"));
    retrieve(org, version, &ids, &fields)
}

/// `POST … {"ids": […], "fields": […]}`.
pub(super) fn by_body<'r>(
    org: &'r Org,
    request: &'r Request,
    version: u32,
) -> Result<Work<'r>, Reply> {
    request.must_be_json()?;
    let wanted: Wanted =
        json::parse_plain(&request.body).map_err(|refusal| Reply::error(400, &refusal))?;
    let ids = wanted.ids.map_or_else(Vec::new, |list| list.0);
    let fields = wanted.fields.map_or_else(Vec::new, |list| list.0);
    retrieve(
        org,
        version,
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

/// The numbers of the named fields and of `Id`, which is shown whether it is named or not.
pub(super) fn field_numbers<'n>(
    schema: &Schema,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<Vec<u16>, Refusal> {
    let mut numbers: Vec<u16> = schema.standard("Id").into_iter().collect();
    for name in names {
        let number = schema
            .find(name.trim())
            .ok_or_else(|| Refusal::no_such_column(name))?;
        numbers.push(number);
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

fn retrieve<'r>(
    org: &'r Org,
    version: u32,
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
    let fields = field_numbers(&org.schema, fields.iter().copied()).map_err(bad_request)?;
    let places: Vec<Option<u32>> = ids.iter().map(|text| id::parse_lead(text.trim())).collect();
    Ok(Work::read(move |org, store| {
        show(org, store, version, &places, &fields)
    }))
}

/// One row for each place, null where there is no lead.
fn show(
    org: &Org,
    store: &LeadStore,
    version: u32,
    places: &[Option<u32>],
    fields: &[u16],
) -> Reply {
    let version = format!("{version}.0");
    let mut json = vec![b'['];
    for (i, place) in places.iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        let row = place.and_then(|place| {
            let lead = store.get(place)?;
            Some(row_json(&org.schema, &version, place, lead, Some(fields)).to_string())
        });
        json.extend_from_slice(row.as_deref().unwrap_or("null").as_bytes());
        if json.len() > MAX_REPLY_BYTES {
            return Reply::too_large();
        }
    }
    json.push(b']');
    Reply::raw_json(200, json)
}
