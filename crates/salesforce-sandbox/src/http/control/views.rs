//! Control requests that show something.
use serde::Serialize;
use serde_json::json;

use super::parameters::Parameters;
use super::refused;
use crate::bulk::JobSnapshot;
use crate::http::call::Request;
use crate::http::reply::Reply;
use crate::org::{LeadSnapshot, Org, Overview, Refusal};
use crate::value::calendar;
use crate::watch::{RequestRecord, Selection, StatusFilter};

/// Leads on one view of the page when it does not say how many.
const PAGE_LEADS: usize = 20;
const MOST_PAGE_LEADS: usize = 200;
/// Calls that the page shows.
const PAGE_REQUESTS: usize = 50;
/// Jobs that it shows.
const PAGE_JOBS: usize = 30;

/// `GET /leads`.
pub(super) fn leads(org: &Org, request: &Request) -> Result<Reply, Reply> {
    let known = [
        "offset",
        "limit",
        "order",
        "search",
        "key_field",
        "keys",
        "key",
    ];
    let parameters = Parameters::of(request, &known)?;
    let offset = parameters.number("offset")?.unwrap_or(0);
    let limit = parameters.number("limit")?.unwrap_or(usize::MAX);
    let newest_first = parameters.newest_first()?;
    let keys = parameters
        .all("keys")
        .flat_map(|keys| keys.split(','))
        // A key with a comma in it.
        .chain(parameters.all("key"))
        .filter(|key| !key.trim().is_empty());
    if parameters.text("keys").or(parameters.text("key")).is_some() {
        let field = parameters
            .text("key_field")
            .unwrap_or_else(|| org.usual_key());
        return match org.leads_by_key(field, keys) {
            Some(leads) => Ok(Reply::json(200, &leads)),
            None => Err(refused(vec![format!(
                "key_field: `{field}` is no external id or e-mail field"
            )])),
        };
    }
    if parameters.text("key_field").is_some() {
        return Err(refused(vec!["key_field: needs keys or key".into()]));
    }
    let search = parameters.text("search").unwrap_or_default();
    let leads = if newest_first || !search.trim().is_empty() {
        org.newest_leads(search, offset, limit).leads
    } else {
        org.leads().snapshot(&org.schema, offset, limit)
    };
    Ok(Reply::json(200, &leads))
}

/// `GET /leads/{id}`.
pub(super) fn lead(org: &Org, id: &str) -> Result<Reply, Reply> {
    match org.lead(id) {
        Some(lead) => Ok(Reply::json(200, &lead)),
        None => Err(Reply::error(
            404,
            &Refusal::new("NOT_FOUND", format!("there is no lead {id}")),
        )),
    }
}

/// `GET /requests`.
pub(super) fn requests(org: &Org, request: &Request) -> Result<Reply, Reply> {
    let known = ["since", "limit", "order", "path", "method", "status"];
    let parameters = Parameters::of(request, &known)?;
    let status = "a status such as 404, a class such as 4xx, or none";
    let selection = Selection {
        since: parameters.number("since")?.unwrap_or(0),
        path: parameters.text("path"),
        method: parameters.text("method"),
        status: parameters.value::<StatusFilter>("status", status)?,
        newest_first: parameters.newest_first()?,
        limit: parameters.number("limit")?,
    };
    Ok(Reply::json(200, &org.watch.select(&selection)))
}

/// `GET /clock`.
pub(super) fn clock(org: &Org) -> Reply {
    let (wall, monotonic) = (org.clock.wall_micros(), org.clock.monotonic_micros());
    Reply::json(
        200,
        &json!({
            "now": calendar::format_datetime(wall.div_euclid(1000)),
            "now_micros": wall,
            "running_micros": monotonic,
        }),
    )
}

#[derive(Serialize)]
struct PageData {
    #[serde(flatten)]
    overview: Overview,
    leads: Vec<LeadSnapshot>,
    more_leads: bool,
    search_cut_short: bool,
    /// Newest first.
    requests: Vec<RequestRecord>,
    /// Newest first.
    jobs: Vec<JobSnapshot>,
}

/// `GET /page.json`: all that the page shows, so that it asks one question at a time.
pub(super) fn page(org: &Org, request: &Request) -> Result<Reply, Reply> {
    let parameters = Parameters::of(request, &["search", "offset", "limit"])?;
    let offset = parameters.number("offset")?.unwrap_or(0);
    let limit: usize = parameters.number("limit")?.unwrap_or(PAGE_LEADS);
    let search = parameters.text("search").unwrap_or_default();
    let window = org.newest_leads(search, offset, limit.min(MOST_PAGE_LEADS));
    let mut requests = org.watch.select(&Selection {
        newest_first: true,
        limit: Some(PAGE_REQUESTS),
        ..Selection::default()
    });
    for request in &mut requests {
        // The page tells how many records there were; hundreds of keys a call would only slow it down.
        request.keys.truncate(1);
    }
    let jobs = org.bulk.newest(PAGE_JOBS, org.now());
    Ok(Reply::json(
        200,
        &PageData {
            overview: org.overview(),
            leads: window.leads,
            more_leads: window.more,
            search_cut_short: window.cut_short,
            requests,
            jobs,
        },
    ))
}
