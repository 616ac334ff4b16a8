//! The last day for charts: one point a minute, taken from the published status, in memory alone.
//! It begins anew with the process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::core::time::Micros;
use crate::runtime::status::Status;

/// Minutes that are kept: a day.
pub const KEPT_MINUTES: usize = 24 * 60;

const MINUTE_MICROS: i64 = 60_000_000;

/// One minute. What is counted was counted within it; the rest is as it was last seen in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Point {
    /// When the minute began.
    pub at: Micros,
    pub captured: u64,
    pub delivered: u64,
    /// New ones.
    pub dead_letters: u64,
    /// Of us, to Salesforce.
    pub api_calls: u64,
    pub dead_letters_open: u64,
    /// How long the oldest row without an outcome had waited.
    pub lag_seconds: f64,
    /// The same at its worst.
    pub lag_max_seconds: f64,
}

/// What is told of the history.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// Nothing is known of before: the process began then.
    pub since: Option<Micros>,
    pub points: Vec<Point>,
}

/// The points, shared by the one that takes them and those that draw them; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<Minutes>>);

#[derive(Debug, Default)]
struct Minutes {
    past: VecDeque<Point>,
    current: Option<Current>,
    since: Option<Micros>,
}

/// The minute under way.
#[derive(Debug)]
struct Current {
    point: Point,
    /// The figures that it began with, and those seen last.
    began: Figures,
    last: Figures,
}

/// Counts over the whole life of the store, or of the process.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    captured: u64,
    delivered: u64,
    dead_letters: u64,
    dead_letters_open: u64,
    api_calls: u64,
}

/// The points of the last `minutes`, and since when there are any.
#[must_use]
pub fn told(history: &History, minutes: usize) -> Told {
    Told {
        since: history.since(),
        points: history.points(minutes),
    }
}

impl History {
    /// Enters what is published at `now`; called every second or so.
    pub fn observe(&self, status: &Status, now: Micros) {
        let figures = Figures::of(status);
        let lag = status.lag_seconds(now);
        let mut minutes = self.minutes();
        minutes.since.get_or_insert(now);
        let minute = Micros(now.0 - now.0.rem_euclid(MINUTE_MICROS));
        let began = match minutes.current.take() {
            // A clock that is set back goes on in the minute it was in.
            Some(current) if minute <= current.point.at => {
                minutes.current = Some(current);
                None
            }
            Some(current) => {
                if minutes.past.len() == KEPT_MINUTES {
                    minutes.past.pop_front();
                }
                minutes.past.push_back(current.point);
                Some(current.last)
            }
            None => Some(figures),
        };
        if let Some(began) = began {
            let point = Point {
                at: minute,
                ..Point::default()
            };
            minutes.current = Some(Current {
                point,
                began,
                last: began,
            });
        }
        if let Some(current) = &mut minutes.current {
            current.see(figures, lag);
        }
    }

    /// Those of the last `minutes`, the oldest first. The last one is the minute under way; a
    /// minute that nobody watched is missing.
    #[must_use]
    pub fn points(&self, minutes: usize) -> Vec<Point> {
        let kept = self.minutes();
        let Some(current) = &kept.current else {
            return Vec::new();
        };
        let span = i64::try_from(minutes).unwrap_or(i64::MAX);
        let span = span.saturating_mul(MINUTE_MICROS);
        let after = Micros(current.point.at.0.saturating_sub(span));
        let points = kept.past.iter().chain([&current.point]);
        points.filter(|point| point.at > after).cloned().collect()
    }

    /// When the first look was taken.
    #[must_use]
    pub fn since(&self) -> Option<Micros> {
        self.minutes().since
    }

    fn minutes(&self) -> MutexGuard<'_, Minutes> {
        // Points are whole at every moment, so one who panicked left nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn see(&mut self, figures: Figures, lag: f64) {
        let (began, point) = (self.began, &mut self.point);
        point.captured = figures.captured.saturating_sub(began.captured);
        point.delivered = figures.delivered.saturating_sub(began.delivered);
        point.dead_letters = figures.dead_letters.saturating_sub(began.dead_letters);
        point.api_calls = figures.api_calls.saturating_sub(began.api_calls);
        point.dead_letters_open = figures.dead_letters_open;
        point.lag_seconds = lag;
        point.lag_max_seconds = point.lag_max_seconds.max(lag);
        self.last = figures;
    }
}

impl Figures {
    fn of(status: &Status) -> Self {
        let mut figures = Figures {
            api_calls: status.delivery.api_calls_made,
            ..Figures::default()
        };
        for route in &status.routes {
            figures.captured += route.captured;
            figures.delivered += route.totals.delivered();
            figures.dead_letters += route.totals.dead_lettered.values().sum::<u64>();
            figures.dead_letters_open += route.totals.dead_letters_open;
        }
        figures
    }
}

#[cfg(test)]
mod tests;
