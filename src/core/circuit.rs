//! Whether calls may go out: closed while Salesforce answers, open while it does not.
//!
//! Open, one call at a time is let through as a probe, after a growing pause. The pipeline holds
//! one circuit for the org and one for each route, because a mapping that Salesforce refuses must
//! not stop the other routes.

use super::outcome::{Disposition, RequestFailure};
use super::retry::{Backoff, Jitter};
use super::time::Tick;

#[derive(Clone, Debug, Default)]
pub struct Circuit {
    open: Option<Open>,
}

/// Why and since when nothing goes out.
#[derive(Clone, Debug)]
pub struct Open {
    pub since: Tick,
    /// The last failure.
    pub failure: RequestFailure,
    /// Failures in a row.
    pub attempt: u32,
    pub probe_at: Tick,
    probing: bool,
}

impl Circuit {
    #[must_use]
    pub fn open(&self) -> Option<&Open> {
        self.open.as_ref()
    }

    /// Whether a call may go out now: always when closed; when open, once, as the probe.
    #[must_use]
    pub fn admits(&self, now: Tick) -> bool {
        self.open
            .as_ref()
            .is_none_or(|open| !open.probing && now >= open.probe_at)
    }

    /// Notes that an admitted call went out.
    pub fn note_sent(&mut self) {
        if let Some(open) = &mut self.open {
            open.probing = true;
        }
    }

    /// Notes that the probe failed for a reason that another circuit keeps: this one may probe
    /// again.
    pub fn release_probe(&mut self) {
        if let Some(open) = &mut self.open {
            open.probing = false;
        }
    }

    /// Notes that Salesforce answered; returns true when that closed the circuit.
    pub fn note_answer(&mut self) -> bool {
        self.open.take().is_some()
    }

    /// Notes a failed call; returns true when that opened the circuit.
    pub fn note_failure(
        &mut self,
        failure: RequestFailure,
        backoff: Backoff,
        jitter: &mut Jitter,
        now: Tick,
    ) -> bool {
        let (since, attempt) = match &self.open {
            // Calls that were under way when the circuit opened say nothing new: only the probe
            // counts as another attempt.
            Some(open) if !open.probing => (open.since, open.attempt),
            Some(open) => (open.since, open.attempt.saturating_add(1)),
            None => (now, 1),
        };
        let wait = match failure.disposition {
            Disposition::Pause => backoff.cap_ms,
            Disposition::Backoff | Disposition::Split | Disposition::DeadLetter => {
                backoff.delay_ms(attempt, jitter)
            }
        };
        let opened = self.open.is_none();
        let probe_at = now.plus(wait.max(failure.retry_after_ms.unwrap_or(0)));
        self.open = Some(Open {
            since,
            failure,
            attempt,
            probe_at,
            probing: false,
        });
        opened
    }

    /// From when on a call is admitted; `None` while a probe is under way, because only its answer
    /// can say.
    #[must_use]
    pub fn admits_from(&self) -> Option<Tick> {
        match &self.open {
            None => Some(Tick(0)),
            Some(open) => (!open.probing).then_some(open.probe_at),
        }
    }

    /// Whether it has been open for at least `millis`.
    #[must_use]
    pub fn open_for(&self, millis: u64, now: Tick) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| now.since(open.since) >= millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::outcome::ErrorClass;

    fn failure() -> RequestFailure {
        RequestFailure {
            class: ErrorClass::Network,
            page: "LS2010",
            code: "connect".into(),
            text: "no connection".into(),
            disposition: Disposition::Backoff,
            unknown: false,
            retry_after_ms: None,
        }
    }

    #[test]
    fn an_open_circuit_admits_one_probe_at_a_time() {
        let backoff = Backoff {
            base_ms: 100,
            cap_ms: 1_000,
        };
        let mut jitter = Jitter::new(1);
        let mut circuit = Circuit::default();
        assert!(circuit.admits(Tick(0)));
        assert!(circuit.note_failure(failure(), backoff, &mut jitter, Tick(0)));
        assert!(!circuit.admits(Tick(0)));
        let probe_at = circuit.admits_from().unwrap();
        assert!(circuit.admits(probe_at));
        circuit.note_sent();
        assert!(
            !circuit.admits(Tick(u64::MAX)),
            "a second call beside the probe"
        );
        assert!(!circuit.note_failure(failure(), backoff, &mut jitter, probe_at));
        assert_eq!(circuit.open().unwrap().attempt, 2);
        circuit.note_sent();
        assert!(circuit.note_answer());
        assert!(circuit.admits(Tick(0)));
    }

    #[test]
    fn late_failures_of_calls_under_way_do_not_count_as_attempts() {
        let backoff = Backoff {
            base_ms: 100,
            cap_ms: 1_000,
        };
        let mut jitter = Jitter::new(1);
        let mut circuit = Circuit::default();
        for _ in 0..4 {
            circuit.note_failure(failure(), backoff, &mut jitter, Tick(5));
        }
        assert_eq!(circuit.open().unwrap().attempt, 1);
    }
}
