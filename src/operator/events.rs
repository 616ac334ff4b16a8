//! Changes of the published status, for those who listen: at most one a second, and none while
//! nothing changes.

use std::sync::Arc;

use tokio::sync::watch;

use crate::core::time::Micros;
use crate::runtime::status::{Stage, Status};

/// The changes; cheap to clone.
#[derive(Clone, Debug)]
pub struct Events(Arc<watch::Sender<Moment>>);

/// What was published when it changed last.
#[derive(Clone, Debug, Default)]
struct Moment {
    /// JSON, but for the time at which it was true: that alone is no change.
    told: Arc<str>,
    status: Option<Arc<Status>>,
}

/// One who listens.
#[derive(Debug)]
pub struct Listener {
    moments: watch::Receiver<Moment>,
    /// What it knows.
    told: Arc<str>,
    ended: bool,
}

impl Default for Events {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Moment::default())))
    }
}

impl Events {
    /// Looks whether anything changed; called every second.
    pub fn observe(&self, status: &Arc<Status>) {
        if self.0.receiver_count() == 0 {
            return;
        }
        let told = told(status);
        self.0.send_if_modified(|moment| {
            let changed = moment.told != told;
            if changed {
                *moment = Moment {
                    told,
                    status: Some(Arc::clone(status)),
                };
            }
            changed
        });
    }

    /// Listens from now on, knowing nothing yet.
    #[must_use]
    pub fn listen(&self) -> Listener {
        Listener {
            moments: self.0.subscribe(),
            told: Arc::default(),
            ended: false,
        }
    }
}

impl Listener {
    /// The present status at first, then each that is another; `None` when the service has stopped.
    pub async fn next(&mut self, present: impl FnOnce() -> Arc<Status>) -> Option<Arc<Status>> {
        if self.ended {
            return None;
        }
        let status = if self.told.is_empty() {
            let status = present();
            self.told = told(&status);
            status
        } else {
            self.next_change().await?
        };
        self.ended = status.stage == Stage::Stopping;
        Some(status)
    }

    async fn next_change(&mut self) -> Option<Arc<Status>> {
        loop {
            self.moments.changed().await.ok()?;
            let moment = self.moments.borrow_and_update().clone();
            if let Some(status) = moment.status
                && moment.told != self.told
            {
                self.told = moment.told;
                return Some(status);
            }
        }
    }
}

fn told(status: &Status) -> Arc<str> {
    let timeless = Status {
        as_of: Micros(0),
        ..status.clone()
    };
    serde_json::to_string(&timeless).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::tests::status;

    #[tokio::test]
    async fn a_listener_is_told_what_changes_and_nothing_else() {
        let events = Events::default();
        let mut listener = events.listen();
        let first = Arc::new(status(1, 1, 0, 0));
        let told = listener.next(|| Arc::clone(&first)).await.unwrap();
        assert_eq!(told.routes[0].captured, 1);
        // Seen a second later, and no other.
        let later = Status {
            as_of: Micros(first.as_of.0 + 1_000_000),
            ..(*first).clone()
        };
        events.observe(&Arc::new(later));
        events.observe(&Arc::new(status(2, 1, 0, 0)));
        events.observe(&Arc::new(status(3, 1, 0, 0)));
        // One who was busy is told the last one.
        let told = listener.next(|| Arc::clone(&first)).await.unwrap();
        assert_eq!(told.routes[0].captured, 3);
        let unchanged = listener.next(|| Arc::clone(&first));
        tokio::select! {
            biased;
            told = unchanged => panic!("{told:?}"),
            () = tokio::task::yield_now() => {}
        }
    }

    #[tokio::test]
    async fn the_end_of_the_service_is_the_last_event() {
        let events = Events::default();
        let mut listener = events.listen();
        let running = Arc::new(status(1, 1, 0, 0));
        listener.next(|| Arc::clone(&running)).await.unwrap();
        let stopping = Arc::new(Status {
            stage: Stage::Stopping,
            ..(*running).clone()
        });
        events.observe(&stopping);
        let told = listener.next(|| Arc::clone(&running)).await.unwrap();
        assert_eq!(told.stage, Stage::Stopping);
        assert!(listener.next(|| running).await.is_none());
    }
}
