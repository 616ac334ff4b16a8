//! The metrics: every name and label of leadstream is written here and nowhere else.
//!
//! Counters that stand for the books start from the durable totals, so that a restart does not
//! forget; gauges are set from the published status. Labels are bounded: route, outcome, rule,
//! class, stage; never an id, never a value.

use prometheus::{
    Counter, Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter,
    IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// Seconds: fine below a second for the stream, coarse up to hours for what had to wait.
const FRESHNESS_BUCKETS: &[f64] = &[
    0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
    3600.0, 14_400.0,
];

/// Seconds: Salesforce answers a collection of 200 in 0.1 to 10 s, and gives up after 600.
const REQUEST_BUCKETS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0,
];

/// All metrics, registered in a registry of their own.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    pub captured: IntCounterVec,
    pub delivered: IntCounterVec,
    pub skipped: IntCounterVec,
    pub dead_lettered: IntCounterVec,
    pub discarded: IntCounterVec,
    pub dead_letters_open: IntGaugeVec,
    pub parked: IntGaugeVec,
    pub in_flight: IntGaugeVec,
    pub books_balanced: IntGaugeVec,
    pub freshness: HistogramVec,
    pub lag: Gauge,
    pub errors: IntCounterVec,
    pub request_duration: Histogram,
    pub calls_in_flight: IntGauge,
    pub delivery_paused: IntGaugeVec,
    pub parked_bytes: IntGauge,
    pub api_calls: IntCounter,
    pub api_used: IntGauge,
    pub api_limit: IntGauge,
    pub logins: IntCounter,
    pub capture_connected: IntGauge,
    pub capture_reconnects: IntCounter,
    pub capture_stopped: IntGauge,
    pub capture_stalled: IntGauge,
    pub capture_stalls: IntCounter,
    pub retention_left: Gauge,
    pub behind_bytes: Gauge,
    pub capture_transactions_missing: IntGauge,
    pub history_lost: IntCounter,
    pub snapshot_running: IntGauge,
    pub snapshot_failed: IntGauge,
    pub snapshot_waiting: IntGauge,
    pub snapshot_rows: IntCounterVec,
    pub snapshot_overtaken: IntCounter,
    pub snapshot_estimated_rows: IntGauge,
    pub checkpoint_age: Gauge,
    pub checkpoint_time: Gauge,
    pub commits: IntCounter,
    pub commit_duration: Histogram,
    pub journal_bytes: IntGauge,
    pub index_lag: IntGauge,
    pub resident_bytes: IntGauge,
    pub cpu_seconds: Counter,
    pub build_info: GaugeVec,
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// Only when two metrics share a name: a mistake in this file, which a test finds.
    pub fn new(version: &str) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let r = &registry;
        let metrics = Self {
            captured: counters(
                r,
                "leadstream_changes_captured_total",
                "Rows taken from the binlog that match a route, each counted once for ever",
                &["route"],
            )?,
            delivered: counters(
                r,
                "leadstream_records_delivered_total",
                "Records that Salesforce accepted",
                &["route", "outcome"],
            )?,
            skipped: counters(
                r,
                "leadstream_records_skipped_total",
                "Rows that a named rule left out",
                &["route", "rule"],
            )?,
            dead_lettered: counters(
                r,
                "leadstream_records_dead_lettered_total",
                "Records set aside for a person, by class of error",
                &["route", "class"],
            )?,
            discarded: counters(
                r,
                "leadstream_records_discarded_total",
                "Dead letters that a person discarded",
                &["route"],
            )?,
            dead_letters_open: gauges(
                r,
                "leadstream_dead_letters_open",
                "Records that wait for a person",
                &["route"],
            )?,
            parked: gauges(
                r,
                "leadstream_records_parked",
                "Records durable here that wait for Salesforce, their turn, or a mapping that fits",
                &["route"],
            )?,
            in_flight: gauges(
                r,
                "leadstream_records_in_flight",
                "Captured records without an outcome yet, parked ones apart",
                &["route"],
            )?,
            books_balanced: gauges(
                r,
                "leadstream_books_balanced",
                "1 when captured = delivered + skipped + discarded + open dead letters + parked + in flight",
                &["route"],
            )?,
            freshness: histograms(
                r,
                "leadstream_freshness_seconds",
                "From the commit in MySQL to Salesforce's acceptance",
                &["route"],
                FRESHNESS_BUCKETS,
            )?,
            lag: float_gauge(
                r,
                "leadstream_lag_seconds",
                "Age of the oldest committed row without an outcome; 0 when there is none",
            )?,
            errors: counters(
                r,
                "leadstream_errors_total",
                "Failures by stage (mapping, record, request, capture) and class",
                &["stage", "class"],
            )?,
            request_duration: histogram(
                r,
                "leadstream_request_duration_seconds",
                "Time of one upsert call",
                REQUEST_BUCKETS,
            )?,
            calls_in_flight: gauge(
                r,
                "leadstream_calls_in_flight",
                "Upsert calls that wait for their answer",
            )?,
            delivery_paused: gauges(
                r,
                "leadstream_delivery_paused",
                "1 while nothing is sent, by route; route \"*\" is the whole org",
                &["route"],
            )?,
            parked_bytes: gauge(
                r,
                "leadstream_parked_bytes",
                "Disk that parked records take",
            )?,
            api_calls: counter(
                r,
                "leadstream_api_calls_total",
                "Calls made that count against the org's limit, since the process started",
            )?,
            api_used: gauge(
                r,
                "leadstream_api_used_calls",
                "Calls the whole org has used in 24 h, as Salesforce last said",
            )?,
            api_limit: gauge(
                r,
                "leadstream_api_limit_calls",
                "Calls the org may use in 24 h, as Salesforce last said",
            )?,
            logins: counter(
                r,
                "leadstream_logins_total",
                "Logins since the process started",
            )?,
            capture_connected: gauge(
                r,
                "leadstream_capture_connected",
                "1 while the binlog stream stands",
            )?,
            capture_reconnects: counter(
                r,
                "leadstream_capture_reconnects_total",
                "Times the binlog stream was lost and tried again",
            )?,
            capture_stopped: gauge(
                r,
                "leadstream_capture_stopped",
                "1 when capture waits for a person",
            )?,
            capture_transactions_missing: gauge(
                r,
                "leadstream_capture_transactions_missing",
                "Transactions that were read and that the server lacks; the stream waits for them",
            )?,
            history_lost: counter(
                r,
                "leadstream_capture_history_lost_total",
                "Times the stream went on at the server's present end, behind a gap",
            )?,
            capture_stalled: gauge(
                r,
                "leadstream_capture_stalled",
                "1 while the server's binlog grows and no event comes",
            )?,
            capture_stalls: counter(
                r,
                "leadstream_capture_stalls_total",
                "Times the stream was opened anew because no event came while the binlog grew",
            )?,
            retention_left: float_gauge(
                r,
                "leadstream_source_retention_left_seconds",
                "How long the server still keeps what is to be read, again or for the first time; +Inf: for ever, NaN: not known",
            )?,
            behind_bytes: float_gauge(
                r,
                "leadstream_source_behind_bytes",
                "Bytes of the server's binlog that are to be read, again or for the first time; NaN: not known",
            )?,
            snapshot_running: gauge(
                r,
                "leadstream_snapshot_running",
                "1 while a snapshot reads existing rows",
            )?,
            snapshot_failed: gauge(
                r,
                "leadstream_snapshot_failed",
                "1 when the last snapshot failed and waits for a person",
            )?,
            snapshot_waiting: gauge(
                r,
                "leadstream_snapshot_waiting",
                "1 while the snapshot pauses to spare the source, or because it cannot read",
            )?,
            snapshot_rows: counters(
                r,
                "leadstream_snapshot_rows_total",
                "Rows of snapshots handed to the routes, by table",
                &["table"],
            )?,
            snapshot_overtaken: counter(
                r,
                "leadstream_snapshot_overtaken_total",
                "Rows of snapshots left out because the stream brought them meanwhile",
            )?,
            snapshot_estimated_rows: gauge(
                r,
                "leadstream_snapshot_estimated_rows",
                "Rows that the running snapshot will read in all, by MySQL's statistics; 0 when not known",
            )?,
            checkpoint_age: float_gauge(
                r,
                "leadstream_checkpoint_age_seconds",
                "How long rows have been waiting for the checkpoint to pass them, or a prepared transaction holds it; 0 when none wait",
            )?,
            checkpoint_time: float_gauge(
                r,
                "leadstream_checkpoint_timestamp_seconds",
                "When the checkpoint last became durable, Unix time",
            )?,
            commits: counter(
                r,
                "leadstream_journal_commits_total",
                "Commits made durable since the process started",
            )?,
            commit_duration: histogram(
                r,
                "leadstream_journal_commit_duration_seconds",
                "From handing a commit over to having it on disk",
                REQUEST_BUCKETS,
            )?,
            journal_bytes: gauge(r, "leadstream_journal_bytes", "Disk that the journal takes")?,
            index_lag: gauge(
                r,
                "leadstream_index_lag_commits",
                "Commits that the index has not applied yet",
            )?,
            resident_bytes: gauge(
                r,
                "process_resident_memory_bytes",
                "Resident memory size in bytes",
            )?,
            cpu_seconds: register(
                r,
                Counter::new(
                    "process_cpu_seconds_total",
                    "Total user and system CPU time spent in seconds",
                )?,
            )?,
            build_info: register(
                r,
                GaugeVec::new(
                    Opts::new("leadstream_build_info", "1, with the version as label"),
                    &["version"],
                )?,
            )?,
            registry: registry.clone(),
        };
        metrics.build_info.with_label_values(&[version]).set(1.0);
        metrics.retention_left.set(f64::NAN);
        metrics.behind_bytes.set(f64::NAN);
        Ok(metrics)
    }

    /// The text that Prometheus scrapes.
    ///
    /// # Errors
    /// When the encoder fails, which it does only on invalid metric names.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut out = Vec::with_capacity(16 * 1024);
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        String::from_utf8(out).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}

/// Moves a counter to a total that only grows; does nothing when it is there already.
pub fn raise(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

fn register<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn counter(r: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    register(r, IntCounter::new(name, help)?)
}

fn counters(
    r: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    register(r, IntCounterVec::new(Opts::new(name, help), labels)?)
}

fn gauge(r: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    register(r, IntGauge::new(name, help)?)
}

fn gauges(
    r: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    register(r, IntGaugeVec::new(Opts::new(name, help), labels)?)
}

fn float_gauge(r: &Registry, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
    register(r, Gauge::new(name, help)?)
}

fn histogram(
    r: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
) -> Result<Histogram, prometheus::Error> {
    register(
        r,
        Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?,
    )
}

fn histograms(
    r: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: &[f64],
) -> Result<HistogramVec, prometheus::Error> {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    register(r, HistogramVec::new(options, labels)?)
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn the_documents_name_exactly_the_metrics_that_there_are() {
        let names = |text: &str, mark: char| -> std::collections::BTreeSet<String> {
            text.split(mark)
                .filter(|word| word.starts_with("leadstream_") || word.starts_with("process_"))
                .filter(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
                .map(str::to_owned)
                .collect()
        };
        let code = include_str!("metrics.rs");
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        let document = include_str!("../../docs/metrics.md");
        assert_eq!(names(document, '`'), names(code, '"'));
    }

    #[test]
    fn raising_never_lowers() {
        let counter = IntCounter::new("a", "b").unwrap();
        raise(&counter, 5);
        raise(&counter, 3);
        assert_eq!(counter.get(), 5);
    }
}
