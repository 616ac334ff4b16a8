//! Read-only resources: versions, resource map, describe.
use serde_json::{Map, Value, json};

use super::call::Request;
use super::condition::{self, Stamp};
use super::reply::Reply;
use super::rest::{VERSIONS, bearer};
use crate::org::{Org, id};
use crate::schema::{self, ObjectKind};

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
pub(super) fn resources(org: &Org, request: &Request, version: u32) -> Reply {
    only_get(request, || {
        let mut map: Map<String, Value> = [
            "sobjects",
            "limits",
            "composite",
            "jobs",
            "query",
            "queryAll",
            "recent",
        ]
        .into_iter()
        .map(|name| {
            (
                name.to_owned(),
                format!("/services/data/v{version}.0/{name}").into(),
            )
        })
        .collect();
        let user = request
            .header("authorization")
            .and_then(bearer)
            .and_then(|token| org.sessions().holder(&token))
            .unwrap_or_default();
        // Unlike the others an absolute URL, which clients follow as it is (client: jsforce).
        let identity = format!(
            "{}/id/{}/{}",
            request.base_url(org),
            id::org(),
            id::user(user.into())
        );
        map.insert("identity".into(), identity.into());
        Reply::json(200, &map)
    })
}

/// `GET /sobjects`.
pub(super) fn objects(org: &Org, request: &Request, version: u32) -> Reply {
    only_get(request, || {
        condition::answer(request, &schema_stamp(org, version), || {
            let shown = format!("{version}.0");
            let list = ObjectKind::PUBLIC.map(|object| schema::global_entry(object, &shown));
            Reply::json(
                200,
                &json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": list }),
            )
        })
    })
}

/// `GET /sobjects/{Object}`.
pub(super) fn object(request: &Request, version: u32, object: ObjectKind) -> Reply {
    only_get(request, || {
        let version = format!("{version}.0");
        Reply::json(200, &schema::basic_information(object, &version))
    })
}

/// `GET /sobjects/{Object}/describe`.
pub(super) fn describe(org: &Org, request: &Request, version: u32, object: ObjectKind) -> Reply {
    only_get(request, || {
        condition::answer(request, &schema_stamp(org, version), || {
            let fields = org.catalog().schema(object);
            let version = format!("{version}.0");
            Reply::json(200, &schema::describe(object, fields, &version))
        })
    })
}

/// `GET /jobs`: the kinds of bulk jobs.
pub(super) fn jobs(request: &Request, version: u32) -> Reply {
    only_get(request, || {
        let base = format!("/services/data/v{version}.0/jobs");
        let map = json!({ "ingest": format!("{base}/ingest"), "query": format!("{base}/query") });
        Reply::json(200, &map)
    })
}

/// `GET /recent`: nobody has looked at a record in the user interface.
pub(super) fn recent(request: &Request) -> Reply {
    only_get(request, || Reply::json(200, &json!([])))
}

/// Objects and fields are what they are since the org started.
fn schema_stamp(org: &Org, version: u32) -> Stamp {
    Stamp {
        etag: format!("\"{:x}-{version}\"", org.started_micros),
        modified_micros: org.started_micros,
        matched_by_etag: true,
    }
}

pub(super) fn only_get(request: &Request, reply: impl FnOnce() -> Reply) -> Reply {
    match request.method.as_str() {
        "GET" | "HEAD" => reply(),
        other => Reply::method_not_allowed(other, "GET,HEAD"),
    }
}
