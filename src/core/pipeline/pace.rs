//! Where pacing meets the pipeline: what it is told, and what it may hold up.
//!
//! A hold is not an open circuit: Salesforce answers, and nothing is probed. It ends by the clock,
//! and what waits for long is parked meanwhile.

use super::Pipeline;
use crate::core::batching::Record;
use crate::core::change::RouteId;
use crate::core::entry::{Entry, ServiceEvent};
use crate::core::outcome::{CallOutcome, ErrorClass};
use crate::core::pacing::{Hold, HoldReason, OrgUsage, PaceView, Pacing};
use crate::core::time::{Micros, Now, Tick};

#[derive(Debug)]
pub(super) struct Pace {
    pacing: Pacing,
    hold: Option<Held>,
    /// The use of the org should be asked for: nothing else will tell that it fell.
    asks_usage: bool,
}

#[derive(Debug)]
struct Held {
    hold: Hold,
    since: Tick,
    /// When it is looked at again.
    look_at: Tick,
}

/// A hold is looked at so often: the wall clock may have been set, and others may use less.
const LOOK_EVERY_MS: u64 = 300_000;

/// What was committed so long before it was read is being caught up with: how fast it comes says
/// nothing of tomorrow.
const BACKLOG_AGE_MICROS: i64 = 300_000_000;

impl HoldReason {
    /// The page that says more.
    #[must_use]
    pub fn page(self) -> &'static str {
        match self {
            HoldReason::Daily => "LS2090",
            HoldReason::Others => "LS2091",
            HoldReason::Hourly => "LS2092",
            HoldReason::Quiet => "LS2093",
        }
    }

    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            HoldReason::Daily => "the calls of the budget are spent for these 24 hours",
            HoldReason::Others => "others have used the calls of the org that were left for us",
            HoldReason::Hourly => "the calls of pace.hourly_calls are spent for this hour",
            HoldReason::Quiet => "it is a quiet hour: nothing is sent",
        }
    }

    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            HoldReason::Daily => {
                "none is needed: it goes on as calls come back; raise pace.daily_calls or lower pace.reserve_percent if the org has calls to spare"
            }
            HoldReason::Others => {
                "find who uses them in Setup, API Usage; lower pace.reserve_percent only if nobody else needs calls"
            }
            HoldReason::Hourly => "none is needed; raise pace.hourly_calls if it holds too often",
            HoldReason::Quiet => "none is needed: it ends with pace.quiet_hours",
        }
    }
}

impl Pipeline {
    /// Has pacing decide how batches close and whether calls are made.
    #[must_use]
    pub fn with_pacing(mut self, pacing: Pacing) -> Self {
        self.pace = Some(Pace {
            pacing,
            hold: None,
            asks_usage: false,
        });
        self
    }

    /// Takes in what Salesforce said of the org's use.
    pub fn note_usage(&mut self, usage: OrgUsage, now: Now) {
        if let Some(pace) = &mut self.pace {
            pace.pacing.note_usage(usage, now.wall);
        }
    }

    /// Takes in calls that were made outside the pipeline: they are journalled with the next commit.
    pub fn note_other_calls(&mut self, calls: u64) {
        self.api_calls += calls;
        if let Some(pace) = &mut self.pace {
            pace.pacing.note_other_calls(calls);
        }
    }

    /// Whether the org's use should be asked for now; true once each time.
    pub fn take_usage_wish(&mut self) -> bool {
        let pace = self.pace.as_mut();
        pace.is_some_and(|pace| std::mem::take(&mut pace.asks_usage))
    }

    /// Pacing's figures; `None` when there is no pacing.
    #[must_use]
    pub fn pace_view(&self, now: Micros) -> Option<PaceView> {
        let pace = self.pace.as_ref()?;
        let mut view = pace.pacing.view(now);
        view.hold = pace.hold.as_ref().map(|held| (held.hold, held.since));
        Some(view)
    }

    /// Calls that the budget still has; `None` while it has no bound.
    #[must_use]
    pub fn affordable_calls(&self) -> Option<u64> {
        self.pace.as_ref()?.pacing.affordable()
    }

    pub(super) fn note_arrival(&mut self, record: &Record) {
        let Some(pace) = &mut self.pace else { return };
        let (id, read_at) = (&record.subject.id, record.subject.captured_at);
        let age = read_at.0.saturating_sub(id.transaction.committed_at.0);
        let is_of_stream = record.slot.is_some() && !id.transaction.id.is_snapshot();
        let usual = is_of_stream && age < BACKLOG_AGE_MICROS;
        let route = usize::from(id.route.0);
        pace.pacing.note_arrival(route, usual, record.since);
    }

    pub(super) fn note_batch(&mut self, route: RouteId) {
        if let Some(pace) = &mut self.pace {
            let index = usize::from(route.0);
            pace.pacing.note_sent(index);
            self.planner.set_linger(route, pace.pacing.linger(index));
        }
    }

    /// A call that Salesforce refused because there are none left has cost none.
    pub(super) fn note_spent(&mut self, outcome: &CallOutcome, calls: u32) {
        let refused = matches!(
            outcome,
            CallOutcome::Failed(failure) if failure.class == ErrorClass::Quota
        );
        if let Some(pace) = &mut self.pace {
            let calls = if refused { 0 } else { u64::from(calls) };
            pace.pacing.note_answered(calls);
        }
    }

    /// Goes on to `now`, and ends a hold that is over.
    pub(super) fn keep_pace(&mut self, now: Now) {
        let Some(pace) = &mut self.pace else { return };
        pace.pacing.advance(now);
        let Some(held) = pace.hold.take_if(|held| now.tick >= held.look_at) else {
            return;
        };
        let oldest = self.oldest_waiting();
        let Some(pace) = &mut self.pace else { return };
        match pace.pacing.hold(oldest, now.wall) {
            Some(hold) => {
                pace.asks_usage |= hold.reason == HoldReason::Others;
                pace.hold = Some(Held {
                    hold,
                    since: held.since,
                    look_at: look_at(hold, now),
                });
            }
            None => self.entries.push(Entry::Service {
                event: ServiceEvent::DeliveryResumed,
                detail: "calls may be made again".to_owned(),
            }),
        }
    }

    pub(super) fn set_lingers(&mut self) {
        let Some(pace) = &self.pace else { return };
        for (index, id) in (0..self.routes.len()).zip(0_u16..) {
            self.planner
                .set_linger(RouteId(id), pace.pacing.linger(index));
        }
    }

    /// Whether the budget has a call for what is due now. Begins a hold if not.
    pub(super) fn may_spend(&mut self, now: Now) -> bool {
        let Some(pace) = &self.pace else { return true };
        if pace.hold.is_some() {
            return false;
        }
        // The oldest is looked for only when it may matter.
        let hold = pace.pacing.hold(None, now.wall);
        let hold = hold.and_then(|_| pace.pacing.hold(self.oldest_waiting(), now.wall));
        let Some(hold) = hold else { return true };
        let due = self.planner.next_due(|_| Some(Tick(0)));
        if due.is_none_or(|due| due > now.tick) {
            return true;
        }
        self.begin_hold(hold, now);
        false
    }

    /// Whether the budget has the calls of a Bulk job's next step. Begins a hold if not.
    pub(super) fn may_spend_on_job(&mut self, calls: u64, now: Now) -> bool {
        let Some(pace) = &self.pace else { return true };
        if pace.hold.is_some() {
            return false;
        }
        let hold = pace.pacing.hold_of(calls, None, now.wall);
        let hold = hold.and_then(|_| {
            let oldest = self.oldest_waiting();
            pace.pacing.hold_of(calls, oldest, now.wall)
        });
        if let Some(hold) = hold {
            self.begin_hold(hold, now);
        }
        hold.is_none()
    }

    pub(super) fn note_job_call(&mut self, calls: u64) {
        if let Some(pace) = &mut self.pace {
            pace.pacing.note_job_sent(calls);
        }
    }

    /// Enters the calls of a job's step into both books: the journal's and pacing's.
    pub(super) fn note_job_answered(&mut self, calls: u64, spent: u64) {
        self.api_calls += spent;
        if let Some(pace) = &mut self.pace {
            pace.pacing.note_job_answered(calls, spent);
        }
    }

    fn begin_hold(&mut self, hold: Hold, now: Now) {
        let reason = hold.reason;
        self.entries.push(Entry::Service {
            event: ServiceEvent::DeliveryPaused,
            detail: format!("{}: {}", reason.page(), reason.text()),
        });
        if let Some(pace) = &mut self.pace {
            pace.asks_usage |= reason == HoldReason::Others;
            pace.hold = Some(Held {
                hold,
                since: now.tick,
                look_at: look_at(hold, now),
            });
        }
    }

    pub(super) fn is_held_by_pace(&self) -> bool {
        self.pace.as_ref().is_some_and(|pace| pace.hold.is_some())
    }

    pub(super) fn held_by_pace_for(&self, millis: u64, now: Tick) -> bool {
        let held = self.pace.as_ref().and_then(|pace| pace.hold.as_ref());
        held.is_some_and(|held| now.since(held.since) >= millis)
    }

    /// From when on pacing lets calls out.
    pub(super) fn paced_from(&self) -> Tick {
        let held = self.pace.as_ref().and_then(|pace| pace.hold.as_ref());
        held.map_or(Tick(0), |held| held.look_at)
    }

    /// When a hold changes something: what waits is parked, or it is looked at again.
    pub(super) fn pace_wakes(&self, waiting: bool) -> impl Iterator<Item = Tick> {
        let held = self.pace.as_ref().and_then(|pace| pace.hold.as_ref());
        let parks = held.filter(|_| waiting);
        let parks = parks.map(|held| held.since.plus(self.settings.park_after_ms));
        parks.into_iter().chain(held.map(|held| held.look_at))
    }

    /// When the oldest row was committed that has no final outcome.
    fn oldest_waiting(&self) -> Option<Micros> {
        let routes = self.routes.iter();
        let parked = routes.flat_map(|route| [route.parking.oldest(), route.lane.oldest()]);
        let parked = parked.flatten();
        parked.chain(self.ledger.oldest_unsettled()).min()
    }
}

fn look_at(hold: Hold, now: Now) -> Tick {
    let left = u64::try_from(hold.until.0 - now.wall.0).unwrap_or(0);
    now.tick.plus((left / 1_000 + 1).min(LOOK_EVERY_MS))
}

#[cfg(test)]
mod tests;
