//! The rules of writing leads: matching, required fields, uniqueness, all-or-none.
//!
//! A request's records become [`Draft`]s outside of the lock; [`write_all`] decides and writes them under it, in order.
use std::borrow::Cow;
use std::collections::HashMap;

use super::index::fold;
use super::transaction::Undo;
use super::{LeadStore, Refusal, id};
use crate::schema::{Field, Schema};
use crate::value::{Value, validate};

/// Which lead a record is meant for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target<'a> {
    /// The lead whose field holds this value, or a new one.
    Key {
        field: u16,
        value: Value<'a>,
    },
    /// An existing lead.
    Place(u32),
    New,
}

/// One record, ready to be written or already known to be refused.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    target: Target<'a>,
    /// Sorted by field number; holds the key too.
    values: Vec<(u16, Value<'a>)>,
    refusals: Vec<Refusal>,
    /// Set when the match was looked up before a wait: whether there was a match then.
    matched_before: Option<bool>,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Created(u32),
    Updated(u32),
    Deleted(u32),
    /// Several leads carry the key.
    Ambiguous(Vec<u32>),
    /// No lead to update or to delete.
    Missing,
    Failed(Vec<Refusal>),
}

impl Outcome {
    /// Whether the org holds something else than before.
    pub(crate) fn is_written(&self) -> bool {
        match self {
            Outcome::Created(_) | Outcome::Updated(_) | Outcome::Deleted(_) => true,
            Outcome::Ambiguous(_) | Outcome::Missing | Outcome::Failed(_) => false,
        }
    }
}

/// How a request wants its records written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WriteOptions<'a> {
    pub(crate) all_or_none: bool,
    pub(crate) update_only: bool,
    /// The records are deleted instead of saved.
    pub(crate) delete: bool,
    /// Seconds since 1970-01-01 UTC after which no existing lead of the request may have been written (facts 8).
    pub(crate) unmodified_since: Option<i64>,
    /// Owner given by the assignment rule.
    pub(crate) owner: Option<&'a str>,
    /// Number of the user who writes.
    pub(crate) user: u16,
    pub(crate) now_micros: i64,
}

impl<'a> Draft<'a> {
    /// Normalises and validates everything that can be judged without looking at the leads.
    pub(crate) fn new(
        schema: &Schema,
        target: Target<'a>,
        values: Vec<(u16, Value<'a>)>,
    ) -> Draft<'a> {
        let mut refusals = Vec::new();
        let target = match target {
            Target::Key { field, value } => Target::Key {
                field,
                value: validate::normalise(value),
            },
            other => other,
        };
        let mut values: Vec<(u16, Value<'a>)> = values
            .into_iter()
            .map(|(field, value)| (field, validate::normalise(value)))
            .collect();
        if let Target::Key { field, value } = &target {
            if value.is_null() {
                let name = &schema.field(*field).name;
                refusals.push(Refusal::record(
                    "MISSING_ARGUMENT",
                    format!("{name} not specified"),
                    &[],
                ));
            }
            values.push((*field, value.clone()));
        }
        // Stable, so that of a field named twice the later value comes last and wins.
        values.sort_by_key(|(field, _)| *field);
        values.reverse();
        values.dedup_by_key(|(field, _)| *field);
        values.reverse();
        for (number, value) in &values {
            if let Err(refusal) = validate::check(schema.field(*number), value) {
                refusals.push(refusal);
            }
        }
        Draft {
            target,
            values,
            refusals,
            matched_before: None,
        }
    }

    /// A record that is refused whatever the org holds.
    pub(crate) fn refused(target: Target<'a>, refusal: Refusal) -> Draft<'a> {
        Draft::refused_for(target, vec![refusal])
    }

    /// The same, for several reasons at once.
    pub(crate) fn refused_for(target: Target<'a>, refusals: Vec<Refusal>) -> Draft<'a> {
        Draft {
            target,
            values: Vec::new(),
            refusals,
            matched_before: None,
        }
    }

    /// Refuses the record for a reason from outside, which replaces any of its own.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.refusals = vec![refusal];
    }

    /// The key, or the lead's id where there is none; empty for plain inserts.
    pub(crate) fn key(&self) -> Cow<'_, str> {
        match &self.target {
            Target::Key { value, .. } => value.key_text().unwrap_or_default(),
            Target::Place(place) => id::lead(*place).into(),
            Target::New => Cow::Borrowed(""),
        }
    }

    /// The key as it is compared, so that two spellings of one key are one.
    pub(crate) fn folded_key(&self, schema: &Schema) -> Cow<'_, str> {
        match (&self.target, self.key()) {
            (Target::Key { field, .. }, Cow::Borrowed(key)) => {
                fold(schema.field(*field).case_sensitive, key)
            }
            (_, key) => key,
        }
    }
}

/// Notes which keys match now: a wait before the commit then shows races as Salesforce does (facts 10).
pub(crate) fn look(store: &mut LeadStore, schema: &Schema, drafts: &mut [Draft<'_>]) {
    for draft in drafts {
        if let Target::Key { field, value } = &draft.target
            && let Some(key) = value.key_text()
        {
            draft.matched_before = Some(!store.find(schema, *field, &key).is_empty());
        }
    }
}

/// Writes the records in order; the outcomes are in the order of the drafts, one each. What was before is kept in `undo`.
pub(super) fn write_all(
    store: &mut LeadStore,
    schema: &Schema,
    mut drafts: Vec<Draft<'_>>,
    options: WriteOptions<'_>,
    mut undo: Option<&mut Undo>,
) -> Vec<Outcome> {
    refuse_repeated_keys(schema, &mut drafts);
    drafts
        .into_iter()
        .map(|draft| write(store, schema, draft, options, undo.as_deref_mut()))
        .collect()
}

fn write(
    store: &mut LeadStore,
    schema: &Schema,
    draft: Draft<'_>,
    options: WriteOptions<'_>,
    undo: Option<&mut Undo>,
) -> Outcome {
    if !draft.refusals.is_empty() {
        return Outcome::Failed(draft.refusals);
    }
    let existing = match &draft.target {
        Target::New => None,
        Target::Place(place) if store.get(*place).is_some() => Some(*place),
        Target::Place(place) if store.was_given(*place) => {
            return Outcome::Failed(vec![is_deleted()]);
        }
        Target::Place(_) => return Outcome::Missing,
        Target::Key { field, value } => {
            let key = value.key_text().unwrap_or_default();
            match store.find(schema, *field, &key) {
                [] => None,
                [place] => Some(*place),
                many => return Outcome::Ambiguous(many.to_vec()),
            }
        }
    };
    if let (Some(until), Some(lead)) = (
        options.unmodified_since,
        existing.and_then(|place| store.get(place)),
    ) && lead.modified_micros.div_euclid(1_000_000) > until
    {
        return Outcome::Failed(vec![Refusal::precondition()]);
    }
    match existing {
        None if options.update_only || options.delete => return Outcome::Missing,
        Some(place) if options.delete => return delete(store, place, undo),
        _ => {}
    }
    if let (Some(place), Some(false), Target::Key { field, .. }) =
        (existing, draft.matched_before, &draft.target)
        && schema.field(*field).unique
    {
        return Outcome::Failed(vec![taken(schema.field(*field), place)]);
    }
    if existing.is_some_and(|place| store.is_converted(schema, place)) {
        return Outcome::Failed(vec![Refusal::new(
            "CANNOT_UPDATE_CONVERTED_LEAD",
            "cannot reference converted lead",
        )]);
    }
    let refusals = check_against_store(store, schema, &draft, existing);
    if !refusals.is_empty() {
        return Outcome::Failed(refusals);
    }
    let mut values = draft.values;
    if let (Some(owner), Some(field)) = (options.owner, schema.standard("OwnerId")) {
        let at = values.partition_point(|(number, _)| *number < field);
        if values.get(at).is_some_and(|(number, _)| *number == field) {
            values.remove(at);
        }
        values.insert(at, (field, Value::Text(Cow::Borrowed(owner))));
    }
    match existing {
        Some(place) => {
            let before = store.update(place, &values, options.user, options.now_micros);
            if let Some(undo) = undo {
                undo.push((place, before));
            }
            Outcome::Updated(place)
        }
        None => {
            let place = store.insert(&values, options.user, options.now_micros);
            if let Some(undo) = undo {
                undo.push((place, None));
            }
            Outcome::Created(place)
        }
    }
}

fn delete(store: &mut LeadStore, place: u32, undo: Option<&mut Undo>) -> Outcome {
    let before = store.get(place).cloned();
    if !store.delete(place) {
        return Outcome::Failed(vec![is_deleted()]);
    }
    if let Some(undo) = undo {
        undo.push((place, before));
    }
    Outcome::Deleted(place)
}

/// Access, required fields and uniqueness: what depends on whether this is an insert.
fn check_against_store(
    store: &mut LeadStore,
    schema: &Schema,
    draft: &Draft<'_>,
    existing: Option<u32>,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let insert = existing.is_none();
    let forbidden: Vec<&str> = draft
        .values
        .iter()
        .map(|(number, _)| schema.field(*number))
        .filter(|field| {
            if insert {
                !field.createable
            } else {
                !field.updateable
            }
        })
        .map(|field| field.name.as_str())
        .collect();
    if !forbidden.is_empty() {
        let message = format!(
            "Unable to create/update fields: {}. Please check the security settings of this field and verify that it \
             is read/write for your profile or permission set.",
            forbidden.join(", ")
        );
        refusals.push(Refusal::record(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            message,
            &forbidden,
        ));
    }
    let given = |number: u16| {
        draft
            .values
            .binary_search_by_key(&number, |(n, _)| *n)
            .ok()
            .map(|at| &draft.values[at].1)
    };
    let missing: Vec<&str> = schema
        .fields()
        .filter(|(number, field)| match given(*number) {
            Some(value) => {
                value.is_null()
                    && !field.nillable
                    && (field.required() || !insert)
                    && field.updateable
            }
            None => insert && field.required(),
        })
        .map(|(_, field)| field.name.as_str())
        .collect();
    if !missing.is_empty() {
        let message = format!("Required fields are missing: [{}]", missing.join(", "));
        refusals.push(Refusal::record("REQUIRED_FIELD_MISSING", message, &missing));
    }
    for (number, value) in &draft.values {
        let field = schema.field(*number);
        if !field.unique {
            continue;
        }
        if let Some(key) = value.key_text()
            && let Some(other) = store
                .find(schema, *number, &key)
                .iter()
                .find(|place| Some(**place) != existing)
        {
            refusals.push(taken(field, *other));
        }
    }
    refusals
}

/// All copies of a key that appears twice are refused, whether its lead exists or not (facts 3.1).
fn refuse_repeated_keys(schema: &Schema, drafts: &mut [Draft<'_>]) {
    if drafts.len() < 2 {
        return;
    }
    let keys: Vec<Option<String>> = drafts
        .iter()
        .map(|draft| match draft.target {
            Target::Key { .. } => Some(draft.folded_key(schema).into_owned()),
            Target::Place(_) | Target::New => None,
        })
        .map(|key| key.filter(|key| !key.is_empty()))
        .collect();
    let mut counts = HashMap::with_capacity(keys.len());
    for key in keys.iter().flatten() {
        *counts.entry(key.as_str()).or_insert(0_u32) += 1;
    }
    if counts.values().all(|count| *count == 1) {
        return;
    }
    for (draft, key) in drafts.iter_mut().zip(&keys) {
        if let (Some(key), Target::Key { field, .. }) = (key, &draft.target)
            && counts.get(key.as_str()).is_some_and(|count| *count > 1)
        {
            let name = &schema.field(*field).name;
            let shown = draft.key();
            let message = format!("Duplicate external id specified: {shown}");
            let refusal = Refusal::record("DUPLICATE_VALUE", message, &[name]);
            draft.refuse(refusal);
        }
    }
}

/// Several leads carry the key of a record.
pub(crate) fn ambiguous(schema: &Schema, key: u16, places: &[u32]) -> Refusal {
    let field = schema.field(key);
    let ids: Vec<String> = places.iter().map(|place| id::lead(*place)).collect();
    let text = format!(
        "{}: more than one record found for external id field: [{}]",
        field.label,
        ids.join(", ")
    );
    Refusal::record("DUPLICATE_EXTERNAL_ID", text, &[&field.name])
}

fn taken(field: &Field, place: u32) -> Refusal {
    let name = &field.name;
    Refusal::new(
        "DUPLICATE_VALUE",
        format!(
            "duplicate value found: {name} duplicates value on record with id: {}",
            id::lead(place)
        ),
    )
}

fn is_deleted() -> Refusal {
    Refusal::new("ENTITY_IS_DELETED", "entity is deleted")
}

pub(super) fn rolled_back() -> Refusal {
    Refusal::new(
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "Record rolled back because not all records were valid and the request was using AllOrNone header",
    )
}
