//! Faults: what shall go wrong, where, when, how often, and for whom.
//!
//! Owns the vocabulary ([`Fault`], [`Action`]) and the list of armed faults. Which faults act on a request is decided
//! in `armed`, what they make of it in `plan`; how a request is held until released, in `hold`; what a fault may
//! say, in `check`. Faults never touch the control endpoints.
mod action;
mod armed;
mod check;
mod fault;
mod hold;
mod job;
mod plan;
mod preset;
mod when;
mod wording;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand;

pub use action::{Action, Outage, RecordError};
pub(crate) use check::read_list;
pub use fault::{Endpoint, Fault, FaultId, FaultState, FaultStatus};
pub use hold::{HeldId, HeldRequest};
pub(crate) use hold::{Holds, hold};
pub(crate) use job::JobPlan;
pub(crate) use plan::{Change, Hold, Instead, Occasion, Plan};
pub use preset::Preset;

use crate::clock::Clock;
use crate::org::{Draft, Refusal, lock};

/// The armed faults of an org.
#[derive(Debug)]
pub struct Faults {
    armed: Mutex<armed::Armed>,
    /// Spares requests the lock while nothing is armed.
    any: AtomicBool,
    /// The fault behind single-step mode.
    step: Mutex<Option<FaultId>>,
    clock: Arc<Clock>,
    pub(crate) holds: Holds,
}

impl Faults {
    pub(crate) fn new(clock: Arc<Clock>) -> Faults {
        Faults {
            armed: Mutex::default(),
            any: AtomicBool::new(false),
            step: Mutex::default(),
            clock,
            holds: Holds::default(),
        }
    }

    /// Arms a fault. Several act together: waits add up, and of refusals the earliest armed wins.
    ///
    /// # Panics
    /// When the fault contradicts itself; [`Fault::mistakes`] tells beforehand.
    pub fn add(&self, fault: Fault) -> FaultId {
        let mistakes = fault.mistakes();
        assert!(
            mistakes.is_empty(),
            "the fault is not usable: {}",
            mistakes.join("; ")
        );
        self.add_sound(fault)
    }

    /// Arms a fault that has no mistakes.
    pub(crate) fn add_sound(&self, mut fault: Fault) -> FaultId {
        if fault.probability.is_some() && fault.seed.is_none() {
            fault.seed = Some(drawn_seed());
        }
        let now = self.clock.monotonic_micros();
        let mut armed = lock(&self.armed);
        let id = armed.add(fault, now);
        self.any.store(true, Ordering::Release);
        id
    }

    /// Disarms a fault and releases what it holds; false when there is none of that id.
    pub fn remove(&self, id: FaultId) -> bool {
        let mut armed = lock(&self.armed);
        let found = armed.remove(id);
        self.any.store(armed.len() > 0, Ordering::Release);
        drop(armed);
        self.holds.release_of(id);
        found
    }

    /// Disarms everything, leaves single-step mode, and releases every held request.
    pub fn clear(&self) {
        let mut armed = lock(&self.armed);
        armed.clear();
        self.any.store(false, Ordering::Release);
        drop(armed);
        self.holds.release(usize::MAX, false);
    }

    /// The armed faults, spent ones included, in the order in which they were armed.
    #[must_use]
    pub fn list(&self) -> Vec<FaultStatus> {
        lock(&self.armed).list(self.clock.monotonic_micros())
    }

    /// Single-step mode: while it is on every reply waits, after the commit, until it is released. It is a fault
    /// among the others ([`Action::Hold`]); switching it off releases what it holds.
    pub fn set_step(&self, on: bool) {
        let mut step = lock(&self.step);
        let id = step.filter(|id| self.is_armed(*id));
        *step = match (on, id) {
            (true, None) => Some(self.add_sound(Fault::new(Action::Hold { after_commit: true }))),
            (true, armed) => armed,
            (false, Some(id)) => {
                self.remove(id);
                None
            }
            (false, None) => None,
        };
    }

    /// Whether single-step mode is on.
    #[must_use]
    pub fn is_stepping(&self) -> bool {
        lock(&self.step).is_some_and(|id| self.is_armed(id))
    }

    /// The requests that wait to be released, the longest held first.
    #[must_use]
    pub fn held(&self) -> Vec<HeldRequest> {
        self.holds.list()
    }

    /// Lets up to `count` held requests go on, the longest held first; returns how many did.
    pub fn release(&self, count: usize) -> usize {
        self.holds.release(count, false)
    }

    /// Lets up to `count` held requests go on, the last held first; returns how many did.
    pub fn release_newest(&self, count: usize) -> usize {
        self.holds.release(count, true)
    }

    /// Lets one held request go on, out of its turn; false when it is not held.
    pub fn release_one(&self, id: HeldId) -> bool {
        self.holds.release_one(id)
    }

    /// Lets every held request go on; later ones are held again while the fault is armed.
    pub fn release_all(&self) -> usize {
        self.release(usize::MAX)
    }

    pub(crate) fn is_armed(&self, id: FaultId) -> bool {
        lock(&self.armed).contains(id)
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.armed).len()
    }

    /// Whether an outage swallows this request, decided before anything of it is understood.
    pub(crate) fn outage(&self, occasion: &Occasion<'_>) -> Option<Outage> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let now = self.clock.monotonic_micros();
        lock(&self.armed).outage(occasion, now)
    }

    /// What happens to a request.
    pub(crate) fn plan(&self, occasion: &Occasion<'_>) -> Plan {
        if !self.any.load(Ordering::Acquire) {
            return Plan::default();
        }
        let now = self.clock.monotonic_micros();
        lock(&self.armed).plan(occasion, now)
    }

    /// What happens to a composite call as a whole, whose parts carry these keys.
    pub(crate) fn plan_composite(&self, occasion: &Occasion<'_>) -> Plan {
        if !self.any.load(Ordering::Acquire) {
            return Plan::default();
        }
        let now = self.clock.monotonic_micros();
        lock(&self.armed).plan_composite(None, occasion, now)
    }

    /// What happens to the records of one part of a composite call, and to nothing else.
    pub(crate) fn plan_part(&self, part: Endpoint, occasion: &Occasion<'_>) -> Plan {
        if !self.any.load(Ordering::Acquire) {
            return Plan::default();
        }
        let now = self.clock.monotonic_micros();
        lock(&self.armed).plan_composite(Some(part), occasion, now)
    }

    /// What happens to a bulk job that starts now.
    pub(crate) fn plan_job(&self) -> JobPlan {
        if !self.any.load(Ordering::Acquire) {
            return JobPlan::default();
        }
        let now = self.clock.monotonic_micros();
        lock(&self.armed).plan_job(now)
    }

    /// Which records with these keys a bulk job is refused, and why.
    pub(crate) fn plan_job_records(&self, keys: &[&str]) -> Vec<(usize, Vec<Refusal>)> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let now = self.clock.monotonic_micros();
        lock(&self.armed).plan_job_records(keys, now)
    }
}

/// Refuses the records that faults picked; `{id}` and `{key}` in a text are filled in. `id_of` says which lead a record
/// is for: only the caller knows whether the lock of the leads is held.
pub(crate) fn refuse_picked(
    drafts: &mut [Draft<'_>],
    picked: Vec<(usize, Vec<Refusal>)>,
    mut id_of: impl FnMut(&Draft<'_>) -> Option<String>,
) {
    for (index, mut refusals) in picked {
        let Some(draft) = drafts.get_mut(index) else {
            continue;
        };
        for refusal in &mut refusals {
            if refusal.message.contains("{key}") {
                refusal.message = refusal.message.replace("{key}", &draft.key());
            }
            if refusal.message.contains("{id}") {
                let id = id_of(draft);
                let id = id.as_deref().unwrap_or("<unknown>");
                refusal.message = refusal.message.replace("{id}", id);
            }
        }
        draft.refuse(refusals);
    }
}

/// Short enough to be typed again.
fn drawn_seed() -> u64 {
    let mut random = [0_u8; 4];
    rand::fill(&mut random).expect("the system's random source works");
    u32::from_le_bytes(random).into()
}
