//! `leadstream preview`: what would become of rows that are there, by the real mapping, with
//! nothing sent and nothing written. It reads MySQL and Salesforce's description alone; the state
//! folder is not opened, so it works beside a running service.
//!
//! It shows values, because the operator asked for them on their own terminal; `--masked` shows only
//! of what kind they are.

mod show;

use std::collections::HashMap;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::{FAILURE, Failed, Global, USAGE, load, runtime, with_causes};
use crate::capture::{self, CheckResult};
use crate::cli::printer::Printer;
use crate::config::Config;
use crate::core::describe::ObjectDescribe;
use crate::core::mapping::{MappingSpec, Mistake, Plan};
use crate::core::outcome::RequestFailure;
use crate::core::schema::TableSchema;
use crate::delivery::{self, Org};
use crate::runtime::preview::Judged;
use crate::runtime::{clock, wiring};

/// A value of a flag that the configuration does not know.
const WRONG_VALUE: &str = "LS4004";

#[derive(Args)]
pub struct Arguments {
    /// How many rows of each route, the newest first (1 to 1000)
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rows: u32,
    /// Of this route only
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// Shows of what kind the values are instead of the values
    #[arg(long)]
    masked: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    masked: bool,
    routes: Vec<RouteReport>,
}

#[derive(Debug, Serialize)]
struct RouteReport {
    route: String,
    table: String,
    object: String,
    external_id: String,
    #[serde(flatten)]
    judged: Judged,
    /// Why there are no rows.
    failures: Vec<Said>,
    warnings: Vec<Said>,
}

#[derive(Debug, Clone, Serialize)]
struct Said {
    page: String,
    text: String,
    remedy: String,
}

pub fn run(global: &Global, arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    let config = load(global, printer)?;
    let specs: Vec<MappingSpec> = wiring::mapping_specs(&config)
        .into_iter()
        .filter(|spec| arguments.route.as_ref().is_none_or(|it| *it == spec.route))
        .collect();
    if let (Some(name), true) = (&arguments.route, specs.is_empty()) {
        let known: Vec<&str> = config.routes.iter().map(|it| it.name.as_str()).collect();
        let remedy = format!("give one of: {}", known.join(", "));
        let text = format!("--route: there is no route {name:?}");
        printer.error(Some(WRONG_VALUE), &text, Some(&remedy));
        return Err(Failed::Said(USAGE));
    }
    let report = runtime(1)?.block_on(look(&config, &specs, arguments));
    if global.json {
        printer.json(&report)?;
    } else {
        let mut blocks = report.routes.iter().map(show::route);
        printer.data(&blocks.by_ref().collect::<Vec<_>>().join("\n\n"))?;
    }
    if report.routes.iter().all(|route| route.failures.is_empty()) {
        Ok(())
    } else {
        Err(Failed::Said(FAILURE))
    }
}

async fn look(config: &Config, specs: &[MappingSpec], arguments: &Arguments) -> Report {
    let settings = wiring::source_settings(config);
    let mut routed = wiring::tables_by_config(config);
    routed.retain(|table| specs.iter().any(|spec| spec.table == table.name));
    let preflight = capture::preflight(&settings, &routed).await;
    let (objects, refusals) = describe(config, specs).await;
    let mut routes = Vec::new();
    for spec in specs {
        let mut report = RouteReport::new(spec);
        match both_sides(spec, &preflight, &objects, &refusals) {
            Ok(plan) => {
                let advice = wiring::advise(spec, &preflight.tables, &objects);
                report.warnings = advice.into_iter().map(Said::from).collect();
                match capture::newest_rows(&settings, &spec.table, &plan.columns, arguments.rows)
                    .await
                {
                    Ok(rows) => report.judged.take(spec, &plan, rows, arguments.masked),
                    Err(error) => report.failures.push(Said::of_capture(&error)),
                }
            }
            Err(failures) => report.failures = failures,
        }
        routes.push(report);
    }
    Report {
        masked: arguments.masked,
        routes,
    }
}

/// What Salesforce says of each object, and why it says nothing of the others.
async fn describe(
    config: &Config,
    specs: &[MappingSpec],
) -> (HashMap<String, ObjectDescribe>, HashMap<String, Said>) {
    let (mut objects, mut refusals) = (HashMap::new(), HashMap::new());
    let org = match Org::new(wiring::org_settings(config), clock::wall) {
        Ok(org) => match org.login().await {
            Ok(()) => Ok(org),
            Err(failure) => Err(Said::of_request(&failure)),
        },
        Err(error) => Err(Said {
            page: error.page().to_owned(),
            text: with_causes(&error),
            remedy: error.remedy().to_owned(),
        }),
    };
    for spec in specs {
        if objects.contains_key(&spec.object) || refusals.contains_key(&spec.object) {
            continue;
        }
        let described = match &org {
            Ok(org) => org
                .describe(&spec.object)
                .await
                .map_err(|failure| Said::of_request(&failure)),
            Err(said) => Err(said.clone()),
        };
        match described {
            Ok(described) => drop(objects.insert(spec.object.clone(), described)),
            Err(said) => drop(refusals.insert(spec.object.clone(), said)),
        }
    }
    (objects, refusals)
}

/// The route's plan, or everything that stands in its way.
fn both_sides(
    spec: &MappingSpec,
    preflight: &capture::PreflightReport,
    objects: &HashMap<String, ObjectDescribe>,
    refusals: &HashMap<String, Said>,
) -> Result<Arc<Plan>, Vec<Said>> {
    let mut failures = Vec::new();
    if !preflight.tables.iter().any(|table| is_of(table, spec)) {
        // Of a server that can be read but not streamed from yet, the table is known.
        failures.extend(preflight.checks.iter().filter_map(|it| match &it.result {
            CheckResult::Failed(error) => Some(Said::of_capture(error)),
            CheckResult::Passed(_) | CheckResult::Warning(_) => None,
        }));
    }
    failures.extend(refusals.get(&spec.object).cloned());
    if !failures.is_empty() {
        return Err(failures);
    }
    let plans = wiring::compile_plans(std::slice::from_ref(spec), &preflight.tables, objects);
    match plans.map(|mut plans| plans.pop()) {
        Ok(Some(plan)) => Ok(plan),
        Ok(None) => Err(Vec::new()),
        Err(mistakes) => Err(mistakes.into_iter().map(Said::from).collect()),
    }
}

fn is_of(table: &TableSchema, spec: &MappingSpec) -> bool {
    table.name == spec.table
}

impl RouteReport {
    fn new(spec: &MappingSpec) -> Self {
        Self {
            route: spec.route.clone(),
            table: spec.table.to_string(),
            object: spec.object.clone(),
            external_id: spec.external_id.clone(),
            judged: Judged::default(),
            failures: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

impl Said {
    fn of_capture(error: &capture::Error) -> Self {
        Self {
            page: error.page().to_owned(),
            text: with_causes(error),
            remedy: error.remedy(),
        }
    }

    fn of_request(failure: &RequestFailure) -> Self {
        Self {
            page: failure.page.to_owned(),
            text: failure.line(),
            remedy: delivery::remedy(failure.page).to_owned(),
        }
    }
}

impl From<Mistake> for Said {
    fn from(mistake: Mistake) -> Self {
        Self {
            page: mistake.page.to_owned(),
            text: format!("{}: {}", mistake.path, mistake.text),
            remedy: mistake.remedy,
        }
    }
}
