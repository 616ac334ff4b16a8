//! A report as text for the terminal.

use std::fmt::Write;

use crate::cli::printer::align;
use crate::core::report::{Figures, SlotLength};
use crate::operator::report::figures::{
    HEADS, books, count, freshness, latency, lines, local, row_cells, slot_name, title, zone,
};
use crate::state::audit::PeriodReport;

pub fn text(report: &PeriodReport) -> String {
    let (all, ledger) = (&report.report, &report.ledger);
    let mut out = format!("Leads from {}\n\n", title(report));
    for (name, number, what) in lines(&all.total) {
        let line = format!("  {name:<14}{:>12}   {what}", count(number));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    if let Some(measured) = &all.total.latency {
        let _ = write!(
            out,
            "\n  latency       {}\n  freshness     {}\n                of {} of the stream; \
             from the commit in MySQL to Salesforce's acceptance\n",
            latency(measured),
            freshness(measured),
            count(measured.count)
        );
    }
    if !all.total.causes.is_empty() {
        let rows: Vec<Vec<String>> = all
            .total
            .causes
            .iter()
            .map(|cause| vec![count(cause.count), cause.code.clone(), cause.class.clone()])
            .collect();
        let _ = write!(
            out,
            "\nRejected by cause\n{}\n",
            indented(&align(&["records", "code", "class"], &rows))
        );
    }
    if all.routes.len() > 1 {
        let rows: Vec<Vec<String>> = all
            .routes
            .iter()
            .map(|(route, figures)| row(route.clone(), figures))
            .collect();
        let _ = write!(
            out,
            "\nBy route\n{}\n",
            indented(&align(&headers("route"), &rows))
        );
    }
    let rows: Vec<Vec<String>> = all
        .slots
        .iter()
        .filter(|slot| slot.figures != Figures::default())
        .map(|slot| {
            let name = slot_name(slot.start, all.frame.by, all.frame.utc_offset);
            row(name, &slot.figures)
        })
        .collect();
    let by = match all.frame.by {
        SlotLength::Hour => "hour",
        SlotLength::Day => "day",
    };
    if !rows.is_empty() {
        let _ = write!(
            out,
            "\nBy {by}, {}\n{}\n",
            zone(all.frame.utc_offset),
            indented(&align(&headers(by), &rows))
        );
    }
    let (heads, rows) = books(report);
    let _ = write!(
        out,
        "\nThe books at its end, over the store's life\n{}\n",
        indented(&align(&heads, &rows))
    );
    if let Some(begins) = ledger.begins_at {
        let begins = local(begins, all.frame.utc_offset);
        let _ = write!(
            out,
            "\nThe journal is kept from {begins} on: nothing before is counted.\n"
        );
    }
    let _ = write!(
        out,
        "\nChain head behind commit {} at {} UTC\n  {}\n  Keep it elsewhere; `leadstream audit \
         verify --chain` proves later that nothing before it was changed.\n",
        ledger.commit,
        local(ledger.at, 0),
        ledger.chain
    );
    out
}

fn headers(first: &'static str) -> Vec<&'static str> {
    let mut heads = vec![first];
    heads.extend(HEADS);
    heads
}

fn row(name: String, figures: &Figures) -> Vec<String> {
    let mut row = vec![name];
    row.extend(row_cells(figures));
    row
}

fn indented(table: &str) -> String {
    let lines: Vec<String> = table.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}
