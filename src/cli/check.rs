//! `leadstream check`: every precondition on both sides, each with its remedy.

use std::collections::HashMap;
use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::{FAILURE, Failed, Global, load, runtime, with_causes};
use crate::capture::{self, CheckResult};
use crate::cli::printer::Printer;
use crate::config::Config;
use crate::core::describe::ObjectDescribe;
use crate::core::outcome::RequestFailure;
use crate::core::schema::TableSchema;
use crate::delivery::{self, Org};
use crate::operator::{Query, Reply, ask, check_certificate, token_file};
use crate::runtime::status::Status;
use crate::runtime::{clock, first_start, wiring};
use crate::state;

#[derive(Args)]
pub struct Arguments {
    /// Checks the configuration alone, without talking to MySQL or Salesforce
    #[arg(long)]
    offline: bool,
}

#[derive(Serialize)]
struct Line {
    area: &'static str,
    name: String,
    result: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// The page of a routed column that the table does not have, as capture says it.
const COLUMN_MISSING: &str = "LS1012";

/// Every precondition that was looked at.
#[derive(Serialize)]
pub struct Report {
    pub ok: bool,
    checks: Vec<Line>,
}

pub fn run(global: &Global, arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    let config = load(global, printer)?;
    let report = if arguments.offline {
        let mut lines = vec![configuration()];
        check_port(&config, &mut lines);
        report(lines)
    } else {
        runtime(1)?.block_on(look(&config))
    };
    let ok = report.ok;
    if global.json {
        printer.json(&report)?;
    } else {
        print(&report, printer)?;
    }
    if ok {
        Ok(())
    } else {
        Err(Failed::Said(FAILURE))
    }
}

/// What the operator's port needs, where the configuration names it.
fn check_port(config: &Config, lines: &mut Vec<Line>) {
    if let Some(file) = &config.operator.token_file {
        lines.push(match token_file::read(file) {
            Ok(entries) => {
                let now = clock::wall();
                let good = entries.iter().filter(|entry| !entry.is_expired(now));
                passed("port", "tokens", format!("{} let in", good.count()))
            }
            Err(error) => from_error(
                "port",
                "tokens",
                "failed",
                error.page(),
                with_causes(&error),
                error.remedy(),
            ),
        });
    }
    if let Some(tls) = &config.operator.tls {
        lines.push(match check_certificate(tls) {
            Ok(()) => passed("port", "certificate", "it fits its key"),
            Err(error) => from_error(
                "port",
                "certificate",
                "failed",
                error.page(),
                with_causes(&error),
                error.remedy(),
            ),
        });
    }
}

fn configuration() -> Line {
    passed("config", "configuration", "every key keeps its rule")
}

fn report(lines: Vec<Line>) -> Report {
    let ok = lines.iter().all(|line| line.result != "failed");
    Report { ok, checks: lines }
}

/// Looks at both sides.
pub async fn look(config: &Config) -> Report {
    let mut lines = vec![configuration()];
    check_port(config, &mut lines);
    let tables = check_source(config, &mut lines).await;
    let objects = check_salesforce(config, &mut lines).await;
    let mapped = check_mappings(config, &tables, &objects, &mut lines);
    if mapped {
        // The mapping says it with the key that names the column.
        lines.retain(|line| line.page.as_deref() != Some(COLUMN_MISSING));
    }
    report(lines)
}

async fn check_source(config: &Config, lines: &mut Vec<Line>) -> Vec<TableSchema> {
    let settings = wiring::source_settings(config);
    let report = capture::preflight(&settings, &wiring::tables_by_config(config)).await;
    for check in report.checks {
        lines.push(match check.result {
            CheckResult::Passed(detail) => passed("mysql", check.name, detail),
            CheckResult::Warning(error) => from_error(
                "mysql",
                check.name,
                "warning",
                error.page(),
                with_causes(&error),
                error.remedy(),
            ),
            CheckResult::Failed(error) => from_error(
                "mysql",
                check.name,
                failed_or_warning(config, &error),
                error.page(),
                with_causes(&error),
                error.remedy(),
            ),
        });
    }
    report.tables
}

/// As a start would take it: a snapshot's key matters while a snapshot may begin by itself.
fn failed_or_warning(config: &Config, error: &capture::Error) -> &'static str {
    let on_history_lost = wiring::source_settings(config).on_history_lost;
    let could_go_on = first_start::needs_no_key(error, true, on_history_lost);
    if could_go_on && has_started(&config.state.path) {
        "warning"
    } else {
        "failed"
    }
}

/// Whether the state folder has a place in the binlog. What cannot be read counts as none: the
/// start itself says why.
fn has_started(path: &Path) -> bool {
    match ask(path, &Query::Status) {
        Ok(Some(Reply::Value(value))) => {
            serde_json::from_value::<Status>(value).is_ok_and(|status| status.checkpoint.is_some())
        }
        Ok(Some(Reply::Failure(_))) | Err(_) => false,
        Ok(None) => {
            state::open_reader(path).is_ok_and(|reader| reader.recovered().checkpoint.is_some())
        }
    }
}

async fn check_salesforce(
    config: &Config,
    lines: &mut Vec<Line>,
) -> HashMap<String, ObjectDescribe> {
    let mut objects = HashMap::new();
    let org = match Org::new(wiring::org_settings(config), clock::wall) {
        Ok(org) => org,
        Err(error) => {
            let remedy = error.remedy().to_string();
            let text = with_causes(&error);
            lines.push(from_error(
                "salesforce",
                "settings",
                "failed",
                error.page(),
                text,
                remedy,
            ));
            return objects;
        }
    };
    if let Err(failure) = org.login().await {
        lines.push(refused("login", &failure));
        return objects;
    }
    lines.push(passed("salesforce", "login", &config.salesforce.login_url));
    match org.limits().await {
        Ok(limits) => {
            let daily = limits.daily_api_requests;
            let detail = format!("{} of {} calls left in 24 h", daily.remaining, daily.max);
            lines.push(passed("salesforce", "api calls", detail));
        }
        Err(failure) => {
            // Needs "View Setup and Configuration", which an integration user may well lack.
            let mut line = refused("api calls", &failure);
            line.result = "warning";
            lines.push(line);
        }
    }
    for route in &config.routes {
        if objects.contains_key(&route.object) {
            continue;
        }
        let name = format!("object {}", route.object);
        match org.describe(&route.object).await {
            Ok(describe) => {
                let detail = format!("{} fields can be seen", describe.fields.len());
                lines.push(passed("salesforce", name, detail));
                objects.insert(route.object.clone(), describe);
            }
            Err(failure) => lines.push(refused(&name, &failure)),
        }
    }
    objects
}

/// Whether every route's mapping could be looked at.
fn check_mappings(
    config: &Config,
    tables: &[TableSchema],
    objects: &HashMap<String, ObjectDescribe>,
    lines: &mut Vec<Line>,
) -> bool {
    let mut all = true;
    for spec in wiring::mapping_specs(config) {
        let name = format!("route {}", spec.route);
        let known = tables.iter().any(|table| table.name == spec.table)
            && objects.contains_key(&spec.object);
        if !known {
            all = false;
            let detail = "not checked: its table or its object could not be read";
            lines.push(Line {
                result: "skipped",
                ..passed("mapping", name, detail)
            });
            continue;
        }
        match wiring::compile_plans(std::slice::from_ref(&spec), tables, objects) {
            Ok(_) => {
                let detail = format!("{} fields of {}", spec.fields.len(), spec.object);
                lines.push(passed("mapping", name.as_str(), detail));
                let advice = wiring::advise(&spec, tables, objects);
                lines.extend(advice.into_iter().map(|it| {
                    let text = format!("{}: {}", it.path, it.text);
                    from_error("mapping", &name, "warning", it.page, text, it.remedy)
                }));
            }
            Err(mistakes) => lines.extend(mistakes.into_iter().map(|mistake| {
                let text = format!("{}: {}", mistake.path, mistake.text);
                from_error(
                    "mapping",
                    &name,
                    "failed",
                    mistake.page,
                    text,
                    mistake.remedy,
                )
            })),
        }
    }
    all
}

fn passed(area: &'static str, name: impl Into<String>, detail: impl Into<String>) -> Line {
    Line {
        area,
        name: name.into(),
        result: "ok",
        detail: detail.into(),
        page: None,
        remedy: None,
    }
}

fn from_error(
    area: &'static str,
    name: impl Into<String>,
    result: &'static str,
    page: &str,
    detail: String,
    remedy: String,
) -> Line {
    let (page, remedy) = (Some(page.to_owned()), Some(remedy));
    Line {
        area,
        name: name.into(),
        result,
        detail,
        page,
        remedy,
    }
}

fn refused(name: &str, failure: &RequestFailure) -> Line {
    let text = failure.line();
    let remedy = delivery::remedy(failure.page).to_string();
    from_error("salesforce", name, "failed", failure.page, text, remedy)
}

/// For a person.
pub fn print(report: &Report, printer: &Printer) -> std::io::Result<()> {
    for line in &report.checks {
        let page = line
            .page
            .as_ref()
            .map(|page| format!("[{page}]"))
            .unwrap_or_default();
        let word = format!("{}{page}", line.result);
        printer.data(&format!(
            "{word:<16} {:<11} {}: {}",
            line.area, line.name, line.detail
        ))?;
        if let Some(remedy) = &line.remedy {
            printer.data(&format!("{:<16} remedy: {remedy}", ""))?;
        }
    }
    let failed = report
        .checks
        .iter()
        .filter(|line| line.result == "failed")
        .count();
    printer.data(&match failed {
        0 => "ready to run".to_owned(),
        1 => "1 check failed".to_owned(),
        _ => format!("{failed} checks failed"),
    })
}
