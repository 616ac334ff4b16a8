//! What an administrator can set up for leads, as it stands in the configuration.
//!
//! Plain data: [`super::Rules::compile`] checks it and gives it meaning. Conditions are written in the language of
//! [`super::expression`].
use serde::Deserialize;

/// A validation rule: records for which `condition` holds are refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValidationRule {
    pub name: String,
    pub active: bool,
    /// Says what is wrong, not what is right.
    pub condition: String,
    /// Shown to clients.
    pub message: String,
    /// The field at fault, if one is.
    pub field: Option<String>,
}

impl Default for ValidationRule {
    fn default() -> Self {
        ValidationRule {
            name: String::new(),
            active: true,
            condition: String::new(),
            message: String::new(),
            field: None,
        }
    }
}

/// A duplicate rule: records that agree with another lead in all of these fields are refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DuplicateRule {
    /// Made up from its place in the list when empty.
    pub name: String,
    pub active: bool,
    /// Compared without regard to case and to runs of blanks; a lead that lacks one of them has no duplicates.
    #[serde(rename = "match")]
    pub match_fields: Vec<String>,
    pub action: DuplicateAction,
    pub on_create: bool,
    /// Updates are looked at only if they change one of the fields.
    pub on_update: bool,
    pub message: String,
    /// Name of the matching rule, as clients are told it; made up from its place in the list when empty.
    pub matching_rule: String,
    /// What clients are told to have compared the records; it changes nothing in how they are compared.
    pub match_engine: String,
}

impl Default for DuplicateRule {
    fn default() -> Self {
        DuplicateRule {
            name: String::new(),
            active: true,
            match_fields: Vec::new(),
            action: DuplicateAction::default(),
            on_create: true,
            on_update: true,
            message: "Use one of these records?".into(),
            matching_rule: String::new(),
            // As recorded (facts 7.3).
            match_engine: "FuzzyMatchEngine".into(),
        }
    }
}

/// What a duplicate rule does about a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateAction {
    /// Refuses, unless the client says `allowSave=true`.
    #[default]
    Alert,
    /// Refuses.
    Block,
}

/// How the key of the details of a `DUPLICATES_DETECTED` is spelt: releases differ (facts 7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum DuplicateKey {
    #[default]
    #[serde(rename = "duplicateResut")]
    Misspelt,
    #[serde(rename = "duplicateResult")]
    Right,
}

/// A lead assignment rule: its first entry that applies gives the owner.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AssignmentRule {
    /// 15 or 18 characters, beginning with 01Q; made up from its place in the list when absent.
    pub id: Option<String>,
    pub name: String,
    /// Runs for clients that name no rule. At most one rule is.
    pub active: bool,
    pub entries: Vec<AssignmentEntry>,
}

/// One line of an assignment rule.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AssignmentEntry {
    /// Always when absent.
    pub condition: Option<String>,
    /// Id of a user or of a queue.
    pub owner: String,
}

/// An Apex trigger, as far as clients notice it.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trigger {
    pub name: String,
    pub active: bool,
    pub on: Vec<TriggerEvent>,
    /// Records that it fails; none when absent.
    pub fails_when: Option<String>,
    /// The exception, or the text of the error.
    pub message: String,
    pub failure: TriggerFailure,
    /// It fails nothing before that attempt at saving, of three.
    pub from_attempt: u8,
}

impl Default for Trigger {
    fn default() -> Self {
        Trigger {
            name: "LeadTrigger".into(),
            active: true,
            on: vec![TriggerEvent::BeforeInsert, TriggerEvent::BeforeUpdate],
            fails_when: None,
            message: "System.NullPointerException: Attempt to de-reference a null object".into(),
            failure: TriggerFailure::default(),
            from_attempt: 1,
        }
    }
}

/// When a trigger runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerEvent {
    BeforeInsert,
    BeforeUpdate,
    AfterInsert,
    AfterUpdate,
}

impl TriggerEvent {
    /// As exceptions name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TriggerEvent::BeforeInsert => "BeforeInsert",
            TriggerEvent::BeforeUpdate => "BeforeUpdate",
            TriggerEvent::AfterInsert => "AfterInsert",
            TriggerEvent::AfterUpdate => "AfterUpdate",
        }
    }
}

/// How a trigger fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerFailure {
    /// An exception told for the one record.
    #[default]
    Record,
    /// An exception that nobody catches: every record of the run fails.
    Chunk,
    /// `addError` on the record: looks like a validation rule.
    AddError,
    /// It is a record-triggered flow, and fails.
    Flow,
}

/// Somebody who may own leads: a user who never logs in, or a queue.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Owner {
    /// 15 or 18 characters, beginning with 005 (user) or 00G (queue).
    pub id: String,
    pub active: bool,
}

impl Default for Owner {
    fn default() -> Self {
        Owner {
            id: String::new(),
            active: true,
        }
    }
}

/// A record type of Lead.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordType {
    /// 15 or 18 characters, beginning with 012; made up from its place in the list when absent.
    pub id: Option<String>,
    pub name: String,
    /// The name without what a developer name may not hold, when absent.
    pub developer_name: Option<String>,
    /// Whether the integration user may give it to leads.
    pub active: bool,
    /// Given to leads that name none. At most one record type is.
    pub default: bool,
}

impl Default for RecordType {
    fn default() -> Self {
        RecordType {
            id: None,
            name: String::new(),
            developer_name: None,
            active: true,
            default: false,
        }
    }
}

/// A country of the state and country picklists.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Country {
    /// ISO 3166, two letters.
    pub code: String,
    pub name: String,
    pub states: Vec<State>,
}

/// A state of a country.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    pub code: String,
    pub name: String,
}
