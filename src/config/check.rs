//! The whole configuration, section by section; each is read to its end before its missing parts
//! count, so that all mistakes are found.

use std::net::SocketAddr;

use tracing_subscriber::EnvFilter;

use super::leads::check_version;
use super::mistake::{NOT_AVAILABLE, WRONG_VALUE};
use super::pace::{check_batch, check_pace};
use super::reader::{Reader, Table};
use super::route::check_routes;
use super::salesforce::check_salesforce;
use super::source::{check_snapshot, check_source};
use super::{Config, Log, LogFormat, Operator, PayloadPolicy, Retry, State};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

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
    })
}

fn check_operator<'a>(reader: &mut Reader<'a>, root: &Table<'a>) -> Option<Operator> {
    let table = reader.table(root, "operator");
    let mut listen: Option<SocketAddr> =
        reader.required(&table, "listen", |given| given.text()?.trim().parse().ok());
    if listen.is_some_and(|address| !address.ip().is_loopback()) {
        listen = reader.refuse(
            &table,
            "listen",
            NOT_AVAILABLE,
            "a listener that other machines reach needs token and TLS, which this version does \
             not have yet",
            "listen on a loopback address such as 127.0.0.1:9464, and put a proxy with \
             authentication before it if others must reach it",
        );
    }
    let shutdown_grace_ms = reader.number(&table, "shutdown_grace");
    Some(Operator {
        listen: listen?,
        shutdown_grace_ms: shutdown_grace_ms?,
    })
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

/// `EnvFilter` takes a bare unknown word for a target that is logged in full: `inof` would switch
/// everything off but a target of that name. So a directive must be a level or name one.
fn are_directives(text: &str) -> bool {
    let named = |part: &str| {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        LEVELS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(level.trim()))
    };
    text.split(',').all(|part| named(part.trim())) && EnvFilter::builder().parse(text).is_ok()
}
