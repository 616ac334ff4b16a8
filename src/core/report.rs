//! What became of the leads of a period, counted: the figures of a report, by day or hour and by
//! route.
//!
//! A [`Tally`] takes steps in the order of the journal and keeps numbers alone, so its memory does
//! not grow with what it counts: one histogram of a few KiB for each slot, and at most
//! [`MAX_SLOTS`] of them. Each step belongs to the slot in which it was made durable.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::entry::{Entry, SkipRule, Subject};
use super::time::Micros;

/// A hundred days by the hour.
pub const MAX_SLOTS: u64 = 2_400;

/// Causes that are told apart; what comes on top counts as `other`.
const MAX_CAUSES: usize = 500;

/// Latencies are kept to one part in a hundred.
const DIGITS: u8 = 2;
/// Ten years: what is older was not measured but copied from somewhere.
const LONGEST_MICROS: u64 = 315_360_000_000_000;

const MINUTE_MICROS: u64 = 60_000_000;
const HOUR_MICROS: i64 = 3_600_000_000;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;

/// What a report is broken down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotLength {
    Day,
    Hour,
}

impl SlotLength {
    fn micros(self) -> i64 {
        match self {
            SlotLength::Day => DAY_MICROS,
            SlotLength::Hour => HOUR_MICROS,
        }
    }
}

/// The period of a report, its end not included, and where its days begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Frame {
    pub since: Micros,
    pub until: Micros,
    pub by: SlotLength,
    /// Seconds east of UTC.
    pub utc_offset: i32,
}

/// A period of more slots than a report holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the period has {slots} slots, and a report holds {MAX_SLOTS}")]
pub struct TooLong {
    pub slots: u64,
}

impl Frame {
    /// The slot that a moment belongs to, by its beginning.
    #[must_use]
    pub fn slot_of(&self, at: Micros) -> Micros {
        let shift = i64::from(self.utc_offset) * 1_000_000;
        let length = self.by.micros();
        Micros((at.0 + shift).div_euclid(length) * length - shift)
    }

    #[must_use]
    pub fn contains(&self, at: Micros) -> bool {
        self.since <= at && at < self.until
    }

    /// # Errors
    /// When it has more slots than a report holds.
    pub fn check(&self) -> Result<(), TooLong> {
        let first = self.slot_of(self.since).0;
        let span = self.until.0.saturating_sub(first).max(0);
        let slots = span
            .unsigned_abs()
            .div_ceil(self.by.micros().unsigned_abs());
        if slots > MAX_SLOTS {
            return Err(TooLong { slots });
        }
        Ok(())
    }
}

/// Why records were rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    pub class: String,
    pub code: String,
    pub count: u64,
}

/// From the commit in MySQL to Salesforce's acceptance, in seconds. Of the stream alone: a row of a
/// snapshot may be years old, and a mended one waited for a person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// How many records were measured.
    pub count: u64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
    /// Accepted within one minute, five, and the hour.
    pub within_1_min: u64,
    pub within_5_min: u64,
    pub within_1_hour: u64,
}

/// The figures of one slot, one route, or the whole period.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Changes that entered the books: with their outcome, or parked.
    pub captured: u64,
    pub created: u64,
    pub updated: u64,
    /// By rule.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Dead letters that were opened.
    pub rejected: u64,
    /// The most frequent first.
    pub causes: Vec<Cause>,
    /// Replays that were refused again.
    pub rejected_again: u64,
    /// Dead letters that were delivered after all; counted in `created` and `updated` too.
    pub mended: u64,
    pub edited: u64,
    pub replayed: u64,
    pub discarded: u64,
    pub parked: u64,
    /// Parked records that came to their outcome.
    pub left_parking: u64,
    /// Answers that were refusals for now.
    pub retried: u64,
    /// Calls that had no answer when the service stopped, by record.
    pub unanswered: u64,
    /// Not known by route.
    pub api_calls: u64,
    /// `None` when nothing was measured.
    pub latency: Option<Latency>,
}

impl Figures {
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.created + self.updated
    }

    #[must_use]
    pub fn skipped_total(&self) -> u64 {
        self.skipped.values().sum()
    }
}

/// One slot of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slot {
    /// Its beginning; the first may begin before the period.
    pub start: Micros,
    #[serde(flatten)]
    pub figures: Figures,
}

/// A finished report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub frame: Frame,
    pub total: Figures,
    pub routes: BTreeMap<String, Figures>,
    /// Every slot of the period, those without any step too.
    pub slots: Vec<Slot>,
}

/// Counts steps.
#[derive(Debug)]
pub struct Tally {
    frame: Frame,
    total: Counts,
    routes: BTreeMap<String, Counts>,
    slots: BTreeMap<Micros, Counts>,
}

/// One step as a tally takes it.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// When it was made durable.
    pub at: Micros,
    pub route: &'a str,
    pub entry: &'a Entry,
    /// Of a failure.
    pub code: &'a str,
}

impl Tally {
    #[must_use]
    pub fn new(frame: Frame) -> Self {
        Self {
            frame,
            total: Counts::default(),
            routes: BTreeMap::new(),
            slots: BTreeMap::new(),
        }
    }

    /// Counts a step that lies in the period.
    pub fn enter(&mut self, step: Step<'_>) {
        if !self.frame.contains(step.at) || step.entry.route().is_none() {
            return;
        }
        self.total.enter(step);
        self.slots
            .entry(self.frame.slot_of(step.at))
            .or_default()
            .enter(step);
        match self.routes.get_mut(step.route) {
            Some(route) => route.enter(step),
            None => {
                let route = self.routes.entry(step.route.to_owned());
                route.or_default().enter(step);
            }
        }
    }

    /// Counts calls that Salesforce counted.
    pub fn enter_calls(&mut self, at: Micros, calls: u64) {
        if calls > 0 && self.frame.contains(at) {
            self.total.figures.api_calls += calls;
            let slot = self.slots.entry(self.frame.slot_of(at)).or_default();
            slot.figures.api_calls += calls;
        }
    }

    /// The report of all that was entered.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let mut slots = Vec::new();
        let mut start = self.frame.slot_of(self.frame.since);
        while start < self.frame.until {
            let counts = self.slots.remove(&start).unwrap_or_default();
            slots.push(Slot {
                start,
                figures: counts.finish(),
            });
            start = Micros(start.0 + self.frame.by.micros());
        }
        Report {
            frame: self.frame,
            total: self.total.finish(),
            routes: self
                .routes
                .into_iter()
                .map(|(name, counts)| (name, counts.finish()))
                .collect(),
            slots,
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    figures: Figures,
    causes: BTreeMap<(&'static str, String), u64>,
    latency: Option<Histogram<u32>>,
    within: [u64; 3],
}

impl Counts {
    fn enter(&mut self, step: Step<'_>) {
        let figures = &mut self.figures;
        match step.entry {
            Entry::Delivered {
                subject,
                created,
                attempt,
                ..
            } => {
                *(if *created {
                    &mut figures.created
                } else {
                    &mut figures.updated
                }) += 1;
                figures.mended += u64::from(subject.letter.is_some());
                self.came(subject);
                self.measure(subject, attempt.answered_at);
            }
            Entry::DeadLettered { subject, class, .. } => {
                if subject.letter.is_some() {
                    figures.rejected_again += 1;
                    return;
                }
                figures.rejected += 1;
                let cause = (class.as_str(), step.code.to_owned());
                let room = self.causes.len() < MAX_CAUSES || self.causes.contains_key(&cause);
                let cause = if room {
                    cause
                } else {
                    ("unknown", "other".to_owned())
                };
                *self.causes.entry(cause).or_default() += 1;
                self.came(subject);
            }
            Entry::Superseded { subject, .. } => self.skip_record(subject, SkipRule::Superseded),
            Entry::Filtered { subject } => self.skip_record(subject, SkipRule::Where),
            Entry::SkippedRecord { subject, rule, .. } => self.skip_record(subject, *rule),
            Entry::Skipped { rows, rule, .. } => {
                figures.captured += u64::from(*rows);
                *figures.skipped.entry(rule.as_str()).or_default() += u64::from(*rows);
            }
            Entry::Parked { subject, .. } => {
                figures.parked += 1;
                figures.captured += u64::from(subject.letter.is_none());
            }
            Entry::LetterOutdated { .. } => {
                let rule = SkipRule::Superseded.as_str();
                *figures.skipped.entry(rule).or_default() += 1;
            }
            Entry::Retried { .. } => figures.retried += 1,
            Entry::Unanswered { .. } => figures.unanswered += 1,
            Entry::Edited { .. } => figures.edited += 1,
            Entry::Replayed { .. } => figures.replayed += 1,
            Entry::Discarded { .. } => figures.discarded += 1,
            Entry::Service { .. } | Entry::Act(_) => {}
        }
    }

    fn skip_record(&mut self, subject: &Subject, rule: SkipRule) {
        *self.figures.skipped.entry(rule.as_str()).or_default() += 1;
        self.came(subject);
    }

    /// An outcome is the first that is heard of a change, unless it was parked or a dead letter.
    fn came(&mut self, subject: &Subject) {
        if subject.parked.is_some() {
            self.figures.left_parking += 1;
        } else if subject.letter.is_none() {
            self.figures.captured += 1;
        }
    }

    fn measure(&mut self, subject: &Subject, answered_at: Micros) {
        let transaction = &subject.id.transaction;
        if subject.letter.is_some() || transaction.id.is_snapshot() {
            return;
        }
        // MySQL's clock may be a little ahead of ours.
        let took = (answered_at.0 - transaction.committed_at.0).max(0);
        let took = took.unsigned_abs().min(LONGEST_MICROS);
        for (within, minutes) in self.within.iter_mut().zip([1, 5, 60]) {
            *within += u64::from(took <= minutes * MINUTE_MICROS);
        }
        if self.latency.is_none() {
            // It fails only on digits that it cannot keep.
            self.latency = Histogram::new(DIGITS).ok();
        }
        if let Some(latency) = &mut self.latency {
            // It grows as it must, and holds far more than LONGEST_MICROS.
            let _ = latency.record(took);
        }
    }

    fn finish(self) -> Figures {
        let mut figures = self.figures;
        figures.causes = self
            .causes
            .into_iter()
            .map(|((class, code), count)| Cause {
                class: class.to_owned(),
                code,
                count,
            })
            .collect();
        figures
            .causes
            .sort_by_key(|cause| std::cmp::Reverse(cause.count));
        let [within_1_min, within_5_min, within_1_hour] = self.within;
        figures.latency = self.latency.map(|latency| {
            let seconds = |micros: u64| micros as f64 / 1e6;
            let at = |quantile: f64| seconds(latency.value_at_quantile(quantile));
            Latency {
                count: latency.len(),
                mean: latency.mean() / 1e6,
                p50: at(0.5),
                p90: at(0.9),
                p99: at(0.99),
                p999: at(0.999),
                max: seconds(latency.max()),
                within_1_min,
                within_5_min,
                within_1_hour,
            }
        });
        figures
    }
}

#[cfg(test)]
mod tests;
