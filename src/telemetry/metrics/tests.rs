//! Tests of the metrics: they register, the documents name them, and a scrape costs little.

use std::collections::BTreeSet;

use super::registrar::Kind;
use super::*;

#[test]
fn every_metric_registers_and_renders() {
    let metrics = Metrics::new("0.0.0").unwrap();
    metrics.captured.with_label_values(&["leads"]).inc();
    let text = metrics.render().unwrap();
    assert!(
        text.contains("leadstream_changes_captured_total{route=\"leads\"} 1"),
        "{text}"
    );
    assert!(
        text.contains("leadstream_build_info{version=\"0.0.0\"} 1"),
        "{text}"
    );
}

/// Name, type and labels, as a row of the documents' table begins.
fn rows_of_the_document() -> BTreeSet<String> {
    let document = include_str!("../../../docs/metrics.md");
    let rows = document
        .lines()
        .filter(|line| line.starts_with("| `leadstream_") || line.starts_with("| `process_"));
    let rows = rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        format!("{} | {} | {}", cells[1], cells[2], cells[3])
    });
    rows.collect()
}

#[test]
fn the_documents_list_exactly_the_metrics_that_there_are_with_type_and_labels() {
    let metrics = Metrics::new("0.0.0").unwrap();
    let rows = metrics.registrar.described.iter().map(|metric| {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        format!("`{}` | {kind} | {}", metric.name, metric.labels.join(", "))
    });
    assert_eq!(rows_of_the_document(), rows.collect());
}

#[test]
fn names_end_in_what_their_type_and_unit_ask_for() {
    let metrics = Metrics::new("0.0.0").unwrap();
    for metric in &metrics.registrar.described {
        let name = &metric.name;
        let is_total = name.ends_with("_total");
        assert_eq!(is_total, metric.kind == Kind::Counter, "{name}");
        if metric.kind == Kind::Histogram {
            assert!(
                name.ends_with("_seconds") || name.ends_with("_bytes"),
                "{name}"
            );
        }
        for label in &metric.labels {
            let bounded = [
                "route", "outcome", "rule", "class", "stage", "table", "version",
            ];
            assert!(bounded.contains(&label.as_str()), "{name} by {label}");
        }
    }
}

#[test]
fn freshness_has_a_bound_at_each_age_that_is_promised_or_alerted_on() {
    for seconds in [1.0, 60.0, 300.0, 900.0, 2700.0, 3600.0] {
        assert!(FRESHNESS_BUCKETS.contains(&seconds), "{seconds}");
    }
    for buckets in [FRESHNESS_BUCKETS, REQUEST_BUCKETS, COMMIT_BUCKETS] {
        assert!(buckets.is_sorted());
    }
}

#[test]
fn raising_never_lowers() {
    let counter = IntCounter::new("a", "b").unwrap();
    raise(&counter, 5);
    raise(&counter, 3);
    assert_eq!(counter.get(), 5);
}
