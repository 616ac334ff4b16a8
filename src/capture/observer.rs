//! A second connection that asks the server how far it is: for the watchdog, and to say how long our
//! place is kept.
//!
//! Reads only, once per `observe_interval`; a few small queries. All ages are by the server's own
//! clock, so that ours may be wrong. When the server cannot be asked nothing is concluded.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::connection::{connect, query_error};
use super::describe;
use super::error::Error;
use super::mariadb;
use super::server::{Server, files};
use super::session::{Context, stall_ms};
use super::settings::SourceSettings;
use super::supervisor::panicked;
use super::watchdog::{Heard, Sight, Watchdog};
use crate::core::position::{Advance, FilePosition, Position};

/// How capture stands to its server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    pub retention: Retention,
    /// Of the server's binlog, still to be read, or to be read again by a restart because a prepared
    /// transaction in it is undecided; `None` when the server could not be asked.
    pub behind_bytes: Option<u64>,
    /// The server's binlog grew, and nothing comes.
    pub is_stalled: bool,
    /// Times that the stream was opened anew for that.
    pub stalls: u64,
}

/// How long the server keeps what we have yet to read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Retention {
    #[default]
    Unknown,
    /// Nothing is deleted by itself.
    Endless,
    /// Below zero: it may be gone at any rotation.
    Seconds(i64),
}

/// Runs for as long as it is polled.
pub(super) async fn run(context: Arc<Context>, observed: watch::Sender<Observation>) {
    let settings = &context.settings;
    let mut observer = Observer {
        context: &context,
        conn: None,
        watchdog: Watchdog::new(stall_ms(settings)),
        begun: Instant::now(),
        was_asked: true,
    };
    let mut ticks = interval(Duration::from_millis(settings.observe_interval_ms.max(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // The driver may panic; its connection is lost with that, and nothing else.
        let observed_now = AssertUnwindSafe(observer.observe()).catch_unwind().await;
        let (retention, behind_bytes, is_stuck) = observed_now.unwrap_or_else(|panic| {
            let error = panicked(&*panic, 1);
            let text = describe(&error);
            tracing::error!(page = error.page(), "observing the server panicked: {text}");
            (Retention::Unknown, None, false)
        });
        let is_stalled = observer.watchdog.is_stalled();
        observed.send_if_modified(|known| {
            let next = Observation {
                retention,
                behind_bytes,
                is_stalled,
                stalls: known.stalls + u64::from(is_stuck),
            };
            std::mem::replace(known, next.clone()) != next
        });
        if is_stuck {
            // Seen by the session that runs now, if one does.
            context.shared.stalls.send_modify(|stalls| *stalls += 1);
        }
    }
}

struct Observer<'a> {
    context: &'a Context,
    conn: Option<Conn>,
    watchdog: Watchdog,
    begun: Instant,
    /// Whether the last look worked: each change is logged once.
    was_asked: bool,
}

/// What the server says of itself.
struct Answer {
    server: Server,
    end: FilePosition,
    executed: Position,
    /// Seconds since 1970 by its clock.
    now: i64,
}

impl Observer<'_> {
    async fn observe(&mut self) -> (Retention, Option<u64>, bool) {
        let heard = self.context.shared.pulse.heard();
        let limit = Duration::from_millis(self.context.settings.connect_timeout_ms);
        let asked = match timeout(limit, self.ask()).await {
            Ok(asked) => asked,
            Err(_) => Err(Error::Silent {
                waited_ms: self.context.settings.connect_timeout_ms,
            }),
        };
        let (answer, conn) = match asked {
            Ok(asked) => asked,
            Err(error) => {
                if std::mem::take(&mut self.was_asked) {
                    let text = describe(&error);
                    tracing::warn!(page = error.page(), "the server cannot be observed: {text}");
                }
                return (Retention::Unknown, None, false);
            }
        };
        if !std::mem::replace(&mut self.was_asked, true) {
            tracing::info!("the server is observed again");
        }
        self.conn = Some(conn);
        // Behind one name there may be two servers.
        if heard.server_uuid != answer.server.uuid() {
            return (Retention::Unknown, None, false);
        }
        let mut read = self.context.shared.progress().position;
        // What is undecided came, though a restart must read it again.
        read.advance(&Advance {
            gtids: heard.undecided.clone(),
            end: answer.end.clone(),
        });
        let sight = Sight {
            now_ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            heard: &heard,
            end: &answer.end,
            lacks: lacks(&read, &answer.executed),
        };
        let has_all = sight.lacks == Some(false) && heard.held.is_none();
        let is_stuck = self.watchdog.look(&sight);
        if has_all {
            // The last event that came may lie far back: the server passes by what we have already.
            return (retention(&answer, &heard), Some(0), is_stuck);
        }
        let behind = match timeout(limit, self.behind(&heard, &answer.end)).await {
            Ok(Ok(behind)) => behind,
            Ok(Err(_)) | Err(_) => {
                self.conn = None;
                None
            }
        };
        (retention(&answer, &heard), behind, is_stuck)
    }

    /// A connection that failed in the middle is not used again: it is out of `self` by then.
    async fn ask(&mut self) -> Result<(Answer, Conn), Error> {
        let settings = &self.context.settings;
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => connect(settings).await?,
        };
        let answer = Answer::ask(&mut conn, settings).await?;
        Ok((answer, conn))
    }

    /// Bytes between the last event that came, or what is undecided before it, and the end of the
    /// binlog.
    async fn behind(&mut self, heard: &Heard, end: &FilePosition) -> Result<Option<u64>, Error> {
        let held = heard.held.as_ref().map(|held| &held.at);
        let (Some(reached), Some(conn)) = (held.or(heard.reached.as_ref()), &mut self.conn) else {
            return Ok(None);
        };
        if !reached.is_before(end) {
            return Ok(Some(0));
        }
        if reached.file == end.file {
            return Ok(Some(end.offset - reached.offset));
        }
        let mut bytes = end.offset;
        for (file, size) in files(conn, &self.context.settings).await? {
            let begin = FilePosition {
                file: file.as_str().into(),
                offset: 0,
            };
            if *file == *reached.file {
                bytes += size.saturating_sub(reached.offset);
            } else if reached.is_before(&begin) && *file != *end.file {
                bytes += size;
            }
        }
        Ok(Some(bytes))
    }
}

impl Answer {
    async fn ask(conn: &mut Conn, settings: &SourceSettings) -> Result<Self, Error> {
        let server = Server::ask(conn, settings).await?;
        let (end, executed) = if server.is_mariadb {
            let executed = mariadb::written(conn, settings).await?;
            (
                mariadb::end(conn, settings).await?,
                Position::MariaDb(executed),
            )
        } else {
            let (end, gtids) = server.now(conn, settings).await?;
            (end, Position::Gtid(gtids))
        };
        let now: Option<i64> = conn
            .query_first("SELECT UNIX_TIMESTAMP()")
            .await
            .map_err(|error| query_error(settings, "read the server's clock", error))?;
        Ok(Self {
            server,
            end,
            executed,
            now: now.unwrap_or_default(),
        })
    }
}

/// Whether the server has executed what was not read.
fn lacks(ours: &Position, executed: &Position) -> Option<bool> {
    match (ours, executed) {
        (Position::Gtid(ours), Position::Gtid(executed)) => Some(!ours.contains_set(executed)),
        (Position::MariaDb(ours), Position::MariaDb(executed)) => {
            Some(!ours.contains_position(executed))
        }
        // Nothing is skipped: places tell all.
        (Position::File(_), _) => Some(true),
        _ => None,
    }
}

/// What we have yet to read is younger than the last event that came: the least that is left. What is
/// undecided must be read again after a restart, however far the stream has come.
fn retention(answer: &Answer, heard: &Heard) -> Retention {
    let Some(kept) = answer.server.retention_seconds() else {
        return Retention::Endless;
    };
    let kept = i64::try_from(kept).unwrap_or(i64::MAX);
    let left = |written_at: u32| kept - (answer.now - i64::from(written_at)).max(0);
    if let Some(held) = &heard.held {
        return Retention::Seconds(left(held.written_at));
    }
    let Some(reached) = &heard.reached else {
        return Retention::Unknown;
    };
    if !reached.is_before(&answer.end) {
        return Retention::Seconds(kept);
    }
    match heard.written_at {
        Some(written_at) => Retention::Seconds(left(written_at)),
        None => Retention::Unknown,
    }
}
