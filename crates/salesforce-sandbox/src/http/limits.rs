//! What an org allows and how it tells: the daily calls, the calls that run for long, `Sforce-Limit-Info`, `/limits`.
//!
//! A refusal is always 403 `REQUEST_LIMIT_EXCEEDED`, never 429, and never with `Retry-After` (facts 0.1, 6.3).
use axum::http::{HeaderName, HeaderValue, header};
use serde_json::{Map, Value, json};

use super::call::Request;
use super::reply::Reply;
use crate::bulk::DAILY_QUERY_JOBS;
use crate::org::{Org, Refusal, storage_mb};
use crate::watch::CallGuard;

const LIMIT_INFO: HeaderName = HeaderName::from_static("sforce-limit-info");
/// First version that calls the batches of a day `DailyBulkApiBatches` (facts 6.2).
const NAMES_BATCHES_SINCE: u32 = 49;
/// First version that counts records.
pub(super) const COUNTS_SINCE: u32 = 40;

/// Counts a call and lets it in, or refuses it: too many run for long, or the day's calls are used up.
pub(super) fn admit(org: &Org, app: Option<usize>) -> Result<CallGuard<'_>, Refusal> {
    let now = org.clock.monotonic_micros();
    let Some(guard) = org
        .watch
        .enter_call(now, org.config.concurrent_long_requests)
    else {
        org.watch.count(|stats| stats.concurrency_refusals += 1);
        return Err(refused(
            "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
        ));
    };
    spend(org, app).map(|()| guard)
}

/// Counts a call, or refuses it because the day's calls are used up.
pub(super) fn spend(org: &Org, app: Option<usize>) -> Result<(), Refusal> {
    let now = org.clock.monotonic_micros();
    let mut meters = org.meters();
    if org
        .api_calls_refused_from()
        .is_some_and(|most| meters.api_calls.used(now) >= most)
    {
        drop(meters);
        org.watch.count(|stats| stats.quota_refusals += 1);
        return Err(refused("TotalRequests Limit exceeded."));
    }
    meters.api_calls.count(now);
    if let Some(app) = app {
        meters.app(app).count(now);
    }
    drop(meters);
    org.watch.count(|stats| stats.api_calls += 1);
    Ok(())
}

fn refused(text: &str) -> Refusal {
    Refusal::new("REQUEST_LIMIT_EXCEEDED", text)
}

/// Adds `Sforce-Limit-Info`, with the app's own part where the org limits apps. What a gateway says does not have it.
pub(super) fn tell(org: &Org, app: Option<usize>, reply: Reply) -> Reply {
    let from_gateway = reply.headers.iter().any(|(name, value)| {
        name == header::CONTENT_TYPE && value.as_bytes().starts_with(b"text/html")
    });
    if from_gateway {
        return reply;
    }
    let now = org.clock.monotonic_micros();
    let mut meters = org.meters();
    let used = meters.api_calls.used(now);
    let mut text = format!("api-usage={used}/{}", org.config.daily_api_requests);
    if let (Some(limit), Some(app)) = (org.config.per_app_limit, app) {
        let used = meters.app(app).used(now);
        let name = app_name(org, app);
        text.push_str(&format!(
            "; per-app-api-usage={used}/{limit}(appName={name})"
        ));
    }
    drop(meters);
    match HeaderValue::from_str(&text) {
        Ok(value) => reply.with(LIMIT_INFO, value),
        Err(_) => reply,
    }
}

fn app_name(org: &Org, app: usize) -> &str {
    org.config
        .apps
        .get(app)
        .map_or("", |app| app.client_id.as_str())
}

/// `GET /limits`: the allocations a connector watches, the counted ones with what is left of them (facts 6.2).
pub(super) fn limits(org: &Org, version: u32) -> Reply {
    let now = org.clock.monotonic_micros();
    let left = |max: u64, used: u64| json!({ "Max": max, "Remaining": max.saturating_sub(used) });
    let untouched = |max: u64| left(max, 0);
    let mut meters = org.meters();
    let mut calls = left(org.config.daily_api_requests, meters.api_calls.used(now));
    if let Some(limit) = org.config.per_app_limit {
        for app in 0..org.config.apps.len() {
            calls[app_name(org, app)] = left(limit, meters.app(app).used(now));
        }
    }
    drop(meters);
    let batches_used = org.bulk.batches_used(org.now());
    let batches = left(org.config.daily_bulk_batches, batches_used);
    let queries = left(DAILY_QUERY_JOBS, org.bulk.query_jobs_used(org.now()));
    let mut all: Map<String, Value> = [
        ("AnalyticsExternalDataSizeMB", untouched(40_960)),
        ("ConcurrentAsyncGetReportInstances", untouched(200)),
        ("ConcurrentSyncReportRuns", untouched(20)),
        ("DailyApiRequests", calls),
        ("DailyAsyncApexExecutions", untouched(250_000)),
        ("DailyBulkV2QueryFileStorageMB", untouched(976_562)),
        ("DailyBulkV2QueryJobs", queries),
        ("DailyDurableStreamingApiEvents", untouched(10_000)),
        ("DailyGenericStreamingApiEvents", untouched(10_000)),
        ("DailyStandardVolumePlatformEvents", untouched(10_000)),
        ("DailyStreamingApiEvents", untouched(10_000)),
        ("DailyWorkflowEmails", untouched(1_000)),
        (
            "DataStorageMB",
            left(org.data_storage_mb(), storage_mb(org.lead_count())),
        ),
        ("FileStorageMB", untouched(10_240)),
        ("HourlyTimeBasedWorkflow", untouched(1_000)),
        ("MassEmail", untouched(5_000)),
        (
            "PermissionSets",
            json!({ "Max": 1_500, "Remaining": 1_500, "CreateCustom": untouched(1_000) }),
        ),
        ("SingleEmail", untouched(5_000)),
        ("StreamingApiConcurrentClients", untouched(20)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let batches_name = if version < NAMES_BATCHES_SINCE {
        "DailyBulkApiRequests"
    } else {
        "DailyBulkApiBatches"
    };
    all.insert(batches_name.into(), batches);
    Reply::json(200, &all)
}

/// `GET /limits/recordCount?sObjects=Lead`; objects that the org does not have are left out.
pub(super) fn record_count(org: &Org, request: &Request) -> Reply {
    let wanted = request.query_value("sObjects").is_none_or(|names| {
        names
            .split(',')
            .any(|name| name.trim().eq_ignore_ascii_case("Lead"))
    });
    let counts: Vec<Value> = wanted
        .then(|| json!({ "count": org.lead_count(), "name": "Lead" }))
        .into_iter()
        .collect();
    Reply::json(200, &json!({ "sObjects": counts }))
}
