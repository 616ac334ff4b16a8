//! From the checked config to each area's own settings, and from both sides' schemas to plans.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::capture::{RoutedTable, SourceSettings, TableRoute};
use crate::config::{self, Config};
use crate::core::batching::BatchLimits;
use crate::core::bulk::BulkSettings;
use crate::core::change::RouteId;
use crate::core::describe::ObjectDescribe;
use crate::core::mapping::{self, FieldSpec, MappingSpec, Mistake, Plan};
use crate::core::pacing::{PaceSettings, Pacing};
use crate::core::pipeline::{PipelineSettings, RoutePolicy, RouteSetup};
use crate::core::retry::Backoff;
use crate::core::schema::{TableName, TableSchema};
use crate::core::source_row::Lack;
use crate::core::time::{Micros, Now};
use crate::delivery::{self, OrgSettings};
use crate::state::{self, StateSettings};

#[must_use]
pub fn source_settings(config: &Config) -> SourceSettings {
    let source = &config.source;
    SourceSettings {
        host: source.host.clone(),
        port: source.port,
        socket: source.socket.clone(),
        user: source.user.clone(),
        password: source.password.clone(),
        tls: source.tls.clone(),
        compression: source.compression,
        server_id: source.server_id,
        heartbeat_ms: source.heartbeat_ms,
        connect_timeout_ms: source.connect_timeout_ms,
        observe_interval_ms: source.observe_interval_ms,
        stall_timeout_ms: source.stall_timeout_ms,
        backoff_base_ms: config.retry.base_ms,
        backoff_cap_ms: config.retry.cap_ms,
        start: source.start,
        prepared_bytes: source.prepared_bytes,
        on_history_lost: source.on_history_lost,
        snapshot: config.snapshot,
        snapshot_filters: Vec::new(),
    }
}

/// What snapshots need not read: of a table all of whose routes have a filter, the rows that every
/// one of them leaves out, as far as SQL can tell.
#[must_use]
pub fn snapshot_filters(config: &Config, plans: &[Arc<Plan>]) -> Vec<(TableName, String)> {
    let mut filters: Vec<(TableName, Option<String>)> = Vec::new();
    for (route, plan) in config.routes.iter().zip(plans) {
        let own = plan.necessary_condition();
        match filters.iter_mut().find(|(table, _)| *table == route.table) {
            Some((_, known)) => {
                *known = known
                    .take()
                    .zip(own)
                    .map(|(known, own)| format!("({known} OR {own})"));
            }
            None => filters.push((route.table.clone(), own.map(str::to_owned))),
        }
    }
    let filters = filters.into_iter();
    filters
        .filter_map(|(table, filter)| Some((table, filter?)))
        .collect()
}

#[must_use]
pub fn org_settings(config: &Config) -> OrgSettings {
    let salesforce = &config.salesforce;
    OrgSettings {
        login_url: salesforce.login_url.clone(),
        api_version: salesforce.api_version.clone(),
        auth: salesforce.auth.clone(),
        requests_per_second: config.pace.requests_per_second,
        max_in_flight: config.pace.max_in_flight,
        request_timeout_ms: salesforce.request_timeout_ms,
        connect_timeout_ms: salesforce.connect_timeout_ms,
        compress: salesforce.compress,
    }
}

#[must_use]
pub fn state_settings(config: &Config) -> StateSettings {
    StateSettings {
        path: config.state.path.clone(),
        payload: config.state.payload,
        segment_bytes: state::DEFAULT_SEGMENT_BYTES,
        reserve_bytes: reserve_bytes(config),
        retention_ms: config.state.audit_retention_ms,
        max_journal_bytes: config.state.max_journal_bytes,
        encryption_key_file: config.state.encryption_key_file.clone(),
        routes: config
            .routes
            .iter()
            .map(|route| route.name.clone())
            .collect(),
    }
}

/// What the outcomes of all calls in flight may take in the journal: a dead letter keeps all that
/// was sent, and the row where a mapping refused it; the rest of a line is well below a kilobyte.
/// The segment's header that may come between takes what two calls do, at least.
fn reserve_bytes(config: &Config) -> u64 {
    const LINE_BYTES: u64 = 1 << 10;
    let records = config.batch.max_records as u64;
    let call = 2 * config.batch.max_bytes as u64 + records * LINE_BYTES;
    call * (config.pace.max_in_flight as u64 + 2)
}

#[must_use]
pub fn pipeline_settings(config: &Config, jitter_seed: u64) -> PipelineSettings {
    PipelineSettings {
        batch: BatchLimits {
            max_records: config.batch.max_records,
            max_bytes: config.batch.max_bytes,
            max_age_ms: config.batch.max_age_ms,
        },
        backoff: Backoff {
            base_ms: config.retry.base_ms,
            cap_ms: config.retry.cap_ms,
        },
        record_attempts: config.retry.record_attempts,
        max_in_flight: config.pace.max_in_flight,
        park_after_ms: config.retry.park_after_ms,
        max_parked_bytes: config.state.max_parked_bytes,
        window_bytes: config.source.window_bytes,
        bulk: BulkSettings::new(config.pace.bulk_from),
        jitter_seed,
    }
}

/// Pacing that knows the calls of before the start: the journal has them by their hour's beginning.
#[must_use]
pub fn pacing(config: &Config, calls_by_hour: &[(Micros, u64)], now: Now) -> Pacing {
    let settings = PaceSettings {
        daily_calls: config.pace.daily_calls,
        reserve_percent: config.pace.reserve_percent,
        hourly_calls: config.pace.hourly_calls,
        quiet: config.pace.quiet_hours.clone(),
        max_age_ms: config.batch.max_age_ms,
        max_age_stretched_ms: config.batch.max_age_stretched_ms,
        max_records: config.batch.max_records,
    };
    // Each is taken for its hour's last, so that none is forgotten too early.
    let calls: Vec<(Micros, u64)> = calls_by_hour
        .iter()
        .map(|(hour, calls)| (Micros(hour.0 + HOUR_MICROS - 1), *calls))
        .collect();
    Pacing::new(settings, config.routes.len(), &calls, now)
}

const HOUR_MICROS: i64 = 3_600_000_000;

/// The mapping of each route, by `RouteId`.
#[must_use]
pub fn mapping_specs(config: &Config) -> Vec<MappingSpec> {
    config
        .routes
        .iter()
        .enumerate()
        .map(|(index, route)| MappingSpec {
            route: route.name.clone(),
            table: route.table.clone(),
            object: route.object.clone(),
            external_id: route.external_id.field.clone(),
            key_column: route.external_id.column.clone(),
            fields: route
                .fields
                .iter()
                .map(|field| FieldSpec {
                    field: field.field.clone(),
                    source: field.source.clone(),
                    trim: field.trim,
                    on_too_long: field.on_too_long,
                })
                .collect(),
            filter: route.filter.clone(),
            on_too_long: route.on_too_long,
            path: format!("route[{index}]"),
        })
        .collect()
}

/// The routed tables with the columns that the config names: enough for the checks before plans
/// exist.
#[must_use]
pub fn tables_by_config(config: &Config) -> Vec<RoutedTable> {
    let columns = |route: &config::Route| {
        let mut names = vec![route.external_id.column.clone()];
        let of_fields = route.fields.iter().flat_map(|field| field.source.columns());
        let filter = route.filter.as_deref();
        let of_filter = filter.map(mapping::expression_columns);
        for name in of_fields.chain(of_filter.into_iter().flatten()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    };
    routed_tables(config, columns)
}

/// The routed tables with each plan's columns in the plan's order.
#[must_use]
pub fn tables_by_plan(config: &Config, plans: &[Arc<Plan>]) -> Vec<RoutedTable> {
    let by_name: HashMap<&str, &Arc<Plan>> = config
        .routes
        .iter()
        .map(|route| route.name.as_str())
        .zip(plans)
        .collect();
    routed_tables(config, |route| {
        by_name
            .get(route.name.as_str())
            .map(|plan| plan.columns.clone())
            .unwrap_or_default()
    })
}

fn routed_tables(
    config: &Config,
    columns: impl Fn(&config::Route) -> Vec<String>,
) -> Vec<RoutedTable> {
    let mut tables: Vec<RoutedTable> = Vec::new();
    for (index, route) in config.routes.iter().enumerate() {
        let table_route = TableRoute {
            name: route.name.clone(),
            route: route_id(index),
            insert: route.operations.insert,
            update: route.operations.update,
            delete: route.operations.delete,
            columns: columns(route),
        };
        match tables.iter_mut().find(|table| table.name == route.table) {
            Some(table) => table.routes.push(table_route),
            None => {
                tables.push(RoutedTable {
                    name: route.table.clone(),
                    routes: vec![table_route],
                });
            }
        }
    }
    tables
}

fn route_id(index: usize) -> RouteId {
    RouteId(u16::try_from(index).unwrap_or(u16::MAX))
}

/// Compiles every route's mapping.
///
/// # Errors
/// Every mistake of every route.
pub fn compile_plans(
    specs: &[MappingSpec],
    tables: &[TableSchema],
    objects: &HashMap<String, ObjectDescribe>,
) -> Result<Vec<Arc<Plan>>, Vec<Mistake>> {
    let mut plans = Vec::new();
    let mut mistakes = Vec::new();
    for spec in specs {
        let (Some(table), Some(object)) = (
            tables.iter().find(|table| table.name == spec.table),
            objects.get(&spec.object),
        ) else {
            // The side that could not be read has said why; a route without a plan must not start.
            mistakes.push(Mistake {
                page: "LS5001",
                path: spec.path.clone(),
                text: format!(
                    "table {} or object {} could not be read",
                    spec.table, spec.object
                ),
                remedy: "run `leadstream check`: it says what is missing".to_owned(),
            });
            continue;
        };
        match mapping::compile(spec, table, object) {
            Ok(plan) => plans.push(Arc::new(plan)),
            Err(found) => mistakes.extend(found),
        }
    }
    if mistakes.is_empty() {
        Ok(plans)
    } else {
        Err(mistakes)
    }
}

/// What rows of a route may run into although its mapping fits; nothing when a side is not known.
#[must_use]
pub fn advise(
    spec: &MappingSpec,
    tables: &[TableSchema],
    objects: &HashMap<String, ObjectDescribe>,
) -> Vec<Mistake> {
    let table = tables.iter().find(|table| table.name == spec.table);
    let both = table.zip(objects.get(&spec.object));
    both.map_or_else(Vec::new, |(table, object)| {
        mapping::advise(spec, table, object)
    })
}

/// What the pipeline needs to know of each route.
#[must_use]
pub fn route_setups(
    config: &Config,
    plans: &[Arc<Plan>],
    lacks: Vec<Option<Lack>>,
) -> Vec<RouteSetup> {
    let mut scopes: Vec<(Arc<str>, Arc<str>)> = Vec::new();
    let mut setups: Vec<RouteSetup> = config
        .routes
        .iter()
        .zip(plans)
        .zip(lacks)
        .map(|((route, plan), lack)| {
            let target = (Arc::clone(&plan.object), Arc::clone(&plan.external_id));
            let scope = scopes
                .iter()
                .position(|known| *known == target)
                .unwrap_or_else(|| {
                    scopes.push(target);
                    scopes.len() - 1
                });
            RouteSetup {
                name: route.name.clone(),
                table: route.table.clone(),
                plan: Arc::clone(plan),
                scope: u16::try_from(scope).unwrap_or(u16::MAX),
                updates: route.operations.update,
                // A job knows neither "the active rule" nor leave to pass over duplicate rules.
                bulk: route.auto_assign != config::AutoAssign::On
                    && route.on_duplicate != delivery::OnDuplicate::Allow,
                lack,
            }
        })
        .collect();
    // A record of a job can be under way for hours: an update cannot wait for that.
    let updated: HashSet<u16> = setups
        .iter()
        .filter(|it| it.updates)
        .map(|it| it.scope)
        .collect();
    for setup in &mut setups {
        setup.bulk &= !updated.contains(&setup.scope);
    }
    setups
}

/// What each route does with refusals that are nobody's mistake, by `RouteId`.
#[must_use]
pub fn policies(config: &Config) -> Vec<RoutePolicy> {
    let policy = |route: &config::Route| RoutePolicy {
        on_converted: route.on_converted,
    };
    config.routes.iter().map(policy).collect()
}

/// Whether assignment rules run, by `RouteId`.
#[must_use]
pub fn auto_assign(config: &Config) -> Vec<delivery::AutoAssign> {
    config
        .routes
        .iter()
        .map(|route| match &route.auto_assign {
            config::AutoAssign::Off => delivery::AutoAssign::Off,
            config::AutoAssign::On => delivery::AutoAssign::On,
            config::AutoAssign::Rule(id) => delivery::AutoAssign::Rule(id.as_str().into()),
        })
        .collect()
}
