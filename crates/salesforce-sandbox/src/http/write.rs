//! What every write has in common: keys in progress, faults, commit, counters, log.
use axum::http::HeaderMap;

use super::call::Call;
use super::faulted;
use super::reply::Reply;
use crate::faults::Endpoint;
use crate::org::{Draft, Org, Outcome, Refusal, WriteOptions, commit, look};

/// Writes the drafts under the armed faults; `respond` turns the outcomes (one per draft) into the reply.
pub(super) async fn run(
    org: &Org,
    call: &mut Call,
    endpoint: Endpoint,
    mut drafts: Vec<Draft<'_>>,
    options: WriteOptions<'_>,
    respond: impl FnOnce(&Org, &[Outcome]) -> Reply + Send,
) -> Reply {
    let owner = match assigned_owner(org, &call.headers) {
        Ok(owner) => owner,
        Err(refusal) => return Reply::error(400, &refusal),
    };
    call.ticket.record.records = drafts.len() as u64;
    let keys: Vec<String> = drafts
        .iter()
        .map(|draft| draft.key().into_owned())
        .collect();
    let _in_progress = {
        let keys: Vec<_> = drafts
            .iter()
            .map(|draft| draft.folded_key(&org.schema))
            .collect();
        org.watch.enter_keys(keys.iter().map(AsRef::as_ref))
    };
    let plan = {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        org.faults.plan(endpoint, &keys)
    };
    for (index, refusal) in &plan.records {
        drafts[*index].refuse(refusal.clone());
    }
    if plan.waits_before() {
        look(&mut org.leads(), &org.schema, &mut drafts);
    }
    faulted::run(org, call, plan, move |call| {
        let options = WriteOptions {
            owner,
            now_micros: org.clock.wall_micros(),
            ..options
        };
        let mut store = org.leads();
        let outcomes = commit(&mut store, &org.schema, drafts, options);
        let leads = store.count();
        drop(store);
        note(org, call, keys, &outcomes, leads);
        respond(org, &outcomes)
    })
    .await
}

/// Counts what was committed and notes the accepted keys.
fn note(org: &Org, call: &mut Call, keys: Vec<String>, outcomes: &[Outcome], leads: u64) {
    let created = outcomes
        .iter()
        .filter(|o| matches!(o, Outcome::Created(_)))
        .count() as u64;
    let updated = outcomes
        .iter()
        .filter(|o| matches!(o, Outcome::Updated(_)))
        .count() as u64;
    let record = &mut call.ticket.record;
    if created + updated > 0 {
        record.committed_monotonic_micros = Some(org.clock.monotonic_micros());
        record.keys = keys
            .into_iter()
            .zip(outcomes)
            .filter(|(_, outcome)| matches!(outcome, Outcome::Created(_) | Outcome::Updated(_)))
            .map(|(key, _)| key)
            .collect();
    }
    org.watch.count(|stats| {
        stats.leads = leads;
        stats.records_created += created;
        stats.records_upserted += created + updated;
        stats.records_rejected += outcomes.len() as u64 - created - updated;
    });
}

/// The owner that assignment rules give; they run unless the client says `FALSE` (facts 0.4 and 8).
fn assigned_owner<'o>(org: &'o Org, headers: &HeaderMap) -> Result<Option<&'o str>, Refusal> {
    let wanted = headers
        .get("sforce-auto-assign")
        .map(|value| value.to_str().unwrap_or_default().trim());
    match wanted {
        Some(value) if value.eq_ignore_ascii_case("false") => Ok(None),
        // Key prefix of assignment rules.
        Some(value) if !value.eq_ignore_ascii_case("true") && !value.starts_with("01Q") => {
            Err(Refusal::new(
                "INVALID_ASSIGNMENT_RULE",
                format!("invalid assignment rule: {value}"),
            ))
        }
        _ => Ok(org.config.assignment_rule_owner.as_deref()),
    }
}
