//! `POST /composite/tree/Lead`: up to 200 new leads, all or none (facts 4).
//!
//! Leads have no children here, so every tree is a single record. Whatever is wrong with a record is told under its
//! reference id; records that are fine are left out of a refusal.
use std::collections::HashMap;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::faults::Endpoint;
use crate::http::body::{self, Record, UnknownField};
use crate::http::call::Request;
use crate::http::collections::{check_count, unsupported};
use crate::http::reply::Reply;
use crate::http::work::Work;
use crate::org::{Draft, Org, Outcome, Refusal, Target, WriteOptions, id};

pub(in crate::http) const SINCE_VERSION: u32 = 34;

/// Understands `/composite/tree/Lead`.
pub(in crate::http) fn understand<'r>(
    org: &'r Org,
    request: &'r Request,
) -> Result<Work<'r>, Reply> {
    let bad_request = |refusal: Refusal| Reply::error(400, &refusal);
    if request.method != "POST" {
        return Err(Reply::method_not_allowed(&request.method, "POST"));
    }
    request.must_be_json()?;
    let parsed = body::parse_collection(&org.schema, &request.body, UnknownField::Record)
        .map_err(bad_request)?;
    let records = check_count(parsed.records).map_err(bad_request)?;
    let references: Vec<String> = records
        .iter()
        .map(|record| record.reference.as_deref().unwrap_or_default().to_owned())
        .collect();
    if references.iter().any(String::is_empty) {
        let text = "Include a reference ID for each record in the request.";
        return Err(bad_request(Refusal::new("INVALID_INPUT", text)));
    }
    check_distinct(&references)?;
    let drafts = records
        .into_iter()
        .map(|record| draft(org, record))
        .collect();
    let options = WriteOptions {
        all_or_none: true,
        ..WriteOptions::default()
    };
    Work::write(
        org,
        &request.headers,
        Endpoint::Composite,
        drafts,
        options,
        move |_, outcomes| reply(&references, outcomes),
    )
}

fn draft<'a>(org: &Org, record: Record<'a>) -> Draft<'a> {
    let refusal = match (record.object.as_deref(), record.refusal) {
        (None, _) => {
            let text = "Include an entity type for each record in the request.";
            Some(Refusal::new("INVALID_INPUT", text))
        }
        (Some(object), _) if !object.eq_ignore_ascii_case("Lead") => {
            Some(unsupported("inserted", object))
        }
        (Some(_), refusal) => refusal.map(|refusal| *refusal),
    };
    match refusal {
        Some(refusal) => Draft::refused(Target::New, refusal),
        None => Draft::new(&org.schema, Target::New, record.values),
    }
}

/// Each reference id that appears twice is told once, with two errors, as seen in the field.
fn check_distinct(references: &[String]) -> Result<(), Reply> {
    let mut counts: HashMap<&str, u32> = HashMap::with_capacity(references.len());
    let mut repeated = Vec::new();
    for reference in references {
        let count = counts.entry(reference).or_default();
        *count += 1;
        if *count == 2 {
            let found = format!("Duplicate ReferenceId found: {reference}");
            let errors = [
                Refusal::new(
                    "INVALID_INPUT",
                    "Duplicate ReferenceId provided in the request.",
                ),
                Refusal::new("PROCESSING_HALTED", found),
            ];
            repeated.push(refused(reference, &errors));
        }
    }
    if repeated.is_empty() {
        return Ok(());
    }
    Err(results(StatusCode::BAD_REQUEST, true, &repeated))
}

fn reply(references: &[String], outcomes: &[Outcome]) -> Reply {
    let all_created = outcomes.iter().all(Outcome::is_written);
    let told: Vec<Value> = references
        .iter()
        .zip(outcomes)
        .filter_map(|(reference, outcome)| match outcome {
            Outcome::Created(place) => {
                Some(json!({ "referenceId": reference, "id": id::lead(*place) }))
            }
            Outcome::Failed(refusals) => is_own(refusals).then(|| refused(reference, refusals)),
            Outcome::Updated(_)
            | Outcome::Deleted(_)
            | Outcome::Ambiguous(_)
            | Outcome::Missing => None,
        })
        .collect();
    if all_created {
        results(StatusCode::CREATED, false, &told)
    } else {
        results(StatusCode::BAD_REQUEST, true, &told)
    }
}

/// Whether a record failed for a reason of its own.
fn is_own(refusals: &[Refusal]) -> bool {
    refusals
        .iter()
        .any(|refusal| refusal.code != "ALL_OR_NONE_OPERATION_ROLLED_BACK")
}

fn refused(reference: &str, refusals: &[Refusal]) -> Value {
    let errors: Vec<Value> = refusals.iter().map(Refusal::record_json).collect();
    json!({ "referenceId": reference, "errors": errors })
}

fn results(status: StatusCode, has_errors: bool, results: &[Value]) -> Reply {
    let body = json!({ "hasErrors": has_errors, "results": results });
    Reply::json(status.as_u16(), &body)
}
