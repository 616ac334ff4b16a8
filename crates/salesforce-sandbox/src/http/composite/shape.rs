//! The JSON of composite replies (facts 4).
use std::collections::BTreeMap;

use axum::http::{HeaderName, header};
use serde_json::json;

use super::parse::Sequence;
use super::part::Part;
use crate::http::reply::Reply;
use crate::org::Refusal;

/// What a subrequest is answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// JSON, or nothing.
    pub(super) body: Vec<u8>,
    /// Those of its headers that a subrequest shows.
    headers: Vec<(&'static str, String)>,
}

/// The headers of a reply that are told of a subrequest.
const TOLD: [(HeaderName, &str); 3] = [
    (header::LOCATION, "Location"),
    (header::ETAG, "ETag"),
    (header::LAST_MODIFIED, "Last-Modified"),
];

impl Answer {
    pub(super) fn new(reply: Reply) -> Answer {
        let headers = TOLD
            .iter()
            .filter_map(|(told, shown)| {
                let (_, value) = reply.headers.iter().find(|(name, _)| name == told)?;
                Some((*shown, value.to_str().ok()?.to_owned()))
            })
            .collect();
        Answer {
            status: reply.status,
            body: reply.body,
            headers,
        }
    }

    pub(super) fn refused(status: u16, refusal: &Refusal) -> Answer {
        Answer::new(Reply::error(status, refusal))
    }

    fn push(&self, json: &mut Vec<u8>) {
        if self.body.is_empty() {
            json.extend_from_slice(b"null");
        } else {
            json.extend_from_slice(&self.body);
        }
    }
}

/// `{"compositeResponse": […]}` for subrequests and their answers.
pub(super) fn composite(parts: &[Part], answers: &[Answer]) -> Reply {
    let mut json = Vec::new();
    push_responses(
        &mut json,
        parts.iter().map(|part| Some(&*part.reference)),
        answers,
    );
    Reply::raw_json(200, json)
}

/// The answer to a call that holds too much: a result of no subrequest, as seen in the field.
pub(super) fn composite_refused(refusal: &Refusal) -> Reply {
    let mut json = Vec::new();
    push_responses(&mut json, [None], &[Answer::refused(400, refusal)]);
    Reply::raw_json(200, json)
}

/// `{"graphs": […]}`; each graph with its answers and whether it was kept.
pub(super) fn graphs(done: &[(&Sequence, Vec<Answer>, bool)]) -> Reply {
    let mut json = b"{\"graphs\":[".to_vec();
    for (i, (sequence, answers, is_successful)) in done.iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        let names = sequence.parts.iter().map(|part| Some(&*part.reference));
        if sequence.refusal.is_some() {
            push_graph(
                &mut json,
                sequence.graph_id.as_deref(),
                [None],
                answers,
                false,
            );
        } else {
            push_graph(
                &mut json,
                sequence.graph_id.as_deref(),
                names,
                answers,
                *is_successful,
            );
        }
    }
    json.extend_from_slice(b"]}");
    Reply::raw_json(200, json)
}

/// The same for graphs; which of them it was that was too much is not told.
pub(super) fn graphs_refused(refusal: &Refusal) -> Reply {
    let mut json = b"{\"graphs\":[".to_vec();
    push_graph(
        &mut json,
        None,
        [None],
        &[Answer::refused(400, refusal)],
        false,
    );
    json.extend_from_slice(b"]}");
    Reply::raw_json(200, json)
}

/// `{"hasErrors": …, "results": […]}`.
pub(super) fn batch(answers: &[Answer]) -> Reply {
    let has_errors = answers.iter().any(|answer| answer.status >= 400);
    let mut json = format!("{{\"hasErrors\":{has_errors},\"results\":[").into_bytes();
    for (i, answer) in answers.iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        json.extend_from_slice(
            format!("{{\"statusCode\":{},\"result\":", answer.status).as_bytes(),
        );
        answer.push(&mut json);
        json.push(b'}');
    }
    json.extend_from_slice(b"]}");
    Reply::raw_json(200, json)
}

fn push_graph<'p>(
    json: &mut Vec<u8>,
    id: Option<&str>,
    references: impl IntoIterator<Item = Option<&'p str>>,
    answers: &[Answer],
    is_successful: bool,
) {
    json.extend_from_slice(format!("{{\"graphId\":{},\"graphResponse\":", json!(id)).as_bytes());
    push_responses(json, references, answers);
    json.extend_from_slice(format!(",\"isSuccessful\":{is_successful}}}").as_bytes());
}

fn push_responses<'p>(
    json: &mut Vec<u8>,
    references: impl IntoIterator<Item = Option<&'p str>>,
    answers: &[Answer],
) {
    json.extend_from_slice(b"{\"compositeResponse\":[");
    for (i, (reference, answer)) in references.into_iter().zip(answers).enumerate() {
        if i > 0 {
            json.push(b',');
        }
        json.extend_from_slice(b"{\"body\":");
        answer.push(json);
        let headers: BTreeMap<_, _> = answer.headers.iter().map(|(k, v)| (k, v)).collect();
        let headers = json!(headers);
        let rest = format!(
            ",\"httpHeaders\":{headers},\"httpStatusCode\":{},\"referenceId\":{}}}",
            answer.status,
            json!(reference)
        );
        json.extend_from_slice(rest.as_bytes());
    }
    json.extend_from_slice(b"]}");
}
