//! Requests that wait until somebody lets them go on.
//!
//! Invariant: first held, first released, unless the caller names requests. A request that is queued here is held
//! until it is released; one whose task is gone is forgotten.
use std::collections::VecDeque;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::FaultId;
use super::plan::Hold;
use crate::org::{Org, lock};

/// Waits until somebody releases the caller, who is counted as held meanwhile.
pub(crate) async fn hold(org: &Org, hold: Hold, committed: bool) {
    let fault = hold.fault;
    let now = org.clock.monotonic_micros();
    let released = org.faults.holds.wait(hold, committed, now);
    // Disarming releases the queue after it takes the fault off the list: whoever queued too late sees it gone.
    if !org.faults.is_armed(fault) {
        return;
    }
    org.watch.count(|stats| stats.held_requests += 1);
    // An error means that the queue is gone with the org.
    let _ = released.await;
    org.watch.count(|stats| stats.held_requests -= 1);
}

/// Names one held request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HeldId(pub u64);

/// A request that waits to be released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRequest {
    pub id: HeldId,
    /// The fault that holds it.
    pub fault: FaultId,
    /// `JOB` for a bulk job, which is held as such.
    pub method: String,
    /// As sent, without the query; of a bulk job, below the version.
    pub path: String,
    /// Records in the request.
    pub records: u64,
    /// Keys of its first 20 records.
    pub keys: Vec<String>,
    /// Whether it has been committed, so that its reply alone is held.
    pub committed: bool,
    /// Microseconds since the org was started, on the org's clock.
    pub since_monotonic_micros: u64,
}

#[derive(Debug)]
struct Waiting {
    request: HeldRequest,
    go: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    last_id: u64,
}

/// The queue of held requests.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    queue: Mutex<Queue>,
}

impl Holds {
    /// Queues the caller, which then awaits the receiver.
    pub(crate) fn wait(
        &self,
        hold: Hold,
        committed: bool,
        now_micros: u64,
    ) -> oneshot::Receiver<()> {
        let (go, receiver) = oneshot::channel();
        let mut queue = lock(&self.queue);
        queue.waiting.retain(|waiting| !waiting.go.is_closed());
        queue.last_id += 1;
        let request = HeldRequest {
            id: HeldId(queue.last_id),
            fault: hold.fault,
            method: hold.method,
            path: hold.path,
            records: hold.records,
            keys: hold.keys,
            committed,
            since_monotonic_micros: now_micros,
        };
        queue.waiting.push_back(Waiting { request, go });
        receiver
    }

    /// The held requests, longest held first.
    pub(crate) fn list(&self) -> Vec<HeldRequest> {
        lock(&self.queue)
            .waiting
            .iter()
            .filter(|waiting| !waiting.go.is_closed())
            .map(|waiting| waiting.request.clone())
            .collect()
    }

    pub(crate) fn release(&self, count: usize, newest_first: bool) -> usize {
        let mut queue = lock(&self.queue);
        let mut released = 0;
        while released < count {
            let next = if newest_first {
                queue.waiting.pop_back()
            } else {
                queue.waiting.pop_front()
            };
            let Some(waiting) = next else {
                break;
            };
            // The receiver may be gone with its runtime; then there is nobody to count.
            released += usize::from(waiting.go.send(()).is_ok());
        }
        released
    }

    /// Lets one request go on; false when it is not held.
    pub(crate) fn release_one(&self, id: HeldId) -> bool {
        let mut queue = lock(&self.queue);
        let at = queue
            .waiting
            .iter()
            .position(|waiting| waiting.request.id == id);
        at.and_then(|at| queue.waiting.remove(at))
            .is_some_and(|waiting| waiting.go.send(()).is_ok())
    }

    pub(crate) fn release_of(&self, fault: FaultId) {
        let mut queue = lock(&self.queue);
        let (gone, kept): (VecDeque<_>, VecDeque<_>) = queue
            .waiting
            .drain(..)
            .partition(|waiting| waiting.request.fault == fault);
        queue.waiting = kept;
        for waiting in gone {
            // As above: a receiver that is gone needs no release.
            let _ = waiting.go.send(());
        }
    }
}
