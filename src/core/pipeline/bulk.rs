//! Bulk in the pipeline: which records go into a lane, when a lane's records become a job, and what
//! the job does next.
//!
//! One job at a time in a scope, because two of them would be carried out in any order.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Effect, PARK_AT_ONCE, Pipeline, Route};
use crate::core::batching::Record;
use crate::core::bulk::job::{Job, Stage};
use crate::core::bulk::lane::Lane;
use crate::core::bulk::{BulkJob, BulkOrder, BulkStep, LaneSpan, key_number};
use crate::core::change::RouteId;
use crate::core::entry::Recovered;
use crate::core::outcome::RequestFailure;
use crate::core::snapshot::TableSnapshot;
use crate::core::time::{Now, Tick};

/// Jobs at work at the same time: each costs memory for its keys and results, and disk for its file.
const MAX_JOBS: usize = 2;

/// So many records cost several times the calls of a job.
const SAVES_MOST_CALLS: u64 = 5_000;

/// What a route sends by Bulk, as it is shown.
#[derive(Clone, Debug)]
pub struct BulkView {
    /// For people.
    pub why: &'static str,
    /// Gathered for the next job.
    pub waiting: u64,
    pub job: Option<JobView>,
    /// Why calls are used in its place for now.
    pub suspended: Option<RequestFailure>,
}

#[derive(Clone, Debug)]
pub struct JobView {
    pub number: u64,
    /// Salesforce's id.
    pub id: Option<Arc<str>>,
    /// For people.
    pub stage: &'static str,
    /// Without an outcome.
    pub records: u64,
    /// Of them, done in Salesforce as it last said.
    pub processed: u64,
}

/// The lane of a route as a restart finds it: jobs that Salesforce knows are gone on with.
pub(super) fn adopt(route: &str, recovered: &Recovered) -> Lane {
    let mut lane = Lane::default();
    if let Some(job) = recovered.jobs.iter().find(|job| job.route == route) {
        let own = recovered.parked.iter().filter(|it| it.route == route);
        let spans = own.filter(|span| job.holds(span)).map(|span| {
            let end = span.first + u64::from(span.count);
            let settled = recovered.parked_settled.range(span.first..end);
            LaneSpan {
                span: span.clone(),
                settled: settled.copied().collect(),
            }
        });
        lane.job = Some(Job::adopt(job, spans.collect()));
        // What was parked by then may hold newer records of its keys.
        lane.scanned_until = recovered.next_parked;
    }
    lane
}

impl Route {
    /// Whether a record of any key may be on disk: newer ones must wait.
    pub(super) fn blocks(&self) -> bool {
        self.parking.blocks() || self.lane.blocks()
    }
}

impl Pipeline {
    fn of_scope(&self, scope: u16) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter(move |route| route.scope == scope)
    }

    /// Whether a lane holds the record's key, or may.
    fn lane_holds(lane: &Lane, record: &Record) -> bool {
        !lane.is_empty() && (lane.blocks() || lane.holds(key_number(&record.key)))
    }

    /// Whether a lane of the scope holds the record's key.
    pub(super) fn is_in_lane(&self, record: &Record) -> bool {
        let mut scope = self.of_scope(record.scope);
        scope.any(|route| Self::lane_holds(&route.lane, record))
    }

    /// Whether another route's lane does: then it waits, because two lanes keep no order.
    pub(super) fn is_in_other_lane(&self, record: &Record) -> bool {
        let own = usize::from(record.subject.id.route.0);
        let routes = self.routes.iter().enumerate();
        let mut others =
            routes.filter(|(index, route)| *index != own && route.scope == record.scope);
        others.any(|(_, route)| Self::lane_holds(&route.lane, record))
    }

    /// Whether the oldest held record of the scope waits for another route's lane, and with it
    /// everything held behind it.
    pub(super) fn waits_for_lane(&self, scope: u16) -> bool {
        let fronts = self.of_scope(scope).filter_map(|it| it.held.front());
        let oldest = fronts.min_by_key(|held| held.record.slot);
        oldest.is_some_and(|held| self.is_in_other_lane(&held.record))
    }

    pub(super) fn are_lanes_empty(&self, scope: u16) -> bool {
        self.of_scope(scope).all(|route| route.lane.is_empty())
    }

    /// Whether parked records from this serial on may be newer than records in a lane.
    pub(super) fn is_behind_lane(&self, scope: u16, serial: u64) -> bool {
        self.of_scope(scope).any(|route| {
            let first = route.lane.first_serial();
            serial < route.lane.scanned_until && first.is_some_and(|first| first < serial)
        })
    }

    /// Takes a record into its route's lane if that is its way; gives it back if not.
    pub(super) fn enter_lane(&mut self, record: Record) -> Option<Record> {
        if record.slot.is_none() {
            return Some(record);
        }
        let index = usize::from(record.subject.id.route.0);
        let of_snapshot = record.subject.id.transaction.id.is_snapshot();
        let from = self.settings.bulk.from.filter(|_| self.routes[index].bulk);
        if let Some(from) = from.filter(|_| !of_snapshot) {
            let pressed = self.charged >= u64::from(self.settings.window_bytes) / 2;
            let backlog = &mut self.routes[index].lane.backlog;
            backlog.note(pressed, from, record.since);
        }
        let behind = Self::lane_holds(&self.routes[index].lane, &record);
        let wanted = behind
            || from.is_some_and(|from| self.is_backlog(index, of_snapshot, from))
                && self.uses_bulk(index, record.since)
                && !self.planner.holds(record.scope, &record.key);
        if wanted {
            self.routes[index].lane.enter(record);
            return None;
        }
        Some(record)
    }

    /// How many must wait so that jobs are used for what is parked; fewer when their calls would take
    /// much of what the budget has left.
    fn bulk_from(&self, index: usize) -> Option<u64> {
        let from = self.settings.bulk.from?;
        if self.is_short_of_calls(self.routes[index].parking.unread()) {
            return Some(from.min(SAVES_MOST_CALLS));
        }
        Some(from)
    }

    /// Whether so many records would take most of the calls that the budget has left.
    fn is_short_of_calls(&self, records: u64) -> bool {
        let calls = records.div_ceil(self.settings.batch.max_records.max(1) as u64);
        let left = self.affordable_calls();
        left.is_some_and(|left| calls.saturating_mul(2) > left)
    }

    fn is_backlog(&self, index: usize, of_snapshot: bool, from: u64) -> bool {
        let route = &self.routes[index];
        if !of_snapshot {
            return route.lane.backlog.since().is_some();
        }
        let rows = |table: &TableSnapshot| table.rows.max(table.estimated_rows.unwrap_or(0));
        let table = self.running_snapshot().and_then(|it| it.current());
        table.is_some_and(|(_, table)| table.routes.contains(&route.name) && rows(table) >= from)
    }

    /// Whether jobs are possible for a route, as things stand.
    fn uses_bulk(&self, index: usize, now: Tick) -> bool {
        let route = &self.routes[index];
        self.settings.bulk.from.is_some()
            && route.bulk
            && !route.is_shut()
            && self.org.open().is_none()
            && route.circuit.open().is_none()
            && !is_suspended(&route.lane, now)
    }

    /// Does what is due: reads the keys of what has waited on disk, forms jobs, gives orders, parks
    /// what enters the lanes.
    pub(super) fn run_bulk(&mut self, now: Now, effects: &mut Vec<Effect>) {
        effects.extend(self.forgotten.drain(..).map(Effect::Bulk));
        for index in 0..self.routes.len() {
            let settings = self.settings.bulk;
            let lane = &mut self.routes[index].lane;
            lane.backlog.look(lane.entering() > 0, now.tick);
            self.give_back(index, now.tick);
            self.scan_parked(index, now.tick, effects);
            if self.may_form(index, now.tick) {
                self.form_job(index);
            }
            self.order_step(index, now, effects);
            let lane = &self.routes[index].lane;
            let closing = lane.job.is_none() && lane.is_due(&settings, now.tick);
            if lane.entering() > 0 && !closing {
                self.park_entering(index, now, effects);
            }
        }
    }

    fn id_of(index: usize) -> RouteId {
        RouteId(u16::try_from(index).unwrap_or(u16::MAX))
    }

    fn park_entering(&mut self, index: usize, now: Now, effects: &mut Vec<Effect>) {
        let (id, settings) = (Self::id_of(index), self.settings.bulk);
        while self.has_room_to_park() {
            let lane = &mut self.routes[index].lane;
            let records = lane.take_entering(PARK_AT_ONCE, &settings);
            if records.is_empty() {
                return;
            }
            let of_stream = records
                .iter()
                .map(|record| &record.subject.id.transaction)
                .filter(|transaction| !transaction.id.is_snapshot());
            let oldest = of_stream.map(|transaction| transaction.committed_at).min();
            lane.note_committing(self.next_parked, records.len() as u64, oldest);
            self.enter_parked(id, records);
            self.commit(now, effects);
        }
    }

    /// What no job is to take goes by calls; while none go out, too: one of them must find out when
    /// they do again.
    fn give_back(&mut self, index: usize, now: Tick) {
        let few = self.settings.bulk.few();
        let due = |lane: &Lane| {
            let waits = lane
                .due_at(&self.settings.bulk)
                .is_some_and(|due| due <= now);
            waits && lane.waiting() < few
        };
        let lane = &self.routes[index].lane;
        let free = lane.job.is_none() && !lane.is_scanning() && lane.committing() == 0;
        if !free || lane.gathered().is_empty() || self.uses_bulk(index, now) && !due(lane) {
            return;
        }
        let route = &mut self.routes[index];
        let (spans, _) = route.lane.take_gathered();
        route.parking.take_back(spans);
    }

    /// Hands what is parked to the lane when it is much.
    fn scan_parked(&mut self, index: usize, now: Tick, effects: &mut Vec<Effect>) {
        let settings = self.settings.bulk;
        let route = &self.routes[index];
        let much = self
            .bulk_from(index)
            .is_some_and(|from| route.parking.unread() >= from);
        let scope = route.scope;
        if !much
            || !self.uses_bulk(index, now)
            || !route.lane.is_empty()
            || self.is_scope_busy(scope)
            || self.is_scope_paused(scope)
            || !self.may_read(index)
        {
            return;
        }
        let others = self.routes.iter().enumerate();
        let others = others.filter(|(other, it)| *other != index && it.scope == scope);
        let before = others.filter_map(|(_, it)| it.parking.next_serial()).min();
        let before = before.unwrap_or(u64::MAX);
        let until = self.next_parked;
        let route = &mut self.routes[index];
        let parking = &mut route.parking;
        let spans = parking.hand_over(settings.job_records, settings.job_bytes, before);
        route.lane.scan(spans.clone(), until);
        effects.push(Effect::Bulk(BulkOrder {
            route: Self::id_of(index),
            job: 0,
            step: BulkStep::Scan(spans),
        }));
    }

    fn is_scope_busy(&self, scope: u16) -> bool {
        self.of_scope(scope)
            .any(|route| route.lane.job.is_some() || route.lane.is_scanning())
    }

    fn may_form(&self, index: usize, now: Tick) -> bool {
        let route = &self.routes[index];
        let jobs = self.routes.iter().filter(|it| it.lane.job.is_some());
        if route.lane.gathered().is_empty()
            || !route.lane.is_due(&self.settings.bulk, now)
            || route.lane.committing() > 0
            || !self.uses_bulk(index, now)
            || self.is_scope_busy(route.scope)
            || jobs.count() >= MAX_JOBS
        {
            return false;
        }
        // What a job gave back is older, and goes first.
        let first = route.lane.first_serial().unwrap_or(0);
        self.of_scope(route.scope).all(|route| {
            let older = route.parking.next_serial().is_some_and(|it| it < first);
            !older && !route.parking.is_reading()
        })
    }

    fn form_job(&mut self, index: usize) {
        let number = self.next_batch;
        self.next_batch += 1;
        let route = &mut self.routes[index];
        let (spans, keys) = route.lane.take_gathered();
        route.lane.job = Some(Job::new(number, route.name.clone(), spans, keys));
    }

    fn order_step(&mut self, index: usize, now: Now, effects: &mut Vec<Effect>) {
        let route = &self.routes[index];
        let Some(job) = &route.lane.job else { return };
        let may_call = self.org.admits(now.tick) && route.circuit.admits(now.tick);
        let (calls, number, scope) = (job.calls(), job.number(), route.scope);
        if job.due_at().is_none_or(|due| due > now.tick) || calls > 0 && !may_call {
            return;
        }
        if self.settles_ahead(&route.lane) || calls > 0 && !self.may_spend_on_job(calls, now) {
            return;
        }
        let planner = &self.planner;
        let avoid =
            || -> HashSet<u64> { planner.keys_of(scope).map(|it| key_number(it)).collect() };
        let Some(job) = &mut self.routes[index].lane.job else {
            return;
        };
        let Some(step) = job.take_step(avoid) else {
            return;
        };
        if calls > 0 {
            self.note_job_call(calls);
            self.org.note_sent();
            self.routes[index].circuit.note_sent();
        }
        effects.push(Effect::Bulk(BulkOrder {
            route: Self::id_of(index),
            job: number,
            step,
        }));
    }

    /// Whether the results that were entered last wait for results before them to be durable: else all
    /// of a job's records would stand in line for the disk, in memory.
    fn settles_ahead(&self, lane: &Lane) -> bool {
        lane.job.as_ref().is_some_and(Job::is_settling)
            && self.commits_durable + 1 < lane.settled_in
    }

    /// The jobs for a commit.
    pub(super) fn take_jobs(&mut self) -> Vec<BulkJob> {
        let jobs = std::mem::take(&mut self.jobs);
        let created = jobs.iter().filter(|job| !job.ended);
        let awaited = created.map(|job| (self.commits_made, job.number));
        self.jobs_awaited.extend(awaited);
        jobs
    }

    /// Tells jobs that their ids are on disk.
    pub(super) fn note_jobs_durable(&mut self) {
        while let Some((_, number)) = self
            .jobs_awaited
            .pop_front_if(|(commit, _)| *commit <= self.commits_durable)
        {
            let jobs = self.routes.iter_mut().filter_map(|it| it.lane.job.as_mut());
            for job in jobs.filter(|job| job.number() == number) {
                job.note_recorded();
            }
        }
    }

    /// When time alone changes something here.
    pub(super) fn bulk_wakes(&self, seen: Tick) -> Vec<Tick> {
        let settings = &self.settings.bulk;
        let mut wakes = Vec::new();
        for route in &self.routes {
            let lane = &route.lane;
            wakes.extend(lane.due_at(settings).filter(|at| *at > seen));
            wakes.extend(lane.backlog.next_look().filter(|at| *at > seen));
            let Some(job) = &lane.job else { continue };
            if self.settles_ahead(lane) {
                continue;
            }
            let admits_from = if job.calls() > 0 {
                let own = route.circuit.admits_from();
                let admitted = own.zip(self.org.admits_from()).map(|(a, b)| a.max(b));
                admitted.map(|from| from.max(self.paced_from()))
            } else {
                Some(Tick(0))
            };
            let due = job.due_at().zip(admits_from).map(|(a, b)| a.max(b));
            wakes.extend(due);
        }
        wakes
    }

    pub(super) fn bulk_view(&self, route: &Route) -> Option<BulkView> {
        let lane = &route.lane;
        let suspended = lane
            .suspension
            .as_ref()
            .filter(|it| it.until > self.pumped_at);
        if lane.is_empty() && lane.backlog.since().is_none() && suspended.is_none() {
            return None;
        }
        let tables = self.running_snapshot().map(|it| it.tables.iter());
        let is_read = |table: &TableSnapshot| table.routes.contains(&route.name);
        let why = if lane.backlog.since().is_some() {
            "the stream is far behind"
        } else if tables.is_some_and(|mut tables| tables.any(is_read)) {
            "a snapshot is read"
        } else if self.is_short_of_calls(lane.records() + route.parking.unread()) {
            "the budget has few calls for what waits on disk"
        } else {
            "many records waited on disk"
        };
        Some(BulkView {
            why,
            waiting: lane.waiting(),
            job: lane.job.as_ref().map(job_view),
            suspended: suspended.and_then(|it| it.failure.clone()),
        })
    }
}

fn is_suspended(lane: &Lane, now: Tick) -> bool {
    lane.suspension.as_ref().is_some_and(|it| it.until > now)
}

fn job_view(job: &Job) -> JobView {
    let stage = match job.stage() {
        Stage::Scan => "being taken up again",
        Stage::Spool => "its file is written",
        Stage::Create | Stage::Record => "being created",
        Stage::Upload => "uploading",
        Stage::Close | Stage::Poll => "at work in Salesforce",
        Stage::Collect => "its results are read",
        Stage::Settle(_) => "its results are entered",
        Stage::Abort => "being aborted",
        Stage::Over => "over",
    };
    JobView {
        number: job.number(),
        id: job.id().cloned(),
        stage,
        records: job.left(),
        processed: job.processed(),
    }
}
