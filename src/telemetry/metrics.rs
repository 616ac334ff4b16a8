//! The metrics: every name and label of leadstream is written here and nowhere else.
//!
//! Counters that stand for the books start from the durable totals, so that a restart does not
//! forget; gauges are set from the published status. Labels are bounded: route, outcome, rule,
//! class, stage; never an id, never a value.

mod registrar;

use std::sync::Arc;

use prometheus::{
    Counter, Encoder, Gauge, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, TextEncoder,
};
use registrar::Registrar;

/// Seconds: fine below a second for the stream, coarse up to hours for what had to wait.
/// What alerts and promises speak of has a bound of its own: a minute, five, 15, 45 and the hour.
const FRESHNESS_BUCKETS: &[f64] = &[
    0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
    900.0, 1800.0, 2700.0, 3600.0, 7200.0, 14_400.0, 86_400.0,
];

/// Seconds: a disk makes a commit durable in parts of a millisecond, or in seconds when it is busy.
const COMMIT_BUCKETS: &[f64] = &[
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Seconds: Salesforce answers a collection of 200 in 0.1 to 10 s, and gives up after 600.
const REQUEST_BUCKETS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0,
];

/// All metrics, registered in a registry of their own.
#[derive(Clone)]
pub struct Metrics {
    registrar: Arc<Registrar>,
    pub captured: IntCounterVec,
    pub delivered: IntCounterVec,
    pub key_changes: IntCounterVec,
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
    pub parked_limit: IntGauge,
    pub bulk_jobs: IntCounterVec,
    pub bulk_records: IntGaugeVec,
    pub spool_bytes: IntGauge,
    pub api_calls: IntCounter,
    pub api_used: IntGauge,
    pub api_limit: IntGauge,
    pub budget_used: IntGauge,
    pub budget_limit: IntGauge,
    pub budget_lasts: Gauge,
    pub budget_held: IntGauge,
    pub max_age: Gauge,
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
    pub journal_segments: IntGauge,
    pub free_bytes: IntGauge,
    pub disk_low: IntGauge,
    pub index_lag: IntGauge,
    pub index_bytes: IntGauge,
    pub index_rebuilding: IntGauge,
    pub resident_bytes: IntGauge,
    pub cpu_seconds: Counter,
    pub started_at: Gauge,
    pub open_files: IntGauge,
    pub max_files: IntGauge,
    pub build_info: IntGaugeVec,
    pub sign_ins: IntCounterVec,
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// Only when two metrics share a name: a mistake in this file, which a test finds.
    pub fn new(version: &str) -> Result<Self, prometheus::Error> {
        let r = &mut Registrar::default();
        let metrics = Self {
            captured: r.counters(
                "leadstream_changes_captured_total",
                "Rows taken from the binlog that match a route, each counted once for ever",
                &["route"],
            )?,
            delivered: r.counters(
                "leadstream_records_delivered_total",
                "Records that Salesforce accepted",
                &["route", "outcome"],
            )?,
            key_changes: r.counters(
                "leadstream_key_changes_total",
                "Updates that changed a row's external id, so that the record of the old one stays behind",
                &["route"],
            )?,
            skipped: r.counters(
                "leadstream_records_skipped_total",
                "Rows that a named rule left out",
                &["route", "rule"],
            )?,
            dead_lettered: r.counters(
                "leadstream_records_dead_lettered_total",
                "Records set aside for a person, by class of error",
                &["route", "class"],
            )?,
            discarded: r.counters(
                "leadstream_records_discarded_total",
                "Dead letters that a person discarded",
                &["route"],
            )?,
            dead_letters_open: r.gauges(
                "leadstream_dead_letters_open",
                "Records that wait for a person",
                &["route"],
            )?,
            parked: r.gauges(
                "leadstream_records_parked",
                "Records durable here that wait for Salesforce, their turn, or a mapping that fits",
                &["route"],
            )?,
            in_flight: r.gauges(
                "leadstream_records_in_flight",
                "Captured records without an outcome yet, parked ones apart",
                &["route"],
            )?,
            books_balanced: r.gauges(
                "leadstream_books_balanced",
                "1 when captured = delivered + skipped + discarded + open dead letters + parked + in flight",
                &["route"],
            )?,
            freshness: r.histograms(
                "leadstream_freshness_seconds",
                "From the commit in MySQL to Salesforce's acceptance",
                &["route"],
                FRESHNESS_BUCKETS,
            )?,
            lag: r.float_gauge(
                "leadstream_lag_seconds",
                "Age of the oldest committed row without an outcome; 0 when there is none",
            )?,
            errors: r.counters(
                "leadstream_errors_total",
                "Failures by stage (mapping, record, request, capture) and class",
                &["stage", "class"],
            )?,
            request_duration: r.histogram(
                "leadstream_request_duration_seconds",
                "Time of one upsert call",
                REQUEST_BUCKETS,
            )?,
            calls_in_flight: r.gauge(
                "leadstream_calls_in_flight",
                "Upsert calls that wait for their answer",
            )?,
            delivery_paused: r.gauges(
                "leadstream_delivery_paused",
                "1 while nothing is sent, by route; route \"*\" is the whole org",
                &["route"],
            )?,
            parked_bytes: r.gauge(
                "leadstream_parked_bytes",
                "Disk that parked records take",
            )?,
            parked_limit: r.gauge(
                "leadstream_parked_limit_bytes",
                "Disk that parked records may take before capture waits",
            )?,
            bulk_jobs: r.counters(
                "leadstream_bulk_jobs_total",
                "Bulk jobs, by what became of them",
                &["route", "outcome"],
            )?,
            bulk_records: r.gauges(
                "leadstream_bulk_records",
                "Records on their way by Bulk: gathered for a job, or in one",
                &["route"],
            )?,
            spool_bytes: r.gauge(
                "leadstream_spool_bytes",
                "Disk that the files of Bulk uploads take",
            )?,
            api_calls: r.counter(
                "leadstream_api_calls_total",
                "Calls made that count against the org's limit, since the process started",
            )?,
            api_used: r.gauge(
                "leadstream_api_used_calls",
                "Calls the whole org has used in 24 h, as Salesforce last said",
            )?,
            api_limit: r.gauge(
                "leadstream_api_limit_calls",
                "Calls the org may use in 24 h, as Salesforce last said",
            )?,
            budget_used: r.gauge(
                "leadstream_budget_used_calls",
                "Calls of ours in the last 24 h, across restarts",
            )?,
            budget_limit: r.gauge(
                "leadstream_budget_limit_calls",
                "Calls of ours that the budget allows in 24 h without the reserve",
            )?,
            budget_lasts: r.float_gauge(
                "leadstream_budget_lasts_seconds",
                "How long the budget lasts at the last hour's rate; a day at most",
            )?,
            budget_held: r.gauge(
                "leadstream_budget_held",
                "1 while the budget or a quiet hour lets nothing out",
            )?,
            max_age: r.float_gauge(
                "leadstream_batch_max_age_seconds",
                "How long the oldest record of a batch may wait for company now",
            )?,
            logins: r.counter(
                "leadstream_logins_total",
                "Logins since the process started",
            )?,
            capture_connected: r.gauge(
                "leadstream_capture_connected",
                "1 while the binlog stream stands",
            )?,
            capture_reconnects: r.counter(
                "leadstream_capture_reconnects_total",
                "Times the binlog stream was lost and tried again",
            )?,
            capture_stopped: r.gauge(
                "leadstream_capture_stopped",
                "1 when capture waits for a person",
            )?,
            capture_transactions_missing: r.gauge(
                "leadstream_capture_transactions_missing",
                "Transactions that were read and that the server lacks; the stream waits for them",
            )?,
            history_lost: r.counter(
                "leadstream_capture_history_lost_total",
                "Times the stream went on at the server's present end, behind a gap",
            )?,
            capture_stalled: r.gauge(
                "leadstream_capture_stalled",
                "1 while the server's binlog grows and no event comes",
            )?,
            capture_stalls: r.counter(
                "leadstream_capture_stalls_total",
                "Times the stream was opened anew because no event came while the binlog grew",
            )?,
            retention_left: r.float_gauge(
                "leadstream_source_retention_left_seconds",
                "How long the server still keeps what is to be read, again or for the first time; +Inf: for ever, NaN: not known",
            )?,
            behind_bytes: r.float_gauge(
                "leadstream_source_behind_bytes",
                "Bytes of the server's binlog that are to be read, again or for the first time; NaN: not known",
            )?,
            snapshot_running: r.gauge(
                "leadstream_snapshot_running",
                "1 while a snapshot reads existing rows",
            )?,
            snapshot_failed: r.gauge(
                "leadstream_snapshot_failed",
                "1 when the last snapshot failed and waits for a person",
            )?,
            snapshot_waiting: r.gauge(
                "leadstream_snapshot_waiting",
                "1 while the snapshot pauses to spare the source, or because it cannot read",
            )?,
            snapshot_rows: r.counters(
                "leadstream_snapshot_rows_total",
                "Rows of snapshots handed to the routes, by table",
                &["table"],
            )?,
            snapshot_overtaken: r.counter(
                "leadstream_snapshot_overtaken_total",
                "Rows of snapshots left out because the stream brought them meanwhile",
            )?,
            snapshot_estimated_rows: r.gauge(
                "leadstream_snapshot_estimated_rows",
                "Rows that the running snapshot will read in all, by MySQL's statistics; 0 when not known",
            )?,
            checkpoint_age: r.float_gauge(
                "leadstream_checkpoint_age_seconds",
                "How long rows have been waiting for the checkpoint to pass them, or a prepared transaction holds it; 0 when none wait",
            )?,
            checkpoint_time: r.float_gauge(
                "leadstream_checkpoint_timestamp_seconds",
                "When the checkpoint last became durable, Unix time",
            )?,
            commits: r.counter(
                "leadstream_journal_commits_total",
                "Commits made durable since the process started",
            )?,
            commit_duration: r.histogram(
                "leadstream_journal_commit_duration_seconds",
                "From handing a commit over to having it on disk",
                COMMIT_BUCKETS,
            )?,
            journal_bytes: r.gauge("leadstream_journal_bytes", "Disk that the journal takes")?,
            journal_segments: r.gauge("leadstream_journal_segments", "Segments of the journal")?,
            free_bytes: r.gauge(
                "leadstream_state_free_bytes",
                "Free on the disk of the state folder, beside the reserve",
            )?,
            disk_low: r.gauge(
                "leadstream_disk_low",
                "1 while nothing is sent because the disk is nearly full",
            )?,
            index_lag: r.gauge(
                "leadstream_index_lag_commits",
                "Commits that the index has not applied yet",
            )?,
            index_bytes: r.gauge("leadstream_index_bytes", "Disk that the index takes")?,
            index_rebuilding: r.gauge(
                "leadstream_index_rebuilding",
                "1 while the index is made anew from the journal",
            )?,
            resident_bytes: r.gauge(
                "process_resident_memory_bytes",
                "Resident memory size in bytes",
            )?,
            cpu_seconds: r.float_counter(
                "process_cpu_seconds_total",
                "Total user and system CPU time spent in seconds",
            )?,
            started_at: r.float_gauge(
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds",
            )?,
            open_files: r.gauge("process_open_fds", "Number of open file descriptors")?,
            max_files: r.gauge(
                "process_max_fds",
                "Maximum number of open file descriptors",
            )?,
            build_info: r.gauges(
                "leadstream_build_info",
                "1, with the version as label",
                &["version"],
            )?,
            sign_ins: r.counters(
                "leadstream_operator_sign_ins_total",
                "Tokens that were shown at the operator's port, by what became of them",
                &["outcome"],
            )?,
            registrar: Arc::new(std::mem::take(r)),
        };
        metrics.build_info.with_label_values(&[version]).set(1);
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
        TextEncoder::new().encode(&self.registrar.registry.gather(), &mut out)?;
        String::from_utf8(out).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}

/// Moves a counter to a total that only grows; does nothing when it is there already.
pub fn raise(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests;
