//! The wish to stop, seen by everybody at once.

use tokio::sync::watch;

/// Hands out the wish; dropped without it, nobody stops.
pub struct Trigger(watch::Sender<bool>);

/// Sees the wish.
pub type Signal = watch::Receiver<bool>;

/// A trigger and its signal.
#[must_use]
pub fn channel() -> (Trigger, Signal) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), receiver)
}

impl Trigger {
    /// Wishes to stop; twice is once.
    pub fn pull(&self) {
        self.0.send_replace(true);
    }
}

/// Returns when somebody wishes to stop.
pub async fn requested(signal: &mut Signal) {
    // A dropped trigger means that nobody can wish any more: wait for ever.
    if signal.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Returns when the process is asked to end: SIGTERM or SIGINT.
///
/// # Errors
/// When the handlers cannot be installed.
pub async fn asked_by_signal() -> std::io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
