//! `leadstream trace`: the story of one lead, step by step.

use clap::Args;
use serde_json::Value;

use super::read::{Source, StateArgument};
use super::time::{duration, moment};
use super::{FAILURE, Failed, Global};
use crate::cli::printer::Printer;
use crate::core::time::Micros;
use crate::operator::Query;
use crate::runtime::Error;
use crate::state::TraceQuery;

#[derive(Args)]
pub struct Arguments {
    /// A key (the external id's value), a Salesforce id or an e-mail address
    #[arg(value_name = "KEY | SALESFORCE ID | E-MAIL")]
    what: String,
    /// Takes it for a key, whatever it looks like
    #[arg(long)]
    key: bool,
    #[command(flatten)]
    state: StateArgument,
}

pub fn run(global: &Global, arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    let what = if arguments.key {
        TraceQuery::Key(arguments.what.clone())
    } else {
        guess(&arguments.what)
    };
    let query = Query::Trace { what: what.clone() };
    let events = match arguments.state.source(global, &query, printer)? {
        Source::Service(value) => value,
        Source::Folder(reader) => {
            let events = reader.index().trace(&what).map_err(Error::State)?;
            serde_json::to_value(events)
                .map_err(|error| Failed::Output(std::io::Error::other(error)))?
        }
    };
    if global.json {
        printer.json(&events)?;
    } else {
        for event in events.as_array().into_iter().flatten() {
            print(event, printer)?;
        }
    }
    if events.as_array().is_none_or(Vec::is_empty) {
        let what = match &what {
            TraceQuery::Key(key) => format!("the key {key:?}"),
            TraceQuery::SalesforceId(id) => format!("the Salesforce id {id:?}"),
            TraceQuery::Email(address) => format!("the e-mail address {address:?}"),
        };
        printer.note(&format!(
            "nothing is known of {what}: never captured, still in flight, or past its retention"
        ));
        return Err(Failed::Said(FAILURE));
    }
    Ok(())
}

/// An address has an `@`; a Salesforce id has 15 or 18 letters and digits and begins with the
/// three that name its object, such as `00Q`.
fn guess(what: &str) -> TraceQuery {
    let id = matches!(what.len(), 15 | 18)
        && what.starts_with("00")
        && what.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && what.bytes().any(|byte| byte.is_ascii_alphabetic());
    if what.contains('@') {
        TraceQuery::Email(what.to_owned())
    } else if id {
        TraceQuery::SalesforceId(what.to_owned())
    } else {
        TraceQuery::Key(what.to_owned())
    }
}

fn text<'v>(event: &'v Value, name: &str) -> Option<&'v str> {
    event.get(name)?.as_str()
}

fn number(event: &Value, name: &str) -> Option<i64> {
    event.get(name)?.as_i64()
}

fn at(event: &Value, name: &str) -> Option<Micros> {
    number(event, name).map(Micros)
}

fn print(event: &Value, printer: &Printer) -> std::io::Result<()> {
    let kind = text(event, "kind").unwrap_or("?");
    let when = at(event, "at").map(moment).unwrap_or_default();
    printer.data(&format!("{when}  {}", headline(event, kind)))?;
    let line = |name: &str, value: String| printer.data(&format!("    {name:<12}{value}"));
    if let (Some(table), Some(row), Some(transaction)) = (
        text(event, "table"),
        number(event, "row"),
        text(event, "transaction"),
    ) {
        line("source", place(table, row, transaction))?;
    }
    let (name, moment_of) = match text(event, "transaction") {
        Some(transaction) if transaction.starts_with(SNAPSHOT) => ("read", "reading"),
        _ => ("committed", "commit"),
    };
    if let Some(committed) = at(event, "committed_at") {
        line(name, moment(committed))?;
        let since = |name: &str, earlier: Micros| {
            at(event, name).map(|later| duration(later.seconds_since(earlier)))
        };
        if let Some(took) = since("captured_at", committed) {
            line("captured", format!("{took} after the {moment_of}"))?;
        }
        if let Some(took) = since("sent_at", committed) {
            let batch = number(event, "batch").unwrap_or_default();
            let attempt = number(event, "attempt").unwrap_or(1);
            line(
                "sent",
                format!("{took} after the {moment_of}, in batch {batch}, attempt {attempt}"),
            )?;
        }
        if let Some(took) = since("answered_at", committed) {
            line("answered", format!("{took} after the {moment_of}"))?;
        }
    }
    let Some(personal) = event
        .get("personal")
        .filter(|personal| personal.is_object())
    else {
        return Ok(());
    };
    if let Some(key) = text(personal, "key") {
        line("key", key.to_owned())?;
    }
    for (title, name) in [("payload", "fields"), ("source row", "source_row")] {
        if let Some(fields) = personal.get(name).filter(|fields| fields.is_object()) {
            line(title, fields.to_string())?;
        }
    }
    for error in personal
        .get("errors")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let code = text(error, "code").unwrap_or("?");
        let message = text(error, "message").unwrap_or_default();
        line("error", format!("{code}: {message}"))?;
    }
    Ok(())
}

/// The beginning of what names a snapshot's row where others name their transaction.
const SNAPSHOT: &str = "snapshot:";

fn place(table: &str, row: i64, transaction: &str) -> String {
    let of_snapshot = transaction
        .strip_prefix(SNAPSHOT)
        .and_then(|rest| rest.split_once(':'));
    match of_snapshot {
        Some((number, key)) => format!("{table}, primary key {key}, read by snapshot {number}"),
        None => format!("{table}, row {row} of transaction {transaction}"),
    }
}

fn headline(event: &Value, kind: &str) -> String {
    let route = text(event, "route").unwrap_or("?");
    let code = text(event, "code").unwrap_or("?");
    let class = text(event, "class").unwrap_or("?");
    match kind {
        "delivered" => {
            let created = event
                .get("created")
                .and_then(Value::as_bool)
                .unwrap_or_default();
            let verb = if created { "created" } else { "updated" };
            format!(
                "delivered by route {route}: {verb} {}",
                text(event, "salesforce_id").unwrap_or("?")
            )
        }
        "dead_letter" => {
            let letter = number(event, "letter").unwrap_or_default();
            format!("set aside as dead letter {letter} by route {route}: {code} ({class})")
        }
        "retried" => format!("refused for now by Salesforce: {code} ({class})"),
        "parked" => format!(
            "parked by route {route}: durable here, waits for Salesforce, for its turn, or for a \
             mapping that fits"
        ),
        "superseded" => format!("superseded by a newer image of its key, route {route}"),
        "skipped" => format!("left out by the filter (where) of route {route}"),
        "unanswered" => "not answered when the service stopped: sent again after it".to_owned(),
        other => format!("{other}, route {route}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_snapshot_is_told_from_one_of_a_transaction() {
        assert_eq!(
            place("crm.leads", 0, "snapshot:3:17,a:b"),
            "crm.leads, primary key 17,a:b, read by snapshot 3"
        );
        assert_eq!(
            place("crm.leads", 4, "file:binlog.000001:4"),
            "crm.leads, row 4 of transaction file:binlog.000001:4"
        );
    }

    #[test]
    fn what_is_asked_for_is_told_by_its_look() {
        let key = |text: &str| TraceQuery::Key(text.into());
        assert!(matches!(guess("ann@example.org"), TraceQuery::Email(_)));
        assert!(matches!(
            guess("00Q000000000001AAA"),
            TraceQuery::SalesforceId(_)
        ));
        assert!(matches!(
            guess("00Q00000000000A"),
            TraceQuery::SalesforceId(_)
        ));
        assert_eq!(guess("42"), key("42"));
        assert_eq!(guess("001234567890123"), key("001234567890123"));
    }
}
