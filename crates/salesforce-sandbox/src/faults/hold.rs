//! Requests that wait until somebody lets them go on.
//!
//! Invariant: first held, first released. A request that is registered here is counted as held until released.
use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::oneshot;

use super::FaultId;
use crate::org::{Org, lock};

/// Waits until somebody releases the caller, who is counted as held meanwhile.
pub(crate) async fn hold(org: &Org, fault: FaultId) {
    let released = org.faults.holds.wait(fault);
    // Disarming releases the queue after it takes the fault off the list: whoever queued too late sees it gone.
    if !org.faults.is_armed(fault) {
        return;
    }
    org.watch.count(|stats| stats.held_requests += 1);
    // An error means that the queue is gone with the org.
    let _ = released.await;
    org.watch.count(|stats| stats.held_requests -= 1);
}

/// The queue of held requests.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    queue: Mutex<VecDeque<(FaultId, oneshot::Sender<()>)>>,
}

impl Holds {
    /// Queues the caller, which then awaits the receiver.
    pub(crate) fn wait(&self, fault: FaultId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        lock(&self.queue).push_back((fault, sender));
        receiver
    }

    pub(crate) fn release(&self, count: usize) -> usize {
        let mut queue = lock(&self.queue);
        let mut released = 0;
        while released < count {
            let Some((_, sender)) = queue.pop_front() else {
                break;
            };
            // The receiver may be gone with its runtime; then there is nobody to count.
            released += usize::from(sender.send(()).is_ok());
        }
        released
    }

    pub(crate) fn release_of(&self, fault: FaultId) {
        let mut queue = lock(&self.queue);
        let (gone, kept): (VecDeque<_>, VecDeque<_>) =
            queue.drain(..).partition(|(id, _)| *id == fault);
        *queue = kept;
        for (_, sender) in gone {
            // As above: a receiver that is gone needs no release.
            let _ = sender.send(());
        }
    }
}
