//! Leads as the org holds them: snapshots for oracles.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::leads::Lead;
use super::{LeadStore, id};
use crate::schema::Schema;
use crate::value::packed;

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
            .map(|(place, lead)| LeadSnapshot::new(schema, place, lead))
            .collect()
    }

    /// One live lead.
    pub(crate) fn show(&self, schema: &Schema, place: u32) -> Option<LeadSnapshot> {
        self.get(place)
            .map(|lead| LeadSnapshot::new(schema, place, lead))
    }
}

impl LeadSnapshot {
    fn new(schema: &Schema, place: u32, lead: &Lead) -> LeadSnapshot {
        LeadSnapshot {
            id: id::lead(place),
            fields: packed::decode(&lead.packed)
                .map(|(number, value)| (schema.field(number).name.clone(), value.to_json()))
                .collect(),
            writes: lead.writes,
            created_micros: lead.created_micros,
            modified_micros: lead.modified_micros,
        }
    }
}
