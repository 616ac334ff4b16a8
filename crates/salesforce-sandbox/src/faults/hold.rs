//! Requests that wait until somebody lets them go on.
//!
//! Invariant: first held, first released. A request that is registered here is counted as held until released.
use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::oneshot;

use super::FaultId;
use crate::org::lock;

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
