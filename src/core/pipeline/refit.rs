//! Plans that change while the pipeline runs, because Salesforce's description of an object did.
//!
//! A new plan maps what comes from then on; records that are mapped already keep their image. While
//! a mapping does not fit its object, nothing of the route is sent: its rows are kept whole, in
//! order, like those that lack a column, and are mapped when it fits again.

use std::sync::Arc;

use super::pause::Pause;
use super::{Held, Pipeline, Route};
use crate::core::batching::Record;
use crate::core::change::{Change, RouteId, Unmapped};
use crate::core::entry::{Entry, ServiceEvent, Subject};
use crate::core::mapping::Plan;
use crate::core::source_row::{Kept, Lack, SourceRow};
use crate::core::time::{Now, Tick};

/// A plan that would compare keys otherwise, or read other columns: what is in memory goes by the
/// old one.
const NOT_WHILE_RUNNING: &str = "LS5009";

/// Why a mapping does not fit its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    pub page: &'static str,
    pub lack: Lack,
}

impl Route {
    /// Nothing of it is sent: its mapping does not fit, or an operator paused it.
    pub(super) fn is_shut(&self) -> bool {
        self.misfit.is_some() || self.operator.is_some()
    }

    /// Whether a call for it may go out.
    pub(super) fn admits(&self, now: Tick) -> bool {
        !self.is_shut() && self.circuit.admits(now)
    }

    /// From when on; `None` while only news can say.
    pub(super) fn admits_from(&self) -> Option<Tick> {
        self.circuit.admits_from().filter(|_| !self.is_shut())
    }

    /// Why it cannot change to this plan while records are in memory.
    fn refuses(&self, plan: &Plan) -> Option<Misfit> {
        let ours = &self.plan;
        let same_records = ours.key_case_sensitive == plan.key_case_sensitive
            && ours.external_id == plan.external_id
            && ours.object == plan.object;
        let what = if !same_records {
            format!(
                "{} is compared otherwise than before: case now {}",
                plan.external_id,
                if plan.key_case_sensitive {
                    "matters"
                } else {
                    "does not matter"
                }
            )
        } else if ours.columns != plan.columns || !ours.field_names().eq(plan.field_names()) {
            "the mapping reads other columns, or names fields otherwise, than before".to_owned()
        } else {
            return None;
        };
        Some(Misfit {
            page: NOT_WHILE_RUNNING,
            lack: Lack {
                column: plan.external_id.to_string(),
                text: what,
                remedy: "restart leadstream, or set the field back; until then the route's rows \
                         wait on disk, in order"
                    .to_owned(),
            },
        })
    }
}

impl Pipeline {
    /// Whether objects should be described again; true once each time.
    pub fn take_describe_wish(&mut self) -> bool {
        std::mem::take(&mut self.asks_describe)
    }

    /// Whether the mapping of any route does not fit.
    #[must_use]
    pub fn any_misfit(&self) -> bool {
        self.routes.iter().any(|route| route.misfit.is_some())
    }

    pub(super) fn has_misfit(&self, route: RouteId) -> bool {
        self.routes[usize::from(route.0)].misfit.is_some()
    }

    /// Whether the mapping of a route that writes these records does not fit.
    pub(super) fn is_scope_unfit(&self, scope: u16) -> bool {
        let mut routes = self.routes.iter().filter(|route| route.scope == scope);
        routes.any(|route| route.misfit.is_some())
    }

    /// Takes what came of an object's new description for one route.
    pub(super) fn take_mapping(
        &mut self,
        id: RouteId,
        mapping: Result<Arc<Plan>, Misfit>,
        now: Now,
    ) {
        let route = self.route(id);
        let mapping = mapping.and_then(|plan| match route.refuses(&plan) {
            Some(misfit) => Err(misfit),
            None => Ok(plan),
        });
        let (event, detail) = match mapping {
            Ok(plan) => {
                route.plan = plan;
                if route.misfit.take().is_none() {
                    return;
                }
                let detail = format!("route {}: its mapping fits Salesforce again", route.name);
                self.map_held(id, now);
                (ServiceEvent::RouteResumed, detail)
            }
            Err(Misfit { page, lack }) => {
                let detail = format!("route {}: {page}: {}", route.name, lack.text);
                let before = route.misfit.take();
                let since = before.as_ref().map_or(now.tick, |pause| pause.since);
                let known = before.is_some_and(|pause| *pause.lack == lack);
                route.misfit = Some(Pause::known(page, lack, since));
                if known {
                    return;
                }
                (ServiceEvent::RoutePaused, detail)
            }
        };
        self.entries.push(Entry::Service { event, detail });
    }

    /// Keeps a row as it was read: what it becomes in Salesforce is not known now.
    pub(super) fn keep_whole(&mut self, change: Change, charge: u32, now: Now) {
        let route = &self.routes[usize::from(change.id.route.0)];
        let Some(misfit) = &route.misfit else { return };
        let kept = |value: Option<_>| value.map_or(Kept::Absent, Kept::Value);
        let columns = route.plan.columns.iter().map(|name| name.as_str().into());
        let row = SourceRow {
            columns: columns.collect(),
            values: Vec::from(change.values).into_iter().map(kept).collect(),
        };
        let unmapped = Unmapped {
            id: change.id,
            last_of_row: change.last_of_row,
            operation: change.operation,
            row: Arc::new(row),
            lack: Arc::clone(&misfit.lack),
            captured_at: change.captured_at,
        };
        self.take_unmapped(unmapped, charge, now);
    }

    /// Maps what was kept whole and never came to the disk, where it stands: but for a pause nothing
    /// of unknown key may be among what is held.
    fn map_held(&mut self, id: RouteId, now: Now) {
        let plan = Arc::clone(&self.route(id).plan);
        for held in std::mem::take(&mut self.route(id).held) {
            let mapped = self.map_one_held(&plan, held, now);
            self.route(id).held.extend(mapped);
        }
    }

    fn map_one_held(&mut self, plan: &Plan, held: Held, now: Now) -> Option<Held> {
        let Held { record, shape } = held;
        if shape.is_none() {
            return Some(Held { record, shape });
        }
        if let Some(lack) = self.lack_of_row(plan, &record.subject) {
            self.pause(record.subject.id.route, &lack, None, now);
            return Some(Held { record, shape });
        }
        let Some(subject) = self.map_whole(plan, record.subject.clone()) else {
            self.note_settled(&record);
            return None;
        };
        let key = plan.comparable_key(&subject.image.key);
        let mut record = Record {
            subject,
            key,
            ..record
        };
        self.doubt_read_again(&mut record, now);
        let shape = None;
        Some(Held { record, shape })
    }

    /// The column that a row kept whole lacks for this plan.
    pub(super) fn lack_of_row(&self, plan: &Plan, subject: &Subject) -> Option<Arc<Lack>> {
        let row = SourceRow::from_json(subject.image.source_row()?).ok()?;
        row.pick(&subject.id.table, &plan.columns)
            .err()
            .map(Arc::new)
    }
}
