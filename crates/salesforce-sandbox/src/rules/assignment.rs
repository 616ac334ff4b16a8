//! Lead assignment rules: who owns a lead that was written (facts 0.4 and 8).
use super::{Expression, Sight, check_id, compile_condition};
use crate::config::OrgConfig;
use crate::org::{Refusal, id};
use crate::schema::Schema;

/// Key prefix of assignment rules.
const PREFIX: &str = "01Q";
/// Key prefixes of users and of queues.
const OWNERS: [&str; 2] = ["005", "00G"];

/// The assignment rules of an org.
#[derive(Debug, Default)]
pub(crate) struct Assignments {
    rules: Vec<Rule>,
    active: Option<usize>,
    /// Without rules of its own an org has one that gives everything to one owner; it goes by any id.
    by_any_id: bool,
}

#[derive(Debug)]
struct Rule {
    /// 18 characters.
    id: String,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    condition: Option<Expression>,
    owner: String,
}

/// A rule that shall run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Assignment<'r>(&'r Rule);

impl<'r> Assignment<'r> {
    /// The owner that the rule gives to a lead; none when no entry applies.
    pub(crate) fn owner(self, lead: &impl Sight) -> Option<&'r str> {
        let applies = |entry: &&Entry| entry.condition.as_ref().is_none_or(|c| c.holds(lead));
        let entry = self.0.entries.iter().find(applies)?;
        Some(&entry.owner)
    }
}

impl Assignments {
    pub(super) fn new(
        config: &OrgConfig,
        schema: &Schema,
        mistakes: &mut Vec<String>,
    ) -> Assignments {
        let default_owner = config.assignment_rule_owner.as_deref();
        if let Some(owner) = default_owner {
            check_id("assignment_rule_owner", owner, &OWNERS, mistakes);
        }
        let for_all = default_owner.map(|owner| Entry {
            condition: None,
            owner: id::eighteen(owner),
        });
        if config.assignment_rules.is_empty() {
            let rules: Vec<Rule> = for_all
                .map(|entry| Rule {
                    id: id::assignment_rule(0),
                    entries: vec![entry],
                })
                .into_iter()
                .collect();
            let active = (!rules.is_empty()).then_some(0);
            return Assignments {
                by_any_id: !rules.is_empty(),
                active,
                rules,
            };
        }
        let mut rules = Vec::new();
        for (i, rule) in config.assignment_rules.iter().enumerate() {
            let key = format!("assignment_rules[{i}]");
            if let Some(id) = &rule.id {
                check_id(&format!("{key}.id"), id, &[PREFIX], mistakes);
            }
            let mut entries = Vec::new();
            for (n, entry) in rule.entries.iter().enumerate() {
                let key = format!("{key}.entries[{n}]");
                check_id(&format!("{key}.owner"), &entry.owner, &OWNERS, mistakes);
                let condition = entry.condition.as_deref().and_then(|text| {
                    compile_condition(&format!("{key}.condition"), text, schema, mistakes)
                });
                entries.push(Entry {
                    condition,
                    owner: id::eighteen(&entry.owner),
                });
            }
            // The default lead owner gets what no entry applies to.
            if let Some(owner) = default_owner {
                entries.push(Entry {
                    condition: None,
                    owner: id::eighteen(owner),
                });
            }
            rules.push(Rule {
                id: rule
                    .id
                    .as_deref()
                    .map_or_else(|| id::assignment_rule(i), id::eighteen),
                entries,
            });
        }
        let mut active = config
            .assignment_rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.active);
        let first = active.next().map(|(i, _)| i);
        if active.next().is_some() {
            mistakes.push("assignment_rules: only one can be active".into());
        }
        Assignments {
            rules,
            active: first,
            by_any_id: false,
        }
    }

    /// The rule that the header `Sforce-Auto-Assign` asks for: the active one unless it says otherwise.
    pub(crate) fn for_header(
        &self,
        header: Option<&str>,
    ) -> Result<Option<Assignment<'_>>, Refusal> {
        match header.map(str::trim) {
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(None),
            Some(value) if !value.eq_ignore_ascii_case("true") => self.by_id(value).map(Some),
            _ => Ok(self
                .active
                .and_then(|at| self.rules.get(at))
                .map(Assignment)),
        }
    }

    /// The rule with this id, active or not.
    pub(crate) fn by_id(&self, text: &str) -> Result<Assignment<'_>, Refusal> {
        let wanted = Some(text)
            .filter(|text| text.starts_with(PREFIX) && id::is_well_formed(text))
            .map(id::eighteen);
        self.rules
            .iter()
            .find(|rule| {
                wanted
                    .as_ref()
                    .is_some_and(|id| self.by_any_id || rule.id == *id)
            })
            .map(Assignment)
            .ok_or_else(|| {
                Refusal::new(
                    "INVALID_ASSIGNMENT_RULE",
                    format!("invalid assignment rule: {text}"),
                )
            })
    }

    /// The ids that rules name as owners.
    pub(super) fn owners(config: &OrgConfig) -> impl Iterator<Item = &str> {
        let entries = config
            .assignment_rules
            .iter()
            .flat_map(|rule| &rule.entries);
        entries
            .map(|entry| entry.owner.as_str())
            .chain(config.assignment_rule_owner.as_deref())
    }
}
