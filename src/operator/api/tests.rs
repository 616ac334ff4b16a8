//! The table, the document, the router and the page against each other, and what is refused.

use std::collections::BTreeSet;
use std::path::Path;

use axum::Extension;
use axum::body::Body;
use axum::http::{Request as HttpRequest, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::*;
use crate::operator::access::{Identity, Role};
use crate::operator::tests::view;
use crate::runtime::commands::Command;
use crate::state::Store;

mod parity;
mod pauses;
mod repeated;
mod seen;

struct Api {
    router: Router,
    commands: mpsc::Receiver<Command>,
    _store: Store,
    _folder: TempDir,
}

struct Said {
    status: u16,
    kind: String,
    allow: String,
    body: Value,
}

impl Api {
    fn new(role: Option<Role>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (view, store, commands) = view(folder.path());
        let mut router = router().with_state(view);
        if let Some(role) = role {
            router = router.layer(Extension(Identity {
                name: "anna".into(),
                role,
                csrf: None,
            }));
        }
        Self {
            router,
            commands,
            _store: store,
            _folder: folder,
        }
    }

    async fn send(&self, request: HttpRequest<Body>) -> Said {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let header = |name| {
            let value = response.headers().get(name);
            value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
        };
        let (kind, allow) = (header(header::CONTENT_TYPE), header(header::ALLOW));
        let status = response.status().as_u16();
        let body = match kind.as_str() {
            // It has no end.
            "text/event-stream" => Value::Null,
            _ => {
                let body = axum::body::to_bytes(response.into_body(), 1 << 22).await;
                serde_json::from_slice(&body.unwrap()).unwrap()
            }
        };
        Said {
            status,
            kind,
            allow,
            body,
        }
    }

    async fn ask(&self, method: &str, path: &str) -> Said {
        self.send(request(method, path, "{}")).await
    }
}

fn request(method: &str, path: &str, body: &str) -> HttpRequest<Body> {
    let request = HttpRequest::builder().method(method).uri(path);
    let request = request.header("content-type", "application/json");
    request.body(Body::from(body.to_owned())).unwrap()
}

#[track_caller]
fn check_problem(said: &Said, status: u16, page: &str, text: &str) {
    let Said { kind, body, .. } = said;
    assert_eq!(kind, "application/problem+json", "{body}");
    assert_eq!(
        (said.status, body["type"].as_str().unwrap()),
        (status, page),
        "{body}"
    );
    assert_eq!(body["status"], status);
    assert!(body["title"].as_str().unwrap().contains(text), "{body}");
    assert!(!body["detail"].as_str().unwrap().is_empty(), "{body}");
}

/// Of every operation in the document: method, path, and the operation.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    operations
}

fn filled(path: &str) -> String {
    path.replace("{number}", "7").replace("{route}", "leads")
}

#[tokio::test]
async fn the_document_and_the_router_tell_the_same() {
    let api = Api::new(None);
    let document = api.ask("GET", "/api/v1/openapi.json").await;
    assert_eq!(
        (document.status, document.kind.as_str()),
        (200, "application/json")
    );
    let operations = operations(&document.body);
    assert_eq!(operations.len(), ENDPOINTS.len());
    let mut known = BTreeSet::new();
    for (method, path, operation) in &operations {
        let said = api.ask(method, &filled(path)).await;
        if operation["security"].as_array().unwrap().is_empty() {
            assert_eq!(said.status, 200, "{method} {path}");
        } else {
            check_problem(&said, 401, "LS6050", "token");
        }
        assert!(known.insert((method.as_str(), path.as_str())));
    }
    for (_, path, _) in &operations {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if known.contains(&(method, path.as_str())) {
                continue;
            }
            let said = api.ask(method, &filled(path)).await;
            check_problem(&said, 405, "LS6061", "no such method");
            for allowed in said.allow.split(", ") {
                assert!(
                    known.contains(&(allowed, path.as_str())),
                    "{path} {allowed}"
                );
            }
        }
    }
    for path in [
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v2/status",
        "/api/v1/status/x",
    ] {
        check_problem(&api.ask("GET", path).await, 404, "LS6061", "no such path");
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_shape_is_used() {
    let document = openapi::make();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut used = BTreeSet::new();
    collect_references(&document, &mut used);
    let known: BTreeSet<String> = schemas.keys().cloned().collect();
    assert_eq!(used, known);
    let mut ids = BTreeSet::new();
    for (_, _, operation) in operations(&document) {
        assert!(
            ids.insert(operation["operationId"].to_string()),
            "{operation}"
        );
    }
}

fn collect_references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|it| collect_references(it, found)),
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "$ref" {
                    let target = value.as_str().unwrap();
                    let target = target.strip_prefix("#/components/schemas/").unwrap();
                    found.insert(target.to_owned());
                }
                collect_references(value, found);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn nobody_does_more_than_their_role_allows() {
    let roles = [Role::Viewer, Role::Operator, Role::Admin];
    for role in roles {
        let api = Api::new(Some(role));
        for endpoint in ENDPOINTS {
            let Some(needed) = endpoint.role else {
                continue;
            };
            if needed > role {
                let path = filled(&format!("{ROOT}{}", endpoint.path));
                let said = api.ask(endpoint.method.as_str(), &path).await;
                check_problem(&said, 403, "LS6051", "needs the role");
            }
        }
    }
    let least = |endpoint: &&Endpoint| match endpoint.method {
        Method::GET => endpoint.role <= Some(Role::Viewer),
        _ => endpoint.role >= Some(Role::Operator),
    };
    assert_eq!(ENDPOINTS.iter().filter(least).count(), ENDPOINTS.len());
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_with_what_can() {
    let api = Api::new(Some(Role::Admin));
    for (method, path, text) in [
        ("GET", "/leads", "one name is needed"),
        (
            "GET",
            "/leads?key=1&email=a@b.example",
            "one name is needed",
        ),
        ("GET", "/leads?key=", "key cannot be"),
        ("GET", "/leads?kye=1", "no parameter \"kye\""),
        ("GET", "/leads?key=1&key=2", "given twice"),
        ("GET", "/history?minutes=1441", "minutes cannot be"),
        ("GET", "/history?minutes=-1", "minutes cannot be"),
        ("GET", "/dead-letters?limit=201", "limit cannot be"),
        ("GET", "/dead-letters/none", "number cannot be"),
        ("GET", "/dead-letters/7?number=8", "belongs into the path"),
        ("GET", "/report?by=minute", "by cannot be"),
    ] {
        let said = api.ask(method, &format!("{ROOT}{path}")).await;
        check_problem(&said, 400, "LS6060", text);
    }
    for (path, body, text) in [
        ("/dead-letters/7/edit", "{\"field\": {}}", "unknown field"),
        ("/dead-letters/7/edit", "{", "cannot be read"),
        ("/dead-letters/7/edit", "{}", "what is to be changed"),
        (
            "/dead-letters/7/edit",
            "{\"fields\": {\"A\": 1}, \"unset\": [\"a\"]}",
            "given twice",
        ),
        ("/dead-letters/replay", "{}", "which dead letters"),
        (
            "/dead-letters/discard",
            "{\"numbers\": [7], \"reason\": \" \"}",
            "why",
        ),
        (
            "/dead-letters/discard",
            "{\"numbers\": [7]}",
            "missing field `reason`",
        ),
        (
            "/dead-letters/import",
            "{\"rows\": [{\"row\": 1}]}",
            "unknown field",
        ),
        ("/people/forget", "{\"erase\": true}", "one name is needed"),
        ("/snapshot", "[]", "cannot be read"),
    ] {
        let said = api
            .send(request("POST", &format!("{ROOT}{path}"), body))
            .await;
        check_problem(&said, 400, "LS6060", text);
    }
    let said = api.ask("GET", "/api/v1/report?since=tomorrowish").await;
    check_problem(&said, 400, "LS6020", "no moment");
    check_problem(
        &api.ask("GET", "/api/v1/dead-letters/7").await,
        404,
        "LS6010",
        "no open",
    );
    let large = "x".repeat(serving::MAX_BODY_BYTES + 1);
    let said = api.send(request("POST", "/api/v1/snapshot", &large)).await;
    check_problem(&said, 413, "LS6060", "too large");
    let mut form = request("POST", "/api/v1/snapshot", "routes=leads");
    let kind = "application/x-www-form-urlencoded".parse().unwrap();
    form.headers_mut().insert(header::CONTENT_TYPE, kind);
    check_problem(&api.send(form).await, 415, "LS6060", "not said to be JSON");
}

#[tokio::test]
async fn a_command_that_comes_twice_is_carried_out_once() {
    let mut api = Api::new(Some(Role::Operator));
    let describe = |key: &str| {
        let mut request = request("POST", "/api/v1/describe", "");
        request
            .headers_mut()
            .insert("idempotency-key", key.parse().unwrap());
        request
    };
    let (commands, router) = (&mut api.commands, api.router.clone());
    let mut carried_out = 0;
    for key in ["one", "one", "two"] {
        let asked = router.clone().oneshot(describe(key));
        tokio::pin!(asked);
        let response = loop {
            tokio::select! {
                response = &mut asked => break response.unwrap(),
                Some(Command::Describe { answer, .. }) = commands.recv() => {
                    carried_out += 1;
                    answer.send(Ok(carried_out)).unwrap();
                }
            }
        };
        assert_eq!(response.status(), StatusCode::OK);
        let body = axum::body::to_bytes(response.into_body(), 1 << 16)
            .await
            .unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body, json!({"changed": if key == "one" { 1 } else { 2 }}));
    }
    assert_eq!(carried_out, 2);
}

#[tokio::test]
async fn listeners_are_bounded() {
    let api = Api::new(Some(Role::Viewer));
    let listen = || request("GET", "/api/v1/events", "");
    let mut listening = Vec::new();
    loop {
        let response = api.router.clone().oneshot(listen()).await.unwrap();
        if response.status() != StatusCode::OK {
            break;
        }
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "text/event-stream"
        );
        listening.push(response);
        assert!(listening.len() <= 1000, "there is no end");
    }
    check_problem(
        &api.ask("GET", "/api/v1/events").await,
        503,
        "LS6063",
        "too many listen",
    );
    listening.pop();
    assert_eq!(api.ask("GET", "/api/v1/events").await.status, 200);
}

#[tokio::test]
async fn pages_of_nothing_are_empty_and_have_no_next() {
    let api = Api::new(Some(Role::Viewer));
    let said = api.ask("GET", "/api/v1/dead-letters?limit=1").await;
    assert_eq!(said.body, json!({"letters": [], "next": null}));
    let said = api.ask("GET", "/api/v1/leads?key=1").await;
    assert_eq!(said.body, json!({"steps": []}));
    let said = api.ask("GET", "/api/v1/history").await;
    assert_eq!(said.body, json!({"since": null, "points": []}));
}

#[test]
fn the_page_lists_every_endpoint() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let role = |role| match role {
        None => "-",
        Some(Role::Viewer) => "viewer",
        Some(Role::Operator) => "operator",
        Some(Role::Admin) => "admin",
    };
    let wanted: Vec<String> = ENDPOINTS
        .iter()
        .map(|it| {
            let parameters: Vec<String> = it
                .in_query
                .iter()
                .map(|it| format!("`{}`", it.name))
                .collect();
            format!(
                "| `{} {}` | {} | {} | {} |",
                it.method,
                it.path,
                role(it.role),
                parameters.join(", "),
                it.summary
            )
        })
        .collect();
    assert_eq!(
        rows,
        wanted,
        "docs/api.md should have\n{}",
        wanted.join("\n")
    );
}
