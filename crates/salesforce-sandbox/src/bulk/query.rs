//! Query jobs: the rows a query gave, kept as CSV and handed out page by page (facts 5, 12).
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;

use super::csv::write_row;
use super::dialect::Dialect;
use super::ingest::Stop;
use super::job::Job;
use super::request::QueryRequest;
use crate::org::{Org, QueryResult, Refusal, Selection, Visibility, prepare_export, run_query};
use crate::value::{Value, calendar};

/// Rows on a page when the client names no number (inference).
const PAGE_ROWS: usize = 50_000;
/// Most rows on a page, whatever number the client names (inference: there is a bound, its figure is chosen).
const MAX_PAGE_ROWS: usize = 250_000;
/// Roughly how much of a page is copied at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Rows that are read at once.
const PART_ROWS: usize = 1_000;

/// The answer to a query.
#[derive(Debug)]
pub(super) struct QueryResults {
    /// The header row, then the rows.
    data: Bytes,
    header_bytes: usize,
    /// Where each row begins in the data.
    starts: Vec<u64>,
}

/// A page of it.
#[derive(Debug)]
pub(crate) struct QueryPage {
    pub(crate) body: PageBody,
    pub(crate) rows: usize,
    /// Where the next page begins; `None` on the last one.
    pub(crate) locator: Option<String>,
}

/// The bytes of a page, piece by piece; it shares those of the results.
#[derive(Debug)]
pub(crate) struct PageBody {
    header: Bytes,
    rows: Bytes,
}

impl PageBody {
    /// Whether it is worth sending it in pieces.
    pub(crate) fn is_large(&self) -> bool {
        self.rows.len() > 16 * PIECE_BYTES
    }
}

impl Iterator for PageBody {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut piece = std::mem::take(&mut self.header).to_vec();
        let rows = self.rows.split_to(self.rows.len().min(PIECE_BYTES));
        piece.extend_from_slice(&rows);
        (!piece.is_empty()).then_some(piece)
    }
}

/// Collects the rows of an answer.
pub(super) struct QueryWriter {
    dialect: Dialect,
    data: Vec<u8>,
    header_bytes: usize,
    starts: Vec<u64>,
}

impl QueryWriter {
    pub(super) fn new<V: AsRef<[u8]>>(
        dialect: Dialect,
        columns: impl IntoIterator<Item = V>,
    ) -> QueryWriter {
        let mut data = Vec::new();
        write_row(&mut data, dialect, columns);
        QueryWriter {
            dialect,
            header_bytes: data.len(),
            data,
            starts: Vec::new(),
        }
    }

    pub(super) fn push<V: AsRef<[u8]>>(&mut self, cells: impl IntoIterator<Item = V>) {
        self.starts.push(self.data.len() as u64);
        write_row(&mut self.data, self.dialect, cells);
    }

    /// What it takes in memory.
    fn bytes(&self) -> usize {
        self.data.capacity() + self.starts.capacity() * size_of::<u64>()
    }

    pub(super) fn finish(mut self) -> QueryResults {
        self.data.shrink_to_fit();
        self.starts.shrink_to_fit();
        QueryResults {
            data: self.data.into(),
            header_bytes: self.header_bytes,
            starts: self.starts,
        }
    }
}

impl QueryResults {
    pub(super) fn rows(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn stored_bytes(&self) -> usize {
        self.data.len() + self.starts.len() * size_of::<u64>()
    }
}

/// The object that a query reads; refuses a query that cannot be run.
pub(crate) fn check(org: &Org, request: &QueryRequest) -> Result<String, Refusal> {
    prepare_export(org, &request.soql).map(|plan| plan.object.name().to_owned())
}

/// Runs the query of a job; between two parts of the rows other requests get their turn.
pub(super) async fn run(
    org: &Org,
    job: &Job,
    request: &QueryRequest,
) -> Result<QueryResults, Stop> {
    // The semaphore is never closed. One result at a time grows, so that the room for them is kept.
    let _turn = org.bulk.query_turn.acquire().await;
    // The search is the long part; whoever was aborted while waiting does not take it.
    job.check_in_progress()?;
    let selection = select(org, request).map_err(failed)?;
    let mut writer = QueryWriter::new(request.dialect, selection.columns().iter().map(|c| &c.name));
    let mut next = 0;
    let mut kept = 0;
    while next < selection.len() {
        job.check_in_progress()?;
        let part = next..next.saturating_add(PART_ROWS);
        next = part.end;
        let rows = selection.values(org, &org.leads(), part);
        for row in &rows {
            writer.push(row.iter().map(shown));
        }
        org.bulk
            .keep(writer.bytes() - kept, org.now(), || {
                job.set_growing_bytes(writer.bytes())
            })
            .map_err(Stop::without_room)??;
        kept = writer.bytes();
        tokio::task::yield_now().await;
    }
    Ok(writer.finish())
}

fn select(org: &Org, request: &QueryRequest) -> Result<Selection, Refusal> {
    let plan = prepare_export(org, &request.soql)?;
    let visibility = if request.all {
        Visibility::WithDeleted
    } else {
        Visibility::Live
    };
    match run_query(org, &mut org.leads(), plan, visibility)? {
        QueryResult::Rows(selection) => Ok(selection),
        // Such queries are refused when the job is created.
        QueryResult::Count(_) | QueryResult::Groups { .. } => Err(Refusal::new(
            "API_ERROR",
            "Aggregate Relationships not supported in Bulk Query",
        )),
    }
}

/// A query that was fine when the job was created and is no more.
fn failed(refusal: Refusal) -> Stop {
    Stop::Failed(format!(
        "InvalidBatch : Failed to process query: {}: {}",
        refusal.code, refusal.message
    ))
}

/// A value as a cell; null is an empty one. Datetimes end in Z, unlike in JSON (inference).
fn shown(value: &Value<'_>) -> String {
    match value {
        Value::DateTime(millis) => {
            let text = calendar::format_datetime(*millis);
            text.replace("+0000", "Z")
        }
        other => other.key_text().unwrap_or_default().into_owned(),
    }
}

/// A page; each begins with the header row.
pub(super) fn page(
    results: &QueryResults,
    locator: Option<&str>,
    max_records: Option<&str>,
) -> Result<QueryPage, Refusal> {
    let first = match locator {
        None => 0,
        Some(text) => parse_locator(text)
            .filter(|row| *row < results.rows())
            .ok_or_else(|| {
                Refusal::new("INVALIDLOCATOR", format!("invalid query locator: {text}"))
            })?,
    };
    let count = match max_records {
        None => PAGE_ROWS,
        Some(text) => text
            .parse()
            .ok()
            .filter(|count: &usize| *count > 0)
            .map(|count| count.min(MAX_PAGE_ROWS))
            .ok_or_else(|| {
                let text = format!("maxRecords must be a number from 1 on: {text}");
                Refusal::new("INVALIDPARAMETER", text)
            })?,
    };
    let last = first.saturating_add(count).min(results.rows());
    let start_of = |row: usize| {
        let start = results.starts.get(row).copied();
        start.map_or(results.data.len(), |start| start as usize)
    };
    let body = PageBody {
        header: results.data.slice(..results.header_bytes),
        rows: results.data.slice(start_of(first)..start_of(last)),
    };
    Ok(QueryPage {
        body,
        rows: last - first,
        locator: (last < results.rows()).then(|| STANDARD_NO_PAD.encode(last.to_string())),
    })
}

fn parse_locator(text: &str) -> Option<usize> {
    let decoded = STANDARD_NO_PAD.decode(text).ok()?;
    std::str::from_utf8(&decoded).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(rows: usize) -> QueryResults {
        let mut writer = QueryWriter::new(Dialect::default(), ["Id", "Name"]);
        for row in 0..rows {
            writer.push([row.to_string(), format!("a\"{row}")]);
        }
        writer.finish()
    }

    #[test]
    fn pages_hold_every_row_once_and_the_last_one_has_no_locator() {
        let results = results(10);
        let (mut rows, mut locator, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = page(&results, locator.as_deref(), Some("4")).unwrap();
            let text = whole(page.body);
            let mut lines = text.lines();
            assert_eq!(lines.next(), Some("\"Id\",\"Name\""));
            let found: Vec<String> = lines.map(str::to_owned).collect();
            assert_eq!(found.len(), page.rows);
            rows.extend(found);
            pages += 1;
            locator = page.locator;
            if locator.is_none() {
                break;
            }
        }
        let expected: Vec<String> = (0..10).map(|n| format!("\"{n}\",\"a\"\"{n}\"")).collect();
        assert_eq!((rows, pages), (expected, 3));
    }

    #[test]
    fn an_empty_answer_is_a_header() {
        let page = page(&results(0), None, None).unwrap();
        assert_eq!((page.rows, page.locator), (0, None));
        assert_eq!(whole(page.body), "\"Id\",\"Name\"\n");
    }

    #[test]
    fn a_page_is_made_in_pieces_and_has_a_bound_that_its_client_cannot_move() {
        let results = results(MAX_PAGE_ROWS + 1);
        let page = page(&results, None, Some("18446744073709551615")).unwrap();
        assert_eq!(page.rows, MAX_PAGE_ROWS);
        assert!(page.locator.is_some() && page.body.is_large());
        let (mut bytes, mut largest) = (0, 0);
        for piece in page.body {
            bytes += piece.len();
            largest = largest.max(piece.len());
        }
        assert!(largest <= PIECE_BYTES + results.header_bytes);
        assert_eq!(bytes as u64, results.starts[MAX_PAGE_ROWS]);
        assert_eq!(
            results.stored_bytes(),
            results.data.len() + results.rows() * 8
        );
    }

    #[tokio::test]
    async fn an_aborted_job_does_not_search() {
        let org = Org::new(crate::OrgConfig::default());
        let body = br#"{"operation":"query","query":"SELECT Id FROM Lead"}"#;
        let request = QueryRequest::parse(body).unwrap();
        let create = |request| {
            let now = org.now();
            let object = "Lead".to_owned();
            org.bulk.create_query(request, object, 67, 0, now).unwrap()
        };
        let (run_of, aborted) = (create(request.clone()), create(request.clone()));
        for job in [&run_of, &aborted] {
            job.begin(org.now(), false).unwrap();
        }
        aborted.request_state("Aborted", org.now()).unwrap();
        // There are no rows, so that nothing stops it once it has found that out.
        let results = run(&org, &run_of, &request).await;
        assert!(results.is_ok_and(|results| results.rows() == 0));
        let stopped = run(&org, &aborted, &request).await;
        assert!(matches!(stopped, Err(Stop::Gone)));
    }

    fn whole(body: PageBody) -> String {
        String::from_utf8(body.flatten().collect()).unwrap()
    }

    #[test]
    fn locators_and_counts_that_make_no_sense_are_refused() {
        let results = results(3);
        let past_the_end = STANDARD_NO_PAD.encode("3");
        for locator in ["", "null", "-1", "MTAwMDA", &past_the_end, "\u{e9}"] {
            let refusal = page(&results, Some(locator), None).unwrap_err();
            assert_eq!(refusal.code, "INVALIDLOCATOR", "{locator}");
        }
        for count in ["0", "-1", "x", ""] {
            let refusal = page(&results, None, Some(count)).unwrap_err();
            assert_eq!(refusal.code, "INVALIDPARAMETER", "{count}");
        }
    }
}
