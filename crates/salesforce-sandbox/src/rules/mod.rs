//! What an administrator has set up for leads: who may own them, what is refused, what happens by itself.
//!
//! Invariants: everything here is checked when the org starts, so nothing of it can fail while records are written;
//! it is pure: a rule looks at one lead through `Sight` and knows nothing of the store. When rules are asked, and in
//! which order, is decided where records are saved (`org::save`).
mod addresses;
mod assignment;
mod countries;
mod duplicate;
pub(crate) mod expression;
mod owners;
mod settings;
#[cfg(test)]
mod tests;
mod trigger;
mod validation;

pub(crate) use addresses::Addresses;
pub(crate) use assignment::{Assignment, Assignments};
pub(crate) use countries::built_in as built_in_countries;
pub(crate) use duplicate::{Duplicate, DuplicateOptions, MatchKey};
pub(crate) use expression::{Expression, Sight};
pub(crate) use owners::Owners;
pub use settings::{
    AssignmentEntry, AssignmentRule, Country, DuplicateAction, DuplicateKey, DuplicateRule, Owner,
    RecordType, State, Trigger, TriggerEvent, TriggerFailure, ValidationRule,
};
pub(crate) use trigger::{MAX_ATTEMPTS, TriggerRun, Triggers, too_many_retries};
pub(crate) use validation::Validation;

use crate::config::OrgConfig;
use crate::schema::Schema;

/// The rules of an org, ready to be asked.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) owners: Owners,
    /// State and country picklists, when they are switched on.
    pub(crate) addresses: Option<Addresses>,
    pub(crate) validations: Vec<Validation>,
    pub(crate) duplicates: Vec<Duplicate>,
    pub(crate) duplicate_key: DuplicateKey,
    pub(crate) assignments: Assignments,
    pub(crate) triggers: Triggers,
    /// Whether a lead that is not converted may not be given a status of converted ones.
    pub(crate) refuse_converted_status: bool,
    /// Whether audit fields may be set on insert.
    pub(crate) allow_audit_fields: bool,
}

impl Rules {
    /// Gives meaning to the configuration; the error lists every mistake in it.
    pub(crate) fn compile(config: &OrgConfig, schema: &Schema) -> Result<Rules, Vec<String>> {
        let mut mistakes = Vec::new();
        let rules = Rules {
            owners: Owners::new(config, &mut mistakes),
            addresses: Addresses::new(config, schema, &mut mistakes),
            validations: validation::compile(&config.validation_rules, schema, &mut mistakes),
            duplicates: duplicate::compile(&config.duplicate_rules, schema, &mut mistakes),
            duplicate_key: config.duplicate_result_key,
            assignments: Assignments::new(config, schema, &mut mistakes),
            triggers: Triggers::new(&config.triggers, schema, &mut mistakes),
            refuse_converted_status: config.refuse_converted_status,
            allow_audit_fields: config.allow_audit_fields,
        };
        check_record_types(config, &mut mistakes);
        if mistakes.is_empty() {
            Ok(rules)
        } else {
            Err(mistakes)
        }
    }

    /// Whether some rule has to look at whole records before they are stored.
    pub(crate) fn look_at_records(&self) -> bool {
        !self.validations.is_empty() || !self.duplicates.is_empty()
    }
}

fn check_record_types(config: &OrgConfig, mistakes: &mut Vec<String>) {
    let types = &config.record_types;
    for (i, record_type) in types.iter().enumerate() {
        if record_type.name.trim().is_empty() {
            mistakes.push(format!("record_types[{i}].name is empty"));
        }
        if let Some(id) = &record_type.id {
            check_id(&format!("record_types[{i}].id"), id, &["012"], mistakes);
        }
    }
    if types.iter().filter(|t| t.default).count() > 1 {
        mistakes.push("record_types: only one can be the default".into());
    }
    if config.record_types.is_empty() && !config.state_country_picklists {
        return;
    }
    for (i, field) in config.fields.iter().enumerate() {
        let optional = ["RecordTypeId", "StateCode", "CountryCode"];
        if optional
            .iter()
            .any(|name| field.name.eq_ignore_ascii_case(name))
        {
            mistakes.push(format!("fields[{i}].name `{}` is taken", field.name));
        }
    }
}

/// Notes an id that is none, or one of the wrong object.
fn check_id(key: &str, id: &str, prefixes: &[&str], mistakes: &mut Vec<String>) {
    let fits = prefixes.iter().any(|prefix| id.starts_with(prefix));
    // An id that is right but for its last three characters.
    let right = id
        .get(..15)
        .filter(|fifteen| fits && id.len() == 18 && crate::org::id::is_well_formed(fifteen));
    if let Some(fifteen) = right {
        let right = crate::org::id::eighteen(fifteen);
        if !right.eq_ignore_ascii_case(id) {
            mistakes.push(format!(
                "{key} `{id}` has a wrong checksum; with the right one it is {right}, 15 characters will do too"
            ));
        }
    } else if !fits || !crate::org::id::is_well_formed(id) {
        let prefixes = prefixes.join(" or ");
        mistakes.push(format!("{key} `{id}` is no id that begins with {prefixes}"));
    }
}

/// Compiles the condition of a rule; notes what is wrong with it.
fn compile_condition(
    key: &str,
    text: &str,
    schema: &Schema,
    mistakes: &mut Vec<String>,
) -> Option<Expression> {
    Expression::compile(text, schema)
        .map_err(|mistake| mistakes.push(format!("{key}: {mistake}")))
        .ok()
}
