//! Keeps the stream alive: one session after the other, with backoff in between, until shutdown
//! or until only a person can help.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinError;
use tokio::time::timeout;

use super::error::Error;
use super::history::{self, Wait};
use super::observer::{self, Observation};
use super::progress::Progress;
use super::session::{self, Abandoned, Context, Shared};
use super::settings::{LiveSchemas, RoutedTable, SourceSettings};
use super::{CaptureEvent, SnapshotOrder, Waiting, describe, snapshot};
use crate::core::position::Checkpoint;
use crate::core::schema::TableSchema;
use crate::core::time::Micros;

/// So long an aborted session may take to end.
const ABORTED_WITHIN: Duration = Duration::from_secs(5);
/// A wait that goes on says so this often.
const WAITS_LOGGED_EVERY_MS: u64 = 60_000;

/// What capture is given at its start.
pub struct Parts {
    pub settings: SourceSettings,
    pub tables: Vec<RoutedTable>,
    /// Where the stream goes on; a first start gets one from
    /// [`resolve_start`](super::resolve_start).
    pub checkpoint: Checkpoint,
    /// What routed tables look like, with those defaults only that hold behind `checkpoint`.
    pub schemas: Vec<TableSchema>,
    /// Set when some defaults among them are not known for rows of before.
    pub live: Option<LiveSchemas>,
    /// Bounds the rows in flight: a permit is a byte, each chunk takes `chunk.bytes` of them (at
    /// most `window_bytes`), and whoever settles the chunk gives them back with `add_permits`.
    pub window: Arc<Semaphore>,
    pub window_bytes: u32,
    pub events: mpsc::Sender<CaptureEvent>,
    pub orders: mpsc::Receiver<SnapshotOrder>,
    /// How the stream stands to the server.
    pub observed: watch::Sender<Observation>,
    pub clock: fn() -> Micros,
}

/// Runs until `shutdown` turns true, the receiver of `events` is gone, or only a person can help
/// ([`CaptureEvent::Stopped`]).
pub async fn run(parts: Parts, mut shutdown: watch::Receiver<bool>) {
    let Parts {
        settings,
        tables,
        checkpoint,
        schemas,
        live,
        window,
        window_bytes,
        events,
        orders,
        observed,
        clock,
    } = parts;
    let server_id = settings
        .server_id
        .unwrap_or_else(|| derived_server_id(&settings, ""));
    let shared = Shared::new(Progress::from(checkpoint));
    let context = Arc::new(Context {
        settings,
        tables,
        schemas,
        live,
        server_id,
        window,
        window_bytes,
        events,
        clock,
        shared,
        gate: Arc::default(),
    });
    let snapshots = Box::pin(snapshot::run(Arc::clone(&context), orders));
    let observer = observer::run(Arc::clone(&context), observed);
    let supervisor = Supervisor {
        context,
        attempt: 0,
        panics: Panics::default(),
        waits: Waits::default(),
    };
    tokio::select! {
        biased;
        // Also ends when the sender is gone: then nobody can ask for a shutdown any more.
        _ = shutdown.wait_for(|stop| *stop) => {}
        () = supervisor.run() => {}
        // Ends when nobody can order any more; the stream goes on.
        () = async { snapshots.await; std::future::pending().await } => {}
        () = observer => {}
    }
}

struct Supervisor {
    context: Arc<Context>,
    /// Connections in a row that brought nothing.
    attempt: u32,
    panics: Panics,
    waits: Waits,
}

impl Supervisor {
    async fn run(mut self) {
        loop {
            let mut stalls = self.context.shared.stalls.subscribe();
            let mut session = tokio::spawn(session::run(Arc::clone(&self.context)));
            // Dropping the guard (shutdown) ends the session with it.
            let guard = AbortOnDrop(session.abort_handle());
            let ended = tokio::select! {
                biased;
                ended = &mut session => ended,
                // The sender lives in the context, so that this is an alarm.
                _ = stalls.changed() => {
                    // It must not go on beside the next one; one that hangs is not waited for.
                    session.abort();
                    let _ = timeout(ABORTED_WITHIN, session).await;
                    Ok(Ok(Error::Stalled {
                        waited_ms: session::stall_ms(&self.context.settings),
                    }))
                }
            };
            drop(guard);
            self.context.shared.pulse.end();
            let error = match ended {
                Ok(Ok(error)) => error,
                Ok(Err(Abandoned)) => return,
                Err(error) => self
                    .panics
                    .note(error, Some(self.context.shared.progress())),
            };
            // The next session brings what the table maps lack.
            if self.context.shared.names.ask(&error) {
                continue;
            }
            // Two replicas of one id each connect well, and throw the other one out.
            if self.has_streamed() && !matches!(error, Error::ServerIdTaken { .. }) {
                self.attempt = 0;
            }
            let goes_on = if history::begins_anew(&self.context.settings, &error) {
                self.begin_anew(error).await
            } else {
                self.take(error).await
            };
            if goes_on.is_err() {
                return;
            }
        }
    }

    /// Whether the last session brought anything.
    fn has_streamed(&self) -> bool {
        let has_streamed = &self.context.shared.has_streamed;
        has_streamed.swap(false, Ordering::Relaxed)
    }

    async fn begin_anew(&mut self, lost: Error) -> Result<(), Abandoned> {
        if let Some(error) = history::begin_anew(&self.context, &lost).await? {
            return self.take(error).await;
        }
        // A place that is lost again at once must not become a storm.
        if self.attempt > 0 {
            let delay_ms = self.delay_ms(None);
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
        self.attempt = self.attempt.saturating_add(1);
        Ok(())
    }

    /// Tells why the stream is down, and pauses before the next try.
    async fn take(&mut self, error: Error) -> Result<(), Abandoned> {
        let events = &self.context.events;
        if error.is_permanent() {
            // Nobody listening is as good as told.
            let _ = events.send(CaptureEvent::Stopped { error }).await;
            return Err(Abandoned);
        }
        self.attempt = self.attempt.saturating_add(1);
        let wait = error.wait();
        if wait.is_some() {
            let on_probation = &self.context.shared.on_probation;
            on_probation.store(true, Ordering::Relaxed);
        }
        let delay_ms = self.delay_ms(wait);
        let text = describe(&error);
        let (page, remedy, attempt) = (error.page(), error.remedy(), self.attempt);
        let event = match wait {
            None => {
                tracing::warn!(page, attempt, delay_ms, remedy, "reconnecting: {text}");
                self.waits = Waits::default();
                CaptureEvent::Reconnecting {
                    error: text,
                    page,
                    remedy,
                    attempt,
                    delay_ms,
                }
            }
            Some(wait) => {
                let transactions_missing = error.transactions_missing();
                if self.waits.are_to_be_logged(page, delay_ms) {
                    tracing::warn!(page, transactions_missing, remedy, "waiting: {text}");
                }
                CaptureEvent::Waiting(Waiting {
                    error: text,
                    page,
                    remedy,
                    attempt,
                    delay_ms,
                    needs_person: wait == Wait::ForPerson,
                    transactions_missing,
                })
            }
        };
        events.send(event).await.map_err(|_| Abandoned)?;
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        Ok(())
    }

    fn delay_ms(&self, wait: Option<Wait>) -> u64 {
        let settings = &self.context.settings;
        let cap_ms = wait.map_or(u64::MAX, Wait::pause_ms_max);
        let cap_ms = settings.backoff_cap_ms.min(cap_ms);
        let base_ms = settings.backoff_base_ms;
        delay_ms(base_ms, cap_ms, self.attempt, rand::random())
    }
}

/// When a wait is logged: at its beginning, and once a minute.
#[derive(Default)]
struct Waits {
    page: Option<&'static str>,
    silent_ms: u64,
}

impl Waits {
    fn are_to_be_logged(&mut self, page: &'static str, delay_ms: u64) -> bool {
        let logs = self.page != Some(page) || self.silent_ms >= WAITS_LOGGED_EVERY_MS;
        self.silent_ms = if logs { 0 } else { self.silent_ms } + delay_ms;
        self.page = Some(page);
        logs
    }
}

/// The driver panics on truncated events. Once may be the network, three times at one place is an
/// event that cannot be read.
#[derive(Default)]
struct Panics {
    times: u32,
    at: Option<Progress>,
}

impl Panics {
    fn note(&mut self, error: JoinError, at: Option<Progress>) -> Error {
        self.times = if self.at == at { self.times + 1 } else { 1 };
        self.at = at;
        let error = match error.try_into_panic() {
            Ok(panic) => panicked(&*panic, self.times),
            Err(error) => Error::Panicked {
                message: error.to_string(),
                times: self.times,
            },
        };
        tracing::error!(
            page = error.page(),
            times = self.times,
            "reading the stream panicked; a person should look at it"
        );
        error
    }
}

/// What a caught panic says.
pub(super) fn panicked(panic: &(dyn Any + Send), times: u32) -> Error {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Error::Panicked { message, times }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Doubles from `base` to `cap`, then takes off up to half by `jitter` (0 to 1), so that many
/// clients of one server do not return together.
fn delay_ms(base: u64, cap: u64, attempt: u32, jitter: f64) -> u64 {
    let doubled = base
        .saturating_mul(1 << attempt.saturating_sub(1).min(32))
        .min(cap);
    doubled - (doubled as f64 / 2.0 * jitter) as u64
}

/// An id that is always the same for one source and one state folder (`store_id`), so that a restart
/// takes its own dump over instead of leaving it behind, and another's for any other. In the upper
/// half of the range, where people seldom number their servers.
#[must_use]
pub fn derived_server_id(settings: &SourceSettings, store_id: &str) -> u32 {
    let place = format!("{}\n{}\n{store_id}", settings.place(), settings.user);
    let mut first = [0; 4];
    first.copy_from_slice(&blake3::hash(place.as_bytes()).as_bytes()[..4]);
    // The highest id of all is left out.
    0x8000_0000 | (u32::from_le_bytes(first) & 0x7FFF_FFFE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_third_panic_at_one_place_is_permanent() {
        let mut panics = Panics::default();
        let mut permanent = Vec::new();
        for _ in 0..3 {
            let error = tokio::spawn(async { panic!("truncated event") })
                .await
                .unwrap_err();
            permanent.push(panics.note(error, None).is_permanent());
        }
        assert_eq!(permanent, [false, false, true]);
    }

    #[test]
    fn a_wait_is_logged_at_its_beginning_and_once_a_minute() {
        let mut waits = Waits::default();
        let logged = (0..120).filter(|_| waits.are_to_be_logged("LS1021", 1_000));
        assert_eq!(logged.count(), 2);
        assert!(waits.are_to_be_logged("LS1029", 1_000));
    }

    #[test]
    fn backoff_doubles_up_to_its_cap_and_jitter_only_shortens_it() {
        let delays: Vec<u64> = (1..=6).map(|n| delay_ms(100, 1_000, n, 0.0)).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(delay_ms(100, 1_000, 1, 1.0), 50);
        assert_eq!(delay_ms(100, u64::MAX, u32::MAX, 0.0), 100 << 32);
    }
}
