//! The control endpoints below `/__sandbox`: faults, contents, log, counters.
//!
//! They answer on loopback listeners only, are never counted or logged, and no fault touches them.
use std::time::Duration;

use axum::body::Body;
use serde::Deserialize;
use serde_json::json;

use super::call::{Call, Request};
use super::control_leads;
use super::reply::Reply;
use crate::faults::{Fault, FaultId};
use crate::org::{Org, Refusal};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    /// All when absent.
    count: Option<usize>,
}

/// Answers a control request.
pub(super) async fn answer(org: &Org, call: &mut Call, body: Body) -> Reply {
    if !org.control {
        return Reply::error(404, &Refusal::not_found());
    }
    if call
        .read_body(org.config.max_request_bytes, body)
        .await
        .is_err()
    {
        return Reply::error(400, &Refusal::parser("The body could not be read."));
    }
    let segments: Vec<&str> = call
        .request
        .segments
        .iter()
        .skip(1)
        .map(String::as_str)
        .collect();
    let reply = match (call.request.method.as_str(), segments.as_slice()) {
        ("GET", ["stats"]) => Reply::json(200, &org.watch.stats()),
        ("GET", ["requests"]) => Reply::json(200, &org.watch.log()),
        ("GET", ["leads"]) => leads(org, &call.request),
        ("GET", ["jobs"]) => Reply::json(200, &org.bulk.snapshots(org.now())),
        (_, ["leads", path @ ..]) if !path.is_empty() => {
            control_leads::answer(org, &call.request, path)
        }
        ("GET", ["faults"]) => Reply::json(200, &org.faults.list()),
        ("POST", ["faults"]) => add_fault(org, &call.request),
        ("DELETE", ["faults"]) => {
            org.faults.clear();
            Reply::empty(204)
        }
        ("DELETE", ["faults", id]) => match id.parse().map(|id| org.faults.remove(FaultId(id))) {
            Ok(true) => Reply::empty(204),
            _ => Reply::error(404, &Refusal::not_found()),
        },
        ("POST", ["release"]) => release(org, &call.request),
        ("POST", ["clock"]) => advance(org, &call.request),
        ("DELETE", ["sessions"]) => {
            org.sessions().revoke_all();
            Reply::empty(204)
        }
        (
            _,
            [
                "stats" | "requests" | "leads" | "jobs" | "faults" | "release" | "clock"
                | "sessions",
            ],
        ) => Reply::method_not_allowed(&call.request.method, "GET,POST,DELETE"),
        _ => Reply::error(404, &Refusal::not_found()),
    };
    reply.polish(org, &call.request)
}

/// All leads, or a window of them: `?offset=0&limit=1000`, oldest first.
fn leads(org: &Org, request: &Request) -> Reply {
    let number = |name, default| {
        request
            .query_value(name)
            .map_or(Ok(default), str::parse::<usize>)
    };
    match (number("offset", 0), number("limit", usize::MAX)) {
        (Ok(offset), Ok(limit)) => {
            let leads = org.leads().snapshot(&org.schema, offset, limit);
            Reply::json(200, &leads)
        }
        _ => Reply::error(400, &Refusal::parser("offset and limit must be numbers")),
    }
}

fn add_fault(org: &Org, request: &Request) -> Reply {
    // A page in a browser cannot send this content type to another site without asking first.
    if let Err(reply) = request.must_be_json() {
        return reply;
    }
    match serde_json::from_slice::<Fault>(&request.body) {
        Ok(fault) => Reply::json(201, &json!({ "id": org.faults.add(fault) })),
        Err(error) => Reply::error(400, &Refusal::parser(error.to_string())),
    }
}

fn advance(org: &Org, request: &Request) -> Reply {
    match serde_json::from_slice::<Advance>(&request.body) {
        Ok(Advance { advance_seconds }) => {
            org.clock.advance(Duration::from_secs(advance_seconds));
            Reply::json(200, &json!({ "now_micros": org.clock.wall_micros() }))
        }
        Err(error) => Reply::error(400, &Refusal::parser(error.to_string())),
    }
}

fn release(org: &Org, request: &Request) -> Reply {
    let count = if request.body.is_empty() {
        Ok(None)
    } else {
        serde_json::from_slice::<Release>(&request.body).map(|release| release.count)
    };
    match count {
        Ok(count) => Reply::json(
            200,
            &json!({ "released": org.faults.release(count.unwrap_or(usize::MAX)) }),
        ),
        Err(error) => Reply::error(400, &Refusal::parser(error.to_string())),
    }
}
