//! The whole configuration, section by section; each is read to its end before its missing parts
//! count, so that all mistakes are found.

use std::ops::RangeInclusive;

use super::leads::check_version;
use super::mistake::WRONG_VALUE;
use super::operator::check_operator;
use super::pace::{check_batch, check_pace};
use super::reader::{Reader, Table};
use super::route::check_routes;
use super::salesforce::check_salesforce;
use super::source::{check_snapshot, check_source};
use super::units::{parse_bytes, parse_duration_ms};
use super::{Config, Log, LogFormat, PayloadPolicy, Retry, State};
use crate::telemetry::are_directives;

pub(super) fn check_config(reader: &mut Reader<'_>) -> Option<Config> {
    let root = &reader.root();
    let source = check_source(reader, root);
    let snapshot = check_snapshot(reader, root);
    let salesforce = check_salesforce(reader, root);
    let routes = check_routes(reader, root);
    let batch = check_batch(reader, root);
    let pace = check_pace(reader, root);
    let retry = check_retry(reader, root);
    let state = check_state(reader, root);
    let operator = check_operator(reader, root);
    let log = check_log(reader, root);
    if let (Some(salesforce), Some(routes)) = (&salesforce, &routes) {
        check_version(reader, root, salesforce, routes)?;
    }
    Some(Config {
        source: source?,
        snapshot: snapshot?,
        salesforce: salesforce?,
        routes: routes?,
        batch: batch?,
        pace: pace?,
        retry: retry?,
        state: state?,
        operator: operator?,
        log: log?,
    })
}

fn check_retry<'a>(reader: &mut Reader<'a>, root: &Table<'a>) -> Option<Retry> {
    let table = reader.table(root, "retry");
    let base_ms: Option<u64> = reader.number(&table, "base");
    let mut cap_ms = reader.number(&table, "cap");
    let record_attempts = reader.number(&table, "record_attempts");
    let park_after_ms = reader.number(&table, "park_after");
    if let (Some(base), Some(cap)) = (base_ms, cap_ms)
        && cap < base
    {
        // Blame the one that was given; the other may be a default.
        let name = if table.get("cap").is_some() {
            "cap"
        } else {
            "base"
        };
        let rule = "retry.cap must not be below retry.base";
        cap_ms = reader.refuse(&table, name, WRONG_VALUE, rule, "raise cap, or lower base");
    }
    Some(Retry {
        base_ms: base_ms?,
        cap_ms: cap_ms?,
        record_attempts: record_attempts?,
        park_after_ms: park_after_ms?,
    })
}

fn check_state<'a>(reader: &mut Reader<'a>, root: &Table<'a>) -> Option<State> {
    let table = reader.table(root, "state");
    let path = reader.path(&table, "path");
    let max_parked_bytes = reader.number(&table, "max_parked_bytes");
    let audit_retention_ms = reader.required(&table, "audit_retention", |given| {
        bounded(given.text()?, "forever", RETENTION_MS, parse_duration_ms)
    });
    let max_journal_bytes = reader.required(&table, "max_journal_bytes", |given| {
        bounded(given.text()?, "unlimited", JOURNAL_BYTES, parse_bytes)
    });
    let encryption_key_file = reader.optional_path(&table, "encryption_key_file");
    let policies = [
        ("masked", PayloadPolicy::Masked),
        ("full", PayloadPolicy::Full),
        ("hash", PayloadPolicy::Hash),
    ];
    let payload = reader.choice(&table, "payload", &policies, &[]);
    Some(State {
        path: path?,
        max_parked_bytes: max_parked_bytes?,
        payload: payload?,
        audit_retention_ms: audit_retention_ms?,
        max_journal_bytes: max_journal_bytes?,
        encryption_key_file: encryption_key_file?,
    })
}

/// From an hour to a hundred years.
const RETENTION_MS: RangeInclusive<u64> = 3_600_000..=36_500 * 86_400_000;
/// At least two segments, or each would be dropped as it closes.
const JOURNAL_BYTES: RangeInclusive<u64> = 64 << 20..=1 << 40;

/// A number within bounds, or a word for none; the inner `None` is the word.
fn bounded(
    text: &str,
    none: &str,
    bounds: RangeInclusive<u64>,
    parse: impl Fn(&str) -> Option<u64>,
) -> Option<Option<u64>> {
    if text == none {
        return Some(None);
    }
    let number = parse(text)?;
    bounds.contains(&number).then_some(Some(number))
}

fn check_log<'a>(reader: &mut Reader<'a>, root: &Table<'a>) -> Option<Log> {
    let table = reader.table(root, "log");
    let formats = [("human", LogFormat::Human), ("json", LogFormat::Json)];
    let format = reader.choice(&table, "format", &formats, &[]);
    let level = reader.required(&table, "level", |given| {
        given.some_text().filter(|text| are_directives(text))
    });
    Some(Log {
        format: format?,
        level: level?,
    })
}
