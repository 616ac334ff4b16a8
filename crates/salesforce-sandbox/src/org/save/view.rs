//! A lead as it will be after a write, for the rules that look at it.
use crate::org::implied::implied;
use crate::org::leads::Lead;
use crate::rules::Sight;
use crate::schema::Schema;
use crate::value::Value;

/// What a write makes of a lead.
pub(super) struct View<'v> {
    pub(super) schema: &'v Schema,
    /// None for a new lead.
    pub(super) before: Option<&'v Lead>,
    /// What the write says, sorted by field number.
    pub(super) values: &'v [(u16, Value<'v>)],
    /// Number of the user who writes.
    pub(super) user: u16,
}

impl View<'_> {
    /// What the write says of a field.
    pub(super) fn given(&self, field: u16) -> Option<Value<'_>> {
        let at = self
            .values
            .binary_search_by_key(&field, |(number, _)| *number);
        at.ok().map(|at| self.values[at].1.as_borrowed())
    }
}

impl Sight for View<'_> {
    fn value(&self, field: u16) -> Value<'_> {
        let implied = || implied(self.schema, field, self.before, self.user);
        match self.given(field) {
            Some(Value::Null) => implied(),
            Some(value) => value,
            None => self
                .before
                .and_then(|lead| lead.value(field))
                .unwrap_or_else(implied),
        }
    }

    fn prior(&self, field: u16) -> Option<Value<'_>> {
        let lead = self.before?;
        let implied = || implied(self.schema, field, Some(lead), self.user);
        Some(lead.value(field).unwrap_or_else(implied))
    }

    fn is_new(&self) -> bool {
        self.before.is_none()
    }
}
