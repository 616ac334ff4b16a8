//! Objects described again while the stream runs: once an hour, when a route was refused for its
//! configuration, as often as a probe while a mapping does not fit, and on request.
//!
//! The question goes out beside the loop; the hourly one says since when the answer is known, so
//! that most of its answers are empty. What changed is said once; the plans that come of it go to the pipeline.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::task::{JoinError, JoinSet};

use super::{Driver, Error};
use crate::capture::SourceSettings;
use crate::core::change::RouteId;
use crate::core::describe::{FieldDescribe, ObjectDescribe};
use crate::core::entry::ServiceEvent;
use crate::core::mapping::{MappingSpec, Mistake, Plan, outline};
use crate::core::outcome::RequestFailure;
use crate::core::pipeline::{Input, Misfit};
use crate::core::schema::TableSchema;
use crate::core::snapshot::Refusal;
use crate::core::source_row::Lack;
use crate::core::time::Tick;
use crate::delivery::{Described, Org};
use crate::runtime::commands::{Answer, Declined};
use crate::runtime::preview::Sample;
use crate::runtime::routes::{ObjectChange, RouteOutlines};
use crate::runtime::{clock, schemas};

/// An administrator's change shows within it although nothing was refused.
const EVERY_MS: u64 = 3_600_000;

/// What changed is journalled; these are at hand for people.
const CHANGES_KEPT: usize = 20;

/// With fewer calls left, none is spent on looking.
const CALLS_LEFT: u64 = 100;

/// A mapping that Salesforce's side has made unfit.
const PAGE: &str = "LS5008";

/// What plans are made of.
pub(in crate::runtime) struct Describing {
    pub specs: Vec<MappingSpec>,
    /// As the start saw them, and as they were remembered then: a plan keeps its columns.
    pub tables: Vec<TableSchema>,
    pub former: Vec<TableSchema>,
    pub objects: HashMap<String, ObjectDescribe>,
    /// While a mapping does not fit.
    pub retry_ms: u64,
}

/// The driver's part.
pub(super) struct Descriptions {
    parts: Describing,
    since: HashMap<String, String>,
    pub asked: JoinSet<Vec<Told>>,
    due: Tick,
    answers: Vec<Answer>,
    /// What changed since the start, the newest last.
    changes: VecDeque<ObjectChange>,
}

/// What one object's question came to.
pub(super) struct Told {
    object: String,
    result: Result<Option<Described>, RequestFailure>,
}

impl Descriptions {
    /// The object as it was described last.
    pub(super) fn object(&self, name: &str) -> Option<&ObjectDescribe> {
        self.parts.objects.get(name)
    }

    pub(super) fn new(parts: Describing) -> Self {
        Self {
            parts,
            since: HashMap::new(),
            asked: JoinSet::new(),
            due: clock::tick().plus(EVERY_MS),
            answers: Vec::new(),
            changes: VecDeque::new(),
        }
    }

    /// Every route's mapping as it is known now.
    pub(super) fn outlines(&self) -> RouteOutlines {
        let parts = &self.parts;
        let of_spec = |spec: &MappingSpec| {
            let table = parts.tables.iter().find(|it| it.name == spec.table);
            let table = table.or_else(|| parts.former.iter().find(|it| it.name == spec.table));
            outline(spec, table, parts.objects.get(&spec.object))
        };
        RouteOutlines {
            routes: parts.specs.iter().map(of_spec).collect(),
            changes: self.changes.iter().rev().cloned().collect(),
        }
    }

    /// What rows of a route are looked at by.
    pub(super) fn sample(
        &self,
        route: &str,
        settings: Arc<SourceSettings>,
    ) -> Result<Sample, Declined> {
        let spec = self.parts.specs.iter().find(|spec| spec.route == route);
        let Some(spec) = spec else {
            let known = self.parts.specs.iter().map(|spec| spec.route.clone());
            return Err(Declined::from(Refusal::UnknownRoute {
                route: route.to_owned(),
                known: known.collect(),
            }));
        };
        let plan = self.compile(spec).map_err(|misfit| Declined {
            page: misfit.page.to_owned(),
            text: misfit.lack.text,
            remedy: misfit.lack.remedy,
        })?;
        Ok(Sample {
            settings,
            spec: spec.clone(),
            plan,
        })
    }

    fn note_change(&mut self, change: ObjectChange) {
        if self.changes.len() >= CHANGES_KEPT {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }

    /// When time alone asks; not while an answer is awaited.
    pub(super) fn due(&self) -> Option<Tick> {
        self.asked.is_empty().then_some(self.due)
    }

    /// Asks for what changed, or for everything: what a permission takes away need not count as a
    /// change of the object.
    fn ask(&mut self, org: &Org, everything: bool) {
        if !self.asked.is_empty() {
            return;
        }
        let org = org.clone();
        let known: Vec<(String, Option<String>)> = self
            .parts
            .objects
            .keys()
            .map(|object| {
                let since = self.since.get(object).filter(|_| !everything);
                (object.clone(), since.cloned())
            })
            .collect();
        self.asked.spawn(async move {
            let mut told = Vec::new();
            for (object, since) in known {
                let result = org.describe_again(&object, since.as_deref()).await;
                told.push(Told { object, result });
            }
            told
        });
    }

    /// Takes a description in; what changed in it, if anything did.
    fn note(&mut self, object: &str, described: Described) -> Option<String> {
        let Described { object: new, since } = described;
        match since {
            Some(since) => self.since.insert(object.to_owned(), since),
            None => self.since.remove(object),
        };
        let known = self.parts.objects.get_mut(object)?;
        if *known == new {
            return None;
        }
        let what = differences(known, &new);
        *known = new;
        Some(what)
    }

    /// The mapping of each route of these objects.
    fn mappings(&self, objects: &[String]) -> Vec<(RouteId, Result<Arc<Plan>, Misfit>)> {
        let specs = (0_u16..).zip(&self.parts.specs);
        specs
            .filter(|(_, spec)| objects.contains(&spec.object))
            .map(|(route, spec)| (RouteId(route), self.compile(spec)))
            .collect()
    }

    fn compile(&self, spec: &MappingSpec) -> Result<Arc<Plan>, Misfit> {
        let parts = &self.parts;
        let specs = std::slice::from_ref(spec);
        match schemas::compile(specs, &parts.tables, &parts.former, &parts.objects) {
            Ok(compiled) => compiled.plans.into_iter().next().ok_or_else(Vec::new),
            Err(mistakes) => Err(mistakes),
        }
        .map_err(|mistakes| misfit(spec, &mistakes))
    }
}

fn misfit(spec: &MappingSpec, mistakes: &[Mistake]) -> Misfit {
    let (path, text, remedy) = mistakes.first().map_or_else(
        || (spec.path.clone(), "no plan".to_owned(), String::new()),
        |it| {
            let text = format!("{}: {} ({})", it.path, it.text, it.page);
            (it.path.clone(), text, it.remedy.clone())
        },
    );
    let more = match mistakes.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let lack = Lack {
        column: path,
        text: format!("{} has changed in Salesforce: {text}{more}", spec.object),
        remedy: format!(
            "in Salesforce: undo the change, and the route goes on by itself; here: {remedy}; then \
             restart leadstream"
        ),
    };
    Misfit { page: PAGE, lack }
}

impl Driver {
    /// Asks when the time has come, if calls are left.
    pub(super) fn ask_descriptions_by_time(&mut self) {
        let calls = self.parts.pipeline.affordable_calls();
        self.plan_next_description();
        if calls.is_none_or(|left| left >= CALLS_LEFT) {
            let everything = self.parts.pipeline.any_misfit();
            self.descriptions.ask(&self.parts.org, everything);
        }
    }

    /// Asks when a refusal says that something may have changed.
    pub(super) fn ask_descriptions_by_wish(&mut self) {
        if self.parts.pipeline.take_describe_wish() {
            self.descriptions.ask(&self.parts.org, true);
        }
    }

    pub(super) fn ask_descriptions_for(&mut self, answer: Answer) {
        self.descriptions.answers.push(answer);
        self.descriptions.ask(&self.parts.org, true);
    }

    fn plan_next_description(&mut self) {
        let wait = if self.parts.pipeline.any_misfit() {
            self.descriptions.parts.retry_ms.min(EVERY_MS)
        } else {
            EVERY_MS
        };
        self.descriptions.due = clock::tick().plus(wait);
    }

    pub(super) fn take_descriptions(
        &mut self,
        told: Result<Vec<Told>, JoinError>,
    ) -> Result<(), Error> {
        let told = told.unwrap_or_default();
        self.parts.pipeline.note_other_calls(told.len() as u64);
        self.note_usage();
        let (mut changed, mut failed) = (Vec::new(), None);
        for Told { object, result } in told {
            match result {
                Ok(None) => {}
                Ok(Some(described)) => {
                    if let Some(what) = self.descriptions.note(&object, described) {
                        self.descriptions.note_change(ObjectChange {
                            at: clock::wall(),
                            object: object.clone(),
                            what: what.clone(),
                        });
                        let detail = format!("{object}: {what}");
                        let event = ServiceEvent::ObjectAltered;
                        self.step(Input::Note { event, detail })?;
                        changed.push(object);
                    }
                }
                Err(failure) => {
                    tracing::warn!(
                        page = failure.page,
                        object,
                        "the object cannot be described again: {}",
                        failure.line()
                    );
                    failed = Some(failure);
                }
            }
        }
        for (route, mapping) in self.descriptions.mappings(&changed) {
            self.step(Input::Refit { route, mapping })?;
        }
        self.plan_next_description();
        let result = match failed {
            Some(failure) => Err(Declined {
                page: failure.page.to_owned(),
                text: failure.line(),
                remedy: crate::delivery::remedy(failure.page).to_owned(),
            }),
            None => Ok(changed.len() as u64),
        };
        self.publish();
        for answer in self.descriptions.answers.drain(..) {
            // Who asked may have gone meanwhile.
            let _ = answer.send(result.clone());
        }
        Ok(())
    }
}

/// As many fields as a line can name.
const FIELDS_NAMED: usize = 10;

/// What is different, for people: fields by name.
fn differences(before: &ObjectDescribe, after: &ObjectDescribe) -> String {
    let mut found = Vec::new();
    if (before.createable, before.updateable) != (after.createable, after.updateable) {
        found.push("the right to create or edit records".to_owned());
    }
    if before.record_types != after.record_types {
        found.push("record types".to_owned());
    }
    for field in &before.fields {
        match after.field(&field.name) {
            None => found.push(format!("{} is gone", field.name)),
            Some(now) if now != field => found.push(changes(field, now)),
            Some(_) => {}
        }
    }
    let new = after.fields.iter();
    let new = new.filter(|field| before.field(&field.name).is_none());
    found.extend(new.map(|field| format!("{} is new", field.name)));
    if found.is_empty() {
        found.push("the order of its fields".to_owned());
    }
    let more = match found.len().saturating_sub(FIELDS_NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    found.truncate(FIELDS_NAMED);
    format!("{}{more}", found.join(", "))
}

fn changes(before: &FieldDescribe, after: &FieldDescribe) -> String {
    let mut what = Vec::new();
    if before.kind != after.kind {
        what.push("type, length or values");
    }
    if before.is_required() != after.is_required() {
        what.push(if after.is_required() {
            "required now"
        } else {
            "no longer required"
        });
    }
    if (before.createable, before.updateable) != (after.createable, after.updateable) {
        what.push("access");
    }
    if (before.external_id, before.unique, before.case_sensitive)
        != (after.external_id, after.unique, after.case_sensitive)
    {
        what.push("uniqueness");
    }
    if what.is_empty() {
        what.push("label or flags");
    }
    format!("{} ({})", after.name, what.join(", "))
}
