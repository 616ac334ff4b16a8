//! Compares MySQL, the ledger and Salesforce, route by route, and sends what is missing.
//!
//! Runs beside the service, in a process of its own, and free of terminal and socket: what the ledger
//! and the service know comes through [`Ledger`], what a person sees goes through [`Watcher`]. Each
//! API call is taken from the service's budget before it is made. Nothing is ever deleted, in neither
//! of the two, and nothing is sent but through the running service, as a snapshot of the rows in
//! question: so order per key, books and pacing hold.

mod asking;
mod looking;
mod mending;
mod report;

use std::collections::HashMap;
use std::sync::Arc;

pub use report::{Finding, RepairReport, Report, RouteReport};

pub use asking::By;

use self::asking::Asking;
use super::commands::Declined;
use super::wiring;
use crate::capture::{self, Narrow};
use crate::config::Config;
use crate::core::mapping::MappingSpec;
use crate::core::outcome::RequestFailure;
use crate::core::position::Position;
use crate::core::reconcile::{Comparison, Step};
use crate::delivery::{self, Org};
use crate::runtime::clock;
use crate::runtime::errors::with_causes;

/// What is to be compared, and what is to be done about it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Names; all without any.
    pub routes: Vec<String>,
    /// Parts of the tables; whole tables without any. Of a part, extra records are not looked for.
    pub narrow: Vec<Narrow>,
    pub repair: Repair,
    /// How records are read; whichever takes fewer calls without it.
    pub by: Option<By>,
    /// API calls of the whole run.
    pub max_calls: Option<u64>,
    /// Differences of each kind that the report names.
    pub show: usize,
}

/// What is sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repair {
    #[default]
    Nothing,
    Missing,
    /// What differs, too.
    Different,
}

/// What the ledger and the service know.
pub trait Ledger {
    /// The story of a key, step by step.
    ///
    /// # Errors
    /// It cannot be asked.
    fn story(&self, key: &str) -> Result<Vec<Step>, Declined>;

    /// How far the service is.
    ///
    /// # Errors
    /// It cannot be asked.
    fn progress(&self) -> Result<Progress, Declined>;

    /// Takes a call from the budget.
    ///
    /// # Errors
    /// The budget has none left beside its reserve.
    fn take_call(&self) -> Result<(), Declined>;

    /// Starts a snapshot of the rows of a route for which the condition holds; its number.
    ///
    /// # Errors
    /// No service runs, or it refuses.
    fn start_snapshot(&self, route: &str, condition: String) -> Result<u64, Declined>;

    /// How the last snapshot stands: its number, and how it ended, `None` while it runs.
    ///
    /// # Errors
    /// It cannot be asked.
    fn snapshot(&self) -> Result<Option<(u64, Option<SnapshotEnd>)>, Declined>;
}

/// How a snapshot ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotEnd {
    Finished,
    /// Why not.
    Otherwise(String),
}

/// The service's progress, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    pub running: bool,
    /// Everything before it has its outcome, or is parked, durably.
    pub checkpoint: Option<Position>,
    /// The number of the last durable commit.
    pub last_commit: u64,
    /// Commits up to this number can be asked for; none while the index is rebuilt.
    pub index_applied: u64,
    /// Calls that the budget has beside its reserve; `None` when it has no bound.
    pub affordable: Option<u64>,
}

/// Who watches it work.
pub trait Watcher {
    /// Before the first call of a route's comparison: how many it takes at least.
    fn planned(&self, route: &str, calls: u64, affordable: Option<u64>);
    fn progress(&self, what: &str, done: u64, total: Option<u64>);
}

/// A route with everything that its comparison needs.
struct Prepared {
    spec: MappingSpec,
    plan: Arc<crate::core::mapping::Plan>,
    comparison: Comparison,
    /// All routes that write these records are among those that are compared.
    alone: bool,
}

/// Compares, and mends what was asked for.
///
/// # Errors
/// One side cannot be asked, or the budget does not allow it.
pub async fn run(
    config: &Config,
    request: &Request,
    ledger: &dyn Ledger,
    watcher: &dyn Watcher,
) -> Result<Report, Declined> {
    let started_at = clock::wall();
    let org = Org::new(wiring::org_settings(config), clock::wall).map_err(|error| Declined {
        page: error.page().to_owned(),
        text: with_causes(&error),
        remedy: error.remedy().to_owned(),
    })?;
    org.login().await?;
    let mut asking = Asking::new(&org, ledger, request.max_calls);
    let before = ledger.progress()?;
    if !before.running {
        asking.bound_by_org(config).await?;
    }
    let prepared = prepare(config, request, &mut asking).await?;
    let mut routes = Vec::new();
    for route in &prepared {
        routes.push(looking::compare(config, request, route, &mut asking, watcher).await?);
    }
    let behind = !before.running && routes.iter().any(|it| it.behind);
    Ok(Report {
        started_at,
        ended_at: clock::wall(),
        service_running: before.running,
        behind,
        api_calls: asking.calls(),
        routes: routes.into_iter().map(|it| it.report).collect(),
    })
}

async fn prepare(
    config: &Config,
    request: &Request,
    asking: &mut Asking<'_>,
) -> Result<Vec<Prepared>, Declined> {
    let all = wiring::mapping_specs(config);
    if let Some(unknown) = request
        .routes
        .iter()
        .find(|name| !all.iter().any(|spec| spec.route == **name))
    {
        return Err(crate::core::snapshot::Refusal::UnknownRoute {
            route: unknown.clone(),
            known: all.iter().map(|spec| spec.route.clone()).collect(),
        }
        .into());
    }
    let wanted =
        |spec: &&MappingSpec| request.routes.is_empty() || request.routes.contains(&spec.route);
    let specs: Vec<MappingSpec> = all.iter().filter(wanted).cloned().collect();
    let settings = wiring::source_settings(config);
    let mut tables = wiring::tables_by_config(config);
    tables.retain(|table| specs.iter().any(|spec| spec.table == table.name));
    let preflight = capture::preflight(&settings, &tables).await;
    let known = |spec: &MappingSpec| preflight.tables.iter().any(|it| it.name == spec.table);
    if !specs.iter().all(known) {
        let failed = preflight
            .checks
            .into_iter()
            .find_map(|check| match check.result {
                capture::CheckResult::Failed(error) => Some(error),
                capture::CheckResult::Passed(_) | capture::CheckResult::Warning(_) => None,
            });
        if let Some(error) = failed {
            return Err(error.into());
        }
    }
    let mut objects = HashMap::new();
    for spec in &specs {
        if !objects.contains_key(&spec.object) {
            let described = asking.describe(&spec.object).await?;
            objects.insert(spec.object.clone(), described);
        }
    }
    let plans = wiring::compile_plans(&specs, &preflight.tables, &objects).map_err(|mistakes| {
        let first = mistakes.into_iter().next();
        first.map_or_else(
            || Declined::not_now("the mapping does not fit"),
            |mistake| Declined {
                page: mistake.page.to_owned(),
                text: format!("{}: {}", mistake.path, mistake.text),
                remedy: mistake.remedy,
            },
        )
    })?;
    let mut prepared = Vec::new();
    for (spec, plan) in specs.into_iter().zip(plans) {
        let described = objects.get(&spec.object);
        let Some(comparison) = described.and_then(|it| Comparison::new(&spec, it)) else {
            continue;
        };
        // Records under one external id belong to all routes that write it.
        let mut same = all.iter().filter(|other| {
            other.object.eq_ignore_ascii_case(&spec.object)
                && other.external_id.eq_ignore_ascii_case(&spec.external_id)
        });
        let alone = same.next().is_some() && same.next().is_none();
        prepared.push(Prepared {
            spec,
            plan,
            comparison,
            alone,
        });
    }
    Ok(prepared)
}

impl From<RequestFailure> for Declined {
    fn from(failure: RequestFailure) -> Self {
        Self {
            page: failure.page.to_owned(),
            text: failure.line(),
            remedy: delivery::remedy(failure.page).to_owned(),
        }
    }
}
