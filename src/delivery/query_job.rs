//! Records read back by a query job of Bulk API 2.0, where pages of SOQL would take more calls.
//!
//! Invariants: a job is looked at only while it works; a page that names no next one is the last; a
//! file is read by the names of its columns, and each of its rows has as many cells as there are
//! names. Nothing is written. Source: the Bulk API 2.0 guide, "Query Jobs"; salesforce-facts 5.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::bulk::JobId;
use super::classify;
use super::http::{Answer, Body};
use super::org::{Call, Org, read_only};
use crate::core::outcome::RequestFailure;

/// Rows of a page: some megabytes.
pub const JOB_PAGE_ROWS: u64 = 10_000;

/// How far a query job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryJobState {
    Working,
    Complete,
    /// Failed, or aborted by somebody.
    Failed,
}

/// A part of a job's rows.
#[derive(Clone, Debug, PartialEq)]
pub struct JobPage {
    /// By field name; values are texts, and those that are empty are left out.
    pub records: Vec<Map<String, Value>>,
    /// Where the next part begins; `None` behind the last.
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct Job {
    id: String,
    state: String,
}

impl Org {
    /// Begins a job. One API call.
    ///
    /// # Errors
    /// The call failed. When it is not known whether it did, there may be a job that nobody reads;
    /// Salesforce forgets it after a week.
    pub async fn query_job(&self, soql: &str) -> Result<JobId, RequestFailure> {
        let body = json!({
            "operation": "query", "query": soql, "contentType": "CSV",
            "columnDelimiter": "COMMA", "lineEnding": "LF",
        });
        let mut call = self.ask_job(String::new(), None);
        call.method = Method::POST;
        let kind = HeaderValue::from_static("application/json; charset=utf-8");
        call.headers.insert(CONTENT_TYPE, kind);
        call.body = Some(Body::Whole(body.to_string().into()));
        let job: Job = decode(&self.answer(&call).await?)?;
        JobId::parse(&job.id).ok_or_else(|| protocol("the new query job has no id"))
    }

    /// How far a job is. One API call.
    ///
    /// # Errors
    /// The call failed.
    pub async fn query_job_state(&self, job: &JobId) -> Result<QueryJobState, RequestFailure> {
        let call = self.ask_job(format!("/{job}"), None);
        let told: Job = decode(&self.answer(&call).await?)?;
        match told.state.as_str() {
            "UploadComplete" | "InProgress" => Ok(QueryJobState::Working),
            "JobComplete" => Ok(QueryJobState::Complete),
            "Failed" | "Aborted" => Ok(QueryJobState::Failed),
            _ => Err(protocol("the query job is in a state that is none")),
        }
    }

    /// A page of a complete job's rows. One API call.
    ///
    /// # Errors
    /// The call failed, or the file cannot be read.
    pub async fn query_job_page(
        &self,
        job: &JobId,
        next: Option<&str>,
    ) -> Result<JobPage, RequestFailure> {
        let mut query = format!("maxRecords={JOB_PAGE_ROWS}");
        if let Some(next) = next {
            query.push_str("&locator=");
            query.push_str(next);
        }
        let mut call = self.ask_job(format!("/{job}/results"), Some(query));
        call.is_transfer = true;
        let answer = self.answer(&call).await?;
        let next = match answer.locator.as_deref() {
            None | Some("null" | "") => None,
            Some(next) if next.bytes().all(is_plain) => Some(next.to_owned()),
            Some(_) => return Err(protocol("the query job names a next page that is none")),
        };
        let records = read_file(&answer.body).map_err(|detail| protocol(&detail))?;
        Ok(JobPage { records, next })
    }

    fn ask_job(&self, rest: String, query: Option<String>) -> Call {
        Call {
            method: Method::GET,
            path: self.path(&format!("/jobs/query{rest}")),
            query,
            headers: HeaderMap::new(),
            body: None,
            is_transfer: false,
        }
    }

    async fn answer(&self, call: &Call) -> Result<Answer, RequestFailure> {
        let mut trail = self.trail();
        let answer = self.make(call, &mut trail).await.map_err(read_only)?;
        if !matches!(answer.status, 200 | 201) || answer.html {
            return Err(read_only(answer.failure()));
        }
        Ok(answer)
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=' | b'.')
}

fn protocol(detail: &str) -> RequestFailure {
    read_only(classify::protocol(detail))
}

fn decode<T: for<'de> Deserialize<'de>>(answer: &Answer) -> Result<T, RequestFailure> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        protocol(&format!(
            "the answer about a query job cannot be read (line {}, column {})",
            error.line(),
            error.column()
        ))
    })
}

fn read_file(bytes: &[u8]) -> Result<Vec<Map<String, Value>>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())?;
    let mut rows = rows(text)?.into_iter();
    let Some(names) = rows.next() else {
        return Ok(Vec::new());
    };
    let mut records = Vec::new();
    for row in rows {
        if row.len() != names.len() {
            return Err("a row of the file has another number of cells than its header".to_owned());
        }
        let cells = names.iter().cloned().zip(row);
        let cells = cells.filter(|(_, cell)| !cell.is_empty());
        records.push(
            cells
                .map(|(name, cell)| (name, Value::String(cell)))
                .collect(),
        );
    }
    Ok(records)
}

/// The cells of each row (RFC 4180).
fn rows(text: &str) -> Result<Vec<Vec<String>>, String> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    let (mut quoted, mut begun) = (false, false);
    while let Some(c) = chars.next() {
        match (quoted, c) {
            (true, '"') if chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            (true, '"') => quoted = false,
            (true, c) => cell.push(c),
            (false, '"') => quoted = true,
            (false, ',') => row.push(std::mem::take(&mut cell)),
            (false, '\r') => {}
            (false, '\n') => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
                begun = false;
                continue;
            }
            (false, c) => cell.push(c),
        }
        begun = true;
    }
    if quoted {
        return Err("the file ends within quotes".to_owned());
    }
    if begun {
        row.push(cell);
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_by_the_names_of_its_columns() {
        let file = "\"Id\",\"LastName\",\"Note\"\n\"00Q1\",\"Doe, \"\"J\"\"\",\"a\nb\"\n\"00Q2\",\"\",\"\"\n";
        let records = read_file(file.as_bytes()).unwrap();
        let expected = json!([
            {"Id": "00Q1", "LastName": "Doe, \"J\"", "Note": "a\nb"},
            {"Id": "00Q2"}
        ]);
        assert_eq!(serde_json::to_value(&records).unwrap(), expected);
        let unended = read_file(b"Id,LastName\r\n00Q1,Doe").unwrap();
        assert_eq!(unended[0]["LastName"], "Doe");
        assert!(read_file(b"").unwrap().is_empty());
    }

    #[test]
    fn a_broken_file_is_refused() {
        assert!(read_file(b"Id,LastName\n00Q1\n").is_err());
        assert!(read_file(b"Id\n\"00Q1").is_err());
        assert!(read_file(b"Id\n\xff\n").is_err());
    }
}
