//! Duplicate rules: which leads are the same person, and what is said about it (facts 7.3).
//!
//! Only exact matches are known; Salesforce's own matching is fuzzy.
use serde_json::{Value as Json, json};

use super::{DuplicateAction, DuplicateKey, DuplicateRule};
use crate::org::Refusal;
use crate::schema::Schema;
use crate::value::Value;

/// An active duplicate rule.
#[derive(Debug)]
pub(crate) struct Duplicate {
    name: String,
    key: MatchKey,
    action: DuplicateAction,
    on_create: bool,
    on_update: bool,
    message: String,
    matching_rule: String,
    match_engine: String,
}

/// The fields in which two leads have to agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MatchKey {
    fields: Vec<u16>,
}

/// What the client says about duplicates, in `Sforce-Duplicate-Rule-Header` (facts 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DuplicateOptions {
    /// Rules that alert let the record pass.
    pub(crate) allow_save: bool,
    /// The matching leads are shown with their fields.
    pub(crate) include_record_details: bool,
    /// Changes nothing: this org has no sharing, so every user sees every lead.
    pub(crate) run_as_current_user: bool,
}

/// First version that knows the header (facts 8).
const HEADER_SINCE_VERSION: u32 = 52;

impl DuplicateOptions {
    /// Reads the header: `name=value` pairs separated by `;` or `,`, names and values in any case. What it does not
    /// know it passes over. `version` 0 stands for a caller that has none.
    pub(crate) fn parse(header: &str, version: u32) -> DuplicateOptions {
        let mut options = DuplicateOptions::default();
        if version > 0 && version < HEADER_SINCE_VERSION {
            return options;
        }
        for pair in header.split([';', ',']) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let flag = value.trim().eq_ignore_ascii_case("true");
            match name.trim().to_ascii_lowercase().as_str() {
                "allowsave" => options.allow_save = flag,
                "includerecorddetails" => options.include_record_details = flag,
                "runascurrentuser" => options.run_as_current_user = flag,
                _ => {}
            }
        }
        options
    }
}

impl MatchKey {
    /// The normalised values of a lead in one text; `None` when it lacks one.
    pub(crate) fn of<'v>(&self, value: impl Fn(u16) -> Value<'v>) -> Option<String> {
        let mut key = String::new();
        for field in &self.fields {
            let value = value(*field);
            for (i, word) in value.key_text()?.split_whitespace().enumerate() {
                if i > 0 {
                    key.push(' ');
                }
                key.extend(word.chars().flat_map(char::to_lowercase));
            }
            // In no value of a field twice in a row: a separator.
            key.push('\u{1f}');
        }
        Some(key)
    }

    pub(crate) fn fields(&self) -> &[u16] {
        &self.fields
    }
}

impl Duplicate {
    pub(crate) fn key(&self) -> &MatchKey {
        &self.key
    }

    /// Whether the rule has anything to say about such a write.
    pub(crate) fn applies(&self, is_new: bool, options: DuplicateOptions) -> bool {
        let on = if is_new {
            self.on_create
        } else {
            self.on_update
        };
        on && !(self.action == DuplicateAction::Alert && options.allow_save)
    }

    /// What a record is told that agrees with these leads.
    pub(crate) fn refusal(&self, spelling: DuplicateKey, records: Vec<Json>) -> Refusal {
        let matches: Vec<Json> = records
            .into_iter()
            .map(|record| {
                json!({
                    "additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0, "record": record,
                })
            })
            .collect();
        let size = matches.len();
        let result = json!({
            "allowSave": self.action == DuplicateAction::Alert,
            "duplicateRule": self.name,
            "duplicateRuleEntityType": "Lead",
            "errorMessage": self.message,
            "matchResults": [{
                "entityType": "Lead",
                "errors": [],
                "matchEngine": self.match_engine,
                "matchRecords": matches,
                "rule": self.matching_rule,
                "size": size,
                "success": true,
            }],
        });
        let key = match spelling {
            DuplicateKey::Misspelt => "duplicateResut",
            DuplicateKey::Right => "duplicateResult",
        };
        Refusal::new("DUPLICATES_DETECTED", self.message.clone()).with_details(key, result)
    }
}

/// The active rules; inactive ones are checked all the same.
pub(super) fn compile(
    rules: &[DuplicateRule],
    schema: &Schema,
    mistakes: &mut Vec<String>,
) -> Vec<Duplicate> {
    let mut compiled = Vec::new();
    for (i, rule) in rules.iter().enumerate() {
        let key = format!("duplicate_rules[{i}]");
        if rule.match_fields.is_empty() {
            mistakes.push(format!("{key}.match is empty"));
        }
        let mut fields = Vec::new();
        for name in &rule.match_fields {
            match schema.find(name) {
                Some(number) if schema.field(number).createable => fields.push(number),
                _ => mistakes.push(format!(
                    "{key}.match: Lead has no field `{name}` to be written"
                )),
            }
        }
        if rule.active {
            compiled.push(Duplicate {
                name: named(&rule.name, "Duplicate", i),
                key: MatchKey { fields },
                action: rule.action,
                on_create: rule.on_create,
                on_update: rule.on_update,
                message: rule.message.clone(),
                matching_rule: named(&rule.matching_rule, "Matching", i),
                match_engine: rule.match_engine.clone(),
            });
        }
    }
    compiled
}

/// A name, made up from the place in the list when none is given.
fn named(name: &str, kind: &str, place: usize) -> String {
    if name.is_empty() {
        format!("Lead_{kind}_Rule_{}", place + 1)
    } else {
        name.to_owned()
    }
}
