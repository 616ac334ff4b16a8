//! The steps as a record is stored: uniqueness, storage, assignment, and what is written in the end.
use std::borrow::Cow;

use super::judge::taken;
use super::{Outcome, Save, Verdict};
use crate::org::Refusal;
use crate::org::draft::{Draft, Target};
use crate::value::Value;

/// What the fields of a record become.
type Values<'v> = Cow<'v, [(u16, Value<'v>)]>;

impl<'s> Save<'s> {
    /// Steps 8 and 10; a record that was accepted so far may still fail.
    pub(super) fn keep(&mut self, draft: &Draft<'s>, verdict: &Verdict) -> Outcome {
        let existing = match verdict {
            Verdict::Insert => None,
            Verdict::Update(place) => Some(*place),
            Verdict::Delete(place) => return self.delete(*place),
            Verdict::Pending | Verdict::Done(_) => return Outcome::Missing,
        };
        let refusals = self.check_unique(draft, existing);
        if !refusals.is_empty() {
            return Outcome::Failed(refusals);
        }
        if existing.is_none() && self.store.is_full() {
            let refusal = Refusal::new("STORAGE_LIMIT_EXCEEDED", "storage limit exceeded");
            return Outcome::Failed(vec![refusal]);
        }
        let values = match self.assign(draft, existing) {
            Ok(values) => values,
            Err(refusal) => return Outcome::Failed(vec![refusal]),
        };
        match existing {
            Some(place) => self.update(place, values),
            None => self.insert(values),
        }
    }

    /// Unique values that other leads have. The key that the record was matched by is not among them.
    fn check_unique(&mut self, draft: &Draft<'_>, existing: Option<u32>) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let matched_by = match &draft.target {
            Target::Key { field, .. } => Some(*field),
            Target::Place(_) | Target::New => None,
        };
        for number in self.schema.unique() {
            if Some(*number) == matched_by {
                continue;
            }
            let Some(key) = draft.value(*number).and_then(Value::key_text) else {
                continue;
            };
            let found = self.store.find(self.schema, *number, &key);
            if let Some(other) = found.iter().find(|place| Some(**place) != existing) {
                refusals.push(taken(self.schema.field(*number), *other));
            }
        }
        refusals
    }

    /// The values to be written, with the owner that the assignment rule gives.
    fn assign<'v>(&self, draft: &'v Draft<'s>, existing: Option<u32>) -> Result<Values<'v>, Refusal>
    where
        's: 'v,
    {
        let (Some(assignment), Some(field)) = (self.options.assignment, self.schema.known().owner)
        else {
            return Ok(Cow::Borrowed(&draft.values));
        };
        let before = existing.and_then(|place| self.store.get(place));
        let Some(owner) = assignment.owner(&self.view(draft, before)) else {
            return Ok(Cow::Borrowed(&draft.values));
        };
        self.rules.owners.check(owner)?;
        let mut values: Vec<(u16, Value<'v>)> = Vec::with_capacity(draft.values.len() + 1);
        let kept = draft.values.iter().filter(|(number, _)| *number != field);
        values.extend(kept.map(|(number, value)| (*number, value.as_borrowed())));
        let at = values.partition_point(|(number, _)| *number < field);
        values.insert(at, (field, Value::Text(Cow::Borrowed(owner))));
        Ok(Cow::Owned(values))
    }

    fn insert(&mut self, mut values: Values<'_>) -> Outcome {
        let mut created = None;
        if self.rules.allow_audit_fields {
            created = Some(self.take_creation(&mut values));
        }
        let place = self.store.insert(&values, self.options.stamp());
        if let Some((micros, user)) = created {
            self.store.set_created(place, micros, user);
        }
        if let Some(undo) = self.undo.as_deref_mut() {
            undo.push((place, None));
        }
        Outcome::Created(place)
    }

    fn update(&mut self, place: u32, mut values: Values<'_>) -> Outcome {
        if self.rules.allow_audit_fields {
            // What was said of the last modification when the lead was created no longer holds.
            let known = self.schema.known();
            for field in [known.last_modified_date, known.last_modified_by]
                .into_iter()
                .flatten()
            {
                let at = values.partition_point(|(number, _)| *number < field);
                values.to_mut().insert(at, (field, Value::Null));
            }
        }
        let stamp = self.options.stamp();
        let Some(before) = self.store.update(place, &values, stamp) else {
            return Outcome::Failed(vec![Refusal::deleted()]);
        };
        if let Some(undo) = self.undo.as_deref_mut() {
            undo.push((place, Some(before)));
        }
        Outcome::Updated(place)
    }

    fn delete(&mut self, place: u32) -> Outcome {
        let deleted = if self.options.hard_delete {
            self.store.delete_for_good(place)
        } else {
            self.store.delete(place, self.options.stamp())
        };
        let Some(before) = deleted else {
            return Outcome::Failed(vec![Refusal::deleted()]);
        };
        if let Some(undo) = self.undo.as_deref_mut() {
            undo.push((place, Some(before)));
        }
        Outcome::Deleted(place)
    }

    /// Takes the moment and the user of the creation out of a record that is allowed to name them.
    fn take_creation(&self, values: &mut Values<'_>) -> (Option<i64>, Option<u16>) {
        let known = self.schema.known();
        let mut micros = None;
        let mut user = None;
        let is_creation =
            |number: u16| Some(number) == known.created_date || Some(number) == known.created_by;
        if !values.iter().any(|(number, _)| is_creation(*number)) {
            return (None, None);
        }
        values.to_mut().retain(|(number, value)| match value {
            Value::DateTime(millis) if Some(*number) == known.created_date => {
                micros = Some(millis.saturating_mul(1000));
                false
            }
            // Whoever has no number is kept by name.
            Value::Text(id) if Some(*number) == known.created_by => {
                user = self.rules.owners.user_number(id);
                user.is_none()
            }
            _ => true,
        });
        (micros, user)
    }
}
