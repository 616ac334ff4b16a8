//! Requests in, replies out.
//!
//! Owns the order in which a request is judged: outage, size, body, route; then for the REST API version, session,
//! quota, resource. A request runs in a task of its own: a client that goes away does not stop what it asked for,
//! just as in Salesforce (facts 10).
pub(crate) mod arrival;
mod async_api;
mod bare;
mod body;
mod call;
mod collections;
mod columns;
mod composite;
mod condition;
mod connection;
mod control;
mod delivery;
pub(crate) mod door;
mod envelope;
mod faulted;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod guard;
mod identity;
pub(crate) mod intake;
mod jobs;
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

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, Version, header};
use axum::response::Response;
use http_body::Body as _;

use crate::faults::{Endpoint, Outage};
use crate::org::{Org, Refusal};
use arrival::{Arrival, Role};
use call::Call;
use delivery::Delivery;
use reply::Reply;
use wire::Cut;

/// Longest URI, and longest URI with headers (facts 6.4).
const MAX_URI_BYTES: usize = 16_384;

/// Answers one request of a connection.
pub(crate) async fn entry(
    org: Arc<Org>,
    arrival: Arc<Arrival>,
    mut request: Request<Body>,
) -> Response {
    let head = request.method() == Method::HEAD;
    if !name_host(&mut request, &arrival) {
        return Reply::html(400).into_response();
    }
    let wire = arrival.wire.clone();
    // Its client may be gone before its turn is over; the next request of the connection waits all the same.
    let turn = Arc::clone(&arrival.turns).acquire_owned().await;
    let serving = async move {
        let reply = serve(org, arrival, request).await;
        drop(turn);
        reply
    };
    let reply = match tokio::spawn(serving).await {
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
    let mut response = reply.into_response();
    if head {
        // The length is told, where it is known; the body is not sent.
        if let Some(length) = response.body().size_hint().exact() {
            let length = HeaderValue::from(length);
            response
                .headers_mut()
                .insert(header::CONTENT_LENGTH, length);
        }
        *response.body_mut() = Body::empty();
    }
    response
}

/// Sees to it that a request has exactly one Host: the authority of its URI goes first, as HTTP/2 has it; a client of
/// HTTP/1.0 need not name any. False for a client of HTTP/1.1 that names none or several.
fn name_host(request: &mut Request<Body>, arrival: &Arrival) -> bool {
    let named = request.headers().get_all(header::HOST).iter().count();
    let host = match request.uri().authority() {
        Some(authority) => authority.as_str().to_owned(),
        None if named == 1 => return true,
        None if named == 0 && request.version() < Version::HTTP_11 => arrival.local.to_string(),
        None => return false,
    };
    match HeaderValue::from_str(&host) {
        Ok(value) => {
            request.headers_mut().insert(header::HOST, value);
            true
        }
        Err(_) => false,
    }
}

async fn serve(org: Arc<Org>, arrival: Arc<Arrival>, request: Request<Body>) -> Reply {
    let (parts, body) = request.into_parts();
    let mut call = Call::new(&org, parts, arrival);
    let for_control = match call.request.segments.first() {
        Some(first) => first == "__sandbox",
        // The start page belongs to the control endpoints; an org has none that programs ask for.
        None => call.arrival.role != Role::Org,
    };
    match call.arrival.role {
        Role::OrgAndControl | Role::Control if for_control => {
            let own = call.arrival.local.ip();
            return match guard::check(&call.request.method, &call.request.headers, own) {
                Ok(()) => control::answer(&org, &mut call, body).await,
                Err(refusal) => refusal,
            };
        }
        Role::Org if for_control => return Reply::error(404, &Refusal::not_found()),
        Role::Control => return Reply::error(404, &Refusal::not_found()),
        Role::Org | Role::OrgAndControl => {}
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
        return error.reply(limit);
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
