//! Running checked queries over the org's records.
//!
//! What is kept of a result between pages are the places of its rows, not the rows: a page shows its records as they
//! are when it is fetched, without those that were deleted since.
use std::ops::Range;
use std::sync::Arc;

use super::leads::Lead;
use super::row::RecordRow;
use super::{LeadStore, Org, Refusal, id, meanwhile};
use crate::schema::{Catalog, ObjectKind};
use crate::soql::{
    self, Access, Budget, Column, Context, Groups, Key, Metered, Output, Plan, Row, compare,
};
use crate::value::Value;

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Most groups that an aggregate query may answer; there is no second page for it.
const MAX_GROUPS: usize = 2_000;

/// Where a query is given up, as Salesforce does it (inference: the figures). About a second of an optimised build,
/// for as long the lead lock is held; some millions of leads with a few plain conditions each.
const MAX_STEPS: u64 = 200_000_000;
/// Held on its way at the same time.
const MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes of a row that waits to be sorted, without its keys.
const SORTED_ROW_BYTES: u64 = 64;
/// Rows times the weight of the filter, from where on a query may take more than a few milliseconds.
const LONG_WEIGHT: u64 = 50_000;
/// Fewest rows that are sorted to find the first ones among them, however few are wanted.
const MIN_SORTED: usize = 1_000;

/// Which leads a query sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visibility {
    Live,
    /// Deleted ones too, as far as the org still has them.
    WithDeleted,
}

/// What a query came to.
pub(crate) enum QueryResult {
    /// `COUNT()`.
    Count(u64),
    Groups {
        columns: Vec<String>,
        rows: Vec<Vec<Value<'static>>>,
    },
    Rows(Selection),
}

/// The rows of a result, by place and in order.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    plan: Arc<Plan>,
    visibility: Visibility,
    places: Arc<[u32]>,
}

/// Parses and checks a query; nothing is looked at but the objects' fields and the date.
pub(crate) fn prepare_query(org: &Org, text: &str) -> Result<Plan, Refusal> {
    let today = org.clock.wall_micros().div_euclid(MICROS_PER_DAY);
    let context = Context {
        catalog: org.catalog(),
        today: i32::try_from(today).unwrap_or(i32::MAX),
    };
    soql::parse(text)
        .and_then(|query| soql::bind(&query, context))
        .map_err(|error| error.refusal(text))
}

/// The same for a query whose rows are exported as a table: rows only, plain values only.
///
/// Refusals are worded as Bulk API 2.0 words them as far as known (inference).
pub(crate) fn prepare_export(org: &Org, text: &str) -> Result<Plan, Refusal> {
    let plan = prepare_query(org, text)?;
    let refused =
        |what: &str| Refusal::new("API_ERROR", format!("{what} not supported in Bulk Query"));
    match &plan.output {
        Output::Count | Output::Groups(_) => Err(refused("Aggregate Relationships")),
        Output::Rows(columns) if columns.iter().any(Column::is_compound) => {
            Err(refused("Compound fields"))
        }
        Output::Rows(_) if plan.offset > 0 => Err(refused("OFFSET")),
        Output::Rows(_) => Ok(plan),
    }
}

/// Finds the rows of a query.
pub(crate) fn run_query(
    org: &Org,
    store: &mut LeadStore,
    plan: Plan,
    visibility: Visibility,
) -> Result<QueryResult, Refusal> {
    let budget = Budget::new(MAX_STEPS, MAX_BYTES);
    let candidates = match &plan.access {
        Access::Ids(ids) => ids.len() as u64,
        Access::Keys { keys, .. } if visibility == Visibility::Live => keys.len() as u64,
        Access::Keys { .. } | Access::All => store.count(),
    };
    if candidates.saturating_mul(plan.filter.weight()) < LONG_WEIGHT {
        return run_within(org, store, plan, visibility, budget);
    }
    let _long = org.long_query();
    meanwhile::aside(|| run_within(org, store, plan, visibility, budget))
}

fn run_within(
    org: &Org,
    store: &mut LeadStore,
    plan: Plan,
    visibility: Visibility,
    budget: Budget,
) -> Result<QueryResult, Refusal> {
    let mut search = Search {
        plan: &plan,
        budget,
        count: 0,
        places: Vec::new(),
        sorted: Vec::new(),
        sorted_bytes: 0,
        groups: Groups::default(),
    };
    match org.records.table(plan.object) {
        None => search_leads(org, store, visibility, &mut search),
        Some(table) => {
            for place in 0..table.len() {
                let row = RecordRow::fixed(org, plan.object, place);
                if row.is_some_and(|row| !search.offer(place, &row)) {
                    break;
                }
            }
        }
    }
    search.sort();
    if search.budget.is_over() {
        return Err(too_long());
    }
    let Search {
        budget,
        count,
        places,
        sorted,
        groups,
        ..
    } = search;
    match &plan.output {
        Output::Count => {
            let wanted = plan.limit.unwrap_or(u64::MAX);
            Ok(QueryResult::Count(
                count.saturating_sub(plan.offset).min(wanted),
            ))
        }
        Output::Groups(grouping) => {
            let rows = groups.finish(&plan, grouping, &budget);
            if budget.is_over() {
                return Err(too_long());
            }
            if rows.len() > MAX_GROUPS {
                let text = "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch";
                return Err(Refusal::new("EXCEEDED_ID_LIMIT", text));
            }
            let columns = plan.column_names().into_iter().map(str::to_owned);
            Ok(QueryResult::Groups {
                columns: columns.collect(),
                rows,
            })
        }
        Output::Rows(_) => {
            let places = if plan.order.is_empty() {
                places
            } else {
                sorted.into_iter().map(|(_, place)| place).collect()
            };
            let places = plan.cut(places);
            Ok(QueryResult::Rows(Selection {
                plan: Arc::new(plan),
                visibility,
                places: places.into(),
            }))
        }
    }
}

fn too_long() -> Refusal {
    let text = "Your query request was running for too long.";
    Refusal::new("QUERY_TIMEOUT", text)
}

fn search_leads(org: &Org, store: &mut LeadStore, visibility: Visibility, search: &mut Search<'_>) {
    let deleted = visibility == Visibility::WithDeleted;
    let places: Option<Vec<u32>> = match &search.plan.access {
        Access::Ids(ids) => Some(ids.iter().filter_map(|id| id::parse_lead(id)).collect()),
        // Deleted leads are in no index.
        Access::Keys { field, keys } if !deleted => {
            let mut places = Vec::new();
            for key in keys {
                places.extend_from_slice(store.find(&org.schema, *field, key));
            }
            Some(places)
        }
        Access::Keys { .. } | Access::All => None,
    };
    let found: Box<dyn Iterator<Item = (u32, &Lead)>> = match places {
        Some(mut places) => {
            places.sort_unstable();
            places.dedup();
            let seen = |place| Some((place, store.seen(place, deleted)?));
            Box::new(places.into_iter().filter_map(seen))
        }
        None if deleted => Box::new(store.iter_all()),
        None => Box::new(store.iter()),
    };
    for (place, lead) in found {
        let row = RecordRow::lead(org, place, lead);
        if !search.offer(place, &row) {
            return;
        }
    }
}

/// A query on its way over the rows.
struct Search<'p> {
    plan: &'p Plan,
    /// What is left of it.
    budget: Budget,
    count: u64,
    places: Vec<u32>,
    /// Instead of `places`, when they have to be sorted.
    sorted: Vec<(Vec<Key>, u32)>,
    /// Held by `sorted`.
    sorted_bytes: u64,
    groups: Groups,
}

impl Search<'_> {
    /// Takes a row into the result if it belongs there; false when no further row can matter.
    fn offer(&mut self, place: u32, row: &RecordRow<'_>) -> bool {
        let plan = self.plan;
        let row = Metered {
            row,
            budget: &self.budget,
            read_steps: row.read_steps(),
        };
        self.budget.spend(1);
        let holds = plan.filter.holds(&|path| row.value(path), &self.budget);
        if self.budget.is_over() {
            return false;
        }
        if !holds {
            return true;
        }
        self.count += 1;
        match &plan.output {
            Output::Count => {}
            Output::Groups(grouping) => {
                self.groups.add(grouping, &row);
                self.budget.hold(self.groups.bytes());
            }
            Output::Rows(_) if plan.order.is_empty() => {
                self.places.push(place);
                return plan.last_wanted().is_none_or(|last| self.count < last);
            }
            Output::Rows(_) => {
                let read = |path| row.value(path);
                let sorts = plan.order.iter();
                let keys: Vec<Key> = sorts.map(|sort| sort.key(&read, &self.budget)).collect();
                self.keep(keys, place);
            }
        }
        !self.budget.is_over()
    }

    /// Keeps a row to be sorted; with a `LIMIT` not many more than are wanted.
    fn keep(&mut self, keys: Vec<Key>, place: u32) {
        self.sorted_bytes += bytes_of(&keys);
        self.sorted.push((keys, place));
        let most = self.wanted().saturating_mul(2).max(MIN_SORTED);
        if self.sorted.len() > most {
            self.sort();
        }
        self.budget.hold(self.sorted_bytes);
    }

    /// Rows that may be in the result.
    fn wanted(&self) -> usize {
        let wanted = self.plan.last_wanted().unwrap_or(u64::MAX);
        usize::try_from(wanted).unwrap_or(usize::MAX)
    }

    /// Sorts the rows that are kept and leaves those that may be in the result.
    fn sort(&mut self) {
        let budget = &self.budget;
        if budget.is_over() || !budget.spend_on_sorting(self.sorted.len(), self.sorted_bytes) {
            return;
        }
        // Stable, so that rows with equal keys stay in the order of their ids.
        let order = &self.plan.order;
        self.sorted
            .sort_by(|(left, _), (right, _)| compare(order, left, right));
        for (keys, _) in self.sorted.drain(self.wanted().min(self.sorted.len())..) {
            self.sorted_bytes -= bytes_of(&keys);
        }
    }
}

fn bytes_of(keys: &[Key]) -> u64 {
    SORTED_ROW_BYTES + keys.iter().map(Key::bytes).sum::<u64>()
}

impl Selection {
    /// Rows in all pages together.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn columns(&self) -> &[Column] {
        match &self.plan.output {
            Output::Rows(columns) => columns,
            Output::Count | Output::Groups(_) => &[],
        }
    }

    /// Shows the rows of a page, which ends where the result does.
    pub(crate) fn visit(
        &self,
        org: &Org,
        store: &LeadStore,
        page: Range<usize>,
        mut show: impl FnMut(&RecordRow<'_>),
    ) {
        let end = page.end.min(self.places.len());
        let places = self.places.get(page.start..end).unwrap_or_default();
        let deleted = self.visibility == Visibility::WithDeleted;
        for place in places {
            let row = match self.plan.object {
                ObjectKind::Lead => store
                    .seen(*place, deleted)
                    .map(|lead| RecordRow::lead(org, *place, lead)),
                object => RecordRow::fixed(org, object, *place),
            };
            if let Some(row) = row {
                show(&row);
            }
        }
    }

    /// The values of a page's rows, in the order of the columns.
    pub(crate) fn values(
        &self,
        org: &Org,
        store: &LeadStore,
        page: Range<usize>,
    ) -> Vec<Vec<Value<'static>>> {
        let mut rows = Vec::new();
        self.visit(org, store, page, |row| {
            let columns = self.columns().iter();
            rows.push(columns.map(|c| row.value(c.path).into_owned()).collect());
        });
        rows
    }
}

impl Org {
    /// The objects of this org.
    pub(crate) fn catalog(&self) -> Catalog<'_> {
        Catalog {
            lead: &self.schema,
            others: &self.read_only_schemas,
        }
    }
}

/// Answers a query over one lead, whatever it says.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz_query(text: &str) {
    use std::sync::OnceLock;

    use super::leads::Stamp;
    static ORG: OnceLock<Org> = OnceLock::new();
    let org = ORG.get_or_init(|| {
        let org = Org::new(crate::OrgConfig::default());
        if let Some(name) = org.schema.find("LastName") {
            let stamp = Stamp { user: 0, micros: 0 };
            org.leads()
                .insert(&[(name, Value::Text("Doe".into()))], stamp);
        }
        org
    });
    if let Ok(plan) = prepare_query(org, text) {
        // A refusal is an answer too.
        let _ = run_query(org, &mut org.leads(), plan, Visibility::WithDeleted);
    }
}

#[cfg(test)]
mod tests;
