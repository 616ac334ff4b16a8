//! The control endpoints below `/__sandbox`: faults, contents, log, counters, and the page that shows them.
//!
//! They answer on loopback listeners only and to this machine only (see `guard`), are never counted or logged, and no
//! fault touches them.
mod commands;
mod leads;
mod parameters;
mod views;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use serde_json::{Value, json};

use super::call::Call;
use super::page;
use super::reply::Reply;
use crate::org::{Org, Refusal};

/// Every control endpoint: method, path below `/__sandbox/`, what it does.
const ENDPOINTS: &[(&str, &str, &str)] = &[
    ("GET", "", "this list; with a slash at its end the page"),
    ("GET", "stats", "counters since the start"),
    (
        "GET",
        "leads",
        "leads, oldest first; ?offset= &limit= &order=newest &search= &key_field= &keys=a,b &key=a",
    ),
    ("GET", "leads/{id}", "one lead"),
    ("DELETE", "leads", "deletes every lead for good"),
    (
        "PATCH",
        "leads/{id}",
        "changes fields of a lead, as somebody else would",
    ),
    ("DELETE", "leads/{id}", "moves a lead to the recycle bin"),
    (
        "POST",
        "leads/{id}/undelete",
        "takes a lead out of the recycle bin",
    ),
    ("POST", "leads/{id}/convert", "converts a lead"),
    (
        "POST",
        "leads/{id}/lock",
        "holds the row of a lead: {\"writes\": 3} for so many refused writes, else until it is released",
    ),
    ("DELETE", "leads/{id}/lock", "lets go of the row of a lead"),
    (
        "POST",
        "leads/{id}/approval",
        "locks a lead as an approval process does",
    ),
    ("DELETE", "leads/{id}/approval", "ends the approval process"),
    ("GET", "jobs", "bulk jobs, oldest first"),
    (
        "GET",
        "requests",
        "the request log; ?since= (a reply_sequence) &limit= &order=newest &path= &method= &status= (404, 4xx, none)",
    ),
    ("GET", "faults", "armed faults with hits, state and seed"),
    (
        "POST",
        "faults",
        "arms a fault (JSON), answers its id and seed",
    ),
    (
        "DELETE",
        "faults",
        "disarms all faults and releases what they hold",
    ),
    (
        "DELETE",
        "faults/{id}",
        "disarms one fault and releases what it holds",
    ),
    (
        "GET",
        "held",
        "requests that wait to be released, longest held first",
    ),
    (
        "POST",
        "release",
        "lets held requests go on: {\"count\": 1, \"order\": \"newest\"}, {\"ids\": [3, 1]}, all without a body",
    ),
    ("GET", "step", "whether single-step mode is on"),
    (
        "POST",
        "step",
        "{\"on\": true}: holds every reply until it is released",
    ),
    ("GET", "clock", "the org's clock"),
    (
        "POST",
        "clock",
        "{\"advance_seconds\": 60}: moves it forward",
    ),
    ("GET", "usage", "what is used of the limits"),
    (
        "POST",
        "usage",
        "{\"api_calls\": 100, \"bulk_batches\": 10}: uses up that much, as other integrations would",
    ),
    ("DELETE", "sessions", "revokes every session"),
    (
        "GET",
        "snapshot",
        "everything but the request log as one object",
    ),
    (
        "POST",
        "reset",
        "as at the start, but for the clock: no leads, sessions, usage, log; the configured faults",
    ),
    (
        "GET",
        "page.json",
        "what the page shows; ?search= &offset= &limit=",
    ),
    ("GET", "page.html", "the page"),
    ("GET", "page.css", "its looks"),
    ("GET", "page.js", "its program"),
    ("GET", "page.svg", "its icon"),
];

/// Answers a control request.
pub(super) async fn answer(org: &Org, call: &mut Call, body: Body) -> Reply {
    let limit = org.config.max_request_bytes;
    if call.read_body(limit, body).await.is_err() {
        return refused(vec!["the body could not be read".into()]);
    }
    route(org, call)
        .unwrap_or_else(|reply| reply)
        .polish(org, &call.request)
}

fn route(org: &Org, call: &Call) -> Result<Reply, Reply> {
    let request = &call.request;
    let path: Vec<&str> = request
        .segments
        .iter()
        .skip(1)
        .map(String::as_str)
        .collect();
    let reads = matches!(request.method.as_str(), "GET" | "HEAD");
    let method = if reads {
        "GET"
    } else {
        request.method.as_str()
    };
    match (method, path.as_slice()) {
        ("GET", []) if call.path().ends_with('/') => Ok(page::html()),
        ("GET", []) => Ok(Reply::json(200, &listing())),
        ("GET", ["page.html"]) => Ok(page::html()),
        ("GET", ["page.css"]) => Ok(page::css()),
        ("GET", ["page.js"]) => Ok(page::js()),
        ("GET", ["page.svg"]) => Ok(page::icon()),
        ("GET", ["page.json"]) => views::page(org, request),
        ("GET", ["stats"]) => Ok(Reply::json(200, &org.watch.stats())),
        ("GET", ["requests"]) => views::requests(org, request),
        ("GET", ["leads"]) => views::leads(org, request),
        ("GET", ["leads", id]) => views::lead(org, id),
        ("GET", ["jobs"]) => Ok(Reply::json(200, &org.bulk.snapshots(org.now()))),
        ("DELETE", ["leads"]) => {
            org.empty();
            Ok(Reply::empty(204))
        }
        ("GET", ["faults"]) => Ok(Reply::json(200, &org.faults.list())),
        ("POST", ["faults"]) => commands::add_fault(org, request),
        ("DELETE", ["faults"]) => {
            org.faults.clear();
            Ok(Reply::empty(204))
        }
        ("DELETE", ["faults", id]) => commands::remove_fault(org, id),
        ("GET", ["held"]) => Ok(Reply::json(200, &org.faults.held())),
        ("POST", ["release"]) => commands::release(org, request),
        ("GET", ["step"]) => Ok(commands::stepping(org)),
        ("POST", ["step"]) => commands::step(org, request),
        ("GET", ["clock"]) => Ok(views::clock(org)),
        ("POST", ["clock"]) => commands::advance(org, request),
        ("GET", ["usage"]) => Ok(Reply::json(200, &org.usage())),
        ("POST", ["usage"]) => commands::use_up(org, request),
        ("DELETE", ["sessions"]) => {
            org.sessions().revoke_all();
            Ok(Reply::empty(204))
        }
        ("GET", ["snapshot"]) => Ok(Reply::json(200, &org.snapshot())),
        ("POST", ["reset"]) => {
            org.reset();
            Ok(Reply::empty(204))
        }
        (_, ["leads", act @ ..]) => {
            leads::act(org, request, act).unwrap_or_else(|| Err(unknown(&request.method, &path)))
        }
        (_, path) => Err(unknown(&request.method, path)),
    }
}

/// 405 for a path that knows other methods, else 404.
fn unknown(method: &str, path: &[&str]) -> Reply {
    let fits = |pattern: &str| {
        let pattern: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
        pattern.len() == path.len()
            && pattern
                .iter()
                .zip(path)
                .all(|(wanted, found)| wanted.starts_with('{') || wanted == found)
    };
    let allowed: Vec<&str> = ENDPOINTS
        .iter()
        .filter(|(_, pattern, _)| fits(pattern))
        .map(|(method, _, _)| *method)
        .collect();
    if allowed.is_empty() {
        return Reply::error(404, &Refusal::not_found());
    }
    let allowed = allowed.join(",");
    let text = format!("HTTP Method '{method}' not allowed. Allowed are {allowed}");
    let reply = Reply::error(405, &Refusal::new("METHOD_NOT_ALLOWED", text));
    match HeaderValue::from_str(&allowed) {
        Ok(value) => reply.with(header::ALLOW, value),
        Err(_) => reply,
    }
}

fn listing() -> Value {
    let entries: Vec<Value> = ENDPOINTS
        .iter()
        .map(|(method, path, does)| {
            let path = format!("/__sandbox/{path}");
            json!({ "method": method, "path": path.trim_end_matches('/'), "does": does })
        })
        .collect();
    json!({ "endpoints": entries })
}

/// A request that could not be understood; each mistake begins with what it is in.
fn refused(mistakes: Vec<String>) -> Reply {
    let refusals: Vec<Refusal> = mistakes
        .into_iter()
        .map(|text| Refusal::new("INVALID_ARGUMENT", text))
        .collect();
    Reply::errors(400, &refusals)
}
