//! Routes that wait for a person to mend their mapping: rows that lack a column are parked whole,
//! everything behind them is parked in order, and after a restart they are mapped anew.
//!
//! A pause that rows have proven lasts until the process ends, because only a new configuration can
//! end it (one that Salesforce's side has made ends there: `refit`); one that is only expected (the table had not all columns at the start) holds nothing up
//! and ends with the first row that fits.

use std::sync::Arc;

use super::{Effect, Held, PARK_AT_ONCE, Pipeline, Route};
use crate::core::acts::OperatorPause;
use crate::core::batching::Record;
use crate::core::change::{Change, RouteId, Unmapped};
use crate::core::entry::{Entry, Image, ParkedRecord, ParkedSpan, ServiceEvent, Subject};
use crate::core::mapping::{Plan, Unmappable};
use crate::core::outcome::RecordError;
use crate::core::source_row::{Lack, SourceRow};
use crate::core::time::{Now, Tick};

/// The page of a route that waits for its columns.
const PAGE: &str = "LS1015";

/// Why a route's rows are kept instead of mapped.
#[derive(Clone, Debug)]
pub(super) struct Pause {
    pub(super) page: &'static str,
    pub(super) lack: Arc<Lack>,
    pub(super) since: Tick,
    /// A row has shown it; until then nothing is held up.
    proven: bool,
    /// Serial of the first row that waits for it; parked records before it still flow.
    from: Option<u64>,
}

/// A paused route, as it is shown.
#[derive(Clone, Debug)]
pub struct RoutePause {
    pub page: &'static str,
    pub text: String,
    pub remedy: String,
    pub since: Tick,
    /// Rows wait; until a row has shown the lack, it is only expected and holds nothing up.
    pub holds_back: bool,
    /// An operator paused it, or a route that writes the same records: `since` is to be read here.
    pub operator: Option<OperatorPause>,
}

impl Pause {
    pub(super) fn expected(lack: Lack) -> Self {
        Self {
            page: PAGE,
            lack: Arc::new(lack),
            since: Tick(0),
            proven: false,
            from: None,
        }
    }

    /// Known from the object's description: it holds everything back at once.
    pub(super) fn known(page: &'static str, lack: Lack, since: Tick) -> Self {
        Self {
            page,
            lack: Arc::new(lack),
            since,
            proven: true,
            from: None,
        }
    }

    fn view(&self) -> RoutePause {
        RoutePause {
            page: self.page,
            text: self.lack.text.clone(),
            remedy: self.lack.remedy.clone(),
            since: self.since,
            holds_back: self.proven,
            operator: None,
        }
    }
}

impl Route {
    /// Whether rows of it wait for another mapping.
    fn holds_back(&self) -> bool {
        self.operator.is_some() || self.why_held_back().is_some()
    }

    fn why_held_back(&self) -> Option<&Pause> {
        let proven = self.pause.as_ref().filter(|pause| pause.proven);
        self.misfit.as_ref().or(proven)
    }
}

impl Pipeline {
    /// Whether a route of the scope is paused: nothing newer may overtake what waits there.
    pub(super) fn is_scope_paused(&self, scope: u16) -> bool {
        let mut routes = self.routes.iter().filter(|route| route.scope == scope);
        routes.any(Route::holds_back)
    }

    /// Why this route's rows are kept: for a lack of its own, or behind a route that writes the same
    /// records.
    pub(super) fn pause_of(&self, route: &Route) -> Option<RoutePause> {
        let own = route.pause.as_ref();
        if let Some(own) = route.operator_pause() {
            return Some(own);
        }
        if let Some(own) = route.why_held_back() {
            return Some(own.view());
        }
        let mut others = self.routes.iter().filter(|it| it.scope == route.scope);
        let why = |it: &Route| {
            it.operator_pause()
                .or_else(|| it.why_held_back().map(Pause::view))
        };
        let behind = others.find_map(|it| Some((&it.name, why(it)?)));
        match behind {
            Some((name, pause)) => Some(RoutePause {
                text: format!("waits behind route {name}: {}", pause.text),
                ..pause
            }),
            None => own.map(Pause::view),
        }
    }

    /// The serial from which on the scope's parked records stay where they are.
    pub(super) fn waits_from(&self, scope: u16) -> u64 {
        if self.is_scope_shut(scope) {
            return 0;
        }
        let routes = self.routes.iter().filter(|route| route.scope == scope);
        let paused = routes.filter(|route| route.holds_back());
        let from = paused.filter_map(|route| route.pause.as_ref()?.from).min();
        from.unwrap_or(u64::MAX)
    }

    pub(super) fn pause(&mut self, id: RouteId, lack: &Arc<Lack>, from: Option<u64>, now: Now) {
        let route = self.route(id);
        if let Some(pause) = &mut route.pause
            && pause.proven
        {
            pause.from = pause.from.into_iter().chain(from).min();
            return;
        }
        let since = route.pause.as_ref().map_or(now.tick, |pause| pause.since);
        route.pause = Some(Pause {
            page: PAGE,
            lack: Arc::clone(lack),
            since,
            proven: true,
            from,
        });
        let detail = format!("route {}: {PAGE}: {}", route.name, lack.text);
        self.entries.push(Entry::Service {
            event: ServiceEvent::RoutePaused,
            detail,
        });
    }

    /// A row fits the mapping: what was only expected did not come, or is over.
    pub(super) fn end_expected_pause(&mut self, id: RouteId) {
        let route = self.route(id);
        if route.pause.is_none() || route.holds_back() {
            return;
        }
        route.pause = None;
        let detail = format!("route {}: its rows have all columns", route.name);
        self.entries.push(Entry::Service {
            event: ServiceEvent::RouteResumed,
            detail,
        });
    }

    /// Takes a row in that cannot be mapped: it waits behind everything older of its scope.
    pub(super) fn take_unmapped(&mut self, unmapped: Unmapped, charge: u32, now: Now) {
        let slot = self.ledger.open(&unmapped.id, 1, unmapped.last_of_row);
        if self.was_settled(&unmapped.id) {
            self.ledger.settle(slot);
            self.release_now += charge;
            return;
        }
        let id = unmapped.id.route;
        if !self.has_misfit(id) {
            self.pause(id, &unmapped.lack, None, now);
        }
        self.charged += u64::from(charge);
        let route = self.route(id);
        route.captured += 1;
        route.in_flight += 1;
        let image = Image::of_source_row(unmapped.row.to_json());
        let record = Record {
            subject: Subject {
                id: unmapped.id,
                operation: unmapped.operation,
                image: Arc::new(image),
                captured_at: unmapped.captured_at,
                parked: None,
                letter: None,
            },
            slot: Some(slot),
            attempts: 0,
            unknown: false,
            unknown_until: Tick(0),
            failed_at: None,
            charge,
            since: now.tick,
            scope: route.scope,
            key: Arc::from(""),
            absorbed: Vec::new(),
        };
        let shape = Some(Arc::clone(&unmapped.row.columns));
        route.held.push_back(Held { record, shape });
    }

    /// Parks what is held in paused scopes, in the stream's order, as far as nothing older of the
    /// same records is in memory alone: after a crash that would be read again, and come last.
    pub(super) fn park_behind_pauses(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for index in 0..self.routes.len() {
            if !self.routes[index].holds_back() {
                continue;
            }
            let scope = self.routes[index].scope;
            while self.has_room_to_park() {
                let Some((id, records)) = self.next_behind_pause(scope) else {
                    break;
                };
                let waits = records[0].subject.image.source_row().is_some();
                let first = self.next_parked;
                self.park(id, records);
                if waits && let Some(pause) = &mut self.route(id).pause {
                    pause.from.get_or_insert(first);
                }
                self.commit(now, effects);
            }
        }
    }

    /// The oldest held records of a scope that may be parked: of one route, and either all mapped
    /// or all with the same columns, so that a span read back fits a mapping as a whole or not.
    fn next_behind_pause(&mut self, scope: u16) -> Option<(RouteId, Vec<Record>)> {
        let in_scope = |route: &&Route| route.scope == scope;
        let front = |route: &Route| route.held.front().and_then(|held| held.record.slot);
        let oldest = self
            .routes
            .iter()
            .filter(in_scope)
            .filter_map(front)
            .min()?;
        let index = self
            .routes
            .iter()
            .position(|route| in_scope(&route) && front(route) == Some(oldest))?;
        let others = self.routes.iter().enumerate();
        let next_of_others = others
            .filter(|(other, route)| *other != index && route.scope == scope)
            .filter_map(|(_, route)| front(route))
            .min();
        let held = &self.routes[index].held;
        let shape = &held.front()?.shape;
        let whole_scope_is_safe =
            !self.planner.holds_unparked_of(scope) && self.are_lanes_empty(scope);
        let count = held
            .iter()
            .take(PARK_AT_ONCE)
            .take_while(|Held { record, shape: own }| {
                let is_next = next_of_others.is_none_or(|other| record.slot < Some(other));
                // The key of a row that is not mapped is not known: it may be anyone's.
                let is_safe = whole_scope_is_safe
                    || own.is_none()
                        && !self.planner.holds_unparked(scope, &record.key)
                        && !self.is_in_lane(record);
                is_next && is_safe && own == shape
            })
            .count();
        let id = RouteId(u16::try_from(index).unwrap_or(u16::MAX));
        let held = self.routes[index].held.drain(..count);
        let records: Vec<Record> = held.map(|held| held.record).collect();
        (!records.is_empty()).then_some((id, records))
    }

    /// The lack that keeps a span on disk, if one does.
    pub(super) fn lack_of(&self, plan: &Plan, records: &[ParkedRecord]) -> Option<Arc<Lack>> {
        let of_row = |record: &ParkedRecord| self.lack_of_row(plan, &record.subject);
        records.iter().find_map(of_row)
    }

    /// Puts a span back whose rows do not fit the mapping yet.
    pub(super) fn keep_waiting(
        &mut self,
        id: RouteId,
        span: ParkedSpan,
        lack: &Arc<Lack>,
        now: Now,
    ) {
        let from = span.first;
        self.route(id).parking.put_back(span);
        self.pause(id, lack, Some(from), now);
    }

    /// Maps a row that has waited; `None` when it has become a dead letter, or its route's filter
    /// leaves it out.
    pub(super) fn map_waited(
        &mut self,
        plan: &Plan,
        serial: u64,
        mut subject: Subject,
    ) -> Option<Subject> {
        if subject.image.source_row().is_none() {
            return Some(subject);
        }
        subject.parked = Some(serial);
        let route = subject.id.route;
        let mapped = self.map_whole(plan, subject);
        if mapped.is_none() {
            self.route(route).parking.note_settled(serial);
        }
        mapped
    }

    /// Maps a row that was kept whole; `None` when that was its end, which is entered.
    pub(super) fn map_whole(&mut self, plan: &Plan, mut subject: Subject) -> Option<Subject> {
        let row = subject.image.source_row().map_or("", |row| row);
        let row = SourceRow::from_json(row).map_err(str::to_owned);
        let values = row.and_then(|row| {
            let picked = row.pick(&subject.id.table, &plan.columns);
            picked.map_err(|lack| lack.text)
        });
        let (image, problems) = match values {
            Ok(values) => {
                let change = Change {
                    id: subject.id.clone(),
                    last_of_row: true,
                    operation: subject.operation,
                    values,
                    captured_at: subject.captured_at,
                };
                let mapped = match plan.leaves_out(&change) {
                    Ok(true) => {
                        subject.image = Arc::new(plan.key_alone(&change));
                        self.entries.push(Entry::Filtered { subject });
                        return None;
                    }
                    Ok(false) => plan.map(&change),
                    Err(undecided) => Err(undecided),
                };
                match mapped {
                    Ok(image) => {
                        subject.image = Arc::new(image);
                        return Some(subject);
                    }
                    Err(Unmappable { image, problems }) => (Arc::new(image), problems),
                }
            }
            Err(message) => {
                let problem = RecordError {
                    code: "UNREADABLE_ROW".to_owned(),
                    message,
                    fields: Vec::new(),
                };
                (Arc::clone(&subject.image), vec![problem])
            }
        };
        subject.image = image;
        self.set_aside_unmapped(subject, problems);
        None
    }
}
