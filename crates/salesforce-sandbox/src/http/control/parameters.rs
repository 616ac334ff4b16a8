//! What a control request says in its query and in its body, read with a word on each mistake.
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::refused;
use crate::http::call::Request;
use crate::http::reply::Reply;
use crate::shape;

/// The query of a request, whose parameters are all known.
pub(super) struct Parameters<'r> {
    request: &'r Request,
}

impl<'r> Parameters<'r> {
    /// Refuses parameters that the endpoint does not know.
    pub(super) fn of(request: &'r Request, known: &[&str]) -> Result<Parameters<'r>, Reply> {
        let mistakes: Vec<String> = request
            .query
            .iter()
            .filter(|(name, _)| !known.contains(&name.as_str()))
            .map(|(name, _)| {
                format!(
                    "{name}: unknown parameter, expected one of {}",
                    known.join(", ")
                )
            })
            .collect();
        if mistakes.is_empty() {
            Ok(Parameters { request })
        } else {
            Err(refused(mistakes))
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&'r str> {
        self.request.query_value(name)
    }

    /// Every value of a parameter that may be repeated.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &'r str> {
        self.request
            .query
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A value that is read from its text; `expected` says what it must be.
    pub(super) fn value<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, Reply> {
        let read = |text: &str| {
            text.parse()
                .map_err(|_| refused(vec![format!("{name}: must be {expected}, not `{text}`")]))
        };
        self.text(name).map(read).transpose()
    }

    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Reply> {
        self.value(name, "a number")
    }

    /// `order=newest` rather than the order of time.
    pub(super) fn newest_first(&self) -> Result<bool, Reply> {
        match self.text("order") {
            None | Some("oldest") => Ok(false),
            Some("newest") => Ok(true),
            Some(other) => Err(refused(vec![format!(
                "order: must be oldest or newest, not `{other}`"
            )])),
        }
    }
}

/// The body as an object; without a body it is an empty one.
pub(super) fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Reply> {
    let value = if request.body.is_empty() {
        Value::Object(Map::new())
    } else {
        json(request)?
    };
    shape::read(&value).map_err(refused)
}

/// The body as JSON.
pub(super) fn json(request: &Request) -> Result<Value, Reply> {
    serde_json::from_slice(&request.body)
        .map_err(|error| refused(vec![format!("the body is no JSON: {error}")]))
}
