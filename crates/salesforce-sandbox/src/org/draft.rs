//! One record on its way into the org: which lead it is meant for, what it says, why it is refused already.
use std::borrow::Cow;

use super::index::fold;
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
    pub(super) target: Target<'a>,
    /// Sorted by field number; holds the key too.
    pub(super) values: Vec<(u16, Value<'a>)>,
    pub(super) refusals: Vec<Refusal>,
    /// Set when the match was looked up before a wait: whether there was a match then.
    pub(super) matched_before: Option<bool>,
}

impl<'a> Draft<'a> {
    /// Normalises and validates everything that can be judged without looking at the leads.
    pub(crate) fn new(
        schema: &Schema,
        target: Target<'a>,
        mut values: Vec<(u16, Value<'a>)>,
    ) -> Draft<'a> {
        let mut refusals = Vec::new();
        let target = match target {
            Target::Key { field, value } => Target::Key {
                field,
                value: validate::normalise(value),
            },
            other => other,
        };
        for (_, value) in &mut values {
            *value = validate::normalise(std::mem::replace(value, Value::Null));
        }
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
        for (number, value) in &mut values {
            let field = schema.field(*number);
            match check(schema, *number, field, value) {
                Ok(()) => {
                    let checked = std::mem::replace(value, Value::Null);
                    *value = validate::canonical(field, checked);
                }
                Err(refusal) => refusals.push(refusal),
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

    /// Refuses the record for reasons from outside, which replace any of its own.
    pub(crate) fn refuse(&mut self, refusals: Vec<Refusal>) {
        self.refusals = refusals;
    }

    /// The lead that it would change, as far as it can be told now.
    pub(crate) fn lead_id(&self, store: &mut LeadStore, schema: &Schema) -> Option<String> {
        match &self.target {
            Target::Key { field, value } => {
                let key = value.key_text()?;
                store
                    .find(schema, *field, &key)
                    .first()
                    .map(|place| id::lead(*place))
            }
            Target::Place(place) => Some(id::lead(*place)),
            Target::New => None,
        }
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
                fold(schema.field(*field).keys_mind_case(), key)
            }
            (_, key) => key,
        }
    }

    /// The one lead that the record is meant for, if there is exactly one and the record is not refused anyway.
    pub(crate) fn place(&self, store: &mut LeadStore, schema: &Schema) -> Option<u32> {
        if !self.refusals.is_empty() {
            return None;
        }
        match &self.target {
            Target::New => None,
            Target::Place(place) => store.get(*place).map(|_| *place),
            Target::Key { field, value } => match store.find(schema, *field, &value.key_text()?) {
                [place] => Some(*place),
                _ => None,
            },
        }
    }

    /// What the record says of a field.
    pub(super) fn value(&self, field: u16) -> Option<&Value<'a>> {
        let at = self
            .values
            .binary_search_by_key(&field, |(number, _)| *number);
        at.ok().map(|at| &self.values[at].1)
    }

    /// Says something of a field, whatever the record said of it.
    pub(super) fn set(&mut self, field: u16, value: Value<'a>) {
        match self
            .values
            .binary_search_by_key(&field, |(number, _)| *number)
        {
            Ok(at) => self.values[at].1 = value,
            Err(at) => self.values.insert(at, (field, value)),
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

/// Holds a value against its field, and coordinates against the globe.
fn check(schema: &Schema, number: u16, field: &Field, value: &Value<'_>) -> Result<(), Refusal> {
    validate::check(field, value)?;
    let known = schema.known();
    let most = match Some(number) {
        at if at == known.latitude => 90.0,
        at if at == known.longitude => 180.0,
        _ => return Ok(()),
    };
    match value {
        Value::Number(degrees) if degrees.abs() > most => {
            Err(validate::outside_range(field, &degrees.to_string()))
        }
        _ => Ok(()),
    }
}
