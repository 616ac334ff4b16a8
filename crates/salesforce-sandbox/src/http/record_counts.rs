//! `/limits/recordCount`: how many records there are of each object.
//!
//! Real orgs count from time to time; this one counts when asked (inference: deleted records are not counted).
use serde_json::{Value, json};

use super::call::Request;
use super::reply::Reply;
use crate::org::{LeadStore, Org, QueryResult, Visibility, prepare_query, run_query};
use crate::schema::ObjectKind;

/// `GET /limits/recordCount[?sObjects=Lead,User]`; names of unknown objects are ignored (REST API guide).
pub(super) fn answer(org: &Org, store: &mut LeadStore, request: &Request) -> Reply {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Reply::method_not_allowed(&request.method, "GET,HEAD");
    }
    let asked = request.query_value("sObjects").unwrap_or_default();
    let asked: Vec<&str> = asked
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let is_wanted = |object: &ObjectKind| {
        asked.is_empty()
            || asked
                .iter()
                .any(|name| name.eq_ignore_ascii_case(object.name()))
    };
    let counts: Result<Vec<Value>, Reply> = ObjectKind::PUBLIC
        .into_iter()
        .filter(is_wanted)
        .map(|object| {
            let count = count(org, store, object)?;
            Ok(json!({ "count": count, "name": object.name() }))
        })
        .collect();
    match counts {
        Ok(counts) => Reply::json(200, &json!({ "sObjects": counts })),
        Err(reply) => reply,
    }
}

fn count(org: &Org, store: &mut LeadStore, object: ObjectKind) -> Result<u64, Reply> {
    let text = format!("SELECT COUNT() FROM {}", object.name());
    let found =
        prepare_query(org, &text).and_then(|plan| run_query(org, store, plan, Visibility::Live));
    match found {
        Ok(QueryResult::Count(count)) => Ok(count),
        // What COUNT() never comes to.
        Ok(QueryResult::Groups { .. } | QueryResult::Rows(_)) => Ok(0),
        Err(refusal) => Err(Reply::error(400, &refusal)),
    }
}
