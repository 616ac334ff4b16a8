//! When the server and our place do not fit together: what is waited for, visibly, and what follows
//! when history is lost.

use super::reporting::source_trouble;
use super::{Driver, Error, Input, ServiceEvent};
use crate::capture::Waiting;
use crate::core::pipeline::SnapshotInput;
use crate::core::position::{Checkpoint, Position};
use crate::core::snapshot::SnapshotReason;

impl Driver {
    pub(super) fn take_connected(&mut self, server_version: String) -> Result<(), Error> {
        let metrics = &self.parts.metrics;
        metrics.capture_connected.set(1);
        metrics.capture_stopped.set(0);
        metrics.capture_transactions_missing.set(0);
        let waited = self.parts.published.read().source.stopped;
        self.parts.published.update(|status| {
            status.source.connected = true;
            status.source.server_version = Some(server_version);
            status.source.trouble = None;
            status.source.stopped = false;
        });
        if !waited {
            return Ok(());
        }
        self.step(Input::Note {
            event: ServiceEvent::CaptureResumed,
            detail: "the server has what comes next".to_owned(),
        })
    }

    pub(super) fn take_waiting(&mut self, waiting: Waiting) -> Result<(), Error> {
        let Waiting {
            error,
            page,
            remedy,
            attempt,
            delay_ms,
            needs_person,
            transactions_missing,
        } = waiting;
        let metrics = &self.parts.metrics;
        metrics.capture_connected.set(0);
        metrics.capture_stopped.set(i64::from(needs_person));
        let missing = i64::try_from(transactions_missing).unwrap_or(i64::MAX);
        metrics.capture_transactions_missing.set(missing);
        let detail = format!("{page}: {error}");
        let trouble = source_trouble(page, error, remedy, attempt, delay_ms);
        let was_stopped = self.parts.published.read().source.stopped;
        self.parts.published.update(|status| {
            status.source.connected = false;
            status.source.stopped = needs_person;
            status.source.set_trouble(trouble);
        });
        if was_stopped == needs_person {
            return Ok(());
        }
        let event = match needs_person {
            true => ServiceEvent::CaptureStopped,
            false => ServiceEvent::CaptureResumed,
        };
        self.step(Input::Note { event, detail })
    }

    /// The stream's `Restart` comes behind this: a snapshot is begun before the checkpoint moves,
    /// so that no crash in between forgets it.
    pub(super) fn take_history_lost(
        &mut self,
        page: &str,
        error: &str,
        from: &Position,
        to: &Checkpoint,
    ) -> Result<(), Error> {
        tracing::error!(
            page,
            lost_from = %from,
            goes_on_at = %to.position,
            "history lost, going on at the present end: {error}"
        );
        self.parts.metrics.history_lost.inc();
        self.begin_lost_history_snapshot()?;
        let detail = format!("{page}: {error}; goes on at {}", to.position);
        self.step(Input::Note {
            event: ServiceEvent::HistoryLost,
            detail,
        })
    }

    /// Starts the snapshot of all routed tables that brings what the lost part of the binlog held.
    /// One that runs already must begin anew: its finished chunks are older than the loss.
    fn begin_lost_history_snapshot(&mut self) -> Result<(), Error> {
        self.step(Input::Snapshot(SnapshotInput::Cancel))?;
        if let Err(refusal) = self.start_snapshot(SnapshotReason::HistoryLost, None, None)? {
            tracing::error!(
                page = refusal.page(),
                "the snapshot of what may be missing cannot begin: {refusal}"
            );
        }
        Ok(())
    }
}
