//! What a form or an address gives: names with values, as they come.

use super::shown;
use crate::operator::console::causes::{Cause, cause};
use crate::state::{DeadLetterFilter, LetterGroup};

/// Pairs in the order in which they were given.
#[derive(Clone, Debug, Default)]
pub struct Given(pub Vec<(String, String)>);

impl Given {
    /// The last value of this name: a checkbox stands behind the hidden field that says no.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.trim().parse().ok()
    }

    /// The name of the order that the form stands for; one of its own when it has none.
    #[must_use]
    pub fn order(&self) -> String {
        let given = self.text("order");
        if given.len() == 32 && given.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            given.to_owned()
        } else {
            new_order()
        }
    }

    pub fn all<'g>(&'g self, name: &str) -> impl Iterator<Item = &'g str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }
}

/// A name for an order that a page is about to offer: given twice, it is carried out once.
#[must_use]
pub fn new_order() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Dead letters that were refused alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    pub route: String,
    pub class: String,
    pub code: String,
    /// The first field objected to; empty when none was named.
    pub field: String,
}

impl From<&Given> for Group {
    fn from(given: &Given) -> Self {
        let text = |name| given.text(name).to_owned();
        Self {
            route: text("route"),
            class: text("class"),
            code: text("code"),
            field: text("field"),
        }
    }
}

impl From<&LetterGroup> for Group {
    fn from(group: &LetterGroup) -> Self {
        Self {
            route: group.route.clone(),
            class: group.class.clone(),
            code: group.code.clone(),
            field: group.field.clone(),
        }
    }
}

impl Group {
    #[must_use]
    pub fn filter(&self) -> DeadLetterFilter {
        DeadLetterFilter {
            route: Some(self.route.clone()),
            class: Some(self.class.clone()),
            code: Some(self.code.clone()),
            first_field: Some(self.field.clone()),
            ..DeadLetterFilter::default()
        }
    }

    /// What its forms carry along, and its addresses.
    #[must_use]
    pub fn pairs(&self) -> [(&'static str, &str); 4] {
        [
            ("route", &self.route),
            ("class", &self.class),
            ("code", &self.code),
            ("field", &self.field),
        ]
    }

    /// `/attention/group?route=…`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("/attention/group?{}", shown::query(&self.pairs()))
    }

    #[must_use]
    pub fn cause(&self) -> Cause {
        cause(&self.class, &self.code, &self.field)
    }
}
