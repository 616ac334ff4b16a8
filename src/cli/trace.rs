//! `leadstream trace`: the story of one lead, step by step.

mod story;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::read::{Source, StateArgument};
use super::{FAILURE, Failed, Global};
use crate::cli::printer::Printer;
use crate::cli::time::moment;
use crate::operator::{Query, Reply, ask};
use crate::runtime::Error;
use crate::state::{TraceQuery, TrailStart};

#[derive(Args)]
pub struct Arguments {
    /// A key (the external id's value), a Salesforce id or an e-mail address
    #[arg(value_name = "KEY | SALESFORCE ID | E-MAIL", value_parser = NonEmptyStringValueParser::new())]
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
    let (events, trail) = match arguments.state.source(global, &query, printer)? {
        Source::Service(value) => (value, None),
        Source::Folder(reader) => {
            let events = reader.index().trace(&what).map_err(Error::State)?;
            let events = serde_json::to_value(events)
                .map_err(|error| Failed::Output(std::io::Error::other(error)))?;
            (events, reader.index().trail_start().ok())
        }
    };
    if global.json {
        printer.json(&events)?;
    } else {
        let steps = events.as_array().map(Vec::as_slice).unwrap_or_default();
        for line in story::tell(steps) {
            printer.data(&line)?;
        }
    }
    if events.as_array().is_none_or(Vec::is_empty) {
        let what = match &what {
            TraceQuery::Key(key) => format!("the key {key:?}"),
            TraceQuery::SalesforceId(id) => format!("the Salesforce id {id:?}"),
            TraceQuery::Email(address) => format!("the e-mail address {address:?}"),
        };
        // The answer stands without it.
        let trail = match trail {
            None => trail_of_service(global, arguments, printer),
            known => known,
        };
        if let Some(trail) = trail.filter(|_| global.json) {
            let line = serde_json::to_string(&trail);
            printer.note(&line.map_err(|error| Failed::Output(std::io::Error::other(error)))?);
        } else {
            printer.note(&unknown(&what, trail));
        }
        return Err(Failed::Said(FAILURE));
    }
    Ok(())
}

fn trail_of_service(
    global: &Global,
    arguments: &Arguments,
    printer: &Printer,
) -> Option<TrailStart> {
    let path = arguments.state.path(global, printer).ok()?;
    match ask(&path, &Query::TrailStart) {
        Ok(Some(Reply::Value(value))) => serde_json::from_value(value).ok(),
        _ => None,
    }
}

/// Why nothing is found, as far as it can be told.
fn unknown(what: &str, trail: Option<TrailStart>) -> String {
    let head = format!("nothing is known of {what}: never captured, still in flight");
    match trail {
        None => format!("{head}, or past its retention"),
        Some(trail) => {
            let from = moment(trail.trail_begins_at);
            match trail.trail_is_whole {
                true => format!("{head}, or erased; the audit trail is whole, from {from} on"),
                false => format!(
                    "{head}, erased, or past its retention: the audit trail begins at {from}, \
                     what was finished before is not kept (state.audit_retention)"
                ),
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Micros;

    #[test]
    fn where_nothing_is_found_it_is_told_where_the_trail_begins() {
        let of = |trail_is_whole| {
            let trail_begins_at = Micros(86_400_000_000);
            let trail = TrailStart {
                trail_begins_at,
                trail_is_whole,
            };
            unknown("the key \"7\"", Some(trail))
        };
        let (whole, cut) = (of(true), of(false));
        assert!(
            whole.contains("whole, from 1970-01-02 00:00:00.000 UTC"),
            "{whole}"
        );
        assert!(!whole.contains("retention"), "{whole}");
        assert!(
            cut.contains("begins at 1970-01-02 00:00:00.000 UTC"),
            "{cut}"
        );
        assert!(cut.contains("state.audit_retention"), "{cut}");
        assert!(unknown("it", None).ends_with("past its retention"));
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
