//! The leads themselves: packed values, indexes over unique fields, times and counts.
//!
//! Invariants: every index agrees with the live leads; a place is never given out twice, so ids stay unique.
//! Rules about what may be written live in `upsert`; this file only keeps things consistent.
use std::collections::HashMap;

use super::index::Index;
use crate::schema::Schema;
use crate::value::{Value, packed};

/// One lead. Null fields are not stored.
#[derive(Debug, Clone)]
pub(crate) struct Lead {
    pub(crate) packed: Box<[u8]>,
    pub(crate) created_micros: i64,
    pub(crate) modified_micros: i64,
    /// Times written, the first included.
    pub(crate) writes: u32,
    pub(crate) deleted: bool,
    /// Numbers of the users who wrote it first and last.
    pub(crate) created_by: u16,
    pub(crate) modified_by: u16,
}

/// Leads found by a key.
pub(crate) type Matches = Vec<u32>;

/// All leads of an org.
#[derive(Debug)]
pub(crate) struct LeadStore {
    leads: Vec<Lead>,
    live: u64,
    /// Unique fields from the start; other key fields from their first use.
    indexes: HashMap<u16, Index>,
}

impl LeadStore {
    pub(crate) fn new(schema: &Schema) -> LeadStore {
        let indexes = schema
            .fields()
            .filter(|(_, field)| field.unique)
            .map(|(number, field)| (number, Index::new(field.case_sensitive)))
            .collect();
        LeadStore {
            leads: Vec::new(),
            live: 0,
            indexes,
        }
    }

    /// Leads that are not deleted.
    pub(crate) fn count(&self) -> u64 {
        self.live
    }

    pub(crate) fn get(&self, place: u32) -> Option<&Lead> {
        self.leads.get(place as usize).filter(|lead| !lead.deleted)
    }

    /// Places given out so far.
    pub(crate) fn places(&self) -> u32 {
        u32::try_from(self.leads.len()).unwrap_or(u32::MAX)
    }

    /// The lead as a reader sees it who may see deleted ones, or not. What was never committed is nobody's to see.
    pub(crate) fn seen(&self, place: u32, deleted: bool) -> Option<&Lead> {
        let lead = self.leads.get(place as usize)?;
        let kept = deleted && !lead.packed.is_empty();
        (!lead.deleted || kept).then_some(lead)
    }

    /// Whether a lead was ever created there, deleted ones included.
    pub(crate) fn was_given(&self, place: u32) -> bool {
        (place as usize) < self.leads.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Lead)> {
        (0_u32..).zip(&self.leads).filter(|(_, lead)| !lead.deleted)
    }

    /// Whether the lead was converted, which makes it read-only.
    pub(crate) fn is_converted(&self, schema: &Schema, place: u32) -> bool {
        let Some(flag) = schema.standard("IsConverted") else {
            return false;
        };
        self.get(place).is_some_and(|lead| {
            packed::decode(&lead.packed)
                .any(|(field, value)| field == flag && value == Value::Boolean(true))
        })
    }

    /// Live leads whose `field` holds `key`, oldest first.
    pub(crate) fn find(&mut self, schema: &Schema, field: u16, key: &str) -> &[u32] {
        if !self.indexes.contains_key(&field) {
            let mut index = Index::new(schema.field(field).case_sensitive);
            for (place, lead) in self.iter() {
                if let Some((_, value)) =
                    packed::decode(&lead.packed).find(|(number, _)| *number == field)
                    && let Some(key) = value.key_text()
                {
                    index.insert(&key, place);
                }
            }
            self.indexes.insert(field, index);
        }
        self.indexes
            .get(&field)
            .map_or(&[], |index| index.find(key))
    }

    /// Writes a new lead; `values` are sorted by field number.
    pub(crate) fn insert(
        &mut self,
        values: &[(u16, Value<'_>)],
        user: u16,
        now_micros: i64,
    ) -> u32 {
        let place = u32::try_from(self.leads.len()).unwrap_or(u32::MAX);
        for (field, value) in values {
            if let (Some(index), Some(key)) = (self.indexes.get_mut(field), value.key_text()) {
                index.insert(&key, place);
            }
        }
        self.leads.push(Lead {
            packed: packed::encode(values),
            created_micros: now_micros,
            modified_micros: now_micros,
            writes: 1,
            deleted: false,
            created_by: user,
            modified_by: user,
        });
        self.live += 1;
        place
    }

    /// Merges `values` (sorted, nulls clear a field) into a lead and returns what it was before.
    pub(crate) fn update(
        &mut self,
        place: u32,
        values: &[(u16, Value<'_>)],
        user: u16,
        now_micros: i64,
    ) -> Option<Lead> {
        let before = self.leads.get(place as usize)?.clone();
        let merged = merge(&before.packed, values);
        self.reindex(place, &before.packed, &merged);
        let lead = self.leads.get_mut(place as usize)?;
        lead.packed = merged;
        lead.modified_micros = now_micros.max(lead.created_micros);
        lead.modified_by = user;
        lead.writes += 1;
        Some(before)
    }

    pub(crate) fn delete(&mut self, place: u32) -> bool {
        let Some(packed) = self.get(place).map(|lead| lead.packed.clone()) else {
            return false;
        };
        self.reindex(place, &packed, &[]);
        self.leads[place as usize].deleted = true;
        self.live -= 1;
        true
    }

    /// Undoes an insertion; nothing of the lead is left but its place.
    pub(crate) fn forget(&mut self, place: u32) {
        self.delete(place);
        if let Some(lead) = self.leads.get_mut(place as usize) {
            lead.packed = Box::default();
        }
    }

    /// Undoes an update or a deletion.
    pub(crate) fn restore(&mut self, place: u32, before: Lead) {
        let indexed = match self.get(place) {
            Some(lead) => lead.packed.clone(),
            None => Box::default(),
        };
        self.reindex(place, &indexed, &before.packed);
        let Some(lead) = self.leads.get_mut(place as usize) else {
            return;
        };
        self.live += u64::from(lead.deleted);
        *lead = before;
    }

    fn reindex(&mut self, place: u32, before: &[u8], after: &[u8]) {
        for (number, index) in &mut self.indexes {
            let of = |packed| {
                packed::decode(packed)
                    .find(|(n, _)| n == number)
                    .map(|(_, value)| value)
            };
            let (old, new) = (of(before), of(after));
            if old == new {
                continue;
            }
            if let Some(key) = old.as_ref().and_then(Value::key_text) {
                index.remove(&key, place);
            }
            if let Some(key) = new.as_ref().and_then(Value::key_text) {
                index.insert(&key, place);
            }
        }
    }
}

fn merge(packed: &[u8], changes: &[(u16, Value<'_>)]) -> Box<[u8]> {
    let mut merged: Vec<(u16, Value<'_>)> = Vec::with_capacity(changes.len() + 8);
    let mut old = packed::decode(packed).peekable();
    for (field, value) in changes {
        while let Some(kept) = old.next_if(|(number, _)| number < field) {
            merged.push(kept);
        }
        old.next_if(|(number, _)| number == field);
        merged.push((*field, value.clone()));
    }
    merged.extend(old);
    packed::encode(&merged)
}
