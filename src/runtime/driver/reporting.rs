//! What the driver shows: metrics as things happen, the status a few times a second.

use super::{CallReport, Commit, Driver, Entry};
use crate::capture;
use crate::core::entry::{ServiceEvent, Totals};
use crate::core::outcome::CallOutcome;
use crate::core::pipeline::{PipelineView, RoutePause, RouteView, Trouble};
use crate::core::time::{Micros, Tick};
use crate::delivery;
use crate::runtime::clock;
use crate::runtime::errors::with_causes;
use crate::runtime::status::{BulkStatus, DeliveryStatus, RouteStatus, StateStatus, TroubleStatus};
use crate::runtime::store_status;
use crate::telemetry::metrics::{Metrics, raise};

impl Driver {
    /// Counts what a commit says.
    pub(super) fn observe(&self, commit: &Commit) {
        let metrics = &self.parts.metrics;
        for job in &commit.jobs {
            let outcome = if job.ended { "ended" } else { "created" };
            let jobs = &metrics.bulk_jobs;
            jobs.with_label_values(&[job.route.as_str(), outcome]).inc();
        }
        for entry in &commit.entries {
            match entry {
                Entry::Delivered {
                    subject, attempt, ..
                } => {
                    // A row that was there long before says nothing about the stream.
                    if subject.id.transaction.id.is_snapshot() {
                        continue;
                    }
                    let committed = subject.id.transaction.committed_at;
                    self.freshness[usize::from(subject.id.route.0)]
                        .observe(attempt.answered_at.seconds_since(committed).max(0.0));
                }
                Entry::DeadLettered { class, attempt, .. } => {
                    let stage = if attempt.is_some() {
                        "record"
                    } else {
                        "mapping"
                    };
                    metrics
                        .errors
                        .with_label_values(&[stage, class.as_str()])
                        .inc();
                }
                Entry::Retried { class, .. } => {
                    metrics
                        .errors
                        .with_label_values(&["record", class.as_str()])
                        .inc();
                }
                Entry::Service {
                    event: ServiceEvent::RoutePaused,
                    detail,
                } => {
                    tracing::error!(
                        page = detail.split(": ").nth(1).unwrap_or_default(),
                        remedy = "see `leadstream status`",
                        "rows wait for another mapping: {detail}"
                    );
                }
                Entry::Act(act) => {
                    tracing::info!(
                        act = act.kind.as_str(),
                        author = act.author,
                        route = act.route,
                        "a person asked for it"
                    );
                }
                Entry::Service { event, detail } => {
                    tracing::info!(event = ?event, detail, "journalled");
                }
                Entry::Superseded { .. }
                | Entry::Filtered { .. }
                | Entry::Skipped { .. }
                | Entry::SkippedRecord { .. }
                | Entry::Parked { .. }
                | Entry::Unanswered { .. }
                | Entry::Edited { .. }
                | Entry::Replayed { .. }
                | Entry::Discarded { .. }
                | Entry::LetterOutdated { .. } => {}
            }
        }
    }

    pub(super) fn observe_report(&self, report: &CallReport) {
        let metrics = &self.parts.metrics;
        metrics
            .request_duration
            .observe(report.answered_at.seconds_since(report.sent_at).max(0.0));
        if let CallOutcome::Failed(failure) = &report.outcome {
            metrics
                .errors
                .with_label_values(&["request", failure.class.as_str()])
                .inc();
            tracing::warn!(
                page = failure.page,
                code = failure.code,
                unknown = failure.unknown,
                "a call failed: {}",
                failure.text
            );
        }
    }

    pub(super) fn note_reconnect(&self, trouble: TroubleStatus) {
        let metrics = &self.parts.metrics;
        metrics.capture_connected.set(0);
        metrics.capture_reconnects.inc();
        metrics
            .errors
            .with_label_values(&["capture", "network"])
            .inc();
        self.parts.published.update(|status| {
            status.source.connected = false;
            status.source.reconnects += 1;
            status.source.set_trouble(trouble);
        });
    }

    pub(super) fn note_capture_stopped(&self, error: &capture::Error) {
        tracing::error!(
            page = error.page(),
            remedy = error.remedy(),
            "capture stopped: {}",
            with_causes(error)
        );
        let metrics = &self.parts.metrics;
        metrics.capture_connected.set(0);
        metrics.capture_stopped.set(1);
        metrics
            .errors
            .with_label_values(&["capture", "configuration"])
            .inc();
        let trouble = TroubleStatus {
            page: error.page().to_owned(),
            text: with_causes(error),
            remedy: error.remedy(),
            since: clock::wall(),
            attempt: 1,
            next_try: None,
        };
        self.parts.published.update(|status| {
            status.source.connected = false;
            status.source.stopped = true;
            status.source.trouble = Some(trouble);
        });
    }

    /// Publishes the pipeline's view, and moves the metrics that follow from it.
    pub(super) fn publish(&mut self) {
        let view = self.parts.pipeline.view();
        let usage = self.parts.org.usage();
        self.set_metrics(&view);
        let snapshot = self.observe_snapshot(view.snapshot.as_ref(), view.snapshot_waits);
        let metrics = &self.parts.metrics;
        raise(&metrics.api_calls, usage.calls_made);
        raise(&metrics.logins, usage.logins);
        metrics.api_used.set(signed(usage.api_used.unwrap_or(0)));
        metrics.api_limit.set(signed(usage.api_limit.unwrap_or(0)));
        let (tick, wall) = (clock::tick(), clock::wall());
        let trouble = |trouble: &Trouble| trouble_status(trouble, tick, wall);
        let org_trouble = view.org_trouble.as_ref().map(trouble);
        let delivery = DeliveryStatus {
            calls_in_flight: view.calls_in_flight,
            allowed_in_flight: view.allowed_in_flight,
            trouble: org_trouble.or_else(|| self.hold_trouble(tick, wall)),
            api_calls_made: usage.calls_made,
            api_used: usage.api_used,
            api_limit: usage.api_limit,
            logins: usage.logins,
            budget: self.observe_budget(wall),
            instance_url: self.parts.org.instance_url(),
        };
        let state = StateStatus {
            parked_bytes: view.parked_bytes,
            records: view.records,
            ..store_status::look(&self.parts.journal, &self.parts.index, metrics)
        };
        let routes = view
            .routes
            .iter()
            .zip(&self.parts.routes)
            .map(|(route, target)| {
                let mut status = route_status(route, trouble);
                status.object = target.plan.object.to_string();
                if let Some(pause) = &route.pause {
                    status.trouble = Some(pause_status(pause, tick, wall));
                }
                status
            })
            .collect();
        // The index follows by itself: without another look its lag would be shown for ever.
        self.dirty = state.index_applied < state.last_commit;
        self.parts.published.update(|status| {
            status.delivery = delivery;
            status.routes = routes;
            status.snapshot = snapshot;
            status.checkpoint_waits = view.checkpoint_waits;
            status.oldest_unsettled = view.oldest_unsettled;
            status.checkpoint = Some(self.parts.checkpoint.clone());
            status.checkpoint_at = self.checkpoint_at.or(status.checkpoint_at);
            status.state = state;
        });
        self.published_at = tick;
    }

    fn set_metrics(&self, view: &PipelineView) {
        let metrics = &self.parts.metrics;
        for route in &view.routes {
            let books = Books {
                route: &route.name,
                captured: route.captured,
                in_flight: route.in_flight,
                totals: &route.totals,
            };
            books.show(metrics);
            let key_changes = metrics.key_changes.with_label_values(&[&route.name]);
            raise(&key_changes, route.key_changes);
            let bulk = route
                .bulk
                .as_ref()
                .map_or(0, |bulk| BulkStatus::new(bulk).records());
            let gauge = metrics.bulk_records.with_label_values(&[&route.name]);
            gauge.set(signed(bulk));
            let paused = metrics.delivery_paused.with_label_values(&[&route.name]);
            let holds_back = route.pause.as_ref().is_some_and(|pause| pause.holds_back);
            paused.set(i64::from(route.trouble.is_some() || holds_back));
        }
        let paused = metrics.delivery_paused.with_label_values(&["*"]);
        paused.set(i64::from(view.org_trouble.is_some()));
        metrics
            .calls_in_flight
            .set(signed(view.calls_in_flight as u64));
        metrics.parked_bytes.set(signed(view.parked_bytes));
        metrics.spool_bytes.set(signed(self.bulk.spool_bytes()));
        if let Some(at) = self.checkpoint_at {
            metrics.checkpoint_time.set(at.0 as f64 / 1e6);
        }
    }
}

/// One route's books, on their way to the metrics.
pub(in crate::runtime) struct Books<'a> {
    pub route: &'a str,
    pub captured: u64,
    pub in_flight: u64,
    pub totals: &'a Totals,
}

impl Books<'_> {
    pub(in crate::runtime) fn show(&self, metrics: &Metrics) {
        let (name, totals) = ([self.route], self.totals);
        raise(&metrics.captured.with_label_values(&name), self.captured);
        let delivered = |outcome| metrics.delivered.with_label_values(&[name[0], outcome]);
        raise(&delivered("created"), totals.created);
        raise(&delivered("updated"), totals.updated);
        for (rule, count) in &totals.skipped {
            let skipped = metrics.skipped.with_label_values(&[name[0], rule.as_str()]);
            raise(&skipped, *count);
        }
        for (class, count) in &totals.dead_lettered {
            let counter = metrics.dead_lettered.with_label_values(&[name[0], class]);
            raise(&counter, *count);
        }
        let discarded = metrics.discarded.with_label_values(&name);
        raise(&discarded, totals.discarded);
        let set = |gauge: &prometheus::IntGaugeVec, value| {
            gauge.with_label_values(&name).set(signed(value));
        };
        set(&metrics.dead_letters_open, totals.dead_letters_open);
        set(&metrics.parked, totals.parked);
        set(&metrics.in_flight, self.in_flight);
        let balance = self.captured == totals.accounted() + self.in_flight;
        set(&metrics.books_balanced, u64::from(balance));
    }
}

fn route_status(route: &RouteView, trouble: impl Fn(&Trouble) -> TroubleStatus) -> RouteStatus {
    RouteStatus {
        name: route.name.clone(),
        captured: route.captured,
        in_flight: route.in_flight,
        totals: route.totals.clone(),
        balances: route.balances(),
        trouble: route.trouble.as_ref().map(trouble),
        bulk: route.bulk.as_ref().map(BulkStatus::new),
        operator_pause: (route.pause.as_ref()).and_then(|pause| pause.operator.clone()),
        object: String::new(),
    }
}

fn trouble_status(trouble: &Trouble, tick: Tick, wall: Micros) -> TroubleStatus {
    let failure = &trouble.failure;
    TroubleStatus {
        page: failure.page.to_owned(),
        text: failure.line(),
        remedy: delivery::remedy(failure.page).to_string(),
        since: Micros(wall.0 - signed(tick.since(trouble.since)) * 1000),
        attempt: trouble.attempt,
        next_try: Some(later(wall, trouble.probe_at.since(tick))),
    }
}

/// A route that waits for a person; nothing is tried until then.
fn pause_status(pause: &RoutePause, tick: Tick, wall: Micros) -> TroubleStatus {
    let since = || Micros(wall.0 - signed(tick.since(pause.since)) * 1000);
    TroubleStatus {
        page: pause.page.to_owned(),
        text: pause.text.clone(),
        remedy: pause.remedy.clone(),
        since: (pause.operator.as_ref()).map_or_else(since, |operator| operator.since),
        attempt: 0,
        next_try: None,
    }
}

/// What stands in the way of the stream, tried again after `delay_ms`.
pub(in crate::runtime) fn source_trouble(
    page: &str,
    text: String,
    remedy: String,
    attempt: u32,
    delay_ms: u64,
) -> TroubleStatus {
    let now = clock::wall();
    TroubleStatus {
        page: page.to_owned(),
        text,
        remedy,
        since: now,
        attempt,
        next_try: Some(later(now, delay_ms)),
    }
}

fn later(now: Micros, millis: u64) -> Micros {
    Micros(now.0.saturating_add(signed(millis).saturating_mul(1000)))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
