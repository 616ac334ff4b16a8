//! The composite family: many requests in one call (facts 4).
//!
//! - `/composite`: up to 25 subrequests that may refer to each other; one call; all or none on demand.
//! - `/composite/batch`: up to 25 that may not; each is a call and a transaction of its own.
//! - `/composite/graph`: sequences of subrequests, each of them all or none.
//! - `/composite/tree/Lead`: up to 200 new leads, all or none; a plain write, see `tree`.
//!
//! `parse` makes bounded structures of the body, `part` a request of each subrequest, `reference` fills answers into
//! later subrequests, `perform` runs them in their order, `shape` writes the replies. Subrequests that refer to no
//! other are understood before anything is done; the others when their turn comes, then maybe under the lock of the
//! leads.
mod graph_limits;
mod parse;
mod part;
mod perform;
mod reference;
mod shape;
pub(super) mod tree;

use serde_json::{Map, Value};

use super::call::Request;
use super::reply::Reply;
use super::resources::only_get;
use crate::org::{Org, Refusal};
use crate::watch::RequestRecord;

const COMPOSITE_SINCE_VERSION: u32 = 38;
const BATCH_SINCE_VERSION: u32 = 34;
const GRAPH_SINCE_VERSION: u32 = 50;
const COLLECTIONS_SINCE_VERSION: u32 = 42;

/// Which of the resources with subrequests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Composite,
    Batch,
    Graph,
}

impl Family {
    /// The resource behind a path below the version, if it is one of them and of that version.
    pub(super) fn of(request: &Request, version: u32, rest: &[&str]) -> Option<Family> {
        match rest {
            ["composite"] if request.method == "POST" && version >= COMPOSITE_SINCE_VERSION => {
                Some(Family::Composite)
            }
            ["composite", "batch"] if version >= BATCH_SINCE_VERSION => Some(Family::Batch),
            ["composite", "graph"] if version >= GRAPH_SINCE_VERSION => Some(Family::Graph),
            _ => None,
        }
    }
}

/// `GET /composite`: the other resources.
pub(super) fn list(request: &Request, version: u32) -> Reply {
    if version < BATCH_SINCE_VERSION {
        return Reply::error(404, &Refusal::not_found());
    }
    if version >= COMPOSITE_SINCE_VERSION && !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Reply::method_not_allowed(&request.method, "GET,HEAD,POST");
    }
    only_get(request, || {
        let resources = [
            ("tree", tree::SINCE_VERSION),
            ("batch", BATCH_SINCE_VERSION),
            ("sobjects", COLLECTIONS_SINCE_VERSION),
            ("graph", GRAPH_SINCE_VERSION),
        ];
        let map: Map<String, Value> = resources
            .into_iter()
            .filter(|(_, since)| version >= *since)
            .map(|(name, _)| {
                let path = format!("/services/data/v{version}.0/composite/{name}");
                (name.to_owned(), path.into())
            })
            .collect();
        Reply::json(200, &map)
    })
}

/// A composite call and who sends it.
pub(super) struct Sent<'c> {
    pub(super) family: Family,
    pub(super) request: &'c Request,
    pub(super) version: u32,
    /// The session.
    pub(super) token: Option<&'c str>,
    /// Number of the app behind it.
    pub(super) app: Option<usize>,
}

/// Answers a call with subrequests.
pub(super) async fn answer(org: &Org, sent: Sent<'_>, record: &mut RequestRecord) -> Reply {
    if sent.request.method != "POST" {
        return Reply::method_not_allowed(&sent.request.method, "POST");
    }
    if let Err(reply) = sent.request.must_be_json() {
        return reply;
    }
    match parse::parse(sent.family, sent.version, sent.request) {
        Ok(plan) => perform::run(org, &sent, plan, record).await,
        Err(reply) => reply,
    }
}

/// Parses bytes as the body of each of the family, and fills references into them.
#[cfg(feature = "fuzzing")]
pub(super) fn fuzz(bytes: &[u8]) {
    let request = Request {
        method: "POST".into(),
        segments: Vec::new(),
        query: Vec::new(),
        headers: axum::http::HeaderMap::new(),
        body: bytes::Bytes::copy_from_slice(bytes),
    };
    for family in [Family::Composite, Family::Batch, Family::Graph] {
        for version in [51, 67] {
            // Whatever is made of the bytes is fine, as long as something is.
            let _ = parse::parse(family, version, &request);
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        reference::fuzz(text);
    }
}
