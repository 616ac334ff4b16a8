//! `leadstream reconcile`: whether MySQL and Salesforce hold the same, why not, and how to mend it.
//!
//! Beside a running service it asks through the control socket; without one it opens the state folder
//! itself, which keeps a service from starting until it is done.

mod ledger;
mod show;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use super::read::StateArgument;
use super::{FAILURE, Failed, Global, USAGE, load, runtime};
use crate::capture::Narrow;
use crate::cli::printer::Printer;
use crate::core::time::Micros;
use crate::runtime::reconcile::{self, By, Repair, Request, Watcher};

/// A value of a flag that cannot be read.
const WRONG_VALUE: &str = "LS4004";

#[derive(Args)]
pub struct Arguments {
    /// Of this route only; may be repeated [default: all routes]
    #[arg(long = "route", value_name = "NAME")]
    routes: Vec<String>,
    /// Only rows that the table itself has stamped since then: a moment (2026-11-22,
    /// 2026-11-22T08:00:00Z) or a time back from now (2h, 3d)
    #[arg(long, value_name = "MOMENT")]
    since: Option<String>,
    /// Only the row with this primary key and those behind it
    #[arg(long, value_name = "KEY")]
    from_key: Option<String>,
    /// Only the rows for which this SQL condition holds, as it stands behind WHERE
    #[arg(long = "where", value_name = "SQL", value_parser = NonEmptyStringValueParser::new())]
    condition: Option<String>,
    /// Sends what is missing again, through the running service; with "different" also what differs.
    /// Deletes nothing
    #[arg(long, value_name = "WHAT", num_args = 0..=1, default_missing_value = "missing")]
    repair: Option<What>,
    /// How all records of an object are read [default: whichever takes fewer calls]
    #[arg(long, value_name = "HOW")]
    by: Option<How>,
    /// API calls that it may make at most [default: what the budget has beside its reserve]
    #[arg(long, value_name = "N")]
    max_calls: Option<u64>,
    /// How many differences of each kind are named
    #[arg(long, value_name = "N", default_value_t = 10)]
    show: usize,
    #[command(flatten)]
    state: StateArgument,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    Missing,
    Different,
}

#[derive(Clone, Copy, ValueEnum)]
enum How {
    /// Pages of 2,000 records
    Soql,
    /// A query job of Bulk API 2.0
    Bulk,
}

pub fn run(global: &Global, arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    let config = load(global, printer)?;
    let request = request(arguments, crate::runtime::clock::wall(), printer)?;
    let path = arguments.state.path(global, printer)?;
    let ledger = ledger::open(&path, printer)?;
    if request.repair != Repair::Nothing && !ledger.is_service() {
        let text = format!("no service runs on the state folder {}", path.display());
        let remedy = "start it with `leadstream run`, then ask again: it is what sends";
        printer.error(Some("LS6005"), &text, Some(remedy));
        return Err(Failed::Said(FAILURE));
    }
    let watcher = Told(printer);
    let done = runtime(1)?.block_on(reconcile::run(&config, &request, &ledger, &watcher));
    printer.progress_done();
    let report = match done {
        Ok(report) => report,
        Err(declined) => {
            printer.error(Some(&declined.page), &declined.text, Some(&declined.remedy));
            return Err(Failed::Said(FAILURE));
        }
    };
    if global.json {
        printer.json(&report)?;
    } else {
        show::report(&report, printer)?;
    }
    match report.agrees() {
        true => Ok(()),
        false => Err(Failed::Said(FAILURE)),
    }
}

fn request(arguments: &Arguments, now: Micros, printer: &Printer) -> Result<Request, Failed> {
    let mut narrow = Vec::new();
    if let Some(since) = &arguments.since {
        let Some(seconds) = moment(since, now) else {
            let text = format!("--since: {since:?} is no moment");
            let remedy = "give a date (2026-11-22), a moment (2026-11-22T08:00:00Z), or how long \
                          ago (30m, 2h, 3d)";
            printer.error(Some(WRONG_VALUE), &text, Some(remedy));
            return Err(Failed::Said(USAGE));
        };
        narrow.push(Narrow::Since(seconds));
    }
    narrow.extend(arguments.from_key.clone().map(Narrow::FromKey));
    narrow.extend(arguments.condition.clone().map(Narrow::Condition));
    Ok(Request {
        routes: arguments.routes.clone(),
        narrow,
        repair: match arguments.repair {
            None => Repair::Nothing,
            Some(What::Missing) => Repair::Missing,
            Some(What::Different) => Repair::Different,
        },
        by: arguments.by.map(|how| match how {
            How::Soql => By::Soql,
            How::Bulk => By::Bulk,
        }),
        max_calls: arguments.max_calls,
        show: arguments.show,
    })
}

/// Seconds since 1970.
fn moment(text: &str, now: Micros) -> Option<i64> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.as_second());
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>() {
        let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        return Some(midnight.timestamp().as_second());
    }
    let unit = text.chars().last()?;
    let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let ago = count.checked_mul(seconds).filter(|ago| *ago >= 0)?;
    now.0.div_euclid(1_000_000).checked_sub(ago)
}

/// The person at the terminal.
struct Told<'p>(&'p Printer);

impl Watcher for Told<'_> {
    fn planned(&self, route: &str, calls: u64, affordable: Option<u64>) {
        let of = match affordable {
            Some(left) => format!("of {left} that may be made now"),
            None => "and nothing bounds them".to_owned(),
        };
        self.0.note(&format!(
            "route {route}: the first look takes {calls} API calls, {of}; what does not agree takes \
             a few more"
        ));
    }

    fn progress(&self, what: &str, done: u64, total: Option<u64>) {
        self.0.progress(what, done, total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_every_form() {
        let now = Micros(1_000_000_000_000_000);
        assert_eq!(moment("1970-01-02", now), Some(86_400));
        assert_eq!(moment("1970-01-01T00:01:00Z", now), Some(60));
        assert_eq!(moment("2h", now), Some(1_000_000_000 - 7_200));
        for wrong in ["", "h", "-2h", "yesterday", "2w"] {
            assert_eq!(moment(wrong, now), None, "{wrong}");
        }
    }
}
