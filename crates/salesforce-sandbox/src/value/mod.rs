//! Field values on their way from a JSON literal into storage.
//!
//! Three steps, each with its own kind of failure:
//! 1. [`convert`]: a literal becomes a typed value; failing here refuses the **whole request** (facts 3.5).
//! 2. [`validate`]: the value is trimmed and held against its field; failing here refuses the **record**.
//! 3. [`packed`]: accepted values become a few bytes per lead.
pub(crate) mod calendar;
pub(crate) mod convert;
pub(crate) mod packed;
pub(crate) mod validate;

use std::borrow::Cow;

/// A typed value; text borrows from the request or from storage where it can.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    Boolean(bool),
    Int(i64),
    Number(f64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Milliseconds since 1970-01-01 UTC; Salesforce keeps no more.
    DateTime(i64),
}

impl Value<'_> {
    /// The same value without a copy of its text.
    pub(crate) fn as_borrowed(&self) -> Value<'_> {
        match self {
            Value::Null => Value::Null,
            Value::Text(text) => Value::Text(Cow::Borrowed(text)),
            Value::Boolean(flag) => Value::Boolean(*flag),
            Value::Int(number) => Value::Int(*number),
            Value::Number(number) => Value::Number(*number),
            Value::Date(days) => Value::Date(*days),
            Value::DateTime(millis) => Value::DateTime(*millis),
        }
    }

    pub(crate) fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::Boolean(flag) => Value::Boolean(flag),
            Value::Int(number) => Value::Int(number),
            Value::Number(number) => Value::Number(number),
            Value::Date(days) => Value::Date(days),
            Value::DateTime(millis) => Value::DateTime(millis),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The value as a REST reply shows it.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Null => serde_json::Value::Null,
            Value::Text(text) => text.as_ref().into(),
            Value::Boolean(flag) => (*flag).into(),
            Value::Int(number) => (*number).into(),
            Value::Number(number) => (*number).into(),
            Value::Date(days) => calendar::format_date(*days).into(),
            Value::DateTime(millis) => calendar::format_datetime(*millis).into(),
        }
    }

    /// The value as a key in an index or in a log; `None` for null.
    pub(crate) fn key_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Value::Null => None,
            Value::Text(text) => Some(Cow::Borrowed(text)),
            Value::Boolean(flag) => Some(flag.to_string().into()),
            Value::Int(number) => Some(number.to_string().into()),
            Value::Number(number) => Some(number.to_string().into()),
            Value::Date(days) => Some(calendar::format_date(*days).into()),
            Value::DateTime(millis) => Some(calendar::format_datetime(*millis).into()),
        }
    }
}
