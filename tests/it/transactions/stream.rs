//! Capture alone, inside this process: its rows, applied to an empty table, must give what the
//! server's table holds.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use leadstream::capture::{
    self, CaptureEvent, Error, Observation, Parts, RoutedTable, SourceSettings, TableRoute,
};
use leadstream::core::change::{Change, Operation, RouteId, StreamItem};
use leadstream::core::position::Checkpoint;
use leadstream::core::schema::TableName;
use leadstream::core::settlement::Ledger;
use leadstream::core::time::Micros;
use leadstream::core::value::Value;
use leadstream::rehearsal::mysql::ServerKind;
use leadstream::rehearsal::{MysqlOptions, MysqlServer};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;

use crate::harness::{PATIENCE, source};

const WINDOW: u32 = 4 << 20;
/// The last of them only ends a wait.
pub const TABLES: [&str; 5] = ["leads", "old", "parts", "child", "marks"];

/// A server with its tables, and sessions on it.
pub struct Source {
    pub server: MysqlServer,
    pub runtime: Runtime,
    marks: Cell<u64>,
}

impl Source {
    pub fn start(options: MysqlOptions) -> Self {
        let server = source::start_here(options);
        let runtime = Runtime::new().unwrap();
        let source = Self {
            server,
            runtime,
            marks: Cell::new(0),
        };
        source.run(&[
            "CREATE DATABASE tx",
            "CREATE TABLE tx.leads (id INT AUTO_INCREMENT PRIMARY KEY, note LONGTEXT) CHARACTER SET utf8mb4",
            "CREATE TABLE tx.old (id INT PRIMARY KEY, note TEXT) ENGINE=MyISAM CHARACTER SET utf8mb4",
            "CREATE TABLE tx.parts (id INT PRIMARY KEY, note TEXT) CHARACTER SET utf8mb4 \
             PARTITION BY HASH (id) PARTITIONS 4",
            "CREATE TABLE tx.child (id INT PRIMARY KEY, note TEXT, parent INT, \
             FOREIGN KEY (parent) REFERENCES tx.leads (id) ON DELETE CASCADE ON UPDATE CASCADE) \
             CHARACTER SET utf8mb4",
            "CREATE TABLE tx.marks (id INT PRIMARY KEY, note TEXT)",
            "CREATE TABLE tx.other (id INT PRIMARY KEY, note LONGTEXT) CHARACTER SET utf8mb4",
        ]);
        source
    }

    pub fn session(&self) -> Session<'_> {
        let opts =
            mysql_async::OptsBuilder::from_opts(Opts::from_url(&self.server.url("root")).unwrap())
                .max_allowed_packet(Some(1 << 30));
        let conn = self
            .runtime
            .block_on(Conn::new(opts))
            .expect("MySQL answers");
        Session {
            conn,
            runtime: &self.runtime,
            kind: self.server.kind(),
        }
    }

    /// Runs statements in one session of their own.
    #[track_caller]
    pub fn run(&self, statements: &[&str]) {
        let mut session = self.session();
        for statement in statements {
            session.run(statement);
        }
        session.close();
    }

    pub fn texts(&self, sql: &str) -> Vec<String> {
        let mut session = self.session();
        let texts = session.texts(sql);
        session.close();
        texts
    }

    /// Commits a row by which a stream can tell that it has read everything before.
    pub fn mark(&self) -> u64 {
        let mark = self.marks.get() + 1;
        self.marks.set(mark);
        self.run(&[&format!("INSERT INTO tx.marks VALUES ({mark}, '')")]);
        mark
    }

    /// `table id note` of every row; long notes by their length and both ends.
    fn rows(&self) -> BTreeSet<String> {
        let mut rows = BTreeSet::new();
        for table in TABLES {
            let short = "CONCAT(CHAR_LENGTH(note), ':', LEFT(note, 20), '…', RIGHT(note, 20))";
            let sql = format!(
                "SELECT CONCAT('{table} ', id, ' ', IFNULL(IF(CHAR_LENGTH(note) > 40, {short}, note), 'NULL')) \
                 FROM tx.{table}"
            );
            rows.extend(self.texts(&sql));
        }
        rows
    }

    /// Cuts every connection that reads the binlog.
    pub fn cut_streams(&self) {
        let ids = self.texts(
            "SELECT CAST(id AS CHAR) FROM information_schema.processlist \
             WHERE command LIKE 'Binlog Dump%'",
        );
        assert!(!ids.is_empty(), "somebody reads the binlog");
        for id in ids {
            self.run(&[&format!("KILL {id}")]);
        }
    }
}

pub struct Session<'r> {
    conn: Conn,
    runtime: &'r Runtime,
    kind: ServerKind,
}

impl Session<'_> {
    #[track_caller]
    pub fn run(&mut self, sql: &str) {
        if let Err(error) = self.try_run(sql) {
            panic!("{}: {error}", &sql[..sql.len().min(200)]);
        }
    }

    pub fn try_run(&mut self, sql: &str) -> Result<(), mysql_async::Error> {
        let sql = source::spoken(self.kind, sql);
        self.runtime.block_on(self.conn.query_drop(sql))
    }

    pub fn texts(&mut self, sql: &str) -> Vec<String> {
        let sql = source::spoken(self.kind, sql);
        self.runtime
            .block_on(self.conn.query(sql))
            .expect("an answer")
    }

    pub fn close(self) {
        let _ = self.runtime.block_on(self.conn.disconnect());
    }
}

/// What one life of capture brought.
pub struct Stream<'s> {
    source: &'s Runtime,
    events: mpsc::Receiver<CaptureEvent>,
    window: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    ledger: Ledger,
    pub rows: Vec<Change>,
    pub reconnects: u32,
    pub stopped: Option<Error>,
}

pub fn settings(source: &Source) -> SourceSettings {
    SourceSettings::rehearsed(source.server.port(), "root")
}

impl<'s> Stream<'s> {
    /// Begins at the server's present end.
    pub fn start(source: &'s Source) -> Self {
        let settings = settings(source);
        let checkpoint = source
            .runtime
            .block_on(capture::resolve_start(&settings))
            .expect("a place to start");
        Self::resume(source, checkpoint)
    }

    pub fn resume(source: &'s Source, checkpoint: Checkpoint) -> Self {
        let (sender, events) = mpsc::channel(16);
        let (_, orders) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let window = Arc::new(Semaphore::new(WINDOW as usize));
        let parts = Parts {
            settings: settings(source),
            tables: TABLES
                .iter()
                .zip(0..)
                .map(|(name, id)| routed(name, id))
                .collect(),
            checkpoint: checkpoint.clone(),
            schemas: Vec::new(),
            live: None,
            window: Arc::clone(&window),
            window_bytes: WINDOW,
            events: sender,
            orders,
            observed: watch::channel(Observation::default()).0,
            clock: || Micros(0),
        };
        source.runtime.spawn(capture::run(parts, stopped));
        Self {
            source: &source.runtime,
            events,
            window,
            stop,
            ledger: Ledger::new(checkpoint),
            rows: Vec::new(),
            reconnects: 0,
            stopped: None,
        }
    }

    /// Reads until `done`.
    #[track_caller]
    pub fn read_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let next = self
                .source
                .block_on(async { timeout(PATIENCE, self.events.recv()).await });
            match next {
                Ok(Some(event)) => self.take(event),
                other => panic!("waited in vain for {what}: {other:?}, {:?}", self.stopped),
            }
        }
    }

    /// Reads until that mark has come.
    #[track_caller]
    pub fn read_to(&mut self, mark: u64) {
        let id = Some(Value::Int(i64::try_from(mark).unwrap()));
        self.read_until("a mark", |stream| {
            assert!(stream.stopped.is_none(), "stopped: {:?}", stream.stopped);
            stream
                .rows
                .iter()
                .rev()
                .any(|row| row.id.table.table == "marks" && row.values[0] == id)
        });
    }

    /// Reads until capture stops for good.
    #[track_caller]
    pub fn read_to_stop(&mut self) -> &Error {
        self.read_until("an error", |stream| stream.stopped.is_some());
        self.stopped.as_ref().unwrap()
    }

    fn take(&mut self, event: CaptureEvent) {
        match event {
            CaptureEvent::Chunk(chunk) => {
                self.window.add_permits(chunk.bytes as usize);
                for item in chunk.items {
                    self.take_item(item);
                }
            }
            CaptureEvent::Reconnecting { .. } => self.reconnects += 1,
            CaptureEvent::Stopped { error } => self.stopped = Some(error),
            _ => {}
        }
    }

    fn take_item(&mut self, item: StreamItem) {
        match item {
            StreamItem::Row(change) => {
                let slot = self.ledger.open(&change.id, 1, change.last_of_row);
                self.ledger.settle(slot);
                self.rows.push(change);
            }
            StreamItem::Advance(advance) => self.ledger.advance(advance),
            StreamItem::Hold(place) => self.ledger.hold(place),
            StreamItem::Altered(_) | StreamItem::KeyChanged(_) => {}
            other => panic!("every operation is routed: {other:?}"),
        }
    }

    /// Ends this life; where the next one must begin, as if everything read was durable.
    pub fn end(self) -> (Vec<Change>, Checkpoint) {
        self.stop.send_replace(true);
        (self.rows, self.ledger.checkpoint().clone())
    }

    /// The rows of one table by their ids.
    pub fn ids(&self, table: &str) -> Vec<String> {
        let of_table = self.rows.iter().filter(|row| row.id.table.table == table);
        of_table.map(|row| text(&row.values[0])).collect()
    }
}

fn routed(name: &str, id: u16) -> RoutedTable {
    RoutedTable {
        name: TableName {
            schema: "tx".to_owned(),
            table: name.to_owned(),
        },
        routes: vec![TableRoute {
            route: RouteId(id),
            name: name.to_owned(),
            insert: true,
            update: true,
            delete: true,
            columns: vec!["id".to_owned(), "note".to_owned()],
        }],
    }
}

fn text(value: &Option<Value>) -> String {
    match value {
        None | Some(Value::Null) => "NULL".to_owned(),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Text(text)) if text.chars().count() > 40 => {
            let all: Vec<char> = text.chars().collect();
            let (left, right) = (&all[..20], &all[all.len() - 20..]);
            let (left, right): (String, String) = (left.iter().collect(), right.iter().collect());
            format!("{}:{left}…{right}", all.len())
        }
        Some(Value::Text(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

/// Holds what was captured against what the server's tables hold; each change must have come once.
#[track_caller]
pub fn check_tables(case: &str, source: &Source, rows: &[Change]) {
    let mut tables: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for row in rows {
        let id = &row.id;
        let name = format!("{} {} {}", id.transaction.id, id.table, id.row);
        assert!(seen.insert(name.clone()), "{case}: {name} came twice");
        let key = (id.table.table.clone(), text(&row.values[0]));
        match row.operation {
            Operation::Insert => {
                let before = tables.insert(key, text(&row.values[1]));
                assert_eq!(before, None, "{case}: {name} was there");
            }
            // Keys may change: the rows that the tests move are deleted by id at the end.
            Operation::Update => {
                tables.insert(key, text(&row.values[1]));
            }
            Operation::Delete => {
                tables.remove(&key);
            }
        }
    }
    let captured: BTreeSet<String> = tables
        .into_iter()
        .map(|((table, id), note)| format!("{table} {id} {note}"))
        .collect();
    let committed = source.rows();
    let lost: Vec<_> = committed.difference(&captured).take(5).collect();
    let invented: Vec<_> = captured.difference(&committed).take(5).collect();
    assert!(
        lost.is_empty() && invented.is_empty(),
        "{case}: lost {lost:?}, invented {invented:?}"
    );
}
