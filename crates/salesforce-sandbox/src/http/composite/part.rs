//! One subrequest: as it was sent, and as a request that a resource can look at.
use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;

use super::reference::{Filler, has_references};
use super::{Family, GRAPH_SINCE_VERSION};
use crate::http::call::{Request, parse_form, segments};
use crate::http::reply::Reply;
use crate::http::work::Work;
use crate::http::{MAX_URI_BYTES, rest};
use crate::org::{Org, Refusal};

/// Where every URL of a subrequest begins.
pub(super) const PREFIX: &str = "/services/data/";

/// A subrequest as it was sent.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) method: &'static str,
    /// Begins with [`PREFIX`].
    pub(super) url: String,
    /// JSON; empty when there is none.
    pub(super) body: Bytes,
    pub(super) headers: HeaderMap,
    /// Empty in a batch, which has none.
    pub(super) reference: String,
}

impl Part {
    /// The version and the path's segments below it, as they were sent; nothing of a URL that is too long.
    pub(super) fn path(&self) -> (&str, Vec<String>) {
        if self.url.len() > MAX_URI_BYTES {
            return ("", Vec::new());
        }
        let path = self.url.split(['?', '#']).next().unwrap_or_default();
        let below = path.strip_prefix(PREFIX).unwrap_or_default();
        let (version, rest) = below.split_once('/').unwrap_or((below, ""));
        (version, segments(rest))
    }

    /// The body as text; it is JSON that was parsed, so it is UTF-8.
    pub(super) fn body_text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    /// Whether it waits for the answer of another.
    pub(super) fn refers(&self) -> bool {
        has_references(&self.url) || has_references(self.body_text())
    }

    /// The request it is, when it has no references.
    pub(super) fn ask(&self, family: Family) -> Asked {
        self.asked(family, &self.url, self.body.clone())
    }

    /// The request it is once its references are filled in.
    pub(super) fn fill(
        &self,
        family: Family,
        filler: &mut Filler<'_, '_>,
    ) -> Result<Asked, Refusal> {
        let url = filler.text(&self.url)?.unwrap_or_default();
        if !has_references(self.body_text()) {
            return Ok(self.asked(family, &url, self.body.clone()));
        }
        let body = filler.json(self.body_text())?;
        Ok(self.asked(family, &url, body.into()))
    }

    fn asked(&self, family: Family, url: &str, body: Bytes) -> Asked {
        let url = url.split('#').next().unwrap_or_default();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let mut headers = self.headers.clone();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        let is_long = self.url.len().max(url.len()) > MAX_URI_BYTES;
        Asked {
            family,
            is_long,
            request: Request {
                method: self.method.to_owned(),
                segments: if is_long { Vec::new() } else { segments(path) },
                query: if is_long {
                    Vec::new()
                } else {
                    parse_form(query)
                },
                headers,
                body,
            },
        }
    }
}

/// A subrequest without references.
pub(super) struct Asked {
    family: Family,
    is_long: bool,
    request: Request,
}

impl Asked {
    /// What it asks for. The caller may hold the lock of the leads.
    pub(super) fn understand<'r>(&'r self, org: &'r Org) -> Result<Work<'r>, Reply> {
        if self.is_long {
            let text = "The URI is longer than 16,384 bytes.";
            return Err(Reply::error(414, &Refusal::new("URI_TOO_LONG", text)));
        }
        let segments: Vec<&str> = self.request.segments.iter().map(String::as_str).collect();
        let ["services", "data", version, below @ ..] = segments.as_slice() else {
            return Err(Reply::error(404, &Refusal::not_found()));
        };
        let version = rest::callable_version(version)?;
        if !self.family.serves(&self.request.method, version, below) {
            let text = format!("The resource /{} is not supported here.", below.join("/"));
            return Err(Reply::error(400, &Refusal::new("PROCESSING_HALTED", text)));
        }
        rest::understand(org, &self.request, version, below)
    }
}

impl Family {
    /// Whether such a subrequest may stand in it.
    fn serves(self, method: &str, version: u32, below: &[&str]) -> bool {
        match (self, below) {
            (Family::Graph, _) if version < GRAPH_SINCE_VERSION => false,
            (Family::Graph, ["sobjects", _]) => method == "POST",
            (Family::Graph, ["sobjects", _, row]) if *row != "describe" => {
                matches!(method, "DELETE" | "GET" | "PATCH")
            }
            (Family::Graph, ["sobjects", _, _, _]) => method != "PUT",
            (Family::Graph, _) => false,
            (Family::Composite | Family::Batch, [first, ..]) => {
                matches!(*first, "sobjects" | "query" | "queryAll" | "limits")
                    || below.starts_with(&["composite", "sobjects"])
            }
            (Family::Composite | Family::Batch, []) => false,
        }
    }
}
