//! Parameters of paths and queries: what an endpoint takes, and that what was sent is that.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::operator::problem::Problem;

/// Longer than any key, address or name.
const MAX_CHARS: usize = 1024;

/// One parameter that an endpoint takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub kind: Kind,
    pub about: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    /// Text that may be empty.
    AnyText,
    /// A whole number within these bounds.
    Count(u64, u64),
    OneOf(&'static [&'static str]),
}

/// What was sent; every value is what its parameter takes.
#[derive(Clone, Debug, Default)]
pub(super) struct Given(BTreeMap<&'static str, String>);

impl Given {
    /// # Errors
    /// Names the parameter that the endpoint does not take, that came twice, or whose value it does
    /// not take.
    pub fn check(taken: &[&[Parameter]], sent: &[(String, String)]) -> Result<Self, Problem> {
        let mut given = BTreeMap::new();
        for (name, value) in sent {
            let mut all = taken.iter().copied().flatten();
            let Some(parameter) = all.find(|parameter| parameter.name == name) else {
                let names = taken.iter().copied().flatten();
                let names: Vec<&str> = names.map(|parameter| parameter.name).collect();
                let remedy = match names.as_slice() {
                    [] => "this endpoint takes none".to_owned(),
                    names => format!("this endpoint takes {}", names.join(", ")),
                };
                return Err(bad(
                    &format!("there is no parameter {name:?} here"),
                    &remedy,
                ));
            };
            if let Err(remedy) = parameter.kind.check(value) {
                let text = format!("the parameter {name} cannot be {value:?}");
                return Err(bad(&text, &remedy));
            }
            if given.insert(parameter.name, value.clone()).is_some() {
                return Err(bad(&format!("{name} is given twice"), "give it once"));
            }
        }
        Ok(Self(given))
    }

    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// One that an endpoint's path holds, so it is always there.
    #[must_use]
    pub fn in_path(&self, name: &str) -> String {
        self.text(name).unwrap_or_default()
    }

    #[must_use]
    pub fn count(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.parse().ok()
    }
}

impl Kind {
    fn check(self, value: &str) -> Result<(), String> {
        match self {
            Kind::Text if value.is_empty() => Err("it must not be empty".to_owned()),
            Kind::Text | Kind::AnyText if value.chars().count() > MAX_CHARS => {
                Err(format!("{MAX_CHARS} characters are the most"))
            }
            Kind::Text | Kind::AnyText => Ok(()),
            Kind::Count(least, most) => match value.parse::<u64>() {
                Ok(number) if (least..=most).contains(&number) => Ok(()),
                _ => Err(format!("it is a whole number from {least} to {most}")),
            },
            Kind::OneOf(words) if words.contains(&value) => Ok(()),
            Kind::OneOf(words) => Err(format!("it is one of {}", words.join(", "))),
        }
    }

    /// As JSON schema.
    pub fn schema(self) -> Value {
        match self {
            Kind::Text => json!({"type": "string", "minLength": 1, "maxLength": MAX_CHARS}),
            Kind::AnyText => json!({"type": "string", "maxLength": MAX_CHARS}),
            Kind::Count(least, most) => {
                json!({"type": "integer", "minimum": least, "maximum": most})
            }
            Kind::OneOf(words) => json!({"type": "string", "enum": words}),
        }
    }
}

/// 400: what was sent cannot be understood.
pub(super) fn bad(text: &str, remedy: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "LS6060", text, remedy)
}
