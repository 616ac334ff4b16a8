//! A console for tests: a published status to shape, a store in a folder that goes away, and a
//! driver that answers commands as the test says.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tower::ServiceExt;

use crate::core::entry::Totals;
use crate::core::time::Micros;
use crate::operator::access::{Identity, Role};
use crate::operator::history::History;
use crate::operator::{Events, View};
use crate::runtime::commands::{Command, Commands};
use crate::runtime::status::{
    DeliveryStatus, DiskStatus, Published, RouteStatus, SourceStatus, Stage, StateStatus, Status,
};
use crate::state::{PayloadPolicy, StateSettings, Store};
use crate::telemetry::metrics::Metrics;

/// When every test looks.
pub const NOW: Micros = Micros(1_790_000_000_000_000);

/// A lead's value that is a script, and would be one if a page did not take care.
pub const SCRIPT: &str = "<script>alert('x')</script>";

/// A service that runs well, with one route.
pub fn status() -> Status {
    Status {
        version: "0.1.0".to_owned(),
        pid: 1,
        started_at: Micros(0),
        as_of: NOW,
        stage: Stage::Running,
        source: SourceStatus {
            connected: true,
            server_version: Some("9.7.0".to_owned()),
            ..SourceStatus::default()
        },
        delivery: DeliveryStatus::default(),
        routes: vec![route("leads")],
        snapshot: None,
        oldest_unsettled: None,
        checkpoint: None,
        checkpoint_at: None,
        checkpoint_waits: false,
        state: StateStatus::default(),
        disk: DiskStatus::default(),
    }
}

pub fn route(name: &str) -> RouteStatus {
    RouteStatus {
        name: name.to_owned(),
        object: "Lead".to_owned(),
        captured: 1_210,
        in_flight: 10,
        totals: Totals {
            created: 1_000,
            updated: 100,
            dead_letters_open: 90,
            parked: 10,
            ..Totals::default()
        },
        balances: true,
        trouble: None,
        bulk: None,
        operator_pause: None,
    }
}

/// A console that can be asked.
pub struct Console {
    pub view: View,
    pub commands: mpsc::Receiver<Command>,
    /// Its threads write into the folder: they go first.
    _store: Store,
    _folder: TempDir,
}

/// An answer of the console.
pub struct Page {
    pub status: StatusCode,
    pub location: Option<String>,
    pub text: String,
}

impl Console {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (store, _) = Store::open(StateSettings {
            path: folder.path().join("state"),
            payload: PayloadPolicy::Full,
            segment_bytes: 1 << 20,
            reserve_bytes: 0,
            retention_ms: None,
            max_journal_bytes: None,
            encryption_key_file: None,
            routes: vec!["leads".to_owned()],
        })
        .unwrap();
        let (commands, received) = Commands::channel();
        let view = View {
            published: Published::new(status()),
            index: store.index(),
            eraser: store.eraser(),
            commands,
            metrics: Metrics::new("0.1.0").unwrap(),
            history: History::default(),
            events: Events::default(),
            clock: || NOW,
        };
        Self {
            view,
            commands: received,
            _store: store,
            _folder: folder,
        }
    }

    pub fn change(&self, change: impl FnOnce(&mut Status)) {
        let mut status = Status::clone(&self.view.published.read());
        change(&mut status);
        self.view.published.publish(status);
    }

    fn router(&self, role: Role) -> Router {
        let who = Identity {
            name: Arc::from("ann"),
            role,
            csrf: Some(Arc::from("the-csrf-token")),
        };
        super::router()
            .with_state(self.view.clone())
            .layer(axum::Extension(who))
    }

    pub async fn get(&self, path: &str, role: Role) -> Page {
        let request = Request::get(path).body(Body::empty()).unwrap();
        answer(self.router(role).oneshot(request).await.unwrap()).await
    }

    /// Asks while a driver answers one command.
    pub async fn with(
        &mut self,
        request: Request<Body>,
        role: Role,
        driver: impl FnOnce(Command),
    ) -> Page {
        let router = self.router(role);
        let asked = async { answer(router.oneshot(request).await.unwrap()).await };
        let driven = async {
            let command = self.commands.recv().await;
            driver(command.expect("a command"));
        };
        tokio::join!(asked, driven).0
    }

    pub async fn post(&self, path: &str, form: &str, role: Role) -> Page {
        let request = post(path, form);
        answer(self.router(role).oneshot(request).await.unwrap()).await
    }
}

pub fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

pub fn post(path: &str, form: &str) -> Request<Body> {
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap()
}

async fn answer(response: axum::response::Response) -> Page {
    let status = response.status();
    let location = response.headers().get(header::LOCATION);
    let location = location.map(|it| it.to_str().unwrap().to_owned());
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 22).await;
    Page {
        status,
        location,
        text: String::from_utf8(bytes.unwrap().to_vec()).unwrap(),
    }
}

impl Page {
    /// What a person reads: without marks, each run of blanks as one.
    pub fn words(&self) -> String {
        let mut words = String::new();
        let mut inside = false;
        for c in self.text.chars() {
            match c {
                '<' => inside = true,
                '>' if inside => {
                    inside = false;
                    words.push(' ');
                }
                _ if inside => {}
                _ => words.push(c),
            }
        }
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    pub fn says(&self, text: &str) {
        let words = self.words();
        assert!(words.contains(text), "{text:?} is not in: {words}");
    }

    #[track_caller]
    pub fn says_not(&self, text: &str) {
        let words = self.words();
        assert!(!words.contains(text), "{text:?} is in: {words}");
    }
}
