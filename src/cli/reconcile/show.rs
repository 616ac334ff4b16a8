//! A comparison on a terminal: a table of the routes, then what differs and why.

use std::io;

use crate::cli::printer::Printer;
use crate::cli::time::{duration, moment};
use crate::core::reconcile::{Difference, Explanation, Reason};
use crate::runtime::reconcile::{Finding, Report, RouteReport};

pub fn report(report: &Report, printer: &Printer) -> io::Result<()> {
    let number = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
    let row = |route: &RouteReport| {
        vec![
            route.route.clone(),
            route.rows.to_string(),
            number(route.records),
            route.equal.to_string(),
            route.missing.to_string(),
            route.different.to_string(),
            number(route.extra),
            route.on_their_way.to_string(),
            route.left_out.to_string(),
        ]
    };
    let headers = [
        "route",
        "in MySQL",
        "in Salesforce",
        "equal",
        "missing",
        "different",
        "extra",
        "on their way",
        "left out",
    ];
    let rows: Vec<Vec<String>> = report.routes.iter().map(row).collect();
    printer.table(&headers, &rows)?;
    for route in &report.routes {
        details(route, printer)?;
    }
    let took = duration(report.ended_at.seconds_since(report.started_at));
    printer.note(&format!(
        "compared as of {} in {took}, with {} API calls",
        moment(report.started_at),
        report.api_calls
    ));
    if report.behind {
        printer.note(
            "no service runs, and MySQL has gone on since: rows that were written since are missing",
        );
    }
    Ok(())
}

fn details(route: &RouteReport, printer: &Printer) -> io::Result<()> {
    for (kind, title, count) in [
        (
            Difference::Missing,
            "missing: in MySQL, not in Salesforce",
            route.missing,
        ),
        (
            Difference::Different,
            "different in fields that are mapped",
            route.different,
        ),
        (
            Difference::Extra,
            "extra: in Salesforce under our external id, not in MySQL",
            route.extra.unwrap_or(0),
        ),
        (
            Difference::OnItsWay,
            "on their way: they go on by themselves",
            route.on_their_way,
        ),
    ] {
        if count == 0 {
            continue;
        }
        printer.data("")?;
        printer.data(&format!("route {}, {title}: {count}", route.route))?;
        let named: Vec<&Finding> = route
            .findings
            .iter()
            .filter(|finding| finding.difference == kind)
            .collect();
        for finding in &named {
            printer.data(&format!("    {}", line(finding)))?;
        }
        let more = count.saturating_sub(named.len() as u64);
        if more > 0 {
            printer.data(&format!("    and {more} more (--show N)"))?;
        }
    }
    if route.not_looked_at > 0 {
        printer.data(&format!(
            "\nroute {}: {} more rows do not agree at the first look; mend these, then run it again",
            route.route, route.not_looked_at
        ))?;
    }
    if let Some(repair) = &route.repair {
        printer.data(&format!(
            "\nroute {}: {} rows were sent again in {} snapshots, {} left alone; run it again to see",
            route.route,
            repair.rows,
            repair.snapshots.len(),
            repair.left_alone
        ))?;
    }
    Ok(())
}

fn line(finding: &Finding) -> String {
    let mut line = finding.key.clone();
    if let Some(id) = &finding.salesforce_id {
        line.push_str(&format!(" ({id})"));
    }
    if !finding.fields.is_empty() {
        line.push_str(&format!(" in {}", finding.fields.join(", ")));
    }
    line.push_str(&format!(": {}", why(&finding.explanation)));
    line
}

fn why(explanation: &Explanation) -> String {
    let mut text = match (explanation.reason, explanation.letter) {
        (Reason::DeadLetter, Some(letter)) => {
            format!("waits for a person, as dead letter {letter}")
        }
        (reason, _) => reason.text().to_owned(),
    };
    if let Some(code) = &explanation.code {
        text.push_str(&format!(" ({code})"));
    }
    if let Some(at) = explanation.at {
        text.push_str(&format!("; {}", moment(at)));
    }
    text
}
