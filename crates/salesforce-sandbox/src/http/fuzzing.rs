//! Entry points for the fuzz targets: parsers of the wire, and whole conversations with an org.
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use tokio::runtime::Runtime;

use super::{body, call, composite, envelope, serve};
use crate::config::OrgConfig;
use crate::oauth;
use crate::org::{Identity, Opening, Org};
use crate::schema::Schema;

/// Between the requests of a conversation, and between a request's first line and its body.
const REQUEST_MARK: &[u8] = b"\n====\n";
const HEAD_END: u8 = b'\n';

pub(crate) fn json_bodies(bytes: &[u8]) {
    let schema = Schema::new(&OrgConfig::default());
    // Whatever is made of the bytes is fine, as long as something is.
    let _ = body::parse_record(&schema, bytes);
    for unknown in [body::UnknownField::Request, body::UnknownField::Record] {
        let _ = body::parse_collection(&schema, bytes, unknown);
    }
    composite::fuzz(bytes);
}

pub(crate) fn forms(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = call::parse_form(&text);
    let _ = call::segments(&text);
}

pub(crate) fn envelopes(bytes: &[u8]) {
    let _ = envelope::Envelope::parse(bytes);
}

/// Sends requests of the form `METHOD PATH CONTENT-TYPE\nBODY` one after another to a new org.
///
/// # Panics
/// When a request made the org panic, or a refusal of the REST API is not the JSON that clients expect.
pub(crate) fn conversation(runtime: &Runtime, bytes: &[u8]) {
    let org = Arc::new(Org::new(OrgConfig::default(), true));
    let token = oauth::open_session(
        &org,
        Opening {
            identity: Identity { user: 0, app: None },
            scope: "api".into(),
            approval: None,
        },
    );
    for text in split(bytes, REQUEST_MARK) {
        let Some(request) = request(text, &token) else {
            continue;
        };
        // A fault may hold a request for as long as it likes.
        if request.uri().path().contains("__sandbox") {
            continue;
        }
        let is_rest = request.uri().path().starts_with("/services/data/");
        let shown = request.uri().clone();
        let reply = runtime.block_on(serve(Arc::clone(&org), request));
        assert!(
            !reply.is_sent() || reply.status != 500,
            "{shown} was answered with 500"
        );
        if is_rest && reply.is_sent() && reply.status >= 400 {
            let errors: serde_json::Value = serde_json::from_slice(&reply.body)
                .unwrap_or_else(|error| panic!("{shown}: a refusal that is no JSON: {error}"));
            // A tree tells of its records instead (facts 4).
            let of_records = errors["hasErrors"] == true && errors["results"].is_array();
            let told = of_records
                || errors.as_array().is_some_and(|errors| {
                    errors
                        .iter()
                        .all(|e| e["errorCode"].is_string() && e["message"].is_string())
                });
            assert!(told, "{shown}: {errors}");
        }
    }
}

fn request(text: &[u8], token: &str) -> Option<Request<Body>> {
    let end = text.iter().position(|byte| *byte == HEAD_END)?;
    let head = std::str::from_utf8(&text[..end]).ok()?;
    let mut words = head.split(' ');
    Request::builder()
        .method(words.next()?)
        .uri(words.next()?)
        .header("content-type", words.next().unwrap_or("application/json"))
        .header("authorization", format!("Bearer {token}"))
        .header("host", "127.0.0.1")
        .body(Body::from(text[end + 1..].to_vec()))
        .ok()
}

fn split<'b>(bytes: &'b [u8], mark: &[u8]) -> Vec<&'b [u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        parts.push(&rest[..at]);
        rest = &rest[at + mark.len()..];
    }
    parts.push(rest);
    parts
}
