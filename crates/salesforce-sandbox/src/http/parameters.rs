//! Parameters of a login request, and the formats in which it may want its answer.
use axum::http::{HeaderValue, header};
use serde_json::Value;

use super::call::{Request, parse_form};
use super::envelope::push_escaped;
use super::reply::Reply;
use crate::oauth::{GrantRefusal, Parameters, encode_pairs};

/// What servlet containers read of a form by default; a login has a few kilobytes.
const MAX_FORM_BYTES: usize = 200_000;
const FORM: &str = "application/x-www-form-urlencoded";
const XML: &str = "application/xml";

/// Those of the query, then those of the body if it says that it is a form and is no longer than one may be; Salesforce
/// sees no others.
pub(super) fn parameters(request: &Request) -> Parameters {
    let mut pairs = request.query.clone();
    let kind = media_type(request.header("content-type").unwrap_or_default());
    if kind == FORM && request.body.len() <= MAX_FORM_BYTES {
        pairs.extend(parse_form(&String::from_utf8_lossy(&request.body)));
    }
    Parameters::new(pairs)
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Xml,
    UrlEncoded,
}

impl Format {
    /// What `format` says, else the first known type that the client accepts, else JSON.
    pub(super) fn of(request: &Request, parameters: &Parameters) -> Format {
        match parameters.get("format") {
            Some("json") => return Format::Json,
            Some("xml") => return Format::Xml,
            Some("urlencoded") => return Format::UrlEncoded,
            _ => {}
        }
        request
            .header("accept")
            .unwrap_or_default()
            .split(',')
            .find_map(|kind| match media_type(kind).as_str() {
                "application/json" | "*/*" => Some(Format::Json),
                XML => Some(Format::Xml),
                FORM => Some(Format::UrlEncoded),
                _ => None,
            })
            .unwrap_or(Format::Json)
    }

    /// An object as an answer that nobody may store; `root` is its element in XML.
    pub(super) fn reply(self, status: u16, root: &str, value: &Value) -> Reply {
        let reply = match self {
            Format::Json => Reply::json(status, value),
            Format::Xml => {
                let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
                push_element(
                    &mut text,
                    root,
                    " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"",
                    value,
                );
                of_type(status, "application/xml;charset=UTF-8", text)
            }
            Format::UrlEncoded => of_type(status, FORM, url_encoded(value)),
        };
        no_store(reply)
    }

    /// 400 with `error` and, mostly, `error_description` (facts 1.6).
    pub(super) fn refusal(self, refusal: &GrantRefusal) -> Reply {
        self.reply(400, "OAuth", &refusal_json(refusal))
    }
}

pub(super) fn refusal_json(refusal: &GrantRefusal) -> Value {
    let mut body = serde_json::Map::new();
    body.insert("error".into(), refusal.error.clone().into());
    if let Some(description) = &refusal.description {
        body.insert("error_description".into(), description.clone().into());
    }
    body.into()
}

/// A bare text, as the identity service and the authorize endpoint answer.
pub(super) fn text(status: u16, text: impl Into<String>) -> Reply {
    no_store(of_type(status, "text/html;charset=UTF-8", text.into()))
}

pub(super) fn no_store(reply: Reply) -> Reply {
    reply
        .with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with(header::PRAGMA, HeaderValue::from_static("no-cache"))
}

fn of_type(status: u16, kind: &'static str, body: String) -> Reply {
    let reply = Reply {
        body: body.into_bytes(),
        ..Reply::empty(status)
    };
    reply.with(header::CONTENT_TYPE, HeaderValue::from_static(kind))
}

/// Without its parameters, in lower case.
fn media_type(text: &str) -> String {
    text.split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// The plain values of an object; this format has no way to say more.
fn url_encoded(value: &Value) -> String {
    let pairs: Vec<(&str, String)> = value
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.as_str(), plain(value)?)))
        .collect();
    encode_pairs(pairs.iter().map(|(name, value)| (*name, value.as_str())))
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn push_element(text: &mut String, name: &str, attributes: &str, value: &Value) {
    if value.is_null() {
        text.push_str(&format!("<{name} xsi:nil=\"true\"/>"));
        return;
    }
    text.push_str(&format!("<{name}{attributes}>"));
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                push_element(text, name, "", value);
            }
        }
        _ => push_escaped(text, &plain(value).unwrap_or_default()),
    }
    text.push_str(&format!("</{name}>"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_written_in_every_format() {
        let value =
            json!({ "a": "x & <y>", "b": true, "c": null, "d": { "e": "f g" }, "n": [1, 2] });
        assert_eq!(url_encoded(&value), "a=x%20%26%20%3Cy%3E&b=true");
        let mut text = String::new();
        push_element(&mut text, "user", "", &value);
        assert_eq!(
            text,
            "<user><a>x &amp; &lt;y&gt;</a><b>true</b><c xsi:nil=\"true\"/><d><e>f g</e></d><n></n></user>"
        );
    }
}
