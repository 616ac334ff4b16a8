//! Everything that reads what comes from outside, as functions of bytes that never panic. Only for the targets in `fuzz/`.
//!
//! Not part of the crate's API: it is there with the feature `fuzzing` alone.
use crate::config::OrgConfig;
use crate::faults::Fault;
use crate::http::fuzzing as http;
use crate::oauth;
use crate::rules::{Expression, Sight};
use crate::schema::Schema;
use crate::value::Value;

pub use tokio::runtime::Runtime;

/// Bodies of single-record and collections calls.
pub fn json_bodies(bytes: &[u8]) {
    http::json_bodies(bytes);
}

/// Form bodies, query strings and paths.
pub fn forms(bytes: &[u8]) {
    http::forms(bytes);
}

/// SOAP envelopes.
pub fn envelopes(bytes: &[u8]) {
    http::envelopes(bytes);
}

/// What a client proves itself with: assertions, credentials in headers; and the keys of apps.
pub fn proofs(bytes: &[u8]) {
    oauth::fuzzing::proofs(&String::from_utf8_lossy(bytes));
}

/// Configuration files, and faults as the control endpoint takes them.
pub fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(config) = OrgConfig::parse(&text) {
        let _ = config.mistakes();
    }
    if let Ok(value) = serde_json::from_slice(bytes)
        && let Ok(fault) = Fault::from_json(&value)
    {
        let _ = fault.mistakes();
    }
}

/// Conditions of rules and triggers, asked about a lead that changes one field.
pub fn conditions(bytes: &[u8]) {
    let schema = Schema::new(&OrgConfig::default());
    if let Ok(condition) = Expression::compile(&String::from_utf8_lossy(bytes), &schema) {
        let _ = condition.holds(&Changed);
    }
}

/// A lead with the same text in every field, another one before.
struct Changed;

impl Sight for Changed {
    fn value(&self, _: u16) -> Value<'_> {
        Value::Text("a".into())
    }

    fn prior(&self, _: u16) -> Option<Value<'_>> {
        Some(Value::Null)
    }

    fn is_new(&self) -> bool {
        false
    }
}

/// Queries, as far as they get: parsed, checked, run over one lead, or refused.
pub fn queries(bytes: &[u8]) {
    crate::org::fuzz_query(&String::from_utf8_lossy(bytes));
}

/// What is sent to bulk jobs: their creation, their data, both at once.
pub fn uploads(bytes: &[u8]) {
    crate::bulk::fuzzing::uploads(bytes);
}

/// Requests to one org, one after another: see `http::fuzzing::conversation`.
pub fn conversation(runtime: &Runtime, bytes: &[u8]) {
    http::conversation(runtime, bytes);
}

/// A runtime for [`conversation`].
///
/// # Panics
/// When the system gives no more of what a runtime needs.
#[must_use]
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime without threads starts")
}
