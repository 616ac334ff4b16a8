//! Keeps the stream alive: one session after the other, with backoff in between, until shutdown
//! or until only a person can help.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinError;

use super::error::Error;
use super::progress::Progress;
use super::session::{self, Abandoned, Context, Shared};
use super::settings::{RoutedTable, SourceSettings};
use super::{CaptureEvent, SnapshotOrder, describe, snapshot};
use crate::core::position::Checkpoint;
use crate::core::schema::TableSchema;
use crate::core::time::Micros;

/// What capture is given at its start.
pub struct Parts {
    pub settings: SourceSettings,
    pub tables: Vec<RoutedTable>,
    /// Where the stream goes on; a first start gets one from
    /// [`resolve_start`](super::resolve_start).
    pub checkpoint: Checkpoint,
    /// What routed tables looked like when they were last read, as the journal has it.
    pub schemas: Vec<TableSchema>,
    /// Bounds the rows in flight: a permit is a byte, each chunk takes `chunk.bytes` of them (at
    /// most `window_bytes`), and whoever settles the chunk gives them back with `add_permits`.
    pub window: Arc<Semaphore>,
    pub window_bytes: u32,
    pub events: mpsc::Sender<CaptureEvent>,
    pub orders: mpsc::Receiver<SnapshotOrder>,
    pub clock: fn() -> Micros,
}

/// Runs until `shutdown` turns true, the receiver of `events` is gone, or only a person can help
/// ([`CaptureEvent::Stopped`]).
pub async fn run(parts: Parts, mut shutdown: watch::Receiver<bool>) {
    let Parts {
        settings,
        tables,
        checkpoint,
        schemas: _,
        window,
        window_bytes,
        events,
        orders,
        clock,
    } = parts;
    let server_id = settings
        .server_id
        .unwrap_or_else(|| made_up_server_id(&settings));
    let shared = Shared::new(Progress::from(checkpoint));
    let context = Arc::new(Context {
        settings,
        tables,
        server_id,
        window,
        window_bytes,
        events,
        clock,
        shared,
        gate: Arc::default(),
    });
    let snapshots = Box::pin(snapshot::run(Arc::clone(&context), orders));
    let supervisor = Supervisor {
        context,
        attempt: 0,
        panics: Panics::default(),
    };
    tokio::select! {
        biased;
        // Also ends when the sender is gone: then nobody can ask for a shutdown any more.
        _ = shutdown.wait_for(|stop| *stop) => {}
        () = supervisor.run() => {}
        // Ends when nobody can order any more; the stream goes on.
        () = async { snapshots.await; std::future::pending().await } => {}
    }
}

struct Supervisor {
    context: Arc<Context>,
    /// Connections in a row that brought nothing.
    attempt: u32,
    panics: Panics,
}

impl Supervisor {
    async fn run(mut self) {
        loop {
            let session = tokio::spawn(session::run(Arc::clone(&self.context)));
            // Dropping the guard (shutdown) ends the session with it.
            let guard = AbortOnDrop(session.abort_handle());
            let ended = session.await;
            drop(guard);
            let error = match ended {
                Ok(Ok(error)) => error,
                Ok(Err(Abandoned)) => return,
                Err(error) => self
                    .panics
                    .note(error, Some(self.context.shared.progress())),
            };
            if error.is_permanent() {
                // Nobody listening is as good as told.
                let _ = self
                    .context
                    .events
                    .send(CaptureEvent::Stopped { error })
                    .await;
                return;
            }
            let has_streamed = self
                .context
                .shared
                .has_streamed
                .swap(false, Ordering::Relaxed);
            // Two replicas of one id each connect well, and throw the other one out.
            if has_streamed && !matches!(error, Error::ServerIdTaken { .. }) {
                self.attempt = 0;
            }
            self.attempt = self.attempt.saturating_add(1);
            let settings = &self.context.settings;
            let delay_ms = delay_ms(
                settings.backoff_base_ms,
                settings.backoff_cap_ms,
                self.attempt,
                rand::random(),
            );
            let text = describe(&error);
            let (page, remedy, attempt) = (error.page(), error.remedy(), self.attempt);
            tracing::warn!(page, attempt, delay_ms, remedy, "reconnecting: {text}");
            let event = CaptureEvent::Reconnecting {
                error: text,
                page,
                remedy,
                attempt,
                delay_ms,
            };
            if self.context.events.send(event).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
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
        let message = match error.try_into_panic() {
            Ok(panic) => panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        let error = Error::Panicked {
            message,
            times: self.times,
        };
        tracing::error!(
            page = error.page(),
            times = self.times,
            "reading the stream panicked; a person should look at it"
        );
        error
    }
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

/// In the upper half of the range, where people seldom number their servers.
fn made_up_server_id(settings: &SourceSettings) -> u32 {
    // RandomState is seeded anew in every process.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write(settings.host.as_bytes());
    hasher.write_u16(settings.port);
    hasher.write_u32(std::process::id());
    hasher.write_u64(rand::random());
    0x8000_0000 | (hasher.finish() as u32 & 0x7FFF_FFFE)
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
    fn backoff_doubles_up_to_its_cap_and_jitter_only_shortens_it() {
        let delays: Vec<u64> = (1..=6).map(|n| delay_ms(100, 1_000, n, 0.0)).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(delay_ms(100, 1_000, 1, 1.0), 50);
        assert_eq!(delay_ms(100, u64::MAX, u32::MAX, 0.0), 100 << 32);
    }
}
