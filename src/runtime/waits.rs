//! The pauses of a start that waits for one of its sides.

use std::time::Duration;

use super::clock;
use super::status::TroubleStatus;
use crate::config::Retry;
use crate::core::retry::{Backoff, Jitter};
use crate::core::time::Micros;

/// The pauses of one wait.
pub(super) struct Waits {
    backoff: Backoff,
    jitter: Jitter,
    attempt: u32,
    since: Micros,
}

impl Waits {
    pub(super) fn new(retry: &Retry) -> Self {
        Self {
            backoff: Backoff {
                base_ms: retry.base_ms,
                cap_ms: retry.cap_ms,
            },
            jitter: Jitter::new(clock::wall().0.unsigned_abs()),
            attempt: 0,
            since: clock::wall(),
        }
    }

    pub(super) fn next(
        &mut self,
        page: &str,
        text: String,
        remedy: String,
    ) -> (TroubleStatus, Duration) {
        self.attempt += 1;
        let millis = self.backoff.delay_ms(self.attempt, &mut self.jitter);
        let next = clock::wall().0 + i64::try_from(millis * 1000).unwrap_or(i64::MAX / 2);
        let trouble = TroubleStatus {
            page: page.to_owned(),
            text,
            remedy,
            since: self.since,
            attempt: self.attempt,
            next_try: Some(Micros(next)),
        };
        (trouble, Duration::from_millis(millis))
    }
}
