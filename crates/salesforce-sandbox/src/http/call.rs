//! One request, decoded as far as every endpoint needs it, and the call that it came with.
//!
//! A [`Request`] is what resources look at; it may also be a part of a composite call. A [`Call`] is what came over the
//! wire: a request, its session, its entry in the log.
use std::future::poll_fn;
use std::io::Read;
use std::pin::Pin;

use axum::body::{Body, HttpBody};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use bytes::Bytes;
use flate2::read::{GzDecoder, ZlibDecoder};

use super::reply::Reply;
use crate::faults::{Endpoint, Occasion};
use crate::org::{Org, Refusal};
use crate::watch::{RequestRecord, Ticket};

/// The log keeps thousands of headers, each of which may be as long as a client likes.
const LOGGED_CHARACTERS: usize = 256;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path's segments, percent-decoded; empty ones are left out.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    /// Unpacked.
    pub(crate) body: Bytes,
}

/// A request in progress.
pub(crate) struct Call {
    pub(crate) request: Request,
    /// The token of an authenticated call.
    pub(crate) token: Option<String>,
    /// Number of the app that it authenticated as.
    pub(crate) app: Option<usize>,
    pub(crate) ticket: Ticket,
    uri: Uri,
}

/// Why a body could not be read.
pub(crate) enum ReadError {
    /// The client went away.
    Gone,
    TooLarge,
    /// It is not what Content-Encoding says.
    Encoding,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn query_value(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// 415 unless the body says that it is JSON.
    pub(crate) fn must_be_json(&self) -> Result<(), Reply> {
        if self.is_json() {
            return Ok(());
        }
        let text = "The content type of the request is not supported; use application/json.";
        Err(Reply::error(
            415,
            &Refusal::new("UNSUPPORTED_MEDIA_TYPE", text),
        ))
    }

    fn is_json(&self) -> bool {
        self.header("content-type").is_some_and(|kind| {
            kind.split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .eq_ignore_ascii_case("application/json")
        })
    }

    /// The base URL of the org as this client sees it.
    pub(crate) fn base_url(&self, org: &Org) -> String {
        match &org.config.instance_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.header("host").unwrap_or("127.0.0.1")),
        }
    }
}

impl Call {
    pub(crate) fn new(org: &Org, parts: Parts) -> Call {
        let path = parts.uri.path();
        let header = |name: &str| {
            let value = parts.headers.get(name)?.to_str().ok()?;
            Some(value.chars().take(LOGGED_CHARACTERS).collect::<String>())
        };
        let record = RequestRecord {
            method: parts.method.as_str().to_owned(),
            path: path.to_owned(),
            auto_assign: header("sforce-auto-assign"),
            call_options: header("sforce-call-options"),
            content_encoding: header("content-encoding"),
            duplicate_rule: header("sforce-duplicate-rule-header"),
            accept: header("accept"),
            user_agent: header("user-agent"),
            arrived_monotonic_micros: org.clock.monotonic_micros(),
            arrived_wall_micros: org.clock.wall_micros(),
            ..RequestRecord::default()
        };
        Call {
            request: Request {
                method: record.method.clone(),
                segments: segments(path),
                query: parse_form(parts.uri.query().unwrap_or_default()),
                headers: parts.headers,
                body: Bytes::new(),
            },
            uri: parts.uri,
            token: None,
            app: None,
            ticket: Ticket::unnumbered(record),
        }
    }

    /// Counts the request; control requests are never counted.
    pub(crate) fn arrive(&mut self, org: &Org) {
        org.watch.arrive(&mut self.ticket);
    }

    /// Writes the log entry.
    pub(crate) fn finish(&mut self, org: &Org, reply: &Reply) {
        let mut record = std::mem::take(&mut self.ticket.record);
        record.status = reply.is_sent().then_some(reply.status);
        record.answered_monotonic_micros = org.clock.monotonic_micros();
        org.watch.finish(record);
    }

    /// As sent, without the query.
    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }

    /// As sent.
    pub(crate) fn path_and_query(&self) -> &str {
        self.uri.path_and_query().map_or("", |p| p.as_str())
    }

    pub(crate) fn uri_bytes(&self) -> usize {
        self.path_and_query().len()
    }

    /// How faults see it before its records are understood.
    pub(crate) fn occasion(&self, endpoint: Endpoint) -> Occasion<'_> {
        Occasion::of(endpoint, &self.ticket.record, &[])
    }

    pub(crate) fn header_bytes(&self) -> usize {
        // A header line has `: ` and a line end besides name and value.
        self.request
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum()
    }

    /// Reads and unpacks the body; neither form of it may be longer than the limit.
    pub(crate) async fn read_body(&mut self, limit: usize, body: Body) -> Result<(), ReadError> {
        let declared = self
            .request
            .header("content-length")
            .and_then(|length| length.parse::<usize>().ok());
        if declared.is_some_and(|length| length > limit) {
            return Err(ReadError::TooLarge);
        }
        let packed = collect(body, declared.unwrap_or_default(), limit).await?;
        self.ticket.record.body_bytes = packed.len() as u64;
        self.request.body = match self
            .request
            .header("content-encoding")
            .unwrap_or("identity")
        {
            "gzip" | "x-gzip" => unpack(GzDecoder::new(&packed[..]), limit)?,
            "deflate" => unpack(ZlibDecoder::new(&packed[..]), limit)?,
            _ => packed,
        };
        Ok(())
    }
}

/// Reads a body into one piece of memory, growing it once at most when its length was declared.
async fn collect(mut body: Body, declared: usize, limit: usize) -> Result<Bytes, ReadError> {
    let mut bytes = Vec::with_capacity(declared);
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        // Trailers are of no interest.
        let Ok(data) = frame.map_err(|_| ReadError::Gone)?.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > limit {
            return Err(ReadError::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    bytes.shrink_to_fit();
    Ok(bytes.into())
}

fn unpack(decoder: impl Read, limit: usize) -> Result<Bytes, ReadError> {
    let mut bytes = Vec::new();
    decoder
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| ReadError::Encoding)?;
    if bytes.len() > limit {
        Err(ReadError::TooLarge)
    } else {
        Ok(bytes.into())
    }
}

/// `/a//b%20c` as `a`, `b c`.
pub(crate) fn segments(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| decode(segment, false))
        .collect()
}

/// `a=1&b=2`, decoded.
pub(crate) fn parse_form(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key, true), decode(value, true))
        })
        .collect()
}

/// Undoes percent-encoding; what is no valid escape stays as it is.
fn decode(text: &str, plus_is_space: bool) -> String {
    if !text.contains(['%', '+']) {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escape = (*first == b'%').then(|| tail.get(..2)).flatten();
        let value =
            escape.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        if let Some(value) = value {
            bytes.push(value);
            rest = &tail[2..];
        } else {
            bytes.push(if plus_is_space && *first == b'+' {
                b' '
            } else {
                *first
            });
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
