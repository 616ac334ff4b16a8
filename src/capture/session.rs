//! One connection's life: log in, compare histories, ask for the dump, hand pieces on.
//!
//! Runs in a task of its own, because the driver panics on truncated events; what must outlive
//! that is in [`Shared`]. Progress is noted only after the driver's side has taken the piece.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt;
use mysql_async::binlog::events::Event;
use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStream, Conn, IoError};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, watch};
use tokio::time::{Sleep, sleep, timeout};

use super::CaptureEvent;
use super::assembler::Assembler;
use super::connection::{connect, query_error, stream_error};
use super::dump::request;
use super::envelope::kind;
use super::error::Error;
use super::history::Condemned;
use super::mariadb::{self, TextTypes};
use super::names;
use super::pieces::Pieces;
use super::prepared;
use super::progress::Progress;
use super::routing::Routing;
use super::server::Server;
use super::settings::{LiveSchemas, RoutedTable, SourceSettings, Start};
use super::snapshot::{Gate, Place};
use super::watchdog::{Header, Pulse};
use super::xa::Undecided;
use crate::core::change::Chunk;
use crate::core::position::{Checkpoint, FilePosition, Position};
use crate::core::schema::TableSchema;
use crate::core::time::Micros;

/// How long transactions without routed rows wait for company.
const COMPANY: Duration = Duration::from_millis(200);
/// How long rows of a transaction that still comes wait for its next event: each piece wakes the
/// thread behind the channel, and an event holds no more than some 8 KB of rows.
const REST: Duration = Duration::from_millis(3);
/// Heartbeats missed before a connection counts as dead.
const HEARTBEATS_MISSED: u64 = 3;
/// While the window is full nothing is read; the server must not drop the dump for that.
const NET_WRITE_TIMEOUT_SECONDS: u32 = 600;

/// What is the same for all connections.
pub(super) struct Context {
    pub(super) settings: SourceSettings,
    pub(super) tables: Vec<RoutedTable>,
    pub(super) schemas: Vec<TableSchema>,
    pub(super) live: Option<LiveSchemas>,
    pub(super) server_id: u32,
    pub(super) window: Arc<Semaphore>,
    pub(super) window_bytes: u32,
    pub(super) events: mpsc::Sender<CaptureEvent>,
    pub(super) clock: fn() -> Micros,
    pub(super) shared: Shared,
    pub(super) gate: Arc<Gate>,
}

impl Context {
    /// Waits for room in the window; gives how much was taken, too. The pulse goes on as waiting
    /// until the caller has handed on what the room is for.
    async fn room_for(&self, bytes: usize) -> Result<(SemaphorePermit<'_>, u32), Abandoned> {
        // A single row may be larger than the whole window; it must pass all the same.
        let bytes = u32::try_from(bytes)
            .unwrap_or(u32::MAX)
            .min(self.window_bytes);
        self.shared.pulse.wait_for_room(true);
        let permits = self.window.acquire_many(bytes).await;
        Ok((permits.map_err(|_| Abandoned)?, bytes))
    }
}

/// What one connection leaves to the next.
pub(super) struct Shared {
    progress: Mutex<Progress>,
    /// Whether the stream has brought anything since this was last asked.
    pub(super) has_streamed: AtomicBool,
    /// What the watchdog goes by.
    pub(super) pulse: Pulse,
    /// Counts the watchdog's alarms.
    pub(super) stalls: watch::Sender<u64>,
    /// The last stream ended because the server and our place do not fit together.
    pub(super) on_probation: AtomicBool,
    pub(super) condemned: Condemned,
    pub(super) names: names::Wanted,
}

impl Shared {
    pub(super) fn new(progress: Progress) -> Self {
        Self {
            progress: Mutex::new(progress),
            has_streamed: AtomicBool::new(false),
            pulse: Pulse::default(),
            stalls: watch::Sender::new(0),
            on_probation: AtomicBool::new(false),
            condemned: Condemned::default(),
            names: names::Wanted::default(),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn note(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }
}

/// The receiver of events is gone: nothing is left to do.
pub(super) struct Abandoned;

/// Streams until something breaks; `Err(Abandoned)` inside means that nobody listens any more.
pub(super) async fn run(context: Arc<Context>) -> Result<Error, Abandoned> {
    match open(&context).await {
        Ok((stream, assembler, server, reads, opened_at)) => {
            Box::pin(
                Session {
                    context,
                    stream,
                    reads,
                    assembler,
                    server: server.uuid().to_owned(),
                    version: Some(server.version),
                    company: None,
                    doubts_told: 0,
                    heard: None,
                    opened_at,
                }
                .run(),
            )
            .await
        }
        Err(error) => Ok(error),
    }
}

/// Grows whenever bytes come, a whole packet or not.
pub(super) type Reads = Arc<AtomicU64>;

type Opened = (BinlogStream, Assembler, Server, Reads, FilePosition);

async fn open(context: &Context) -> Result<Opened, Error> {
    let settings = &context.settings;
    let mut conn = connect(settings).await?;
    let server = in_time(settings, Server::ask(&mut conn, settings)).await?;
    let progress = context.shared.progress();
    let condemned = &context.shared.condemned;
    condemned.refuse(server.uuid())?;
    in_time(
        settings,
        server.check_history(&mut conn, settings, &progress),
    )
    .await
    .inspect_err(|error| condemned.note(server.uuid(), error))?;
    in_time(settings, prepare(&mut conn, settings)).await?;
    let text_types = if server.is_mariadb {
        let ours = mariadb::position(progress.held.as_ref().unwrap_or(&progress.position))?;
        in_time(settings, mariadb::prepare(&mut conn, settings, ours)).await?;
        in_time(
            settings,
            TextTypes::ask(&mut conn, settings, &context.tables),
        )
        .await?
    } else {
        TextTypes::default()
    };
    let names = if context.shared.names.is_set() {
        names::learn(context, &server, &mut conn, &progress).await?
    } else {
        names::Names::default()
    };
    let now = SourceSettings {
        start: Start::Now,
        ..settings.clone()
    };
    let opened_at = in_time(settings, server.resolve_start(&mut conn, &now))
        .await?
        .end;
    let routing = Arc::new(Routing::new(&context.tables, server.folds_table_names()));
    let (stream, at, reads) = in_time(settings, request(conn, context, &progress)).await?;
    let mut assembler = Assembler::new(routing, progress, at, context.clock)
        .with_schemas(&context.schemas, context.live.as_ref());
    assembler.pieces = Pieces::for_window(context.window_bytes);
    assembler.maps.text_types = text_types;
    assembler.maps.collations = server.collations.clone();
    assembler.maps.names = names;
    assembler.undecided = Undecided::at_most(settings.prepared_bytes);
    assembler.gate = Some(Arc::clone(&context.gate));
    context.shared.pulse.begin(server.uuid());
    assembler.read_from(server.uuid());
    Ok((stream, assembler, server, reads, opened_at))
}

/// Bounds a step of the set-up: a path that goes silent right after the login gives no other sign.
pub(super) async fn in_time<T>(
    settings: &SourceSettings,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let waited_ms = settings.connect_timeout_ms;
    timeout(Duration::from_millis(waited_ms), step)
        .await
        .unwrap_or(Err(Error::Silent { waited_ms }))
}

/// Where `settings.start` begins on this server now: for a first start, to be made durable before
/// anything else is waited for.
///
/// # Errors
/// When the server cannot be asked.
pub async fn resolve_start(settings: &SourceSettings) -> Result<Checkpoint, Error> {
    let mut conn = connect(settings).await?;
    let server = in_time(settings, Server::ask(&mut conn, settings)).await?;
    // Before and behind: one that was prepared before the place may be decided right behind it.
    in_time(settings, prepared::check_decided(&mut conn, settings)).await?;
    let checkpoint = in_time(settings, server.resolve_start(&mut conn, settings)).await?;
    in_time(settings, prepared::check_decided(&mut conn, settings)).await?;
    Ok(checkpoint)
}

/// The checkpoint at this position of the server, once it is sure that the server goes on from there.
///
/// # Errors
/// The server is of another kind, lacks what is behind the position, or no longer has what comes next.
pub async fn checkpoint_at(
    settings: &SourceSettings,
    position: Position,
) -> Result<Checkpoint, Error> {
    let mut conn = connect(settings).await?;
    let server = in_time(settings, Server::ask(&mut conn, settings)).await?;
    let now = in_time(settings, server.resolve_start(&mut conn, settings)).await?;
    let end = match &position {
        Position::File(file) => file.clone(),
        // Only people look at it until the first event comes.
        Position::Gtid(_) | Position::MariaDb(_) => now.end,
    };
    let checkpoint = Checkpoint {
        server_uuid: now.server_uuid,
        position,
        end,
        inside: Default::default(),
    };
    let progress = Progress::from(checkpoint.clone());
    let history = server.check_history(&mut conn, settings, &progress);
    in_time(settings, history).await?;
    Ok(checkpoint)
}

pub(super) async fn prepare(conn: &mut Conn, settings: &SourceSettings) -> Result<(), Error> {
    let period = settings.heartbeat_ms.saturating_mul(1_000_000);
    // The first name is the one that servers before 8.4 read.
    let statement = format!(
        "SET @master_heartbeat_period = {period}, @source_heartbeat_period = {period}, \
         SESSION net_write_timeout = {NET_WRITE_TIMEOUT_SECONDS}"
    );
    conn.query_drop(statement)
        .await
        .map_err(|error| query_error(settings, "ask for heartbeats", error))
}

/// So long may a stream be silent, heartbeats included.
pub(super) fn patience_ms(settings: &SourceSettings) -> u64 {
    settings
        .heartbeat_ms
        .saturating_mul(HEARTBEATS_MISSED)
        .max(1_000)
}

/// So long may events be missing. A large packet on its way is only noticed when patience ends.
pub(super) fn stall_ms(settings: &SourceSettings) -> u64 {
    let least = patience_ms(settings).saturating_mul(2);
    settings.stall_timeout_ms.max(least)
}

struct Session {
    context: Arc<Context>,
    stream: BinlogStream,
    reads: Reads,
    assembler: Assembler,
    /// Of a server that has not been announced yet.
    version: Option<String>,
    /// Runs out when the oldest merged advance has waited long enough.
    company: Option<Pin<Box<Sleep>>>,
    /// `@@server_uuid`.
    server: String,
    /// Tables that were said to be in doubt.
    doubts_told: usize,
    /// Where the last heartbeat said that the stream is: it also passes what was left out.
    heard: Option<FilePosition>,
    /// The end of the binlog when this session began.
    opened_at: FilePosition,
}

/// The place that a heartbeat names: the server has sent everything before it, or left it out
/// because we have it already.
pub(super) fn heartbeat(event: &Event) -> Option<FilePosition> {
    let header = event.header();
    if header.event_type_raw() != kind::HEARTBEAT || header.log_pos() == 0 {
        return None;
    }
    Some(FilePosition {
        file: std::str::from_utf8(event.data()).ok()?.into(),
        offset: u64::from(header.log_pos()),
    })
}

enum Next {
    Event(Event),
    /// Nothing to read right now.
    Idle,
    /// A snapshot wants something.
    Called,
    Failed(Error),
}

impl Session {
    async fn run(mut self) -> Result<Error, Abandoned> {
        // What a broken session left of a chunk lies before everything that this one reads.
        self.let_chunk_in().await?;
        loop {
            let event = match self.next().await {
                Next::Event(event) => event,
                Next::Idle => {
                    self.company = None;
                    self.assembler.flush();
                    self.hand_on().await?;
                    self.attend_snapshot().await?;
                    continue;
                }
                Next::Called => {
                    self.attend_snapshot().await?;
                    continue;
                }
                Next::Failed(error) => {
                    self.assembler.flush();
                    self.hand_on().await?;
                    return Ok(error);
                }
            };
            let accepted = self.assembler.accept(&event);
            self.heard = heartbeat(&event).or(self.heard.take());
            let header = event.header();
            let header = Header {
                kind: header.event_type_raw(),
                log_pos: header.log_pos(),
                timestamp: header.timestamp(),
            };
            let kind = header.kind;
            drop(event);
            let pulse = &self.context.shared.pulse;
            pulse.beat(header, self.assembler.at());
            // A statement may be the one that decides.
            if matches!(kind, kind::XA_PREPARE | kind::QUERY) {
                let undecided = &self.assembler.undecided;
                pulse.note_undecided(undecided.gtids(), undecided.oldest());
            }
            if accepted.is_err() {
                // What came before the event that cannot be read is good.
                self.assembler.flush();
            }
            self.tell_doubts().await?;
            self.hand_on().await?;
            if let Err(error) = accepted {
                let condemned = &self.context.shared.condemned;
                condemned.note(&self.assembler.progress.server_uuid, &error);
                return Ok(error);
            }
            self.announce(kind).await?;
            self.attend_snapshot().await?;
        }
    }

    /// Before the pieces that lie behind such a statement.
    async fn tell_doubts(&mut self) -> Result<(), Abandoned> {
        let doubted = self.assembler.progress.doubted.since_start();
        if doubted.len() == self.doubts_told {
            return Ok(());
        }
        self.doubts_told = doubted.len();
        let name = |table: &usize| self.context.tables.get(*table).map(|it| it.name.clone());
        let tables = doubted.iter().filter_map(name).collect();
        let passed = self.assembler.progress.position.clone();
        let (events, pulse) = (&self.context.events, &self.context.shared.pulse);
        // Else a driver that takes nothing would make the stream look stalled.
        pulse.wait_for_room(true);
        let told = events.send(CaptureEvent::Doubted { tables, passed }).await;
        pulse.wait_for_room(false);
        told.map_err(|_| Abandoned)
    }

    /// The next event. Rows of a whole transaction never wait: when nothing can be read at once,
    /// `Idle` comes.
    async fn next(&mut self) -> Next {
        let settings = &self.context.settings;
        let patience = patience_ms(settings);
        let stream = &mut self.stream;
        let read = if self.assembler.holds_items() {
            let poll = std::future::poll_fn(|waker| match stream.poll_next_unpin(waker) {
                Poll::Ready(read) => Poll::Ready(Some(read)),
                Poll::Pending => Poll::Ready(None),
            });
            match poll.await {
                Some(read) => read,
                None if self.assembler.is_between_transactions() => return Next::Idle,
                None => match timeout(REST, stream.next()).await {
                    Ok(read) => read,
                    Err(_) => return Next::Idle,
                },
            }
        } else {
            if !self.assembler.holds_advance() {
                self.company = None;
            } else if self.company.is_none() {
                self.company = Some(Box::pin(sleep(COMPANY)));
            }
            let silence = Duration::from_millis(patience);
            let reads = self.reads.load(Ordering::Relaxed);
            let read = match &mut self.company {
                None => tokio::select! {
                    biased;
                    () = self.context.gate.called() => return Next::Called,
                    read = timeout(silence, stream.next()) => read,
                },
                Some(company) => tokio::select! {
                    biased;
                    () = company.as_mut() => return Next::Idle,
                    read = stream.next() => Ok(read),
                },
            };
            match read {
                Ok(read) => read,
                // One large packet comes, and no heartbeat can come meanwhile.
                Err(_) if self.reads.load(Ordering::Relaxed) != reads => {
                    self.context.shared.pulse.part_came();
                    return Next::Idle;
                }
                Err(_) => {
                    return Next::Failed(Error::Silent {
                        waited_ms: patience,
                    });
                }
            }
        };
        match read {
            Some(Ok(event)) => Next::Event(event),
            Some(Err(mysql_async::Error::Io(IoError::Io(error)))) => {
                Next::Failed(self.assembler.unreadable(error))
            }
            Some(Err(error)) => Next::Failed(stream_error(settings, self.context.server_id, error)),
            None => Next::Failed(Error::Disconnected),
        }
    }

    /// Hands all ready pieces on, waiting for room in the window.
    async fn hand_on(&mut self) -> Result<(), Abandoned> {
        while let Some(piece) = self.assembler.pop() {
            let context = &self.context;
            let (permits, bytes) = context.room_for(piece.bytes).await?;
            let chunk = Chunk {
                items: piece.items,
                bytes,
            };
            context
                .events
                .send(CaptureEvent::Chunk(chunk))
                .await
                .map_err(|_| Abandoned)?;
            permits.forget();
            context.shared.pulse.wait_for_room(false);
            context.shared.note(piece.progress);
        }
        Ok(())
    }

    /// Opens the gate to a running snapshot, and lets its chunk in once the stream has passed what
    /// the chunk has seen; at transaction ends only.
    async fn attend_snapshot(&mut self) -> Result<(), Abandoned> {
        let context = &self.context;
        let is_between = self.assembler.is_between_transactions();
        // Before its first event, the stream's place may still be another server's.
        if !context.gate.calls() || !is_between || self.version.is_some() {
            return Ok(());
        }
        let at = self.assembler.at();
        let heard = self.heard.as_ref().filter(|heard| at.is_before(heard));
        let progress = &self.assembler.progress;
        context.gate.attend(&Place {
            server: &self.server,
            at: heard.unwrap_or(at),
            began: &self.opened_at,
            read: (&progress.position, &progress.end),
        });
        if context.gate.next_piece().is_none() {
            return Ok(());
        }
        // What came before the chunk goes before it.
        self.assembler.flush();
        self.hand_on().await?;
        self.let_chunk_in().await
    }

    /// Hands on what is left of a chunk that is being let in.
    async fn let_chunk_in(&mut self) -> Result<(), Abandoned> {
        let context = &self.context;
        while let Some(bytes) = context.gate.next_piece() {
            let (permits, bytes) = context.room_for(bytes).await?;
            let slot = context.events.reserve().await.map_err(|_| Abandoned)?;
            context.shared.pulse.wait_for_room(false);
            // From here to the end nothing waits: the piece is handed on once, or is still there.
            let Some(items) = context.gate.take_piece() else {
                break;
            };
            slot.send(CaptureEvent::Chunk(Chunk { items, bytes }));
            permits.forget();
        }
        Ok(())
    }

    /// The server's first event proves that the dump was granted; but a server that lately broke
    /// off at our place may do so again behind a file's first events.
    async fn announce(&mut self, kind: u8) -> Result<(), Abandoned> {
        let on_probation = &self.context.shared.on_probation;
        if on_probation.load(Ordering::Relaxed) {
            if matches!(
                kind,
                kind::ROTATE | kind::FORMAT_DESCRIPTION | kind::PREVIOUS_GTIDS
            ) {
                return Ok(());
            }
            on_probation.store(false, Ordering::Relaxed);
        }
        self.context
            .shared
            .has_streamed
            .store(true, Ordering::Relaxed);
        let Some(server_version) = self.version.take() else {
            return Ok(());
        };
        let file = self.assembler.at().clone();
        let event = CaptureEvent::Connected {
            server_version,
            file,
        };
        self.context.events.send(event).await.map_err(|_| Abandoned)
    }
}
