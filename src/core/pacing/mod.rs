//! Pacing: the API budget as a resource, spent so that records wait as little as it allows.
//!
//! What it decides: how many records of a route leave together and how long the oldest may wait for
//! company ([`Linger`]), and when nothing may leave at all ([`Hold`]). Invariants, held by the
//! simulated days of `simulation`:
//! - in no 24 hours are more calls made than the budget, and the reserve goes only to records that
//!   are nearly an hour old;
//! - with calls in plenty a lone record leaves at once;
//! - calls run short slowly: the wait grows long before the budget ends.
//!
//! It does not know why a call fails, and it does not choose between REST and Bulk: it says what
//! that choice needs ([`Pacing::affordable`]).

mod arrivals;
mod others;
mod outlook;
mod plan;
mod quiet;
pub mod simulation;
mod view;
mod window;

use arrivals::Arrivals;
use others::Others;
use plan::{Ages, Plan};
use window::Window;

pub use arrivals::Linger;
pub use quiet::{QuietHours, QuietSpan};
pub use view::PaceView;

use super::time::{Micros, Now, Tick};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaceSettings {
    /// Calls of ours in 24 hours; without it what the org allows.
    pub daily_calls: Option<u64>,
    /// Of the daily calls, and of the org's allowance: for people and other tools.
    pub reserve_percent: u8,
    pub hourly_calls: Option<u64>,
    pub quiet: QuietHours,
    /// The oldest record of a batch waits so long while the budget lasts.
    pub max_age_ms: u64,
    /// And so long when it must last longer.
    pub max_age_stretched_ms: u64,
    pub max_records: usize,
}

/// What Salesforce says of the whole org: calls of the last 24 hours, and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrgUsage {
    pub used: u64,
    pub limit: u64,
}

/// Why nothing leaves, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    pub reason: HoldReason,
    pub until: Micros,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldReason {
    /// The calls of 24 hours are spent.
    Daily,
    /// Others have used so much of the org's allowance that nothing is left for us.
    Others,
    Hourly,
    Quiet,
}

#[derive(Debug)]
pub struct Pacing {
    settings: PaceSettings,
    window: Window,
    routes: Vec<Arrivals>,
    org: Option<OrgUsage>,
    others: Others,
    in_flight: u64,
    plan: Plan,
    /// When it was made; nothing before the first.
    planned_at: Option<Tick>,
    calls_since: u64,
}

/// A plan is made anew this often, because what it rests on moves in minutes; and after so many
/// calls, because a flood does not wait for a minute.
const PLAN_EVERY_MS: u64 = 60_000;
const PLAN_EVERY_CALLS: u64 = 50;

/// What the limits of the last hour are kept by.
const HOUR_STEPS: i64 = 12;

/// Others may have stopped: whether they have is looked at again so soon.
const LOOK_AGAIN_MICROS: i64 = 300_000_000;

/// A record of this age may have a call of the reserve.
const RESERVE_AGE_MICROS: i64 = plan::LONGEST_AGE_MS as i64 * 1_000;

impl Pacing {
    /// `calls` are those that the journal knows: when they were made at the latest, and how many.
    #[must_use]
    pub fn new(settings: PaceSettings, routes: usize, calls: &[(Micros, u64)], now: Now) -> Self {
        let mut window = Window::new(routes, now.wall);
        for (at, count) in calls {
            window.restore((*at).min(now.wall), *count);
        }
        let plan = Plan {
            scale: 0.0,
            max_age_ms: settings.max_age_ms,
        };
        Self {
            settings,
            window,
            routes: (0..routes).map(|_| Arrivals::new(now.tick)).collect(),
            org: None,
            others: Others::default(),
            in_flight: 0,
            plan,
            planned_at: None,
            calls_since: 0,
        }
    }

    /// Goes on to `now`.
    pub fn advance(&mut self, now: Now) {
        self.window.advance(now.wall);
        let stale = self
            .planned_at
            .is_none_or(|at| now.tick.since(at) >= PLAN_EVERY_MS)
            || self.calls_since >= PLAN_EVERY_CALLS;
        if stale {
            self.planned_at = Some(now.tick);
            self.calls_since = 0;
            let ages = Ages {
                wanted_ms: self.settings.max_age_ms,
                stretched_ms: self.settings.max_age_stretched_ms,
            };
            let expected = self.expected(now.wall);
            self.plan = Plan::solve(&expected, &ages, self.settings.max_records);
        }
    }

    /// A record of this route waits to be sent. `usual`: it has just been written, so that others
    /// like it may come tomorrow; backlogs and snapshots are no forecast.
    pub fn note_arrival(&mut self, route: usize, usual: bool, at: Tick) {
        self.routes[route].note(at);
        if usual {
            self.window.note_arrival(route);
        }
    }

    /// A batch of this route went out.
    pub fn note_sent(&mut self, route: usize) {
        self.routes[route].note_batch();
        self.in_flight += 1;
        self.calls_since += 1;
    }

    /// A call came back; it may have cost no request, or two.
    pub fn note_answered(&mut self, calls: u64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.window.note_calls(calls);
    }

    /// Calls for a Bulk job went out.
    pub fn note_job_sent(&mut self, calls: u64) {
        self.in_flight += calls;
        self.calls_since += calls;
    }

    /// They came back; `spent` of them, more or fewer, were counted.
    pub fn note_job_answered(&mut self, calls: u64, spent: u64) {
        self.in_flight = self.in_flight.saturating_sub(calls);
        self.window.note_calls(spent);
    }

    /// Requests that no batch was sent for.
    pub fn note_other_calls(&mut self, calls: u64) {
        self.window.note_calls(calls);
    }

    /// Takes in what an answer said of the org.
    pub fn note_usage(&mut self, usage: OrgUsage, now: Micros) {
        if self.org.is_none_or(|org| org.limit != usage.limit) {
            self.planned_at = None;
        }
        self.org = Some(usage);
        self.others.note(self.used_by_others(), now);
    }

    /// How the records of a route wait for company.
    #[must_use]
    pub fn linger(&self, route: usize) -> Linger {
        self.routes[route].linger(
            self.plan.scale,
            self.plan.max_age_ms,
            self.settings.max_age_ms,
            self.settings.max_records,
        )
    }

    /// Whether a call must not be made now. `oldest` is when the oldest record was committed that
    /// waits: one that is nearly an hour old may have a call of the reserve.
    #[must_use]
    pub fn hold(&self, oldest: Option<Micros>, now: Micros) -> Option<Hold> {
        self.hold_of(1, oldest, now)
    }

    /// The same for so many calls at once.
    #[must_use]
    pub fn hold_of(&self, calls: u64, oldest: Option<Micros>, now: Micros) -> Option<Hold> {
        if let Some(until) = self.settings.quiet.quiet_until(now) {
            let reason = HoldReason::Quiet;
            return Some(Hold { reason, until });
        }
        let used = self.window.calls() + self.in_flight + calls.saturating_sub(1);
        let due = oldest.map(|at| Micros(at.0.saturating_add(RESERVE_AGE_MICROS)));
        let keeps_the_hour = due.is_some_and(|due| due <= now);
        let limit = match keeps_the_hour {
            true => self.limit_with_reserve(),
            false => self.limit(),
        };
        let daily = limit.filter(|limit| used >= *limit).map(|limit| {
            let mut hold = Hold {
                reason: HoldReason::Daily,
                until: self.window.returns_at(window::STEPS, used + 1 - limit),
            };
            if self.is_short_by_others() {
                hold.reason = HoldReason::Others;
                hold.until = hold.until.min(Micros(now.0 + LOOK_AGAIN_MICROS));
            }
            let has_reserve = self.limit_with_reserve().is_none_or(|all| used < all);
            if let Some(due) = due.filter(|_| !keeps_the_hour && has_reserve) {
                hold.until = hold.until.min(due);
            }
            hold
        });
        let hour = self.window.calls_in(HOUR_STEPS) + self.in_flight + calls.saturating_sub(1);
        let capped = self.settings.hourly_calls.filter(|cap| hour >= *cap);
        let hourly = capped.map(|cap| Hold {
            reason: HoldReason::Hourly,
            until: self.window.returns_at(HOUR_STEPS, hour + 1 - cap),
        });
        daily
            .into_iter()
            .chain(hourly)
            .max_by_key(|hold| hold.until)
    }

    /// Calls that may be made now without touching the reserve; `None` while no limit is known.
    #[must_use]
    pub fn affordable(&self) -> Option<u64> {
        let used = self.window.calls() + self.in_flight;
        let hour = self.window.calls_in(HOUR_STEPS) + self.in_flight;
        let daily = self.limit().map(|limit| limit.saturating_sub(used));
        let capped = self.settings.hourly_calls;
        let hourly = capped.map(|cap| cap.saturating_sub(hour));
        daily.into_iter().chain(hourly).min()
    }

    /// Calls of ours in any 24 hours that leave the reserve alone.
    fn limit(&self) -> Option<u64> {
        self.limit_beside(self.used_by_others())
    }

    /// The same, if others use so many of the org's.
    fn limit_beside(&self, others: u64) -> Option<u64> {
        let percent = self.settings.reserve_percent;
        let own = self
            .settings
            .daily_calls
            .map(|calls| without(calls, percent));
        let of_org = self.org.map(|org| {
            // Others live on the reserve; what they use beyond it is ours no longer.
            let kept = org.limit - without(org.limit, percent);
            org.limit.saturating_sub(kept.max(others))
        });
        own.into_iter().chain(of_org).min()
    }

    fn limit_with_reserve(&self) -> Option<u64> {
        let of_org = self
            .org
            .map(|org| org.limit.saturating_sub(self.used_by_others()));
        self.settings.daily_calls.into_iter().chain(of_org).min()
    }

    fn used_by_others(&self) -> u64 {
        let used = self.org.map_or(0, |org| org.used);
        used.saturating_sub(self.window.calls())
    }

    /// Whether it is the others' use that makes the limit as low as it is.
    fn is_short_by_others(&self) -> bool {
        self.limit() < self.limit_beside(0)
    }
}

fn without(calls: u64, percent: u8) -> u64 {
    calls - calls / 100 * u64::from(percent.min(100)) - calls % 100 * u64::from(percent) / 100
}

#[cfg(test)]
mod tests;
