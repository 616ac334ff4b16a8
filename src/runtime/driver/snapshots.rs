//! Snapshots in the driver: commands in, orders to the reader out, and what people see of them.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::{JoinError, JoinSet};

use super::{Driver, Error};
use crate::capture::{self, RoutedTable, SnapshotNews, SnapshotOrder, SourceSettings};
use crate::core::acts::ActKind;
use crate::core::pipeline::{Input, SnapshotInput};
use crate::core::snapshot::{Refusal, Snapshot, SnapshotReason, SnapshotRequest, SnapshotState};
use crate::core::time::Tick;
use crate::runtime::clock;
use crate::runtime::commands::{Answer, Command, Declined};
use crate::runtime::errors::with_causes;
use crate::runtime::status::SnapshotStatus;

/// What a snapshot is checked against before it begins.
#[derive(Clone)]
pub(in crate::runtime) struct SnapshotSource {
    pub settings: Arc<SourceSettings>,
    pub tables: Arc<[RoutedTable]>,
}

const CAPTURE_OVER: &str = "capture stopped and waits for a person";

/// Progress is logged this often at most.
const LOG_EVERY_MS: u64 = 30_000;

/// The driver's part in snapshots.
#[derive(Default)]
pub(super) struct Snapshots {
    /// Not yet taken by the reader.
    orders: VecDeque<SnapshotOrder>,
    pub checks: JoinSet<Checked>,
    waiting: Option<String>,
    /// Of the failure that was seen.
    remedy: Option<String>,
    rate: Rate,
    /// As the metrics count it.
    counted: Option<Snapshot>,
    logged_at: Tick,
}

/// A snapshot that was asked for, looked at by the source.
pub(super) struct Checked {
    request: SnapshotRequest,
    author: String,
    result: Result<(), capture::Error>,
    answer: Answer,
}

/// Waits until the reader can be given an order, or is gone.
pub(super) async fn room(orders: &mpsc::Sender<SnapshotOrder>) {
    // The driver is the only sender: the room is still there when it sends.
    let _ = orders.reserve().await;
}

impl Snapshots {
    pub(super) fn note_order(&mut self, order: SnapshotOrder) {
        self.orders.push_back(order);
    }

    pub(super) fn owes_orders(&self) -> bool {
        !self.orders.is_empty()
    }
}

impl Driver {
    /// Gives the reader as many orders as there is room for.
    pub(super) fn send_orders(&mut self) {
        while let Some(order) = self.snapshots.orders.pop_front() {
            match self.parts.snapshot_orders.try_send(order) {
                Ok(()) => {}
                Err(TrySendError::Full(order)) => {
                    self.snapshots.orders.push_front(order);
                    return;
                }
                // Without a reader nothing is to be ordered any more.
                Err(TrySendError::Closed(_)) => self.snapshots.orders.clear(),
            }
        }
    }

    pub(super) fn take_command(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Command::StartSnapshot {
                routes,
                condition,
                author,
                answer,
            } => {
                let request = SnapshotRequest {
                    reason: SnapshotReason::Requested,
                    routes,
                    condition,
                };
                self.check_snapshot(request, author, answer);
                Ok(())
            }
            Command::Letters(command) => self.take_letter_command(command),
            Command::Route(command) => self.take_route_command(command),
            Command::CancelSnapshot { author, answer } => {
                let number = self.parts.pipeline.running_snapshot().map(|it| it.number);
                if number.is_some() {
                    self.step(Input::Snapshot(SnapshotInput::Cancel))?;
                    self.note_act(ActKind::CancelSnapshot, author)?;
                    self.publish();
                }
                let result = number.ok_or(Refusal::NotRunning).map_err(Declined::from);
                // Who asked may have gone meanwhile.
                let _ = answer.send(result);
                Ok(())
            }
            Command::Describe { author, answer } => {
                self.note_act(ActKind::Describe, author)?;
                self.ask_descriptions_for(answer);
                Ok(())
            }
            Command::SpendCalls { calls, answer } => {
                let result = self.spend_calls(calls);
                // Who spends looks at what is left.
                self.publish();
                let _ = answer.send(result);
                Ok(())
            }
            Command::NoteLogLevel {
                author,
                now,
                answer,
            } => self.note_log_level(author, now, answer),
            Command::Fields { route, answer } => {
                let _ = answer.send(self.route_fields(&route));
                Ok(())
            }
            Command::Routes { answer } => {
                let _ = answer.send(Ok(self.descriptions.outlines()));
                Ok(())
            }
            Command::Sample { route, answer } => {
                let settings = Arc::clone(&self.parts.snapshot_source.settings);
                let _ = answer.send(self.descriptions.sample(&route, settings));
                Ok(())
            }
        }
    }

    /// Asks the source whether the snapshot can be read, beside the loop.
    fn check_snapshot(&mut self, request: SnapshotRequest, author: String, answer: Answer) {
        if self.capture_over {
            let declined = Declined::not_now(CAPTURE_OVER);
            let _ = answer.send(Err(declined));
            return;
        }
        let snapshot = match self.parts.pipeline.plan_snapshot(&request, clock::wall()) {
            Ok(snapshot) => snapshot,
            Err(refusal) => {
                let _ = answer.send(Err(refusal.into()));
                return;
            }
        };
        let SnapshotSource { settings, tables } = self.parts.snapshot_source.clone();
        self.snapshots.checks.spawn(async move {
            let result = capture::check_snapshot(&settings, &tables, &snapshot).await;
            Checked {
                request,
                author,
                result,
                answer,
            }
        });
    }

    pub(super) fn take_checked(
        &mut self,
        checked: Result<Checked, JoinError>,
    ) -> Result<(), Error> {
        // A check that panicked took its asker's answer with it, which says enough there.
        let Ok(Checked {
            request,
            author,
            result,
            answer,
        }) = checked
        else {
            return Ok(());
        };
        if answer.is_closed() {
            // Whoever asked has been told that nothing came of it.
            tracing::info!("a snapshot is not begun: whoever asked for it has gone");
            return Ok(());
        }
        let SnapshotRequest {
            reason,
            routes,
            condition,
        } = request;
        let result = match result {
            Ok(()) if self.capture_over => Err(Declined::not_now(CAPTURE_OVER)),
            Ok(()) => self
                .start_snapshot(reason, routes.as_deref(), condition)?
                .map_err(Declined::from),
            Err(error) => Err(error.into()),
        };
        if result.is_ok() {
            self.note_act(ActKind::StartSnapshot, author)?;
        }
        let _ = answer.send(result);
        Ok(())
    }

    /// Begins a snapshot of these routes' tables (`None`: of all); gives its number.
    pub(super) fn start_snapshot(
        &mut self,
        reason: SnapshotReason,
        routes: Option<&[String]>,
        condition: Option<String>,
    ) -> Result<Result<u64, Refusal>, Error> {
        let request = SnapshotRequest {
            reason,
            routes: routes.map(<[String]>::to_vec),
            condition,
        };
        let snapshot = match self.parts.pipeline.plan_snapshot(&request, clock::wall()) {
            Ok(snapshot) => snapshot,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let number = snapshot.number;
        self.snapshots.waiting = None;
        self.step(Input::Snapshot(SnapshotInput::Start(snapshot)))?;
        // Who asks next is to see it.
        self.publish();
        Ok(Ok(number))
    }

    pub(super) fn take_news(&mut self, number: u64, news: SnapshotNews) -> Result<(), Error> {
        // News may wait in the queue while a command ends their snapshot and begins another.
        let running = self.parts.pipeline.running_snapshot();
        if running.is_none_or(|snapshot| snapshot.number != number) {
            return Ok(());
        }
        let input = match news {
            SnapshotNews::Estimated { table, rows } => SnapshotInput::Estimated { table, rows },
            SnapshotNews::Waiting { reason } => {
                // A reason may change with every look, as a number of threads does.
                match (&self.snapshots.waiting, &reason) {
                    (None, Some(reason)) => tracing::info!(reason, "the snapshot pauses"),
                    (Some(_), None) => tracing::info!("the snapshot goes on"),
                    (None, None) | (Some(_), Some(_)) => {}
                }
                self.snapshots.waiting = reason;
                self.dirty = true;
                return Ok(());
            }
            SnapshotNews::Failed { error } => {
                let (page, text) = (error.page().to_owned(), with_causes(&error));
                let remedy = error.remedy();
                tracing::error!(page, remedy, "the snapshot failed: {text}");
                self.snapshots.remedy = Some(remedy);
                SnapshotInput::Failed { page, text }
            }
        };
        self.step(Input::Snapshot(input))
    }

    /// What is shown of the last snapshot; moves its metrics and logs its progress.
    pub(super) fn observe_snapshot(
        &mut self,
        snapshot: Option<&Snapshot>,
        held_back: Option<&'static str>,
    ) -> Option<SnapshotStatus> {
        let snapshot = snapshot?;
        let now = clock::tick();
        // Its reader ended with capture and can say nothing any more.
        let held_back = held_back_by(snapshot, self.capture_over, held_back);
        let own = &mut self.snapshots;
        if !snapshot.is_running() {
            own.waiting = None;
        }
        let mut status = SnapshotStatus::new(snapshot);
        own.rate.note(snapshot.number, status.rows_read, now);
        status = status.at_rate(own.rate.per_second(now));
        status.waiting = held_back.map(str::to_owned).or_else(|| own.waiting.clone());
        if let SnapshotState::Failed { page, .. } = &snapshot.state {
            let remedy = own.remedy.clone();
            status.remedy = remedy.or_else(|| Some(format!("see docs/errors/{page}.md")));
        }
        if snapshot.is_running() && now.since(own.logged_at) >= LOG_EVERY_MS {
            own.logged_at = now;
            tracing::info!(
                snapshot = snapshot.number,
                rows = status.rows_read,
                estimated_rows = status.estimated_rows,
                rows_per_second = status.rows_per_second,
                seconds_left = status.seconds_left,
                waiting = status.waiting,
                "snapshot progress"
            );
        }
        self.count_snapshot(snapshot, &status);
        Some(status)
    }

    fn count_snapshot(&mut self, snapshot: &Snapshot, status: &SnapshotStatus) {
        let metrics = &self.parts.metrics;
        let counted = self.snapshots.counted.as_ref();
        let counted = counted.filter(|counted| counted.number == snapshot.number);
        for (index, table) in snapshot.tables.iter().enumerate() {
            let before = counted.and_then(|counted| counted.tables.get(index));
            let (rows, overtaken) = before.map_or((0, 0), |table| (table.rows, table.overtaken));
            let name = table.table.to_string();
            let counter = metrics.snapshot_rows.with_label_values(&[name.as_str()]);
            counter.inc_by(table.rows.saturating_sub(rows));
            let more = table.overtaken.saturating_sub(overtaken);
            metrics.snapshot_overtaken.inc_by(more);
        }
        self.snapshots.counted = Some(snapshot.clone());
        let running = status.is_running();
        let failed = matches!(snapshot.state, SnapshotState::Failed { .. });
        let estimated = status.estimated_rows.filter(|_| running).unwrap_or(0);
        metrics.snapshot_running.set(i64::from(running));
        metrics.snapshot_failed.set(i64::from(failed));
        let waiting = status.waiting.is_some();
        metrics.snapshot_waiting.set(i64::from(waiting));
        let estimated = i64::try_from(estimated).unwrap_or(i64::MAX);
        metrics.snapshot_estimated_rows.set(estimated);
    }

    /// What a restart found was counted by the process that read it.
    pub(super) fn count_snapshots_from(&mut self, recovered: Option<Snapshot>) {
        self.snapshots.counted = recovered;
    }
}

/// What keeps a snapshot from going on, its reader's own reasons apart.
fn held_back_by(
    snapshot: &Snapshot,
    capture_over: bool,
    pipeline: Option<&'static str>,
) -> Option<&'static str> {
    match capture_over && snapshot.is_running() {
        true => Some(CAPTURE_OVER),
        false => pipeline,
    }
}

/// How fast a snapshot moved over the last minute, pauses included.
#[derive(Debug, Default)]
struct Rate {
    snapshot: u64,
    /// When so many rows were first seen to be read.
    samples: VecDeque<(Tick, u64)>,
}

impl Rate {
    const OVER_MS: u64 = 60_000;
    /// Less time says little.
    const AT_LEAST_MS: u64 = 1_000;

    fn note(&mut self, snapshot: u64, rows: u64, now: Tick) {
        if self.snapshot != snapshot {
            self.snapshot = snapshot;
            self.samples.clear();
        }
        if self.samples.back().is_none_or(|(_, last)| *last != rows) {
            self.samples.push_back((now, rows));
        }
        // The one that reaches back a whole minute stays.
        while self
            .samples
            .get(1)
            .is_some_and(|(at, _)| now.since(*at) >= Self::OVER_MS)
        {
            self.samples.pop_front();
        }
    }

    fn per_second(&self, now: Tick) -> Option<f64> {
        let ((first, from), (_, to)) = (self.samples.front()?, self.samples.back()?);
        let millis = now.since(*first);
        let rows = to.saturating_sub(*from);
        (millis >= Self::AT_LEAST_MS).then(|| rows as f64 * 1000.0 / millis as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Micros;

    #[test]
    fn a_snapshot_without_a_reader_says_why_it_stands() {
        let mut snapshot = Snapshot {
            number: 1,
            reason: SnapshotReason::Requested,
            started_at: Micros(0),
            ended_at: None,
            state: SnapshotState::Running,
            tables: Vec::new(),
            settled: Vec::new(),
        };
        let away = Some("Salesforce does not take records");
        assert_eq!(held_back_by(&snapshot, false, away), away);
        assert_eq!(held_back_by(&snapshot, true, away), Some(CAPTURE_OVER));
        snapshot.end(SnapshotState::Cancelled, Micros(1));
        assert_eq!(held_back_by(&snapshot, true, None), None);
    }

    #[test]
    fn the_rate_is_that_of_the_last_minute() {
        let mut rate = Rate::default();
        rate.note(1, 0, Tick(0));
        assert_eq!(rate.per_second(Tick(500)), None);
        rate.note(1, 2_000, Tick(1_000));
        assert_eq!(rate.per_second(Tick(2_000)), Some(1_000.0));
        // A pause lowers it, even though nothing is noted.
        assert_eq!(rate.per_second(Tick(20_000)), Some(100.0));
        for second in 100..=200 {
            rate.note(1, 2_000 + (second - 99) * 50, Tick(second * 1_000));
        }
        assert_eq!(rate.per_second(Tick(200_000)), Some(50.0));
        rate.note(2, 10, Tick(201_000));
        assert_eq!(rate.per_second(Tick(203_000)), Some(0.0));
    }
}
