//! A dead letter as it stands: the fields that would be sent, and for those that the mapping has
//! refused what the database holds.

use std::collections::BTreeMap;

use super::shown::{Eyes, visible};
use crate::core::mapping::Refused;
use crate::runtime::fields::RouteFields;
use crate::runtime::letters::sheet;
use crate::state::{LetterStory, RawJson, WaitingLetter};

#[derive(Debug, Default)]
pub struct Standing {
    /// By API name, refused values included; none of a field that nothing is known of.
    pub cells: BTreeMap<String, String>,
    /// Fields that are worked out and came to nothing that can be sent: of which columns.
    pub computed: BTreeMap<String, String>,
    /// Nobody could say what was refused: the mapping is not known yet.
    unknown: bool,
}

impl Standing {
    /// Of a letter in a list.
    #[must_use]
    pub fn waiting(letter: &WaitingLetter, fields: Option<&RouteFields>) -> Self {
        let payload = letter.payload.as_deref();
        Self::of(payload, letter.row.as_deref(), &letter.edited, fields)
    }

    /// Of the letter on its own page.
    #[must_use]
    pub fn told(story: &LetterStory, fields: Option<&RouteFields>) -> Self {
        let payload = story.payload.as_deref();
        Self::of(payload, story.row.as_deref(), &story.edited, fields)
    }

    fn of(
        payload: Option<&RawJson>,
        row: Option<&RawJson>,
        edited: &[String],
        fields: Option<&RouteFields>,
    ) -> Self {
        let mut standing = Self {
            cells: sheet::cells(payload.map_or("{}", RawJson::get)),
            ..Self::default()
        };
        let Some(row) = row else {
            return standing;
        };
        let Some(fields) = fields else {
            standing.unknown = true;
            return standing;
        };
        let is_edited = |name: &str| edited.iter().any(|it| it.eq_ignore_ascii_case(name));
        let refused = fields.refused(row.get(), |name| {
            standing.cells.contains_key(name) || is_edited(name)
        });
        for (name, refused) in refused {
            match refused {
                Refused::Text(text) => drop(standing.cells.insert(name, text)),
                Refused::ComputedFrom(columns) => {
                    standing.computed.insert(name, computed(&columns));
                }
            }
        }
        standing
    }

    /// Salesforce compares names without case.
    #[must_use]
    pub fn cell(&self, field: &str) -> &str {
        let mut cells = self.cells.iter();
        let found = cells.find(|(name, _)| name.eq_ignore_ascii_case(field));
        found.map_or("", |(_, value)| value)
    }

    /// Where there is no value to show: `(empty)`, or why there is none.
    #[must_use]
    pub fn instead(&self, field: &str) -> String {
        let mut computed = self.computed.iter();
        match computed.find(|(name, _)| name.eq_ignore_ascii_case(field)) {
            Some((_, from)) => format!("({from})"),
            None if self.unknown => "(shown once the service runs)".to_owned(),
            None => "(empty)".to_owned(),
        }
    }

    /// For a list: the value, or what is said in its place.
    #[must_use]
    pub fn shown(&self, field: &str, eyes: Eyes) -> String {
        match self.cell(field) {
            "" => self.instead(field),
            value => eyes.value(value),
        }
    }
}

/// Names of columns are the mapping's, and nobody's.
fn computed(columns: &[String]) -> String {
    match columns {
        [] => "computed".to_owned(),
        columns => format!("computed from {}", visible(&columns.join(", "))),
    }
}
