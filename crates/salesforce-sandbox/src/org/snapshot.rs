//! Leads as others see them: rows of the REST API, and snapshots for oracles.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::implied::implied;
use super::leads::Lead;
use super::{LeadStore, id};
use crate::schema::Schema;
use crate::value::{Value, packed};

/// One lead as the org holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeadSnapshot {
    /// 18 characters.
    pub id: String,
    /// Written fields that are not null, by API name, as the REST API shows them.
    pub fields: BTreeMap<String, Json>,
    /// Times written, the first included.
    pub writes: u32,
    /// Wall clock, microseconds since 1970-01-01 UTC.
    pub created_micros: i64,
    /// Wall clock, microseconds since 1970-01-01 UTC.
    pub modified_micros: i64,
}

impl LeadStore {
    /// Live leads, oldest first.
    pub(crate) fn snapshot(
        &self,
        schema: &Schema,
        offset: usize,
        limit: usize,
    ) -> Vec<LeadSnapshot> {
        self.iter()
            .skip(offset)
            .take(limit)
            .map(|(place, lead)| LeadSnapshot {
                id: id::lead(place),
                fields: packed::decode(&lead.packed)
                    .map(|(number, value)| (schema.field(number).name.clone(), value.to_json()))
                    .collect(),
                writes: lead.writes,
                created_micros: lead.created_micros,
                modified_micros: lead.modified_micros,
            })
            .collect()
    }
}

/// A lead as `GET /sobjects/Lead/{id}` shows it; `only` names the wanted fields.
pub(crate) fn row_json(
    schema: &Schema,
    version: &str,
    place: u32,
    lead: &Lead,
    only: Option<&[u16]>,
) -> Json {
    let stored: BTreeMap<u16, Value<'_>> = packed::decode(&lead.packed).collect();
    let by_name = |name: &str| {
        let value = schema.standard(name).and_then(|number| stored.get(&number));
        value.map_or(Json::Null, Value::to_json)
    };
    let id = id::lead(place);
    let mut row = Map::new();
    row.insert(
        "attributes".into(),
        json!({ "type": "Lead", "url": format!("/services/data/v{version}/sobjects/Lead/{id}") }),
    );
    for (number, field) in schema.fields() {
        if only.is_some_and(|only| !only.contains(&number)) {
            continue;
        }
        let value = match (field.name.as_str(), stored.get(&number)) {
            (_, Some(value)) => value.to_json(),
            ("Id", _) => id.as_str().into(),
            ("Name", _) => full_name(&by_name).into(),
            ("Address", _) => address(&by_name),
            _ => implied(schema, number, Some(lead), lead.created_by).to_json(),
        };
        row.insert(field.name.clone(), value);
    }
    Json::Object(row)
}

fn full_name(by_name: &impl Fn(&str) -> Json) -> String {
    let parts = ["FirstName", "MiddleName", "LastName", "Suffix"].map(by_name);
    let present: Vec<&str> = parts.iter().filter_map(Json::as_str).collect();
    present.join(" ")
}

fn address(by_name: &impl Fn(&str) -> Json) -> Json {
    let parts = [
        "Street",
        "City",
        "State",
        "StateCode",
        "PostalCode",
        "Country",
        "CountryCode",
        "Latitude",
        "Longitude",
        "GeocodeAccuracy",
    ];
    let values = parts.map(by_name);
    if values.iter().all(Json::is_null) {
        return Json::Null;
    }
    let mut object = Map::new();
    for (part, value) in parts.into_iter().zip(values) {
        // Only where the picklists are switched on.
        if part.ends_with("Code") && part != "PostalCode" && value.is_null() {
            continue;
        }
        let mut key = part.to_owned();
        key[..1].make_ascii_lowercase();
        object.insert(key, value);
    }
    Json::Object(object)
}
