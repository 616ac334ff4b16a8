//! The leads themselves: packed values, indexes over keys, times and counts, the recycle bin.
//!
//! Invariants: every index agrees with the live leads, and deleted ones are in none; a place is never given out twice,
//! so ids stay unique; what was rolled back or emptied out of the bin takes no memory for long.
//! Rules about what may be written live in `save`; this file only keeps things consistent.
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::index::Index;
use super::locks::Locks;
use super::recycle_bin::RecycleBin;
use crate::rules::MatchKey;
use crate::schema::Schema;
use crate::value::{Value, packed};

/// Dead entries below this number are not worth moving the others.
const MIN_COMPACTION: usize = 1024;

/// One lead. Null fields are not stored.
#[derive(Debug, Clone)]
pub(crate) struct Lead {
    pub(crate) packed: Box<[u8]>,
    pub(crate) created_micros: i64,
    /// Of a deleted lead, when it was deleted.
    pub(crate) modified_micros: i64,
    place: u32,
    /// Times written, the first included.
    pub(crate) writes: u32,
    /// Numbers of the users who wrote it first and last.
    pub(crate) created_by: u16,
    pub(crate) modified_by: u16,
    pub(crate) deleted: bool,
    /// Converted leads are read-only.
    pub(crate) converted: bool,
    /// No longer even in the recycle bin.
    gone: bool,
}

/// Who writes, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    /// Number of the user.
    pub(crate) user: u16,
    /// Since 1970-01-01 UTC.
    pub(crate) micros: i64,
}

/// Leads found by a key.
pub(crate) type Matches = Vec<u32>;

/// All leads of an org.
#[derive(Debug)]
pub(crate) struct LeadStore {
    /// By ascending place.
    leads: Vec<Lead>,
    next_place: u32,
    /// Shared with those who want to know it without waiting for the lock.
    live: Arc<AtomicU64>,
    /// Most live leads that there is room for.
    room: u64,
    gone: usize,
    /// By field: unique fields from the start, other key fields from their first use.
    indexes: Vec<(u16, Index)>,
    /// One for each duplicate rule.
    duplicates: Vec<(MatchKey, Index)>,
    bin: RecycleBin,
    /// Number of the field that tells converted leads.
    converted_flag: Option<u16>,
    /// Sorted numbers of the fields that tell who modified a lead, and when. Only leads that were created with them
    /// store them, until they are modified.
    modification: Vec<u16>,
    pub(crate) locks: Locks,
    /// Triggers that ran and were not counted yet.
    pub(crate) trigger_runs: u64,
}

impl LeadStore {
    pub(crate) fn new(schema: &Schema, duplicates: Vec<MatchKey>, bin: RecycleBin) -> LeadStore {
        let indexes = schema
            .fields()
            .filter(|(_, field)| field.unique)
            .map(|(number, field)| (number, Index::new(field.keys_mind_case())))
            .collect();
        LeadStore {
            leads: Vec::new(),
            next_place: 0,
            live: Arc::default(),
            room: u64::MAX,
            gone: 0,
            indexes,
            // Their keys are folded by the rule.
            duplicates: duplicates
                .into_iter()
                .map(|key| (key, Index::new(true)))
                .collect(),
            bin,
            converted_flag: schema.known().is_converted,
            modification: modification_fields(schema),
            locks: Locks::default(),
            trigger_runs: 0,
        }
    }

    /// Leaves room for so many leads.
    pub(crate) fn with_room(self, room: u64) -> LeadStore {
        LeadStore { room, ..self }
    }

    /// Whether no lead can be added: there is no room, or no place, for places are 32 bits wide.
    pub(crate) fn is_full(&self) -> bool {
        self.count() >= self.room || self.next_place == u32::MAX
    }

    /// Leads that are not deleted.
    pub(crate) fn count(&self) -> u64 {
        self.live.load(Ordering::Acquire)
    }

    /// The same count, for those who do not hold the lock.
    pub(crate) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.live)
    }

    /// One more than the last place given out.
    pub(crate) fn end(&self) -> u32 {
        self.next_place
    }

    pub(crate) fn get(&self, place: u32) -> Option<&Lead> {
        self.seen(place, false)
    }

    /// The lead, for a reader who may see those in the recycle bin, or not.
    pub(crate) fn seen(&self, place: u32, deleted: bool) -> Option<&Lead> {
        let lead = self.leads.get(self.position(place)?)?;
        (!lead.deleted || (deleted && !lead.gone)).then_some(lead)
    }

    pub(crate) fn is_in_bin(&self, place: u32) -> bool {
        self.seen(place, true).is_some_and(|lead| lead.deleted)
    }

    /// Live leads, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Lead)> {
        self.iter_all().filter(|(_, lead)| !lead.deleted)
    }

    /// The same with those in the recycle bin.
    pub(crate) fn iter_all(&self) -> impl Iterator<Item = (u32, &Lead)> {
        self.leads
            .iter()
            .filter(|lead| !lead.gone)
            .map(|lead| (lead.place, lead))
    }

    /// Live leads before a place, newest first.
    pub(crate) fn iter_newest(&self, below: u32) -> impl Iterator<Item = (u32, &Lead)> {
        let end = self.leads.partition_point(|lead| lead.place < below);
        let leads = self.leads.get(..end).unwrap_or_default().iter().rev();
        leads
            .filter(|lead| !lead.deleted)
            .map(|lead| (lead.place, lead))
    }

    /// Deletes every lead for good, and what the recycle bin holds. Their places stay given out.
    pub(crate) fn clear(&mut self) {
        let indexes = self.indexes.iter_mut().map(|(_, index)| index);
        for index in indexes.chain(self.duplicates.iter_mut().map(|(_, index)| index)) {
            index.clear();
        }
        self.leads = Vec::new();
        self.gone = 0;
        self.bin.clear();
        self.locks.clear();
        self.live.store(0, Ordering::Release);
    }

    /// Live leads whose `field` holds `key`, oldest first.
    pub(crate) fn find(&mut self, schema: &Schema, field: u16, key: &str) -> &[u32] {
        let known = self.indexes.iter().position(|(number, _)| *number == field);
        let at = known.unwrap_or_else(|| {
            let mut index = Index::new(schema.field(field).keys_mind_case());
            for (place, lead) in self.iter() {
                if let Some(key) = lead.value(field).as_ref().and_then(Value::key_text) {
                    index.insert(&key, place);
                }
            }
            self.indexes.push((field, index));
            self.indexes.len() - 1
        });
        self.indexes
            .get(at)
            .map_or(&[], |(_, index)| index.find(key))
    }

    /// Live leads with this key of the duplicate rule of that number, oldest first.
    pub(crate) fn find_duplicates(&self, rule: usize, key: &str) -> &[u32] {
        self.duplicates
            .get(rule)
            .map_or(&[], |(_, index)| index.find(key))
    }

    /// Writes a new lead; `values` are sorted by field number. The store must not be full.
    pub(crate) fn insert(&mut self, values: &[(u16, Value<'_>)], stamp: Stamp) -> u32 {
        let place = self.next_place;
        self.next_place = self.next_place.saturating_add(1);
        for (field, index) in &mut self.indexes {
            if let Ok(at) = values.binary_search_by_key(field, |(number, _)| *number)
                && let Some(key) = values[at].1.key_text()
            {
                index.insert(&key, place);
            }
        }
        let lead = Lead {
            packed: packed::encode(values),
            created_micros: stamp.micros,
            modified_micros: stamp.micros,
            place,
            writes: 1,
            created_by: stamp.user,
            modified_by: stamp.user,
            deleted: false,
            converted: self.sets_converted(values),
            gone: false,
        };
        for (key, index) in &mut self.duplicates {
            if let Some(key) = key_of(key, &lead.packed) {
                index.insert(&key, place);
            }
        }
        self.leads.push(lead);
        self.live.fetch_add(1, Ordering::AcqRel);
        place
    }

    /// Merges `values` (sorted, nulls clear a field) into a live lead and returns what it was before.
    pub(crate) fn update(
        &mut self,
        place: u32,
        values: &[(u16, Value<'_>)],
        stamp: Stamp,
    ) -> Option<Lead> {
        let before = self.get(place)?;
        let after = Lead {
            packed: merge(&before.packed, values),
            created_micros: before.created_micros,
            modified_micros: stamp.micros.max(before.created_micros),
            place,
            writes: before.writes.saturating_add(1),
            created_by: before.created_by,
            modified_by: stamp.user,
            deleted: false,
            converted: before.converted || self.sets_converted(values),
            gone: false,
        };
        self.replace(place, after)
    }

    /// Moves a live lead to the recycle bin, which is a modification as others are, and returns what it was before.
    pub(crate) fn delete(&mut self, place: u32, stamp: Stamp) -> Option<Lead> {
        let before = self.get(place)?;
        let after = Lead {
            packed: self.without_modification(before),
            modified_micros: stamp.micros.max(before.created_micros),
            modified_by: stamp.user,
            deleted: true,
            ..before.clone()
        };
        self.bin.take_in(place, after.modified_micros);
        self.replace(place, after)
    }

    /// Deletes a live lead past the recycle bin and returns what it was before.
    pub(crate) fn delete_for_good(&mut self, place: u32) -> Option<Lead> {
        let after = Lead {
            packed: Box::default(),
            deleted: true,
            gone: true,
            ..self.get(place)?.clone()
        };
        self.replace(place, after)
    }

    /// Takes a lead out of the recycle bin; nothing keeps it from having the unique value of another one.
    pub(crate) fn undelete(&mut self, place: u32, stamp: Stamp) -> Option<Lead> {
        let before = self.seen(place, true).filter(|lead| lead.deleted)?;
        let after = Lead {
            packed: self.without_modification(before),
            modified_micros: stamp.micros.max(before.created_micros),
            modified_by: stamp.user,
            deleted: false,
            ..before.clone()
        };
        self.replace(place, after)
    }

    /// Undoes an update, a deletion, or their undoing.
    pub(crate) fn restore(&mut self, place: u32, before: Lead) {
        self.replace(place, before);
    }

    /// Sets the creation to what the client says of it.
    pub(crate) fn set_created(&mut self, place: u32, micros: Option<i64>, user: Option<u16>) {
        let Some(lead) = self.position(place).and_then(|at| self.leads.get_mut(at)) else {
            return;
        };
        lead.created_micros = micros.unwrap_or(lead.created_micros);
        lead.created_by = user.unwrap_or(lead.created_by);
    }

    /// Makes a lead read-only.
    pub(crate) fn mark_converted(&mut self, place: u32) {
        if let Some(lead) = self.position(place).and_then(|at| self.leads.get_mut(at)) {
            lead.converted = true;
        }
    }

    /// Undoes an insertion: nothing is left of the lead, but its place is not given out again.
    pub(crate) fn forget(&mut self, place: u32) {
        let Some(at) = self.position(place) else {
            return;
        };
        let lead = self.leads.remove(at);
        if !lead.deleted {
            self.live.fetch_sub(1, Ordering::AcqRel);
            reindex(
                &mut self.indexes,
                &mut self.duplicates,
                place,
                &lead.packed,
                &[],
            );
        }
        self.gone -= usize::from(lead.gone);
    }

    /// Empties out of the recycle bin what has been there too long.
    pub(crate) fn empty_bin(&mut self, now_micros: i64) {
        while let Some((place, deleted_micros)) = self.bin.overdue(now_micros) {
            let Some(lead) = self.position(place).and_then(|at| self.leads.get_mut(at)) else {
                continue;
            };
            // It may have been brought back since, and deleted again.
            if lead.deleted && !lead.gone && lead.modified_micros == deleted_micros {
                lead.packed = Box::default();
                lead.gone = true;
                self.gone += 1;
            }
        }
        if self.gone >= MIN_COMPACTION && self.gone > self.leads.len() / 2 {
            self.leads.retain(|lead| !lead.gone);
            self.gone = 0;
        }
    }

    /// Where the lead of a place stands. Places that were forgotten leave no gap in the list, so a lead stands at its
    /// place, or before it by at most the number of those.
    fn position(&self, place: u32) -> Option<usize> {
        let is_at = |at: usize| self.leads.get(at).is_some_and(|lead| lead.place == place);
        let latest = place as usize;
        let missing = (self.next_place as usize).saturating_sub(self.leads.len());
        let earliest = latest.saturating_sub(missing);
        if is_at(earliest) {
            return Some(earliest);
        }
        let candidates = self.leads.get(earliest..self.leads.len().min(latest + 1))?;
        let found = candidates.binary_search_by_key(&place, |lead| lead.place);
        found.ok().map(|at| earliest + at)
    }

    /// What a lead holds, but for what was said of its last modification when it was created.
    fn without_modification(&self, lead: &Lead) -> Box<[u8]> {
        let nulls: Vec<(u16, Value<'_>)> = (self.modification.iter())
            .filter(|field| lead.value(**field).is_some())
            .map(|field| (*field, Value::Null))
            .collect();
        if nulls.is_empty() {
            lead.packed.clone()
        } else {
            merge(&lead.packed, &nulls)
        }
    }

    fn sets_converted(&self, values: &[(u16, Value<'_>)]) -> bool {
        self.converted_flag.is_some_and(|flag| {
            values
                .binary_search_by_key(&flag, |(number, _)| *number)
                .is_ok_and(|at| values[at].1 == Value::Boolean(true))
        })
    }

    /// Puts a lead in the place of what is there, which is returned.
    fn replace(&mut self, place: u32, after: Lead) -> Option<Lead> {
        let at = self.position(place)?;
        let lead = self.leads.get_mut(at)?;
        match (lead.deleted, after.deleted) {
            (true, false) => self.live.fetch_add(1, Ordering::AcqRel),
            (false, true) => self.live.fetch_sub(1, Ordering::AcqRel),
            _ => 0,
        };
        self.gone = self.gone + usize::from(after.gone) - usize::from(lead.gone);
        let before = std::mem::replace(lead, after);
        let (old, new) = (before.indexed(), lead.indexed());
        reindex(&mut self.indexes, &mut self.duplicates, place, old, new);
        Some(before)
    }
}

impl Lead {
    /// What indexes know of it.
    fn indexed(&self) -> &[u8] {
        if self.deleted { &[] } else { &self.packed }
    }

    /// The stored value of a field; none for null and for what is not stored.
    pub(crate) fn value(&self, field: u16) -> Option<Value<'_>> {
        find(&self.packed, field)
    }
}

fn modification_fields(schema: &Schema) -> Vec<u16> {
    let known = schema.known();
    let mut fields: Vec<u16> = [known.last_modified_date, known.last_modified_by]
        .into_iter()
        .flatten()
        .collect();
    fields.sort_unstable();
    fields
}

fn reindex(
    indexes: &mut [(u16, Index)],
    duplicates: &mut [(MatchKey, Index)],
    place: u32,
    before: &[u8],
    after: &[u8],
) {
    for (number, index) in indexes {
        let (old, new) = (find(before, *number), find(after, *number));
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
    for (key, index) in duplicates {
        let (old, new) = (key_of(key, before), key_of(key, after));
        if old == new {
            continue;
        }
        if let Some(key) = old {
            index.remove(&key, place);
        }
        if let Some(key) = new {
            index.insert(&key, place);
        }
    }
}

fn find(packed: &[u8], field: u16) -> Option<Value<'_>> {
    packed::decode(packed)
        .take_while(|(number, _)| *number <= field)
        .find(|(number, _)| *number == field)
        .map(|(_, value)| value)
}

fn key_of(key: &MatchKey, packed: &[u8]) -> Option<String> {
    key.of(|field| find(packed, field).unwrap_or(Value::Null))
}

fn merge(packed: &[u8], changes: &[(u16, Value<'_>)]) -> Box<[u8]> {
    let mut merged: Vec<(u16, Value<'_>)> = Vec::with_capacity(changes.len() + 8);
    let mut old = packed::decode(packed).peekable();
    for (field, value) in changes {
        while let Some(kept) = old.next_if(|(number, _)| number < field) {
            merged.push(kept);
        }
        old.next_if(|(number, _)| number == field);
        merged.push((*field, value.as_borrowed()));
    }
    merged.extend(old);
    packed::encode(&merged)
}
