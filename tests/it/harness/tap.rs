//! Capture alone, without a service around it: what comes out of it is kept as it came, and chunks
//! of snapshots are called durable at once. What the rows amount to is compared with the table.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use leadstream::capture::{
    self, CaptureEvent, Observation, Parts, RoutedTable, SnapshotNews, SnapshotOrder,
    SourceSettings, TableRoute,
};
use leadstream::core::change::{Change, Operation, RouteId, StreamItem};
use leadstream::core::position::TransactionId;
use leadstream::core::schema::TableName;
use leadstream::core::snapshot::{Snapshot, SnapshotReason, SnapshotState, TableSnapshot};
use leadstream::core::time::Micros;
use leadstream::core::value::Value;
use leadstream::rehearsal::{MysqlOptions, MysqlServer};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::PATIENCE;

const WINDOW: u32 = 1 << 20;

pub fn start_mysql(options: MysqlOptions) -> MysqlServer {
    super::source::start_here(options)
}

pub async fn connect(mysql: &MysqlServer) -> Conn {
    let options = Opts::from_url(&mysql.url("root")).unwrap();
    Conn::new(options).await.expect("MySQL answers")
}

pub async fn execute(conn: &mut Conn, statement: &str) {
    let statement = super::source::spoken(super::source::kind(), statement);
    conn.query_drop(&statement)
        .await
        .unwrap_or_else(|error| panic!("{error}: {statement}"));
}

/// A table of the schema `shop` with one route of its own name.
pub fn table(name: &str, operations: &str, columns: &[&str]) -> RoutedTable {
    RoutedTable {
        name: TableName {
            schema: "shop".to_owned(),
            table: name.to_owned(),
        },
        routes: vec![route(0, name, operations, columns)],
    }
}

pub fn route(id: u16, name: &str, operations: &str, columns: &[&str]) -> TableRoute {
    TableRoute {
        route: RouteId(id),
        name: name.to_owned(),
        insert: operations.contains('i'),
        update: operations.contains('u'),
        delete: operations.contains('d'),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
    }
}

/// A new snapshot of these tables, all of their routes.
pub fn snapshot(number: u64, tables: &[RoutedTable]) -> Snapshot {
    Snapshot {
        number,
        reason: SnapshotReason::Requested,
        started_at: Micros(0),
        ended_at: None,
        settled: Vec::new(),
        state: SnapshotState::Running,
        tables: tables
            .iter()
            .map(|table| {
                let routes = table.routes.iter().map(|r| r.name.clone()).collect();
                TableSnapshot::new(table.name.clone(), routes, None)
            })
            .collect(),
    }
}

pub fn settings(mysql: &MysqlServer) -> SourceSettings {
    let mut settings = SourceSettings::rehearsed(mysql.port(), "root");
    settings.heartbeat_ms = 200;
    settings.snapshot.max_source_threads = 1_000;
    settings
}

pub struct Tap {
    events: mpsc::Receiver<CaptureEvent>,
    pub orders: mpsc::Sender<SnapshotOrder>,
    window: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
    pub items: Vec<StreamItem>,
    pub snapshot: Option<Snapshot>,
    /// Whether the test says itself when a chunk is durable.
    pub holds_durability: bool,
    pub waits: Vec<String>,
    pub failed: Option<capture::Error>,
}

impl Tap {
    /// Streams from now on.
    pub async fn open(settings: SourceSettings, tables: &[RoutedTable]) -> Self {
        let checkpoint = capture::resolve_start(&settings).await.expect("a place");
        let (sender, events) = mpsc::channel(4);
        let (orders, orders_in) = mpsc::channel(4);
        let window = Arc::new(Semaphore::new(WINDOW as usize));
        let (stop, stopped) = watch::channel(false);
        let parts = Parts {
            settings,
            tables: tables.to_vec(),
            checkpoint,
            schemas: Vec::new(),
            live: None,
            window: Arc::clone(&window),
            window_bytes: WINDOW,
            events: sender,
            orders: orders_in,
            observed: watch::channel(Observation::default()).0,
            clock: || Micros(1),
        };
        Self {
            events,
            orders,
            window,
            stop,
            running: tokio::spawn(capture::run(parts, stopped)),
            items: Vec::new(),
            snapshot: None,
            holds_durability: false,
            waits: Vec::new(),
            failed: None,
        }
    }

    pub async fn begin(&mut self, snapshot: Snapshot) {
        self.snapshot = Some(snapshot.clone());
        self.failed = None;
        self.orders
            .send(SnapshotOrder::Run(snapshot))
            .await
            .unwrap();
    }

    /// Takes what comes until `done`.
    #[track_caller]
    pub fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> impl Future<Output = ()> {
        let what = what.to_owned();
        async move {
            while !done(self) {
                let event = timeout(PATIENCE, self.events.recv()).await;
                let event = event.unwrap_or_else(|_| panic!("waited in vain for {what}"));
                self.take(event.expect("capture goes on")).await;
            }
        }
    }

    /// Takes what comes for so long.
    pub async fn listen(&mut self, time: Duration) {
        let listening = async {
            loop {
                let event = self.events.recv().await;
                self.take(event.expect("capture goes on")).await;
            }
        };
        // Nothing that was received is dropped: taking it waits for room among few orders only.
        let _: Result<(), _> = timeout(time, listening).await;
    }

    /// Takes one event, if there is one.
    pub async fn one(&mut self) {
        if let Ok(event) = self.events.try_recv() {
            self.take(event).await;
        }
    }

    async fn take(&mut self, event: CaptureEvent) {
        match event {
            CaptureEvent::Chunk(chunk) => {
                self.window.add_permits(chunk.bytes as usize);
                for item in chunk.items {
                    let end = match &item {
                        StreamItem::ChunkEnd(end) => Some(end.clone()),
                        _ => None,
                    };
                    self.items.push(item);
                    if let (Some(end), Some(snapshot)) = (end, &mut self.snapshot)
                        && end.snapshot == snapshot.number
                    {
                        snapshot.finish_chunk(&end, Micros(2));
                        if !self.holds_durability {
                            self.orders.send(SnapshotOrder::ChunkDurable).await.unwrap();
                        }
                    }
                }
            }
            CaptureEvent::Snapshot(_, SnapshotNews::Estimated { table, rows }) => {
                if let Some(snapshot) = &mut self.snapshot {
                    snapshot.tables[table].estimated_rows = Some(rows);
                }
            }
            CaptureEvent::Snapshot(_, SnapshotNews::Waiting { reason }) => {
                self.waits.extend(reason)
            }
            CaptureEvent::Snapshot(_, SnapshotNews::Failed { error }) => self.failed = Some(error),
            CaptureEvent::Stopped { error } => panic!("capture stopped: {error:?}"),
            _ => {}
        }
    }

    /// Runs a snapshot to its end.
    pub async fn run(&mut self, snapshot: Snapshot) -> Snapshot {
        self.begin(snapshot).await;
        self.finish().await
    }

    pub async fn finish(&mut self) -> Snapshot {
        let done = |tap: &Tap| tap.failed.is_some() || tap.is_finished();
        self.until("the snapshot's end", done).await;
        if let Some(error) = &self.failed {
            panic!("the snapshot failed: {error:?}");
        }
        self.snapshot.clone().unwrap()
    }

    pub fn is_finished(&self) -> bool {
        self.snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.state == SnapshotState::Finished)
    }

    /// All rows that came for a route; those of the snapshot by `true`.
    pub fn rows(&self, route: u16, of_snapshot: bool) -> Vec<&Change> {
        self.items
            .iter()
            .filter_map(|item| match item {
                StreamItem::Row(change) if change.id.route == RouteId(route) => Some(change),
                _ => None,
            })
            .filter(|change| is_of_snapshot(change) == of_snapshot)
            .collect()
    }

    /// What the rows of a route amount to, read in order: by their first value, printed, all values.
    pub fn amount(&self, route: u16) -> BTreeMap<String, Vec<Value>> {
        let mut rows = BTreeMap::new();
        for item in &self.items {
            let StreamItem::Row(change) = item else {
                continue;
            };
            if change.id.route != RouteId(route) {
                continue;
            }
            let values: Vec<Value> = change.values.iter().flatten().cloned().collect();
            let key = format!("{:?}", values[0]);
            match change.operation {
                Operation::Delete => rows.remove(&key),
                Operation::Insert | Operation::Update => rows.insert(key, values),
            };
        }
        rows
    }

    pub async fn close(self) {
        self.stop.send_replace(true);
        self.running.await.unwrap();
    }
}

pub fn is_of_snapshot(change: &Change) -> bool {
    matches!(change.id.transaction.id, TransactionId::Snapshot(_))
}
