//! Requests in, replies out.
//!
//! Owns the order in which a request is judged: outage, size, body, route; then for the REST API version, session,
//! quota, resource. A request runs in a task of its own: a client that goes away does not stop what it asked for,
//! just as in Salesforce (facts 10).
mod async_api;
mod body;
mod call;
mod collections;
mod composite;
mod condition;
mod control;
mod delivery;
mod envelope;
mod faulted;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod identity;
mod jobs;
mod json;
mod limits;
mod objects;
mod page;
mod parameters;
mod pieces;
mod pretty;
mod query;
mod record_json;
mod reply;
mod resources;
mod rest;
mod results;
mod retrieve;
mod row_locks;
mod rows;
mod soap;
mod token;
pub(crate) mod wire;
mod work;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::extract::{ConnectInfo, State};
use axum::http::Request;
use axum::response::Response;

use crate::faults::{Endpoint, Outage};
use crate::org::{Org, Refusal};
use call::{Call, ReadError};
use delivery::Delivery;
use reply::Reply;
use wire::{Cut, WireHandle};

/// Longest URI, and longest URI with headers (facts 6.4).
const MAX_URI_BYTES: usize = 16_384;

/// The service behind every connection.
pub(crate) fn service(org: Arc<Org>) -> IntoMakeServiceWithConnectInfo<Router, WireHandle> {
    Router::new()
        .fallback(entry)
        .with_state(org)
        .into_make_service_with_connect_info::<WireHandle>()
}

async fn entry(
    State(org): State<Arc<Org>>,
    ConnectInfo(wire): ConnectInfo<WireHandle>,
    request: Request<Body>,
) -> Response {
    let reply = match tokio::spawn(serve(org, request)).await {
        Ok(reply) => reply,
        // A panic in a handler is a bug of the sandbox; its client gets what Salesforce says of its own bugs.
        Err(_) => Reply::error(
            500,
            &Refusal::new("UNKNOWN_EXCEPTION", "An unexpected error occurred."),
        ),
    };
    match reply.delivery {
        Delivery::Cut => wire.cut(Cut::Reset),
        // Ends with the connection, whose task then drops this future.
        Delivery::Stall => std::future::pending().await,
        Delivery::Whole | Delivery::Paced(_) => {}
    }
    reply.into_response()
}

async fn serve(org: Arc<Org>, request: Request<Body>) -> Reply {
    let (parts, body) = request.into_parts();
    let mut call = Call::new(&org, parts);
    if control::is_for(&org, &call.request) {
        return control::answer(&org, &mut call, body).await;
    }
    call.arrive(&org);
    let mut reply = match org.faults.outage(&call.occasion(endpoint(&call))) {
        Some(outage) => {
            org.watch.count(|stats| stats.faults_applied += 1);
            match outage {
                Outage::Reset => Reply::cut(),
                Outage::Unavailable => Reply::html(503),
                Outage::Stall => Reply::stalled(),
            }
        }
        None => {
            let reply = answer(&org, &mut call, body).await;
            under_faults(&org, &call, reply).await
        }
    };
    faulted::complete_redirect(&mut reply, call.path_and_query());
    let reply = reply.polish(&org, &call.request);
    call.finish(&org, &reply);
    reply
}

/// Lets the armed faults have their say on a request that did not get as far as to its work.
async fn under_faults(org: &Org, call: &Call, reply: Reply) -> Reply {
    if reply.faulted || !reply.is_sent() {
        return reply;
    }
    let plan = org.faults.plan(&call.occasion(endpoint(call)));
    faulted::run(org, call.token.as_deref(), plan, || reply).await
}

async fn answer(org: &Org, call: &mut Call, body: Body) -> Reply {
    let uri_bytes = call.uri_bytes();
    if uri_bytes > MAX_URI_BYTES {
        return Reply::error(
            414,
            &Refusal::new("URI_TOO_LONG", "The URI is longer than 16,384 bytes."),
        );
    }
    if uri_bytes + call.header_bytes() > MAX_URI_BYTES {
        let text = "The URI and the headers together are longer than 16,384 bytes.";
        return Reply::error(431, &Refusal::new("REQUEST_HEADER_FIELDS_TOO_LARGE", text));
    }
    let limit = match endpoint(call) {
        Endpoint::BulkUpload => org.config.max_bulk_upload_bytes(),
        _ => org.config.max_request_bytes,
    };
    if let Err(error) = call.read_body(limit, body).await {
        return match error {
            ReadError::Gone => Reply::cut(),
            ReadError::TooLarge => {
                let text = format!(
                    "Maximum size of request reached. Maximum size of request is {limit} bytes."
                );
                Reply::error(400, &Refusal::new("EXCEEDED_MAX_SIZE_REQUEST", text))
            }
            ReadError::Encoding => Reply::error(
                400,
                &Refusal::parser("The request body could not be unpacked."),
            ),
        };
    }
    let segments: Vec<String> = call.request.segments.clone();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["services", "oauth2", resource] => token::answer(org, call, resource).await,
        ["services", "Soap", api, version] | ["services", "Soap", api, version, _] => {
            soap::answer(org, call, api, version).await
        }
        ["id", "keys"] => identity::keys(),
        ["id", org_id, user_id] => identity::identity(org, call, org_id, user_id).await,
        [".well-known", "openid-configuration"] => identity::configuration(org, &call.request),
        ["services", "data"] => resources::versions(&call.request),
        ["services", "data", version, rest @ ..] => rest::answer(org, call, version, rest).await,
        ["services", "async", ..] => async_api::answer(org, call).await,
        _ => Reply::error(404, &Refusal::not_found()),
    }
}

/// What kind of request this is, for faults, judged by its path alone.
fn endpoint(call: &Call) -> Endpoint {
    let method = call.request.method.as_str();
    let write = !matches!(method, "GET" | "HEAD");
    match call
        .request
        .segments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["services", "oauth2", "token"] => Endpoint::Token,
        ["services", "oauth2", "authorize" | "revoke" | "introspect"]
        | ["services", "Soap", ..] => Endpoint::Login,
        // By POST to an object they are retrieved.
        ["services", "data", _, "composite", "sobjects", _] if method == "POST" => Endpoint::Other,
        ["services", "data", _, "composite", "sobjects", ..] if write => Endpoint::Collections,
        ["services", "data", _, "composite", ..] if write => Endpoint::Composite,
        ["services", "data", _, "sobjects", _, ..] if write => Endpoint::Single,
        ["services", "data", _, "jobs", "ingest" | "query", rest @ ..] => {
            jobs::endpoint(&call.request.method, rest)
        }
        ["services", "data", _, "query" | "queryAll", ..] => Endpoint::Query,
        _ => Endpoint::Other,
    }
}
