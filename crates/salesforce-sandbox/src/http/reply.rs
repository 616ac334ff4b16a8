//! Replies: JSON, error arrays, gateway pages, cut connections; compression and pretty printing.
use std::io::Write;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::call::Request;
use super::delivery::Delivery;
use super::pieces::Pieces;
use super::pretty::pretty;
use crate::org::{Org, Refusal};

/// Replies smaller than this gain nothing from compression.
const MIN_COMPRESSED_BYTES: usize = 1024;
/// Longest JSON that a reply is built to hold: messages have 50 MB (facts 6.4).
pub(super) const MAX_REPLY_BYTES: usize = 50 * 1024 * 1024;
const JSON: &str = "application/json;charset=UTF-8";

/// A reply in the making.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) delivery: Delivery,
    /// URL of the instance that the client is sent to.
    pub(crate) redirect: Option<String>,
    /// Whether the armed faults have had their say.
    pub(crate) faulted: bool,
    /// Stands in for the body, and is made while it is sent.
    pub(crate) stream: Option<Box<Pieces>>,
}

impl Reply {
    pub(crate) fn json(status: u16, value: &impl Serialize) -> Reply {
        // Maps with text keys and plain values always serialise.
        Reply::raw_json(status, serde_json::to_vec(value).unwrap_or_default())
    }

    pub(crate) fn raw_json(status: u16, body: Vec<u8>) -> Reply {
        let headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static(JSON))];
        Reply {
            body,
            headers,
            ..Reply::empty(status)
        }
    }

    /// A body without a content type.
    pub(crate) fn bytes(status: u16, body: Vec<u8>) -> Reply {
        Reply {
            body,
            ..Reply::empty(status)
        }
    }

    /// A body that is made while it is sent.
    pub(crate) fn stream(
        status: u16,
        pieces: impl Iterator<Item = Vec<u8>> + Send + 'static,
    ) -> Reply {
        Reply {
            stream: Some(Box::new(Pieces::new(pieces))),
            ..Reply::empty(status)
        }
    }

    /// A request-level error array of one element.
    pub(crate) fn error(status: u16, refusal: &Refusal) -> Reply {
        Reply::errors(status, std::slice::from_ref(refusal))
    }

    pub(crate) fn errors(status: u16, refusals: &[Refusal]) -> Reply {
        Reply::json(
            status,
            &refusals
                .iter()
                .map(Refusal::request_json)
                .collect::<Vec<_>>(),
        )
    }

    pub(crate) fn empty(status: u16) -> Reply {
        Reply {
            status,
            body: Vec::new(),
            headers: Vec::new(),
            delivery: Delivery::Whole,
            redirect: None,
            faulted: false,
            stream: None,
        }
    }

    /// What gateways in front of Salesforce answer.
    pub(crate) fn html(status: u16) -> Reply {
        let reason = StatusCode::from_u16(status)
            .ok()
            .and_then(|s| s.canonical_reason())
            .unwrap_or("Error");
        let body = format!(
            "<html><head><title>{status} {reason}</title></head><body><h1>{reason}</h1></body></html>\n"
        );
        let headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static("text/html"))];
        Reply {
            body: body.into_bytes(),
            headers,
            ..Reply::empty(status)
        }
    }

    pub(crate) fn cut() -> Reply {
        Reply {
            delivery: Delivery::Cut,
            ..Reply::empty(500)
        }
    }

    /// The client is never answered.
    pub(crate) fn stalled() -> Reply {
        Reply {
            delivery: Delivery::Stall,
            ..Reply::empty(500)
        }
    }

    /// Puts a body that is made while it is sent together, so that it can be spoilt.
    pub(crate) fn gather(&mut self) {
        if let Some(pieces) = self.stream.take() {
            self.body = pieces.gather();
        }
    }

    /// Whether the client gets to see any of it.
    pub(crate) fn is_sent(&self) -> bool {
        match self.delivery {
            Delivery::Whole | Delivery::Paced(_) => true,
            Delivery::Cut | Delivery::Stall => false,
        }
    }

    pub(crate) fn method_not_allowed(method: &str, allowed: &'static str) -> Reply {
        let text = format!("HTTP Method '{method}' not allowed. Allowed are {allowed}");
        Reply::error(405, &Refusal::new("METHOD_NOT_ALLOWED", text))
            .with(header::ALLOW, HeaderValue::from_static(allowed))
    }

    /// In place of JSON beyond [`MAX_REPLY_BYTES`].
    pub(super) fn too_large() -> Reply {
        let text = "The reply would be larger than 50 MB.";
        Reply::error(400, &Refusal::new("LIMIT_EXCEEDED", text))
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Reply {
        self.headers.push((name, value));
        self
    }

    fn is_json(&self) -> bool {
        self.headers.iter().any(|(name, value)| {
            name == header::CONTENT_TYPE && value.as_bytes() == JSON.as_bytes()
        })
    }

    /// What applies to every reply: pretty printing, compression.
    pub(crate) fn polish(mut self, org: &Org, request: &Request) -> Reply {
        if !self.is_sent() {
            return self;
        }
        if request.header("x-prettyprint") == Some("1") && self.is_json() {
            self.body = pretty(&self.body);
        }
        let accepts = request.header("accept-encoding").is_some_and(|accepted| {
            accepted
                .split(',')
                .any(|part| part.split(';').next().unwrap_or_default().trim() == "gzip")
        });
        if !org.config.compress_replies || !accepts {
            return self;
        }
        if let Some(pieces) = &mut self.stream {
            pieces.compress();
            self.headers
                .push((header::CONTENT_ENCODING, HeaderValue::from_static("gzip")));
        } else if self.body.len() >= MIN_COMPRESSED_BYTES {
            let mut encoder =
                GzEncoder::new(Vec::with_capacity(self.body.len() / 4), Compression::fast());
            // Writing into memory does not fail.
            if encoder.write_all(&self.body).is_ok()
                && let Ok(packed) = encoder.finish()
            {
                self.body = packed;
                self.headers
                    .push((header::CONTENT_ENCODING, HeaderValue::from_static("gzip")));
            }
        }
        self
    }

    pub(crate) fn into_response(self) -> Response {
        let body = match (self.delivery, self.stream) {
            (Delivery::Paced(pace), _) => pace.body(self.body),
            (_, Some(pieces)) => Body::new(pieces),
            (_, None) => Body::from(self.body),
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().extend(self.headers);
        response
    }
}
