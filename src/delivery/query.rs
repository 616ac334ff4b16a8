//! Records read back by SOQL, page by page.
//!
//! Invariants: a page that says that it is not the last names the next one, within our API; nothing
//! is written, so no failure leaves anything unknown. A query goes into the address of a GET, so it
//! must be short: [`fits`] tells. Source: salesforce-facts 0.14 and 8.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::classify;
use super::org::{Call, Org, read_only};
use crate::core::outcome::RequestFailure;

/// Rows of a page at most; Salesforce gives fewer when they are wide.
pub const PAGE_ROWS: u64 = 2_000;

/// Address and headers together may have 16,384 bytes; a session's token and ours are far below
/// what is left.
const ADDRESS_BYTES: usize = 12_000;

/// A part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryPage {
    /// Of the whole answer.
    pub total: u64,
    /// By field name; their attributes are left out.
    pub records: Vec<Map<String, Value>>,
    /// Where the next part is; `None` behind the last.
    pub next: Option<NextPage>,
}

/// Valid for some 15 minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextPage(String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    total_size: u64,
    done: bool,
    #[serde(default)]
    next_records_url: Option<String>,
    records: Vec<Map<String, Value>>,
}

/// A text as it stands in a query.
#[must_use]
pub fn literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// What a part of a query takes in an address.
#[must_use]
pub fn address_bytes(part: &str) -> usize {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'.' | b'_' | b'-');
    part.bytes()
        .map(|byte| if plain(byte) { 1 } else { 3 })
        .sum()
}

/// Whether a query of so many bytes, as [`address_bytes`] counts them, can be asked.
#[must_use]
pub fn fits(bytes: usize) -> bool {
    bytes <= ADDRESS_BYTES
}

impl Org {
    /// The first page of a query's answer. One API call.
    ///
    /// # Errors
    /// The call failed, or the answer is not one.
    pub async fn query(&self, soql: &str) -> Result<QueryPage, RequestFailure> {
        let mut address = Url::parse("http://query.invalid/")
            .map_err(|_| read_only(classify::protocol("no address for a query")))?;
        address.query_pairs_mut().append_pair("q", soql);
        let query = address.query().map(str::to_owned);
        self.page(self.path("/query"), query).await
    }

    /// The next page. One API call.
    ///
    /// # Errors
    /// As [`Org::query`]; also when the place is too old.
    pub async fn query_more(&self, next: &NextPage) -> Result<QueryPage, RequestFailure> {
        self.page(next.0.clone(), None).await
    }

    async fn page(&self, path: String, query: Option<String>) -> Result<QueryPage, RequestFailure> {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static("sforce-query-options"),
            HeaderValue::from_static("batchSize=2000"),
        );
        let call = Call {
            method: Method::GET,
            path,
            query,
            headers,
            body: None,
            is_transfer: false,
        };
        let mut trail = self.trail();
        let answer = self.make(&call, &mut trail).await.map_err(read_only)?;
        if answer.status != 200 || answer.html {
            return Err(read_only(answer.failure()));
        }
        decode(&answer.body, &self.path("/query/"))
            .map_err(|detail| read_only(classify::protocol(&detail)))
    }
}

fn decode(body: &[u8], place: &str) -> Result<QueryPage, String> {
    let mut wire: Wire = serde_json::from_slice(body).map_err(|error| {
        format!(
            "the answer to a query cannot be read (line {}, column {})",
            error.line(),
            error.column()
        )
    })?;
    for record in &mut wire.records {
        record.remove("attributes");
    }
    let next = match (wire.done, wire.next_records_url) {
        (true, _) => None,
        // Anything else would send our session somewhere else.
        (false, Some(url)) if url.starts_with(place) && !url.contains(['?', '#']) => {
            Some(NextPage(url))
        }
        (false, _) => return Err("a page of a query names no next one".to_owned()),
    };
    Ok(QueryPage {
        total: wire.total_size,
        records: wire.records,
        next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "/services/data/v67.0/query/";

    #[test]
    fn texts_cannot_leave_their_quotes() {
        assert_eq!(literal("O'Brien\\"), r"'O\'Brien\\'");
        assert_eq!(literal("a\nb"), r"'a\nb'");
        assert_eq!(address_bytes("'ä'"), 12);
        assert!(fits(12_000) && !fits(12_001));
    }

    #[test]
    fn a_page_that_is_not_the_last_names_the_next_within_our_api() {
        let page = |done: bool, next: &str| {
            let body = serde_json::json!({
                "totalSize": 3, "done": done, "nextRecordsUrl": next,
                "records": [{"attributes": {"type": "Lead"}, "Id": "00Q1"}]
            });
            decode(body.to_string().as_bytes(), PLACE)
        };
        let next = format!("{PLACE}01g-2000");
        let first = page(false, &next).unwrap();
        assert_eq!(first.next, Some(NextPage(next.clone())));
        assert_eq!(first.records[0].len(), 1, "attributes are no field");
        assert_eq!(page(true, &next).unwrap().next, None);
        assert!(page(false, "https://elsewhere.example/").is_err());
        assert!(decode(b"{}", PLACE).is_err());
        assert!(decode(b"{\"totalSize\":1,\"done\":false,\"records\":[]}", PLACE).is_err());
    }
}
