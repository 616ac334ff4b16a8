//! Bodies of composite calls: from JSON to bounded lists of subrequests, and what refuses the whole call.
//!
//! What the text of the call is wrong in refuses it with 400. What is too much of is answered as Salesforce does it: by
//! 200 with one result that belongs to no subrequest.
use std::collections::HashSet;
use std::fmt;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::part::{PREFIX, Part};
use super::{BATCH_SINCE_VERSION, Family, graph_limits, shape};
use crate::http::call::Request;
use crate::http::reply::Reply;
use crate::http::{MAX_URI_BYTES, rest};
use crate::json::{self, AtMost, Flag};
use crate::org::Refusal;

const METHODS: [&str; 5] = ["DELETE", "GET", "PATCH", "POST", "PUT"];
/// Subrequests of `/composite` and `/composite/batch` (facts 4).
const MAX_PARTS: usize = 25;
/// Of them collections and queries, in `/composite` (facts 4).
const MAX_COLLECTIONS_AND_QUERIES: usize = 5;
/// Graphs of a call (facts 4).
pub(super) const MAX_GRAPHS: usize = 75;
/// Subrequests of all graphs together (facts 4).
pub(super) const MAX_NODES: usize = 500;
/// Headers of one subrequest; nobody has use for more.
const MAX_HEADERS: usize = 64;
/// Since this version an ill-formed reference id refuses the whole call (facts 4).
const STRICT_IDS_SINCE: u32 = 52;
/// Longer graph ids are refused.
const MAX_GRAPH_ID: usize = 40;

/// A composite call, understood as far as its own text goes.
#[derive(Debug)]
pub(super) struct Plan {
    /// One, or one for each graph.
    pub(super) sequences: Vec<Sequence>,
    pub(super) all_or_none: bool,
    pub(super) halt_on_error: bool,
}

/// Subrequests in their order.
#[derive(Debug)]
pub(super) struct Sequence {
    /// Of a graph.
    pub(super) graph_id: Option<String>,
    pub(super) parts: Vec<Part>,
    /// Why none of them is done.
    pub(super) refusal: Option<Refusal>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CompositeBody<'a> {
    #[serde(default)]
    all_or_none: Flag,
    /// Accepted; subrequests are done in their order either way, which is one that Salesforce may choose.
    #[serde(default, rename = "collateSubrequests")]
    _collate_subrequests: Flag,
    #[serde(borrow)]
    composite_request: Option<AtMost<PartBody<'a>, MAX_PARTS>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphsBody<'a> {
    #[serde(borrow)]
    graphs: Option<AtMost<GraphBody<'a>, MAX_GRAPHS>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GraphBody<'a> {
    graph_id: Option<String>,
    #[serde(borrow)]
    composite_request: Option<AtMost<PartBody<'a>, MAX_NODES>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PartBody<'a> {
    method: Option<String>,
    url: Option<String>,
    reference_id: Option<String>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    http_headers: Option<Headers>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BatchBody<'a> {
    #[serde(default)]
    halt_on_error: Flag,
    #[serde(borrow)]
    batch_requests: Option<AtMost<BatchPartBody<'a>, MAX_PARTS>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BatchPartBody<'a> {
    method: Option<String>,
    url: Option<String>,
    #[serde(borrow)]
    rich_input: Option<&'a RawValue>,
    binary_part_name: Option<String>,
    binary_part_name_alias: Option<String>,
}

/// Parses the body of a composite call; the error is its reply.
pub(super) fn parse(family: Family, version: u32, request: &Request) -> Result<Plan, Reply> {
    let parsed = match family {
        Family::Composite => composite(version, &request.body),
        Family::Batch => batch(version, request),
        Family::Graph => graphs(version, &request.body),
    };
    parsed
        .map_err(|refusal| Reply::error(400, &refusal))?
        .map_err(|too_much| match family {
            Family::Composite => shape::composite_refused(&too_much),
            Family::Batch => Reply::error(400, &too_much),
            Family::Graph => shape::graphs_refused(&too_much),
        })
}

/// A plan, or what there is too much of.
type Measured = Result<Plan, Refusal>;

fn composite(version: u32, body: &Bytes) -> Result<Measured, Refusal> {
    let parsed: CompositeBody<'_> = json::parse_plain(body)?;
    let list = filled("compositeRequest", parsed.composite_request)?;
    if list.is_too_long() {
        return Ok(Err(too_many("operations", MAX_PARTS)));
    }
    let parts = parts(version, body, list.0)?;
    let collections_and_queries = parts.iter().filter(|part| is_collection_or_query(part));
    if collections_and_queries.count() > MAX_COLLECTIONS_AND_QUERIES {
        return Ok(Err(too_many(
            "query and collection operations",
            MAX_COLLECTIONS_AND_QUERIES,
        )));
    }
    Ok(Ok(Plan {
        sequences: vec![Sequence {
            graph_id: None,
            parts,
            refusal: None,
        }],
        all_or_none: parsed.all_or_none.0,
        halt_on_error: false,
    }))
}

fn batch(version: u32, request: &Request) -> Result<Measured, Refusal> {
    let parsed: BatchBody<'_> = json::parse_plain(&request.body)?;
    let list = filled("batchRequests", parsed.batch_requests)?;
    if list.is_too_long() {
        return Ok(Err(too_many("operations", MAX_PARTS)));
    }
    let parts = list
        .0
        .into_iter()
        .map(|part| batch_part(version, request, part))
        .collect::<Result<_, _>>()?;
    Ok(Ok(Plan {
        sequences: vec![Sequence {
            graph_id: None,
            parts,
            refusal: None,
        }],
        all_or_none: false,
        halt_on_error: parsed.halt_on_error.0,
    }))
}

fn graphs(version: u32, body: &Bytes) -> Result<Measured, Refusal> {
    let parsed: GraphsBody<'_> = json::parse_plain(body)?;
    let list = filled("graphs", parsed.graphs)?;
    if list.is_too_long() {
        return Ok(Err(graph_limits::too_many_graphs()));
    }
    let mut ids = HashSet::new();
    let mut sequences = Vec::with_capacity(list.0.len());
    let mut nodes = 0;
    for graph in list.0 {
        let id = graph.graph_id.ok_or_else(|| missing("graphId"))?;
        check_graph_id(&id)?;
        if !ids.insert(id.clone()) {
            return Err(malformed(format!("Duplicate graphId: {id}")));
        }
        let list = filled("compositeRequest", graph.composite_request)?;
        nodes += list.0.len();
        if nodes > MAX_NODES {
            return Ok(Err(graph_limits::too_many_nodes()));
        }
        let parts = parts(version, body, list.0)?;
        let refusal = graph_limits::too_deep(&parts);
        sequences.push(Sequence {
            graph_id: Some(id),
            parts,
            refusal,
        });
    }
    if let Some(refusal) = graph_limits::too_many_kinds(&sequences) {
        return Ok(Err(refusal));
    }
    Ok(Ok(Plan {
        sequences,
        all_or_none: true,
        halt_on_error: false,
    }))
}

fn filled<T, const N: usize>(
    name: &str,
    list: Option<AtMost<T, N>>,
) -> Result<AtMost<T, N>, Refusal> {
    list.filter(|list| !list.0.is_empty()).ok_or_else(|| {
        malformed(format!(
            "The request must hold a list {name} with at least one element."
        ))
    })
}

fn parts(version: u32, body: &Bytes, list: Vec<PartBody<'_>>) -> Result<Vec<Part>, Refusal> {
    let mut ids = HashSet::with_capacity(list.len());
    let mut parts = Vec::with_capacity(list.len());
    for part in list {
        let reference = part.reference_id.ok_or_else(|| missing("referenceId"))?;
        if version >= STRICT_IDS_SINCE && !is_reference_id(&reference) {
            return Err(malformed(format!(
                "Provided referenceId ('{reference}') must start with a letter or a number, and it can contain only \
                 letters, numbers and underscores ('_')."
            )));
        }
        if !ids.insert(reference.clone()) {
            return Err(malformed(format!("Duplicate referenceId: {reference}")));
        }
        let url = part.url.ok_or_else(|| missing("url"))?;
        if !url.starts_with(PREFIX) {
            return Err(malformed(format!(
                "The url of a subrequest must start with {PREFIX}vXX.X/: {url}"
            )));
        }
        parts.push(Part {
            method: method(part.method)?,
            url,
            body: raw_body(body, part.body),
            headers: part.http_headers.map_or(Ok(HeaderMap::new()), headers)?,
            reference,
        });
    }
    Ok(parts)
}

fn batch_part(version: u32, request: &Request, part: BatchPartBody<'_>) -> Result<Part, Refusal> {
    if part.binary_part_name.is_some() || part.binary_part_name_alias.is_some() {
        return Err(malformed(
            "Binary parts are not supported: binaryPartName".to_owned(),
        ));
    }
    let url = part.url.ok_or_else(|| missing("url"))?;
    let below = url.trim_start_matches('/');
    let below = below.strip_prefix(&PREFIX[1..]).unwrap_or(below);
    let number = below
        .split(['/', '?'])
        .next()
        .and_then(rest::parse_version)
        .filter(|number| (BATCH_SINCE_VERSION..=version).contains(number));
    if number.is_none() {
        return Err(malformed(format!(
            "The url of a subrequest must start with a version from v{BATCH_SINCE_VERSION}.0 to v{version}.0: {url}"
        )));
    }
    Ok(Part {
        method: method(part.method)?,
        url: format!("{PREFIX}{below}"),
        body: raw_body(&request.body, part.rich_input),
        // A subrequest of a batch cannot have headers of its own.
        headers: request.headers.clone(),
        reference: String::new(),
    })
}

/// Methods are compared exactly (facts 4).
fn method(sent: Option<String>) -> Result<&'static str, Refusal> {
    let sent = sent.ok_or_else(|| missing("method"))?;
    METHODS
        .into_iter()
        .find(|method| *method == sent)
        .ok_or_else(|| {
            malformed(format!(
                "The method of a subrequest is none of {}: {sent}",
                METHODS.join(", ")
            ))
        })
}

/// A part of the call's own bytes.
fn raw_body(body: &Bytes, raw: Option<&RawValue>) -> Bytes {
    raw.map_or_else(Bytes::new, |raw| body.slice_ref(raw.get().as_bytes()))
}

/// Letters, digits and underscores, the first of them no underscore (facts 4).
pub(super) fn is_reference_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn check_graph_id(id: &str) -> Result<(), Refusal> {
    let fits = id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.len() < MAX_GRAPH_ID
        && !id.contains('.');
    if fits {
        return Ok(());
    }
    Err(malformed(format!(
        "Provided graphId ('{id}') must start with a letter or a number, be shorter than {MAX_GRAPH_ID} characters and \
         contain no period."
    )))
}

fn is_collection_or_query(part: &Part) -> bool {
    let (_, below) = part.path();
    let below: Vec<&str> = below.iter().map(String::as_str).collect();
    matches!(
        below.as_slice(),
        ["composite", "sobjects", ..] | ["query" | "queryAll", ..]
    )
}

fn missing(name: &str) -> Refusal {
    malformed(format!("Missing required field: {name}"))
}

fn malformed(text: String) -> Refusal {
    Refusal::parser(text)
}

/// Seen in the field for 25 operations; with the typographic apostrophe.
fn too_many(what: &str, most: usize) -> Refusal {
    let text = format!("The request can\u{2019}t contain more than {most} {what}.");
    Refusal::new("LIMIT_EXCEEDED", text)
}

/// `httpHeaders` as they were sent.
struct Headers(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Headers, D::Error> {
        deserializer.deserialize_map(HeadersVisitor)
    }
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of headers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
        let mut headers = Vec::new();
        while let Some(header) = map.next_entry()? {
            if headers.len() == MAX_HEADERS {
                return Err(serde::de::Error::custom("too many headers"));
            }
            headers.push(header);
        }
        Ok(Headers(headers))
    }
}

/// The three headers that come from the call itself may not be given (facts 4).
fn headers(sent: Headers) -> Result<HeaderMap, Refusal> {
    let mut headers = HeaderMap::new();
    let mut bytes = 0;
    for (name, value) in sent.0 {
        let taken = ["accept", "authorization", "content-type"];
        if taken.iter().any(|taken| name.eq_ignore_ascii_case(taken)) {
            return Err(malformed(format!(
                "The header {name} can't be specified in a subrequest."
            )));
        }
        bytes += name.len() + value.len() + 4;
        if bytes > MAX_URI_BYTES {
            return Err(malformed(
                "The headers of a subrequest are longer than 16,384 bytes.".to_owned(),
            ));
        }
        let (Ok(key), Ok(value)) = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::from_str(&value),
        ) else {
            return Err(malformed(format!(
                "The header {name} of a subrequest is malformed."
            )));
        };
        headers.insert(key, value);
    }
    Ok(headers)
}
