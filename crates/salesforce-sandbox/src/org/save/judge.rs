//! The steps before a record is stored: what it is meant for, and whether it may be written as it is.
use serde_json::{Value as Json, json};

use super::{Outcome, Save, Verdict};
use crate::org::draft::{Draft, Target};
use crate::org::implied::implied;
use crate::org::{Refusal, id};
use crate::rules::{Duplicate, Sight};
use crate::schema::{Field, FieldType as T};
use crate::value::Value;

/// Leads that are listed when a key or a duplicate rule matches several.
const MAX_LISTED: usize = 200;
/// The version that links to records name when the client's is not known.
const NEWEST_VERSION: u32 = 67;
const SHOWN_OF_DUPLICATES: [&str; 8] = [
    "FirstName",
    "LastName",
    "Title",
    "Company",
    "Phone",
    "Email",
    "Status",
    "OwnerId",
];
/// Statuses of leads that were converted (facts 9.1).
const CONVERTED_STATUSES: [&str; 1] = ["Closed - Converted"];

impl<'s> Save<'s> {
    /// Steps 1 to 5: what can be said of the record by itself and of the lead that it is meant for.
    pub(super) fn judge(&mut self, draft: &mut Draft<'s>) -> Result<Verdict, Outcome> {
        if !draft.refusals.is_empty() {
            return Err(Outcome::Failed(std::mem::take(&mut draft.refusals)));
        }
        let existing = self.find(draft)?;
        if let Some(place) = existing {
            self.check_precondition(place)?;
            self.check_locks(place)?;
        }
        let verdict = match existing {
            None if self.options.update_only || self.options.delete => {
                return Err(Outcome::Missing);
            }
            Some(place) if self.options.delete => return Ok(Verdict::Delete(place)),
            Some(place) => Verdict::Update(place),
            None => Verdict::Insert,
        };
        let mut refusals = Vec::new();
        self.check_access(draft, existing.is_none(), &mut refusals);
        self.check_required(draft, existing.is_none(), &mut refusals);
        self.check_status(draft, existing, &mut refusals);
        self.check_coordinates(draft, existing, &mut refusals);
        self.settle_addresses(draft, existing, &mut refusals);
        if refusals.is_empty() {
            Ok(verdict)
        } else {
            Err(Outcome::Failed(refusals))
        }
    }

    /// Step 2: the lead that the record is meant for; none for a new one.
    fn find(&mut self, draft: &Draft<'_>) -> Result<Option<u32>, Outcome> {
        let (field, value) = match &draft.target {
            Target::New => return Ok(None),
            Target::Place(place) if self.store.get(*place).is_some() => return Ok(Some(*place)),
            Target::Place(place) if self.store.is_in_bin(*place) => {
                return Err(failed(Refusal::deleted()));
            }
            Target::Place(_) => return Err(Outcome::Missing),
            Target::Key { field, value } => (*field, value),
        };
        let key = value.key_text().unwrap_or_default();
        let place = match self.store.find(self.schema, field, &key) {
            [] => return Ok(None),
            [place] => *place,
            many => {
                let listed = many.iter().take(MAX_LISTED).copied();
                return Err(Outcome::Ambiguous(listed.collect()));
            }
        };
        let key_field = self.schema.field(field);
        match draft.matched_before {
            // Somebody else inserted it since: the row was not there when this call looked (facts 10).
            Some(false) if key_field.unique => Err(failed(taken(key_field, place))),
            Some(false) => Ok(None),
            _ => Ok(Some(place)),
        }
    }

    /// What the client's headers ask of the lead.
    fn check_precondition(&self, place: u32) -> Result<(), Outcome> {
        let modified = self.store.get(place).map_or(0, |lead| lead.modified_micros);
        match self.options.unmodified_since {
            Some(until) if modified.div_euclid(1_000_000) > until => {
                Err(failed(Refusal::precondition()))
            }
            _ => Ok(()),
        }
    }

    /// Step 3.
    fn check_locks(&mut self, place: u32) -> Result<(), Outcome> {
        let locks = &mut self.store.locks;
        if !locks.are_none()
            && let Some(refusal) = locks.refusal(place, self.options.ticket)
        {
            return Err(failed(refusal));
        }
        let is_converted = self.store.get(place).is_some_and(|lead| lead.converted);
        if is_converted && !self.options.delete {
            return Err(failed(Refusal::converted()));
        }
        Ok(())
    }

    /// Step 4, and references on the way, for they are looked at one by one too.
    fn check_access(&self, draft: &Draft<'_>, is_new: bool, refusals: &mut Vec<Refusal>) {
        let mut forbidden: Vec<&str> = Vec::new();
        for (number, value) in &draft.values {
            let field = self.schema.field(*number);
            let allowed = if is_new {
                field.createable
            } else {
                field.updateable
            };
            if !allowed {
                forbidden.push(&field.name);
            } else if field.kind == T::Reference
                && let Value::Text(text) = value
                && let Err(refusal) = self.check_reference(field, *number, text)
            {
                refusals.push(refusal);
            }
        }
        if forbidden.is_empty() {
            return;
        }
        let message = format!(
            "Unable to create/update fields: {}. Please check the security settings of this field and verify that it \
             is read/write for your profile or permission set.",
            forbidden.join(", ")
        );
        refusals.insert(
            0,
            Refusal::record("INVALID_FIELD_FOR_INSERT_UPDATE", message, &forbidden),
        );
    }

    /// Whether the record exists that a reference points to; its prefix has been looked at.
    fn check_reference(&self, field: &Field, number: u16, text: &str) -> Result<(), Refusal> {
        let known = self.schema.known();
        let at = Some(number);
        if at == known.owner {
            return self.rules.owners.check(text);
        }
        if at == known.record_type {
            let types = self.schema.record_types();
            let usable = types.iter().any(|t| t.active && t.id == text);
            if usable || text == id::MASTER_RECORD_TYPE {
                return Ok(());
            }
            let message = format!(
                "{}: this ID value isn't valid for the user: {text}",
                field.label
            );
            return Err(Refusal::record(
                "INVALID_CROSS_REFERENCE_KEY",
                message,
                &[&field.name],
            ));
        }
        let exists = if at == known.created_by || at == known.last_modified_by {
            self.rules.owners.is_user(text)
        } else {
            // Of the other objects this org has no records; what a custom field points to is not known.
            field.reference_to.is_empty()
        };
        if exists {
            Ok(())
        } else {
            Err(Refusal::unknown_id())
        }
    }

    /// Fields that need a value: on insert those without a default, on update those that cannot be emptied.
    fn check_required(&self, draft: &Draft<'_>, is_new: bool, refusals: &mut Vec<Refusal>) {
        let is_empty = |number: u16| draft.value(number).is_none_or(Value::is_null);
        let missing: Vec<&str> = if is_new {
            let required = self.schema.required().iter();
            required
                .filter(|number| is_empty(**number))
                .map(|number| self.schema.field(*number).name.as_str())
                .collect()
        } else {
            let emptied = draft.values.iter().filter(|(_, value)| value.is_null());
            emptied
                .map(|(number, _)| (*number, self.schema.field(*number)))
                .filter(|(_, field)| !field.nillable && field.updateable)
                .filter(|(number, _)| Some(*number) != self.schema.known().owner)
                .map(|(_, field)| field.name.as_str())
                .collect()
        };
        if !missing.is_empty() {
            let message = format!("Required fields are missing: [{}]", missing.join(", "));
            refusals.push(Refusal::record("REQUIRED_FIELD_MISSING", message, &missing));
        }
        let owner = self.schema.known().owner.filter(|_| !is_new);
        if owner.is_some_and(|owner| draft.value(owner).is_some_and(Value::is_null)) {
            let text = "Owner ID: owner cannot be blank";
            refusals.push(Refusal::record(
                "INVALID_CROSS_REFERENCE_KEY",
                text,
                &["OwnerId"],
            ));
        }
    }

    /// A status of converted leads converts nothing (facts 9.1); where the org says so, it is refused (inference).
    fn check_status(&self, draft: &Draft<'_>, existing: Option<u32>, refusals: &mut Vec<Refusal>) {
        if !self.rules.refuse_converted_status {
            return;
        }
        let known = self.schema.known();
        let Some(Value::Text(status)) = known.status.and_then(|status| draft.value(status)) else {
            return;
        };
        let is_true = |field: u16| draft.value(field) == Some(&Value::Boolean(true));
        let is_converted = existing.is_none() && known.is_converted.is_some_and(is_true);
        if !is_converted && CONVERTED_STATUSES.contains(&status.as_ref()) {
            let message = format!("invalid status: {status}");
            refusals.push(Refusal::record("INVALID_STATUS", message, &["Status"]));
        }
    }

    /// Latitude and longitude come together or not at all.
    fn check_coordinates(
        &self,
        draft: &Draft<'_>,
        existing: Option<u32>,
        refusals: &mut Vec<Refusal>,
    ) {
        let known = self.schema.known();
        let (Some(latitude), Some(longitude)) = (known.latitude, known.longitude) else {
            return;
        };
        if draft.value(latitude).is_none() && draft.value(longitude).is_none() {
            return;
        }
        let before = existing.and_then(|place| self.store.get(place));
        let view = self.view(draft, before);
        let missing = match (view.value(latitude), view.value(longitude)) {
            (Value::Null, Value::Number(_)) => latitude,
            (Value::Number(_), Value::Null) => longitude,
            _ => return,
        };
        let field = self.schema.field(missing);
        let message = format!("{0} value is missing : {0}", field.label);
        refusals.push(Refusal::record(
            "FIELD_INTEGRITY_EXCEPTION",
            message,
            &[&field.name],
        ));
    }

    /// States and countries, where they have to be on a list.
    fn settle_addresses(
        &self,
        draft: &mut Draft<'s>,
        existing: Option<u32>,
        refusals: &mut Vec<Refusal>,
    ) {
        let Some(addresses) = &self.rules.addresses else {
            return;
        };
        let before = existing.and_then(|place| self.store.get(place));
        let view = self.view(draft, before);
        match addresses.settle(self.schema, &view, |field| view.given(field)) {
            Ok(settled) => {
                for (field, value) in settled {
                    draft.set(field, value);
                }
            }
            Err(refusal) => refusals.push(refusal),
        }
    }

    /// Step 7. Records of the same call are not held against each other: none of them is stored yet.
    pub(super) fn apply_rules(&self, draft: &Draft<'s>, verdict: &mut Verdict) {
        let place = match verdict {
            Verdict::Insert => None,
            Verdict::Update(place) => Some(*place),
            _ => return,
        };
        let before = place.and_then(|place| self.store.get(place));
        let view = self.view(draft, before);
        let rules = self.rules.validations.iter();
        let refusals: Vec<Refusal> = rules.filter_map(|rule| rule.refusal(&view)).collect();
        if !refusals.is_empty() {
            *verdict = Verdict::refused(refusals);
            return;
        }
        for (number, rule) in self.rules.duplicates.iter().enumerate() {
            if !rule.applies(place.is_none(), self.options.duplicates) {
                continue;
            }
            let Some(key) = rule.key().of(|field| view.value(field)) else {
                continue;
            };
            let prior = |field| view.prior(field).unwrap_or(Value::Null);
            if place.is_some() && rule.key().of(prior).as_ref() == Some(&key) {
                continue;
            }
            let others = self.store.find_duplicates(number, &key).iter().copied();
            let others: Vec<u32> = others
                .filter(|other| Some(*other) != place)
                .take(MAX_LISTED)
                .collect();
            if !others.is_empty() {
                *verdict = Verdict::refused(vec![self.duplicates(rule, &others)]);
                return;
            }
        }
    }

    fn duplicates(&self, rule: &Duplicate, places: &[u32]) -> Refusal {
        // Records of collections are not told the details (facts 7.3).
        let told = if self.single { places } else { &[] };
        let records = told.iter().map(|place| self.duplicate(rule, *place));
        rule.refusal(self.rules.duplicate_key, records.collect())
    }

    /// A matching lead as clients see it: by its id, or with the fields that tell it from others (inference).
    fn duplicate(&self, rule: &Duplicate, place: u32) -> Json {
        let version = match self.options.version {
            0 => NEWEST_VERSION,
            version => version,
        };
        let id = id::lead(place);
        let url = format!("/services/data/v{version}.0/sobjects/Lead/{id}");
        let mut record = json!({ "attributes": { "type": "Lead", "url": url }, "Id": id });
        let lead = self.store.get(place);
        if let Some(lead) = lead.filter(|_| self.options.duplicates.include_record_details) {
            let named = SHOWN_OF_DUPLICATES
                .iter()
                .filter_map(|name| self.schema.standard(name));
            for number in named.chain(rule.key().fields().iter().copied()) {
                let value = lead
                    .value(number)
                    .unwrap_or_else(|| implied(self.schema, number, Some(lead), self.options.user));
                record[&self.schema.field(number).name] = value.to_json();
            }
        }
        record
    }
}

fn failed(refusal: Refusal) -> Outcome {
    Outcome::Failed(vec![refusal])
}

/// A unique value that another lead has (facts 7.1).
pub(in crate::org) fn taken(field: &Field, place: u32) -> Refusal {
    let name = &field.name;
    Refusal::new(
        "DUPLICATE_VALUE",
        format!(
            "duplicate value found: {name} duplicates value on record with id: {}",
            id::lead(place)
        ),
    )
}
