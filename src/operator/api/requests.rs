//! From what was sent to the question it asks: bodies, whose unknown fields are refused, and
//! parameters that several endpoints take.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::parameters::bad;
use super::serving::Call;
use crate::core::time::Micros;
use crate::operator::problem::Problem;
use crate::operator::{ForgetQuestion, LetterQuestion, LogLevelQuestion, Query};
use crate::runtime::letters::sheet::Row;
use crate::runtime::letters::{Change, Selection, Wanted};
use crate::state::{ActivityQuestion, DeadLetterFilter, Person, TraceQuery};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditBody {
    #[serde(default)]
    fields: BTreeMap<String, Box<RawValue>>,
    #[serde(default)]
    unset: Vec<String>,
    seen: Option<u64>,
    #[serde(default)]
    check_only: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportBody {
    rows: Vec<ImportRow>,
    #[serde(default)]
    check_only: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportRow {
    line: u64,
    letter: u64,
    cells: BTreeMap<String, String>,
    seen: Option<u64>,
}

/// As in the query of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Matching {
    route: Option<String>,
    class: Option<String>,
    code: Option<String>,
    field: Option<String>,
    first_field: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplayBody {
    numbers: Option<Vec<u64>>,
    matching: Option<Matching>,
    #[serde(default)]
    force: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DiscardBody {
    numbers: Option<Vec<u64>>,
    matching: Option<Matching>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SnapshotBody {
    routes: Option<Vec<String>>,
    condition: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PauseBody {
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForgetBody {
    key: Option<String>,
    salesforce_id: Option<String>,
    email: Option<String>,
    route: Option<String>,
    #[serde(default)]
    erase: bool,
}

impl From<ImportRow> for Row {
    fn from(row: ImportRow) -> Self {
        let ImportRow {
            line,
            letter,
            cells,
            seen,
        } = row;
        Self {
            line,
            letter,
            cells,
            seen,
            anyway: false,
        }
    }
}

fn body<T: DeserializeOwned>(call: &Call) -> Result<T, Problem> {
    serde_json::from_slice(&call.body).map_err(|error| {
        bad(
            &format!("the body cannot be read: {error}"),
            "send one JSON object as /api/v1/openapi.json describes it",
        )
    })
}

/// Always of questions, so that handlers are one line.
#[allow(clippy::unnecessary_wraps, reason = "what makes questions may fail")]
pub(super) fn letters(what: LetterQuestion) -> Result<Query, Problem> {
    Ok(Query::Letters { what })
}

pub(super) fn number(call: &Call) -> u64 {
    call.given.count("number").unwrap_or_default()
}

pub(super) fn filter(call: &Call) -> DeadLetterFilter {
    DeadLetterFilter {
        route: call.given.text("route"),
        class: call.given.text("class"),
        code: call.given.text("code"),
        field: call.given.text("field"),
        first_field: call.given.text("first_field"),
    }
}

pub(super) fn named(
    key: Option<String>,
    salesforce_id: Option<String>,
    email: Option<String>,
) -> Result<TraceQuery, Problem> {
    let given = [
        key.map(TraceQuery::Key),
        salesforce_id.map(TraceQuery::SalesforceId),
        email.map(TraceQuery::Email),
    ];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(what), None) => Ok(what),
        _ => Err(bad(
            "one name is needed, and no more",
            "give key, salesforce_id or email",
        )),
    }
}

fn selection(numbers: Option<Vec<u64>>, matching: Option<Matching>) -> Result<Selection, Problem> {
    match (numbers, matching) {
        (Some(numbers), None) => Ok(Selection::Numbers(numbers)),
        (None, Some(matching)) => Ok(Selection::Matching(DeadLetterFilter {
            route: matching.route,
            class: matching.class,
            code: matching.code,
            field: matching.field,
            first_field: matching.first_field,
        })),
        _ => Err(bad(
            "which dead letters are meant?",
            "give their numbers, or matching; {} matches all",
        )),
    }
}

pub(super) fn edit(call: &Call) -> Result<Query, Problem> {
    let EditBody {
        fields,
        unset,
        seen,
        check_only,
    } = body(call)?;
    let set = fields.into_iter().map(|(field, json)| Change {
        field,
        value: Some(Wanted::Json(json.get().to_owned())),
    });
    let unset = unset.into_iter().map(|field| Change { field, value: None });
    let changes: Vec<Change> = set.chain(unset).collect();
    let mut names = BTreeSet::new();
    let twice = changes.iter();
    let mut twice = twice.filter(|change| !names.insert(change.field.to_lowercase()));
    if let Some(twice) = twice.next() {
        let text = format!("the field {} is given twice", twice.field);
        return Err(bad(&text, "give each field once, in any case of letters"));
    }
    if changes.is_empty() {
        return Err(bad("what is to be changed?", "give fields, or unset"));
    }
    letters(LetterQuestion::Edit {
        number: number(call),
        changes,
        seen,
        check_only,
    })
}

pub(super) fn discard(call: &Call) -> Result<Query, Problem> {
    let DiscardBody {
        numbers,
        matching,
        reason,
    } = body(call)?;
    if reason.trim().is_empty() {
        return Err(bad("why are they discarded?", "give a reason"));
    }
    let selection = selection(numbers, matching)?;
    letters(LetterQuestion::Discard { selection, reason })
}

pub(super) fn forget(call: &Call) -> Result<Query, Problem> {
    let ForgetBody {
        key,
        salesforce_id,
        email,
        route,
        erase,
    } = body(call)?;
    let what = named(key, salesforce_id, email)?;
    let person = Person { what, route };
    Ok(Query::Forget {
        what: ForgetQuestion { person, erase },
    })
}

pub(super) fn import(call: &Call) -> Result<Query, Problem> {
    let ImportBody { rows, check_only } = body(call)?;
    let rows = rows.into_iter().map(Row::from).collect();
    letters(LetterQuestion::Import { rows, check_only })
}

pub(super) fn replay(call: &Call) -> Result<Query, Problem> {
    let ReplayBody {
        numbers,
        matching,
        force,
    } = body(call)?;
    let selection = selection(numbers, matching)?;
    letters(LetterQuestion::Replay { selection, force })
}

pub(super) fn snapshot(call: &Call) -> Result<Query, Problem> {
    let SnapshotBody { routes, condition } = body(call)?;
    Ok(Query::SnapshotStart { routes, condition })
}

pub(super) fn pause(call: &Call) -> Result<Query, Problem> {
    let PauseBody { reason } = body(call)?;
    Ok(Query::PauseRoute {
        route: call.given.in_path("route"),
        reason,
    })
}

/// Acts that are told at once.
const ACTS: u64 = 100;

pub(super) fn activity(call: &Call) -> Result<Query, Problem> {
    let since = match call.given.text("since") {
        None => None,
        Some(text) => {
            let at: jiff::Timestamp = text
                .parse()
                .map_err(|_| bad("since is no moment", "write it as 2026-11-23T08:00:00Z"))?;
            Some(Micros(at.as_microsecond()))
        }
    };
    let limit = call.given.count("limit").unwrap_or(ACTS);
    Ok(Query::Activity {
        what: ActivityQuestion {
            since,
            until: None,
            before: call.given.count("before"),
            author: call.given.text("author"),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        },
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogLevelBody {
    directives: String,
}

pub(super) fn set_log_level(call: &Call) -> Result<Query, Problem> {
    let LogLevelBody { directives } = body(call)?;
    Ok(log_level(LogLevelQuestion::Set { directives }))
}

pub(super) fn log_level(what: LogLevelQuestion) -> Query {
    Query::LogLevel { what }
}
