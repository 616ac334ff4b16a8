//! Validation rules: the administrator's own reasons to refuse a record (facts 7.1).
use super::{Expression, Sight, ValidationRule, compile_condition};
use crate::org::Refusal;
use crate::schema::Schema;

/// An active validation rule.
#[derive(Debug)]
pub(crate) struct Validation {
    wrong: Expression,
    message: String,
    field: Option<String>,
}

impl Validation {
    /// Why the rule refuses this lead, if it does.
    pub(crate) fn refusal(&self, lead: &impl Sight) -> Option<Refusal> {
        let fields: Vec<&str> = self.field.as_deref().into_iter().collect();
        self.wrong.holds(lead).then(|| {
            Refusal::record(
                "FIELD_CUSTOM_VALIDATION_EXCEPTION",
                self.message.clone(),
                &fields,
            )
        })
    }
}

/// The active rules; inactive ones are checked all the same.
pub(super) fn compile(
    rules: &[ValidationRule],
    schema: &Schema,
    mistakes: &mut Vec<String>,
) -> Vec<Validation> {
    let mut compiled = Vec::new();
    for (i, rule) in rules.iter().enumerate() {
        let key = format!("validation_rules[{i}]");
        if rule.message.trim().is_empty() {
            mistakes.push(format!("{key}.message is empty"));
        }
        let field = match rule.field.as_deref().map(|name| (name, schema.find(name))) {
            Some((name, None)) => {
                mistakes.push(format!("{key}.field: Lead has no field `{name}`"));
                None
            }
            Some((_, Some(number))) => Some(schema.field(number).name.clone()),
            None => None,
        };
        let wrong = compile_condition(
            &format!("{key}.condition"),
            &rule.condition,
            schema,
            mistakes,
        );
        if let (true, Some(wrong)) = (rule.active, wrong) {
            compiled.push(Validation {
                wrong,
                message: rule.message.clone(),
                field,
            });
        }
    }
    compiled
}
