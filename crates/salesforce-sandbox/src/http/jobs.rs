//! `/jobs/ingest` and `/jobs/query`: the calls of Bulk API 2.0 (facts 5.1, 5.3).
//!
//! A call is understood first and done under its faults, like any other; it never holds the lock of the leads.
use axum::http::{HeaderName, HeaderValue, header};
use serde_json::{Value, json};

use super::call::{Call, Request};
use super::faulted;
use super::reply::Reply;
use crate::bulk::request::{
    INGEST_SINCE_VERSION, IngestRequest, QUERY_SINCE_VERSION, QueryRequest, parse_state,
};
use crate::bulk::{JobKind, ResultSet, check_query, count_end, multipart};
use crate::faults::Endpoint;
use crate::org::{Identity, Org, Refusal, id};

/// Most characters of data in a multipart creation (facts 5.1).
const MAX_MULTIPART_CHARACTERS: usize = 100_000;
const LOCATOR: HeaderName = HeaderName::from_static("sforce-locator");
const NUMBER_OF_RECORDS: HeaderName = HeaderName::from_static("sforce-numberofrecords");

/// Who asks, and for which version.
#[derive(Clone, Copy)]
struct Caller {
    user: usize,
    version: u32,
}

/// Answers everything below `/jobs`.
pub(super) async fn answer(
    org: &Org,
    call: &mut Call,
    identity: Identity,
    version: u32,
    rest: &[&str],
) -> Reply {
    let method = call.request.method.as_str();
    let Some((kind, rest)) = kind(version, rest) else {
        return Reply::error(404, &Refusal::not_found());
    };
    let endpoint = endpoint(method, rest);
    let plan = org.faults.plan(&call.occasion(endpoint));
    let caller = Caller {
        user: identity.user,
        version,
    };
    let (request, token) = (&call.request, call.token.as_deref());
    faulted::run(org, token, plan, || {
        perform(org, request, caller, kind, rest)
            .unwrap_or_else(|(status, refusal)| Reply::error(status, &refusal))
    })
    .await
}

/// What kind of job call this is, for faults; `rest` is the path below `/jobs/ingest` or `/jobs/query`.
pub(super) fn endpoint(method: &str, rest: &[&str]) -> Endpoint {
    match (method, rest) {
        ("POST", []) => Endpoint::BulkCreate,
        ("PUT", [_, _]) => Endpoint::BulkUpload,
        ("PATCH" | "DELETE", [_]) => Endpoint::BulkState,
        (_, [_, _]) => Endpoint::BulkResults,
        _ => Endpoint::BulkInfo,
    }
}

type Answer = Result<Reply, (u16, Refusal)>;

fn kind<'r, 's>(version: u32, rest: &'r [&'s str]) -> Option<(JobKind, &'r [&'s str])> {
    match rest {
        ["ingest", rest @ ..] if version >= INGEST_SINCE_VERSION => Some((JobKind::Ingest, rest)),
        ["query", rest @ ..] if version >= QUERY_SINCE_VERSION => Some((JobKind::Query, rest)),
        _ => None,
    }
}

fn perform(org: &Org, request: &Request, caller: Caller, kind: JobKind, rest: &[&str]) -> Answer {
    let method = request.method.as_str();
    let not_allowed = |allowed| Ok(Reply::method_not_allowed(method, allowed));
    match (rest, method) {
        ([], "POST") => create(org, request, caller, kind),
        ([], "GET" | "HEAD") => list(org, request, caller, kind),
        ([], _) => not_allowed("GET,HEAD,POST"),
        ([id], "GET" | "HEAD") => {
            let info = org.bulk.info(kind, id, org.now()).map_err(of_job)?;
            Ok(Reply::json(200, &info))
        }
        ([id], "PATCH") => change_state(org, request, kind, id),
        ([id], "DELETE") => delete(org, kind, id),
        ([_], _) => not_allowed("DELETE,GET,HEAD,PATCH"),
        ([id, "batches"], "PUT") if kind == JobKind::Ingest => upload(org, request, id),
        ([_, "batches"], _) if kind == JobKind::Ingest => not_allowed("PUT"),
        ([id, results], _) => match (kind, ResultSet::parse(results)) {
            (JobKind::Ingest, Some(_)) if !matches!(method, "GET" | "HEAD") => {
                not_allowed("GET,HEAD")
            }
            (JobKind::Ingest, Some(set)) => ingest_results(org, id, set),
            (JobKind::Query, _) if *results == "results" => match method {
                "GET" | "HEAD" => query_results(org, request, id),
                _ => not_allowed("GET,HEAD"),
            },
            _ => Err((404, Refusal::not_found())),
        },
        _ => Err((404, Refusal::not_found())),
    }
}

fn create(org: &Org, request: &Request, caller: Caller, kind: JobKind) -> Answer {
    let content_type = request.header("content-type").unwrap_or_default();
    if let (JobKind::Ingest, Some(boundary)) = (kind, multipart::boundary(content_type)) {
        return create_with_data(org, request, caller, boundary);
    }
    if let Err(reply) = request.must_be_json() {
        return Ok(reply);
    }
    let now = org.now();
    let Caller { user, version } = caller;
    let job = match kind {
        JobKind::Ingest => {
            let wanted = parse_ingest(org, &request.body, version)?;
            org.bulk.create_ingest(wanted, version, user, now)
        }
        JobKind::Query => {
            let wanted = QueryRequest::parse(&request.body).map_err(bad_request)?;
            let object = check_query(org, &wanted).map_err(bad_request)?;
            org.bulk.create_query(wanted, object, version, user, now)
        }
    };
    Ok(Reply::json(200, &job.map_err(bad_request)?.short_json()))
}

/// Job and data in one request; the job is closed at once.
fn create_with_data(org: &Org, request: &Request, caller: Caller, boundary: &str) -> Answer {
    let parts = multipart::parse(&request.body, boundary).ok_or_else(|| {
        let text = "The multipart body must have the parts job and content.";
        bad_request(Refusal::new("INVALIDJOB", text))
    })?;
    let characters = String::from_utf8_lossy(parts.content).chars().count();
    if characters > MAX_MULTIPART_CHARACTERS {
        let text = format!(
            "The content part has {characters} characters; at most {MAX_MULTIPART_CHARACTERS} are allowed in a \
             multipart request."
        );
        return Err(bad_request(Refusal::new("INVALIDJOB", text)));
    }
    let now = org.now();
    let Caller { user, version } = caller;
    let wanted = parse_ingest(org, parts.job, version)?;
    // A copy, so that the rest of the body is not kept with it.
    let content = parts.content.to_vec().into();
    let job = org.bulk.create_ingest(wanted, version, user, now);
    let job = job.map_err(bad_request)?;
    let closed = org
        .bulk
        .upload(&job, content, now)
        .and_then(|()| job.request_state("UploadComplete", now));
    if let Err(refusal) = closed {
        // Its client never learns of it, so nobody would ever close it.
        org.bulk.discard(&job);
        return Err(bad_request(refusal));
    }
    org.bulk.enqueue(&job);
    Ok(Reply::json(200, &job.short_json()))
}

fn parse_ingest(org: &Org, body: &[u8], version: u32) -> Result<IngestRequest, (u16, Refusal)> {
    let hard_delete = org.config.allow_hard_delete;
    IngestRequest::parse(&org.schema, body, version, hard_delete)
        .and_then(|wanted| {
            wanted.check_assignment(&org.rules.assignments)?;
            Ok(wanted)
        })
        .map_err(bad_request)
}

fn upload(org: &Org, request: &Request, id: &str) -> Answer {
    let now = org.now();
    let job = org.bulk.find(JobKind::Ingest, id, now).map_err(of_job)?;
    let content_type = request.header("content-type").unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("text/csv") {
        let text = "The content type of the request is not supported; use text/csv.";
        return Err((415, Refusal::new("UNSUPPORTED_MEDIA_TYPE", text)));
    }
    let content = request.body.clone();
    org.bulk.upload(&job, content, now).map_err(of_job)?;
    Ok(Reply::empty(201))
}

fn change_state(org: &Org, request: &Request, kind: JobKind, id: &str) -> Answer {
    let now = org.now();
    let job = org.bulk.find(kind, id, now).map_err(of_job)?;
    if let Err(reply) = request.must_be_json() {
        return Ok(reply);
    }
    let wanted = parse_state(&request.body).map_err(bad_request)?;
    let state = job.request_state(&wanted, now).map_err(of_job)?;
    if state.is_terminal() {
        count_end(org, state);
    } else {
        org.bulk.enqueue(&job);
    }
    Ok(Reply::json(200, &job.short_json()))
}

fn delete(org: &Org, kind: JobKind, id: &str) -> Answer {
    org.bulk.delete(kind, id, org.now()).map_err(of_job)?;
    Ok(Reply::empty(204))
}

/// `GET /jobs/ingest?jobType=&isPkChunkingEnabled=&concurrencyMode=&queryLocator=`.
fn list(org: &Org, request: &Request, caller: Caller, kind: JobKind) -> Answer {
    let (own_type, path) = match kind {
        JobKind::Ingest => ("V2Ingest", "ingest"),
        JobKind::Query => ("V2Query", "query"),
    };
    let value = |name| request.query_value(name).filter(|value| !value.is_empty());
    let locator = value("queryLocator").map(|text| {
        id::parse_job(text).ok_or_else(|| {
            let text = format!("invalid query locator: {text}");
            bad_request(Refusal::new("INVALID_QUERY_LOCATOR", text))
        })
    });
    let after = locator.transpose()?.unwrap_or_default();
    // Jobs of Bulk API 1.0, which alone are chunked or serial, are none here.
    let is_ours = match value("jobType") {
        None => true,
        Some("V2Ingest" | "V2Query" | "Classic" | "BigObjectIngest") => {
            value("jobType") == Some(own_type)
        }
        Some(other) => {
            let text = format!("Invalid jobType: {other}");
            return Err(bad_request(Refusal::new("INVALIDJOB", text)));
        }
    };
    let is_parallel = value("concurrencyMode").is_none_or(|m| m.eq_ignore_ascii_case("parallel"));
    let is_chunked = value("isPkChunkingEnabled").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    if !is_ours || !is_parallel || is_chunked {
        let empty = json!({ "done": true, "records": [], "nextRecordsUrl": null });
        return Ok(Reply::json(200, &empty));
    }
    let page = org.bulk.page(kind, after, org.now());
    let next = page.next.map_or(Value::Null, |number| {
        let (version, locator) = (caller.version, id::job(number));
        let mut url = format!("/services/data/v{version}.0/jobs/{path}?queryLocator={locator}");
        if let Some(job_type) = value("jobType") {
            url.push_str("&jobType=");
            url.push_str(job_type);
        }
        url.into()
    });
    let body = json!({ "done": next.is_null(), "records": page.records, "nextRecordsUrl": next });
    Ok(Reply::json(200, &body))
}

fn ingest_results(org: &Org, id: &str, set: ResultSet) -> Answer {
    let file = org.bulk.result_file(id, set, org.now()).map_err(of_job)?;
    if file.is_large() {
        return Ok(csv(Reply::stream(200, file)));
    }
    Ok(csv(Reply::bytes(200, file.flatten().collect())))
}

fn query_results(org: &Org, request: &Request, id: &str) -> Answer {
    let locator = request.query_value("locator");
    let max_records = request.query_value("maxRecords");
    let page = org.bulk.query_page(id, locator, max_records, org.now());
    let page = page.map_err(of_job)?;
    let locator = page.locator.as_deref().unwrap_or("null");
    let reply = csv(if page.body.is_large() {
        Reply::stream(200, page.body)
    } else {
        Reply::bytes(200, page.body.flatten().collect())
    });
    // A locator is base64, and a number has digits.
    let header = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    Ok(reply
        .with(LOCATOR, header(locator))
        .with(NUMBER_OF_RECORDS, header(&page.rows.to_string())))
}

fn csv(reply: Reply) -> Reply {
    reply.with(header::CONTENT_TYPE, HeaderValue::from_static("text/csv"))
}

fn bad_request(refusal: Refusal) -> (u16, Refusal) {
    (400, refusal)
}

/// Jobs that are not there answer 404, all else is a bad request.
fn of_job(refusal: Refusal) -> (u16, Refusal) {
    let status = if refusal.code == "NOT_FOUND" {
        404
    } else {
        400
    };
    (status, refusal)
}
