//! The API of a running service: what it answers has the shape that its document tells, viewers see
//! nobody's values, and a dead letter is mended, sent and discarded through it.

mod shape;

use std::os::unix::fs::PermissionsExt;

use leadstream::rehearsal::MysqlOptions;
use leadstream::rehearsal::service::wait_until;
use reqwest::{Client, Method};
use salesforce_sandbox::OrgConfig;
use salesforce_sandbox::rules::ValidationRule;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::harness::{Build, PATIENCE, World};

/// Somebody whose values stand nowhere else.
const PERSON: [&str; 4] = [
    "7700123",
    "Rejectlace",
    "ada77@lovelace.example",
    "+44 7788",
];

struct Api {
    runtime: Runtime,
    client: Client,
    root: String,
    document: Value,
}

struct Said {
    status: u16,
    body: Value,
}

impl Api {
    fn new(port: u16) -> Self {
        let mut api = Self {
            runtime: Runtime::new().unwrap(),
            client: Client::new(),
            root: format!("http://127.0.0.1:{port}/api/v1"),
            document: Value::Null,
        };
        api.document = api.get("", "/openapi.json").body;
        api
    }

    fn send(
        &self,
        method: Method,
        token: &str,
        path: &str,
        body: Option<&Value>,
        key: &str,
    ) -> Said {
        let mut request = self.client.request(method, format!("{}{path}", self.root));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            let request_body = body.to_string();
            request = request
                .header("content-type", "application/json")
                .body(request_body);
        }
        self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let text = response.text().await.unwrap();
            let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {text}"));
            Said { status, body }
        })
    }

    fn get(&self, token: &str, path: &str) -> Said {
        self.send(Method::GET, token, path, None, "")
    }

    /// A command that is carried out.
    #[track_caller]
    fn post(&self, path: &str, body: &Value, key: &str) -> Value {
        let Said { status, body } = self.send(Method::POST, OPERATOR, path, Some(body), key);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Every GET of the document, with what these places are filled with; path and shape.
    fn gets(&self, number: u64) -> Vec<(String, Value)> {
        let paths = self.document["paths"].as_object().unwrap();
        let mut gets = Vec::new();
        for (path, methods) in paths {
            let content = &methods["get"]["responses"]["200"]["content"]["application/json"];
            let path = path.trim_start_matches("/api/v1");
            let path = path.replace("{number}", &number.to_string());
            let path = path.replace("{route}", "leads");
            let queries: &[&str] = match path.as_str() {
                "/leads" => &["?key=7700123", "?email=ADA77@lovelace.example"],
                "/report" => &["?day=today", "?since=1h&by=day&route=leads"],
                "/dead-letters" => &["", "?limit=1&route=leads"],
                _ => &[""],
            };
            if !content.is_null() {
                let all = queries.iter();
                gets.extend(all.map(|query| (format!("{path}{query}"), content["schema"].clone())));
            }
        }
        gets
    }
}

const VIEWER: &str = "ls_viewer-of-the-test-0000000000000000000000000";
const OPERATOR: &str = "ls_operator-of-the-test-00000000000000000000000";

fn world() -> World {
    let org = OrgConfig {
        validation_rules: vec![ValidationRule {
            name: "No_Rejects".to_owned(),
            active: true,
            condition: "LastName begins 'Reject'".to_owned(),
            message: "this name is not wanted".to_owned(),
            field: Some("LastName".to_owned()),
        }],
        ..OrgConfig::default()
    };
    let mut world = World::with(Build::Failpoints, MysqlOptions::default(), org);
    world.set("batch.max_age", "10ms");
    let tokens = world.config().with_file_name("tokens");
    let line = |name: &str, token: &str| {
        let hash = blake3::hash(token.as_bytes());
        format!("{name} {name} {hash}\n")
    };
    let text = line("viewer", VIEWER) + &line("operator", OPERATOR);
    std::fs::write(&tokens, text).unwrap();
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&tokens, mode).unwrap();
    world.set("operator.token_file", tokens.to_str().unwrap());
    world
}

#[test]
fn a_program_finds_mends_sends_and_discards_through_the_api() {
    let mut world = world();
    world.start();
    let [key, name, email, phone] = PERSON;
    world.execute(&[
        &format!(
            "INSERT INTO crm.leads (id, last_name, company, email, phone, plan) VALUES \
             ({key}, '{name}', 'Acme', '{email}', '{phone}', 'Team')"
        ),
        "INSERT INTO crm.leads (id, last_name, company, email, plan) VALUES \
         (2, 'Reject B', 'Acme', 'b@example.com', 'Team'), (3, 'Fine', 'Acme', 'c@example.com', \
         'Team')",
    ]);
    world.expect(3);
    world.wait_settled();
    let api = Api::new(world.port);

    let groups = api.get(OPERATOR, "/dead-letters/groups").body;
    assert_eq!(groups["groups"][0]["count"], 2, "{groups}");
    let page = api.get(OPERATOR, "/dead-letters?limit=1").body;
    let first = page["next"].as_u64().expect("another page");
    let second = api
        .get(OPERATOR, &format!("/dead-letters?after={first}"))
        .body;
    assert_eq!(second["next"], Value::Null);
    let of_person = |letter: &&Value| letter["event"]["personal"]["key"] == key;
    let both = [&page["letters"][0], &second["letters"][0]];
    let person = both
        .iter()
        .copied()
        .find(of_person)
        .expect("the person's letter");
    let other = both.iter().copied().find(|it| !of_person(it)).unwrap();
    let (number, other) = (person["letter"].as_u64().unwrap(), &other["letter"]);

    // Who may see people sees them; nobody else does, on no path.
    let story = api.get(OPERATOR, &format!("/leads?key={key}")).body;
    for value in PERSON {
        assert!(story.to_string().contains(value), "{value}: {story}");
    }
    for (path, schema) in api.gets(number) {
        for token in [VIEWER, OPERATOR] {
            let Said { status, body } = api.get(token, &path);
            assert_eq!(status, 200, "{path}: {body}");
            shape::check(&api.document, &schema, &body, &path);
            if token == VIEWER {
                let text = body.to_string();
                let shown: Vec<_> = PERSON.iter().filter(|it| text.contains(**it)).collect();
                assert!(shown.is_empty(), "{path} shows {shown:?}: {text}");
            }
        }
    }
    let masked = api.get(VIEWER, &format!("/dead-letters/{number}")).body;
    assert_eq!(masked["payload"]["LastName"], "R•••", "{masked}");

    // Nothing without a token, no change with a viewer's.
    let edit = format!("/dead-letters/{number}/edit");
    let mended = json!({"fields": {"LastName": "Lovelace"}});
    assert_eq!(api.get("", "/leads?key=1").status, 401);
    let refused = api.send(Method::POST, VIEWER, &edit, Some(&mended), "");
    assert_eq!(
        (refused.status, &refused.body["type"]),
        (403, &json!("LS6051"))
    );
    let wrong = json!({"fields": {"Plan__c": "Golden"}});
    let refused = api.send(Method::POST, OPERATOR, &edit, Some(&wrong), "");
    assert_eq!(
        (refused.status, &refused.body["type"]),
        (422, &json!("LS6011"))
    );

    let edited = api.post(&edit, &mended, "");
    assert_eq!(edited["changed"], json!(["LastName"]));
    let replay = json!({"numbers": [number]});
    let begun = api.post("/dead-letters/replay", &replay, "morning-1");
    wait_until(PATIENCE, || {
        let now = api.get(VIEWER, "/replay").body;
        (now["running"] == false).then_some(())
    })
    .expect("the replay ends");
    // Sent again it is not begun again, though the letter is closed by now.
    assert_eq!(
        api.post("/dead-letters/replay", &replay, "morning-1"),
        begun
    );
    let again = api.send(
        Method::POST,
        OPERATOR,
        "/dead-letters/replay",
        Some(&replay),
        "",
    );
    assert_eq!((again.status, &again.body["type"]), (422, &json!("LS6010")));
    let leads = world.org.leads_by_key("MySQL_Id__c", [key]).unwrap();
    assert_eq!(leads.len(), 1);

    let discard = json!({"numbers": [other], "reason": "a test of ours"});
    assert_eq!(
        api.post("/dead-letters/discard", &discard, ""),
        json!({"discarded": 1})
    );
    let gone = api.get(OPERATOR, &format!("/dead-letters/{other}"));
    assert_eq!((gone.status, &gone.body["type"]), (404, &json!("LS6010")));
    let story = api.get(OPERATOR, "/leads?key=2").body;
    let last = story["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["kind"], &last["author"]),
        (&json!("discarded"), &json!("operator"))
    );
    let status = world.wait_settled();
    assert!(status.routes[0].balances, "{:?}", status.routes[0]);
}

#[test]
fn a_listener_is_told_what_changes() {
    let mut world = world();
    world.start();
    let api = Api::new(world.port);
    let events = api
        .client
        .get(format!("{}/events", api.root))
        .bearer_auth(VIEWER);
    let mut told = api.runtime.block_on(events.send()).unwrap();
    assert_eq!(told.headers()["content-type"], "text/event-stream");
    let mut heard = String::new();
    let mut hear = |text: &str| {
        api.runtime.block_on(async {
            let heard_it = async {
                while !heard.contains(text) {
                    let part = told.chunk().await.unwrap().expect("it goes on");
                    heard.push_str(std::str::from_utf8(&part).unwrap());
                }
            };
            let waited = tokio::time::timeout(PATIENCE, heard_it).await;
            waited.unwrap_or_else(|_| panic!("{text} was not told:\n{heard}"));
        });
    };
    hear("event: status\ndata: {");
    world.insert(1, 1);
    hear("\"captured\":1");
    world.stop();
}
