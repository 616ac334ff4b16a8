//! Read-only resources: versions, resource map, describe, limits.
use serde_json::{Map, Value, json};

use super::call::Request;
use super::reply::Reply;
use super::rest::VERSIONS;
use crate::org::{Org, id};
use crate::rules::storage_mb;
use crate::schema;

/// `GET /services/data`: needs no session and carries no limit header.
pub(super) fn versions(request: &Request) -> Reply {
    only_get(request, || {
        let list: Vec<Value> = VERSIONS
            .map(|number| {
                // Three releases a year; v67.0 is Summer '26.
                let back = VERSIONS.end() - number;
                let season = ["Summer", "Spring", "Winter"][(back % 3) as usize];
                let year = 26 - back / 3;
                json!({
                    "label": format!("{season} '{year}"),
                    "url": format!("/services/data/v{number}.0"),
                    "version": format!("{number}.0"),
                })
            })
            .collect();
        Reply::json(200, &list)
    })
}

/// `GET /services/data/vXX.X`.
pub(super) fn resources(request: &Request, version: u32) -> Reply {
    only_get(request, || {
        let mut map: Map<String, Value> = ["sobjects", "limits", "composite"]
            .into_iter()
            .map(|name| {
                (
                    name.to_owned(),
                    format!("/services/data/v{version}.0/{name}").into(),
                )
            })
            .collect();
        map.insert(
            "identity".into(),
            format!("/id/{}/{}", id::org(), id::user(0)).into(),
        );
        Reply::json(200, &map)
    })
}

/// `GET /sobjects`.
pub(super) fn objects(request: &Request, version: u32) -> Reply {
    only_get(request, || {
        let entry = schema::global_entry(&format!("{version}.0"));
        Reply::json(
            200,
            &json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": [entry] }),
        )
    })
}

/// `GET /sobjects/Lead`.
pub(super) fn lead(request: &Request, version: u32) -> Reply {
    only_get(request, || {
        Reply::json(200, &schema::basic_information(&format!("{version}.0")))
    })
}

/// `GET /sobjects/Lead/describe`.
pub(super) fn describe(org: &Org, request: &Request, version: u32) -> Reply {
    only_get(request, || {
        Reply::json(200, &schema::describe(&org.schema, &format!("{version}.0")))
    })
}

/// `GET /limits`: the allocations a connector watches (facts 6.2).
pub(super) fn limits(org: &Org, request: &Request) -> Reply {
    only_get(request, || {
        let max = org.config.daily_api_requests;
        let used = org.usage().used(org.clock.monotonic_micros());
        let storage = org.config.data_storage_mb;
        let stored = storage_mb(org.watch.stats().leads);
        let untouched = |max: u64| json!({ "Max": max, "Remaining": max });
        Reply::json(
            200,
            &json!({
                "DailyApiRequests": { "Max": max, "Remaining": max.saturating_sub(used) },
                "DailyAsyncApexExecutions": untouched(250_000),
                "DailyBulkApiBatches": untouched(15_000),
                "DailyBulkV2QueryJobs": untouched(10_000),
                "DailyWorkflowEmails": untouched(1_000),
                "DataStorageMB": { "Max": storage, "Remaining": storage.saturating_sub(stored) },
                "FileStorageMB": untouched(10_240),
                "PermissionSets": { "Max": 1_500, "Remaining": 1_500, "CreateCustom": untouched(1_000) },
            }),
        )
    })
}

fn only_get(request: &Request, reply: impl FnOnce() -> Reply) -> Reply {
    match request.method.as_str() {
        "GET" | "HEAD" => reply(),
        other => Reply::method_not_allowed(other, "GET,HEAD"),
    }
}
