//! `/services/async`: Bulk API 1.0, which this org does not have enabled.
//!
//! It answers in its own way, which clients must tell apart: a dead session is a 400 (facts 1.7).
use axum::http::{HeaderValue, header};
use serde_json::json;

use super::call::{Call, Request};
use super::faulted;
use super::limits;
use super::reply::Reply;
use crate::faults::Endpoint;
use crate::org::Org;

/// Answers any request: 400, for one reason or the other.
pub(super) async fn answer(org: &Org, call: &Call) -> Reply {
    let request = &call.request;
    let token = request.header("x-sfdc-session");
    let plan = org.faults.plan(&call.occasion(Endpoint::Other));
    faulted::run(org, token, plan, || refuse(org, request)).await
}

fn refuse(org: &Org, request: &Request) -> Reply {
    let token = request.header("x-sfdc-session").unwrap_or_default();
    let now = org.clock.monotonic_micros();
    let holder = org.sessions().touch(token, now);
    let Some(identity) = holder else {
        return error(request, "InvalidSessionId", "Invalid session id");
    };
    let _in_progress = match limits::admit(org, identity.app) {
        Ok(guard) => guard,
        Err(refusal) => return Reply::error(403, &refusal),
    };
    error(
        request,
        "FeatureNotEnabled",
        "Bulk API is not enabled for this organization.",
    )
}

/// JSON for those who speak it, XML for the rest.
fn error(request: &Request, code: &str, message: &str) -> Reply {
    let says_json = |name| {
        let value = request.header(name).unwrap_or_default();
        value.to_ascii_lowercase().contains("json")
    };
    if says_json("content-type") || says_json("accept") {
        let body = json!({ "exceptionCode": code, "exceptionMessage": message });
        return Reply::json(400, &body);
    }
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><error xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\">\
         <exceptionCode>{code}</exceptionCode><exceptionMessage>{message}</exceptionMessage></error>"
    );
    Reply::bytes(400, body.into_bytes()).with(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/xml;charset=UTF-8"),
    )
}
