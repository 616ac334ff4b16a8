//! What a collections call answers: one result for each record, in the request's order (facts 3.1).
use crate::org::{Outcome, Refusal, ambiguous, id};
use crate::schema::Schema;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Insert,
    Update,
    /// By the field with that number.
    Upsert {
        key: u16,
    },
    Delete,
}

/// The result array. Only upserts tell `created`.
pub(super) fn save_results(schema: &Schema, verb: Verb, outcomes: &[Outcome]) -> Vec<u8> {
    let mut json = Vec::with_capacity(outcomes.len() * 80 + 2);
    json.push(b'[');
    for (i, outcome) in outcomes.iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        match (outcome, verb) {
            (Outcome::Created(place), Verb::Upsert { .. }) => {
                push_success(&mut json, *place, b",\"created\":true}");
            }
            (Outcome::Updated(place), Verb::Upsert { .. }) => {
                push_success(&mut json, *place, b",\"created\":false}");
            }
            (Outcome::Created(place) | Outcome::Updated(place) | Outcome::Deleted(place), _) => {
                push_success(&mut json, *place, b"}");
            }
            (Outcome::Failed(refusals), _) => push_failure(&mut json, refusals),
            (Outcome::Ambiguous(places), Verb::Upsert { key }) => {
                push_failure(&mut json, &[ambiguous(schema, key, places)]);
            }
            // Without a key a record is meant for one lead, by its id.
            (Outcome::Ambiguous(_) | Outcome::Missing, _) => {
                push_failure(&mut json, &[Refusal::unknown_id()]);
            }
        }
    }
    json.push(b']');
    json
}

fn push_success(json: &mut Vec<u8>, place: u32, end: &[u8]) {
    json.extend_from_slice(b"{\"id\":\"");
    json.extend_from_slice(id::lead(place).as_bytes());
    json.extend_from_slice(b"\",\"success\":true,\"errors\":[]");
    json.extend_from_slice(end);
}

fn push_failure(json: &mut Vec<u8>, refusals: &[Refusal]) {
    let errors: Vec<_> = refusals.iter().map(Refusal::record_json).collect();
    let object = serde_json::json!({ "success": false, "errors": errors });
    json.extend_from_slice(object.to_string().as_bytes());
}
