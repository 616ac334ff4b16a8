//! `/query`, `/queryAll`, and the pages behind a query locator.
use super::call::Request;
use super::columns;
use super::record_json::{push_group, push_record};
use super::reply::Reply;
use super::work::Work;
use crate::faults::Endpoint;
use crate::org::{
    LeadStore, Org, QueryResult, Refusal, Selection, Visibility, prepare_query, run_query,
};

/// Rows of a page, by default and at most (facts 8: 200 to 2,000).
const MAX_BATCH: usize = 2_000;
const MIN_BATCH: usize = 200;

/// Understands `GET /query?q=` and `GET /queryAll?q=`.
pub(super) fn query<'r>(
    org: &'r Org,
    request: &'r Request,
    version: u32,
    visibility: Visibility,
) -> Result<Work<'r>, Reply> {
    only_get(request)?;
    let bad_request = |refusal: Refusal| Reply::error(400, &refusal);
    if request.query_value("explain").is_some() {
        let text = "Query plans are not available in this organization.";
        return Err(bad_request(Refusal::new("UNSUPPORTED_OPERATION", text)));
    }
    let text = request.query_value("q").ok_or_else(|| {
        let text = "A query string has to be specified";
        bad_request(Refusal::new("MALFORMED_QUERY", text))
    })?;
    let plan = prepare_query(org, text).map_err(bad_request)?;
    if request.query_value("columns") == Some("true") {
        let answer = move |org: &Org| columns::describe(org, &plan);
        return Ok(Work::ReadFixed(Endpoint::Query, Box::new(answer)));
    }
    let answer =
        move |org: &Org, store: &mut LeadStore| match run_query(org, store, plan, visibility) {
            Ok(result) => first_page(org, store, request, version, result),
            Err(refusal) => Reply::error(400, &refusal),
        };
    Ok(Work::Read(Endpoint::Query, Box::new(answer)))
}

/// Understands `GET /query/{locator}-{first row}`.
pub(super) fn next_page<'r>(
    request: &'r Request,
    version: u32,
    place: &'r str,
) -> Result<Work<'r>, Reply> {
    only_get(request)?;
    let answer = move |org: &Org, store: &mut LeadStore| {
        let found = place.split_once('-').and_then(|(locator, first)| {
            let first: usize = first.parse().ok()?;
            let now = org.clock.monotonic_micros();
            let (selection, batch) = org.locators().find(locator, now)?;
            (first < selection.len()).then_some((locator, first, selection, batch))
        });
        match found {
            Some((locator, first, selection, batch)) => {
                let page = Page {
                    selection: &selection,
                    first,
                    batch: batch_size(request).unwrap_or(batch),
                };
                page.reply(org, store, version, locator)
            }
            None => {
                let refusal = Refusal::new("INVALID_QUERY_LOCATOR", "invalid query locator");
                Reply::error(400, &refusal)
            }
        }
    };
    Ok(Work::Read(Endpoint::Query, Box::new(answer)))
}

fn only_get(request: &Request) -> Result<(), Reply> {
    match request.method.as_str() {
        "GET" | "HEAD" => Ok(()),
        other => Err(Reply::method_not_allowed(other, "GET,HEAD")),
    }
}

/// What `Sforce-Query-Options: batchSize=500` asks for; sizes out of range mean the nearest one (inference).
fn batch_size(request: &Request) -> Option<usize> {
    let options = request.header("sforce-query-options")?;
    let mut sizes = options.split([',', ';']).filter_map(|option| {
        let (name, value) = option.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case("batchSize");
        named.then(|| value.trim().parse::<usize>().ok()).flatten()
    });
    sizes
        .next_back()
        .map(|size| size.clamp(MIN_BATCH, MAX_BATCH))
}

fn first_page(
    org: &Org,
    store: &LeadStore,
    request: &Request,
    version: u32,
    result: QueryResult,
) -> Reply {
    match result {
        QueryResult::Count(count) => {
            let body = format!("{{\"totalSize\":{count},\"done\":true,\"records\":[]}}");
            Reply::raw_json(200, body.into_bytes())
        }
        QueryResult::Groups { columns, rows } => {
            let head = format!("{{\"totalSize\":{},\"done\":true,\"records\":[", rows.len());
            let mut body = head.into_bytes();
            for (at, values) in rows.iter().enumerate() {
                if at > 0 {
                    body.push(b',');
                }
                push_group(&mut body, &columns, values);
            }
            body.extend_from_slice(b"]}");
            Reply::raw_json(200, body)
        }
        QueryResult::Rows(selection) => {
            let batch = batch_size(request).unwrap_or(MAX_BATCH);
            let page = Page {
                selection: &selection,
                first: 0,
                batch,
            };
            if page.is_last() {
                return page.reply(org, store, version, "");
            }
            let now = org.clock.monotonic_micros();
            let locator = org.locators().open(selection.clone(), batch, now);
            page.reply(org, store, version, &locator)
        }
    }
}

/// A part of a result.
struct Page<'s> {
    selection: &'s Selection,
    first: usize,
    batch: usize,
}

impl Page<'_> {
    fn end(&self) -> usize {
        self.first.saturating_add(self.batch)
    }

    fn is_last(&self) -> bool {
        self.end() >= self.selection.len()
    }

    fn reply(&self, org: &Org, store: &LeadStore, version: u32, locator: &str) -> Reply {
        let total = self.selection.len();
        let mut body = format!("{{\"totalSize\":{total},\"done\":{}", self.is_last()).into_bytes();
        if !self.is_last() {
            let end = self.end();
            let next = format!(
                ",\"nextRecordsUrl\":\"/services/data/v{version}.0/query/{locator}-{end}\""
            );
            body.extend_from_slice(next.as_bytes());
        }
        body.extend_from_slice(b",\"records\":[");
        let columns = self.selection.columns();
        let mut first = true;
        self.selection
            .visit(org, store, self.first..self.end(), |row| {
                if !std::mem::take(&mut first) {
                    body.push(b',');
                }
                push_record(&mut body, org, version, columns, row);
            });
        body.extend_from_slice(b"]}");
        Reply::raw_json(200, body)
    }
}
