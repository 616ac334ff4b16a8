//! A store with dead letters, somebody who takes commands, and a browser of few words.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use axum::{Extension, Router};
use tokio::sync::mpsc;
use tower::ServiceExt;

use crate::core::change::{ChangeId, Operation, RouteId, Transaction};
use crate::core::entry::{Attempt, Commit, Entry, Image, Subject};
use crate::core::letters::{LetterName, OpenLetter, ReplayProgress};
use crate::core::outcome::{ErrorClass, RecordError};
use crate::core::schema::TableName;
use crate::core::time::Micros;
use crate::operator::View;
use crate::operator::access::{Identity, Role};
use crate::operator::console::desk;
use crate::operator::console::desk::form::tests::fields;
use crate::runtime::commands::{Command, Commands, Declined};
use crate::runtime::letters::{Edited, LetterCommand};
use crate::runtime::status::{Published, Status};
use crate::state::{DeadLetterFilter, PayloadPolicy, StateSettings, Store};
use crate::telemetry::metrics::Metrics;

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
pub const NOON: i64 = 1_790_000_000_000_000;

/// Far more than anything takes; only a broken build waits this long.
const LONG: Duration = Duration::from_secs(60);

pub struct Bench {
    pub view: View,
    router: Router,
    store: Arc<Store>,
    /// Discards, edits and replays with their authors, as they came.
    pub done: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub location: String,
    pub body: String,
}

impl Answer {
    #[track_caller]
    pub fn has(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.body.contains(part), "no {part:?} in {}", self.body);
        }
    }

    #[track_caller]
    pub fn lacks(&self, parts: &[&str]) {
        for part in parts {
            assert!(!self.body.contains(part), "{part:?} in {}", self.body);
        }
    }
}

/// One record that is refused.
pub struct Refused {
    pub key: String,
    pub payload: String,
    pub code: &'static str,
    pub message: String,
    pub field: String,
    /// Of one that the mapping refused: it was never sent.
    pub row: Option<&'static str>,
}

/// A lead in a state that Salesforce does not know.
pub fn lead(number: u64) -> Refused {
    Refused {
        key: format!("L-{number}"),
        payload: format!(
            "{{\"LastName\":\"Lovelace {number}\",\"Company\":\"Engines & Sons\",\
             \"Email\":\"ada.{number}@example.com\",\"State\":\"Kalifornien\"}}"
        ),
        code: "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        message: "State: bad value for restricted picklist field: Kalifornien".to_owned(),
        field: "State".to_owned(),
        row: None,
    }
}

/// One whose state the mapping refused: it stands in the row alone.
pub fn unmapped(number: u64, row: &'static str) -> Refused {
    Refused {
        payload: format!("{{\"LastName\":\"Lovelace {number}\"}}"),
        message: "State: the value is not in the restricted picklist".to_owned(),
        row: Some(row),
        ..lead(number)
    }
}

pub fn who(role: Role) -> Identity {
    Identity {
        name: "anna".into(),
        role,
        csrf: Some("t0k3n".into()),
    }
}

impl Bench {
    /// These become dead letters 1, 2, 3 …
    pub fn new(refused: Vec<Refused>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = StateSettings {
            path: folder.path().to_owned(),
            payload: PayloadPolicy::Full,
            segment_bytes: crate::state::DEFAULT_SEGMENT_BYTES,
            reserve_bytes: 0,
            retention_ms: None,
            max_journal_bytes: None,
            encryption_key_file: None,
            routes: vec!["leads".into()],
        };
        let (store, _) = Store::open(settings).unwrap();
        let store = Arc::new(store);
        let (commands, queue) = Commands::channel();
        let done = Arc::new(Mutex::new(Vec::new()));
        let driver = Driver {
            store: Arc::clone(&store),
            done: Arc::clone(&done),
            progress: None,
        };
        tokio::spawn(driver.run(queue));
        let view = View {
            published: Published::new(status()),
            index: store.index(),
            eraser: store.eraser(),
            commands,
            metrics: Metrics::new("test").unwrap(),
            history: crate::operator::history::History::default(),
            events: crate::operator::Events::default(),
            clock: || Micros(NOON + 3 * 86_400_000_000),
        };
        let bench = Self {
            router: desk::router().with_state(view.clone()),
            view,
            store,
            done,
            _folder: folder,
        };
        for part in refused.chunks(500) {
            let first = bench
                .store
                .index()
                .letter_numbers(&DeadLetterFilter::default());
            bench.refuse(first.unwrap().len() as u64 + 1, part);
            assert!(bench.view.index.catch_up(LONG));
        }
        bench
    }

    /// More of them, with numbers from `first` on: durable, and in the index a moment later.
    pub fn refuse(&self, first: u64, refused: &[Refused]) {
        let letters = (first..).zip(refused);
        let letters = letters.map(|(number, it)| dead_letter(number, it));
        commit(&self.store, letters.collect());
    }

    pub async fn get(&self, role: Role, path: &str) -> Answer {
        self.send(role, Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub async fn post(&self, role: Role, path: &str, form: &[(&str, &str)]) -> Answer {
        let body = desk::shown::query(form);
        let kind = "application/x-www-form-urlencoded";
        let request = Request::post(path).header(header::CONTENT_TYPE, kind);
        self.send(role, request.body(body.into()).unwrap()).await
    }

    async fn send(&self, role: Role, request: Request<Body>) -> Answer {
        let router = self.router.clone().layer(Extension(who(role)));
        // The identity is an extension of the request, as the layer of access puts it.
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(who(role));
        let answer = router
            .oneshot(Request::from_parts(parts, body))
            .await
            .unwrap();
        let status = answer.status().as_u16();
        let location = answer.headers().get(header::LOCATION);
        let location = location.map_or("", |it| it.to_str().unwrap()).to_owned();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 24)
            .await
            .unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer {
            status,
            location,
            body,
        }
    }

    pub fn open(&self) -> Vec<u64> {
        assert!(self.view.index.catch_up(LONG));
        let any = DeadLetterFilter::default();
        self.view.index.letter_numbers(&any).unwrap()
    }

    pub fn done(&self) -> Vec<String> {
        self.done.lock().unwrap().clone()
    }

    /// Loads the page until it says so: what a page shows of a work that goes on.
    pub async fn wait_for(&self, path: &str, part: &str) -> Answer {
        for _ in 0..10_000 {
            let page = self.get(Role::Operator, path).await;
            if page.body.contains(part) {
                return page;
            }
            tokio::task::yield_now().await;
        }
        panic!("waited in vain for {part:?}");
    }
}

fn status() -> Status {
    let status = serde_json::json!({
        "version": "test", "pid": 1, "started_at": NOON, "as_of": NOON, "stage": "running",
        "source": {"connected": true, "server_version": null, "reconnects": 0, "trouble": null, "stopped": false},
        "delivery": {
            "calls_in_flight": 0, "allowed_in_flight": 1, "trouble": null, "api_calls_made": 0,
            "api_used": null, "api_limit": null, "logins": 1, "instance_url": "https://acme.my.salesforce.com",
        },
        "routes": [], "oldest_unsettled": null, "checkpoint": null, "checkpoint_at": null,
        "state": {
            "journal_bytes": 0, "journal_segments": 1, "last_commit": 0, "index_applied": 0,
            "index_rebuilding": false, "index_bytes": 0, "parked_bytes": 0, "records": 0,
        },
    });
    serde_json::from_value(status).unwrap()
}

fn commit(store: &Store, entries: Vec<Entry>) {
    let (answer, answered) = sync_channel(1);
    let commit = Commit {
        entries,
        at: Micros(NOON),
        ..Commit::default()
    };
    let done = move |result| answer.send(result).unwrap();
    store.journal().submit(commit, Box::new(done));
    answered.recv_timeout(LONG).unwrap().unwrap();
}

fn subject(number: u64, key: &str, payload: &str) -> Subject {
    let email = serde_json::from_str::<serde_json::Value>(payload).unwrap();
    let email = email["Email"].as_str().map(Arc::from);
    Subject {
        id: ChangeId {
            transaction: Arc::new(Transaction {
                id: format!("{UUID}:{number}").parse().unwrap(),
                committed_at: Micros(NOON - 5_000_000),
            }),
            table: Arc::new(TableName {
                schema: "shop".into(),
                table: "leads".into(),
            }),
            row: 0,
            route: RouteId(0),
        },
        operation: Operation::Insert,
        image: Arc::new(Image {
            key: key.into(),
            payload: payload.into(),
            email,
            row: None,
        }),
        captured_at: Micros(NOON - 4_900_000),
        parked: None,
        letter: None,
    }
}

fn attempt(batch: u64) -> Attempt {
    Attempt {
        batch,
        number: 1,
        sent_at: Micros(NOON - 1_000_000),
        answered_at: Micros(NOON - 800_000),
    }
}

fn dead_letter(number: u64, refused: &Refused) -> Entry {
    let mut subject = subject(number, &refused.key, &refused.payload);
    if let Some(row) = refused.row {
        let image = (*subject.image).clone();
        subject.image = Arc::new(Image {
            row: Some(row.into()),
            ..image
        });
    }
    let fields = Some(refused.field.clone()).filter(|field| !field.is_empty());
    Entry::DeadLettered {
        subject,
        letter: number,
        class: if refused.row.is_some() {
            ErrorClass::Mapping
        } else {
            ErrorClass::Data
        },
        code: refused.code.into(),
        errors: vec![RecordError {
            code: refused.code.into(),
            message: refused.message.clone(),
            fields: fields.into_iter().collect(),
        }],
        attempt: refused.row.is_none().then(|| attempt(number)),
        open: OpenLetter::default(),
    }
}

/// Does what it is told at once. A state that is no state of the list is refused, a last name must
/// be there; `Stay` as a last name is refused by Salesforce, without end.
struct Driver {
    store: Arc<Store>,
    done: Arc<Mutex<Vec<String>>>,
    progress: Option<ReplayProgress>,
}

impl Driver {
    async fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        while let Some(command) = queue.recv().await {
            match command {
                Command::Fields { answer, .. } => drop(answer.send(Ok(fields()))),
                Command::Letters(command) => self.letters(command),
                other => panic!("{other:?}"),
            }
        }
    }

    fn note(&self, what: String) {
        self.done.lock().unwrap().push(what);
    }

    fn letters(&mut self, command: LetterCommand) {
        let index = self.store.index();
        match command {
            LetterCommand::ReplayStatus { answer } => {
                let _ = answer.send(Ok(self.progress.clone()));
            }
            LetterCommand::CancelReplay { .. } => panic!("nobody cancels here"),
            LetterCommand::Edit { order, answer } => {
                let (mut wrong, mut after) = (Vec::new(), serde_json::Map::new());
                for change in &order.changes {
                    let crate::core::mapping::NewValue::Text(text) = &change.value else {
                        continue;
                    };
                    match (change.field.as_str(), text.as_str()) {
                        ("State", text) if !["CA", "NY", "TX", ""].contains(&text) => {
                            wrong.push(
                                "State: State takes only the values of its picklist: CA, NY, TX",
                            );
                        }
                        ("LastName", "") => {
                            wrong.push("LastName: Last Name is required: it cannot be empty")
                        }
                        (field, text) => drop(after.insert(field.to_owned(), text.into())),
                    }
                }
                if !wrong.is_empty() {
                    let _ = answer.send(Err(Declined {
                        page: "LS6011".into(),
                        text: format!("nothing was changed: {}", wrong.join("; ")),
                        remedy: "on the command line".into(),
                    }));
                    return;
                }
                let changed: Vec<String> = after.keys().cloned().collect();
                let after = serde_json::Value::Object(after).to_string();
                if !order.check_only {
                    self.note(format!(
                        "{} edits {} to {after}",
                        order.author, order.number
                    ));
                    let edited = Entry::Edited {
                        letter: name(order.number, &order.key),
                        author: order.author,
                        before: before(order.payload.as_deref(), &changed).into(),
                        after: after.as_str().into(),
                    };
                    commit(&self.store, vec![edited]);
                }
                let _ = answer.send(Ok(Edited {
                    letter: order.number,
                    changed,
                    before: "{}".into(),
                    after,
                }));
            }
            LetterCommand::Discard {
                letters,
                author,
                reason,
                answer,
            } => {
                let count = letters.len() as u64;
                self.note(format!("{author} discards {count}: {reason}"));
                let entries = letters.into_iter().map(|(number, key)| Entry::Discarded {
                    letter: name(number, &key),
                    author: author.clone(),
                    reason: reason.clone(),
                });
                commit(&self.store, entries.collect());
                let _ = answer.send(Ok(count));
            }
            LetterCommand::Replay { order, answer } => {
                self.note(format!("{} sends {:?}", order.author, order.letters));
                let mut refused = 0;
                for number in &order.letters {
                    assert!(index.catch_up(LONG));
                    let story = index.letter_story(*number).unwrap().unwrap();
                    let payload = story.payload.unwrap();
                    let replayed = Entry::Replayed {
                        letter: name(*number, &story.key),
                        author: order.author.to_string(),
                    };
                    let mut subject = subject(*number, &story.key, payload.get());
                    subject.letter = Some(*number);
                    if payload.get().contains("\"LastName\":\"Stay\"") {
                        refused += 1;
                        let refusal = Refused {
                            payload: payload.get().to_owned(),
                            key: story.key,
                            ..lead(*number)
                        };
                        let mut again = dead_letter(*number, &refusal);
                        if let Entry::DeadLettered { subject, .. } = &mut again {
                            subject.letter = Some(*number);
                        }
                        commit(&self.store, vec![replayed, again]);
                        continue;
                    }
                    let delivered = Entry::Delivered {
                        subject,
                        salesforce_id: format!("00Q5g00000{number:05}EAX"),
                        created: true,
                        attempt: attempt(100 + number),
                    };
                    commit(&self.store, vec![replayed, delivered]);
                }
                let asked = order.letters.len() as u64;
                self.progress = Some(ReplayProgress {
                    running: false,
                    cancelled: false,
                    author: order.author.to_string(),
                    asked,
                    waiting: 0,
                    under_way: 0,
                    delivered: asked - refused,
                    refused,
                    closed: 0,
                    declined_count: 0,
                    declined: Vec::new(),
                });
                let _ = answer.send(Ok(self.progress.clone().unwrap()));
            }
        }
    }
}

fn name(number: u64, key: &str) -> LetterName {
    LetterName {
        number,
        route: RouteId(0),
        key: key.into(),
    }
}

fn before(payload: Option<&str>, changed: &[String]) -> String {
    let payload: serde_json::Value = serde_json::from_str(payload.unwrap()).unwrap();
    let mut fields = payload.as_object().unwrap().clone();
    fields.retain(|name, _| changed.contains(name));
    serde_json::Value::Object(fields).to_string()
}
