//! What the armed faults make of one request.
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};

use super::preset::Saying;
use super::{Action, Endpoint, Fault, FaultId, Preset, wording};
use crate::org::Refusal;
use crate::watch::RequestRecord;

/// Keys of a held request that are shown.
const SHOWN_KEYS: usize = 20;

/// One request, as faults see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occasion<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) method: &'a str,
    /// As sent, without the query.
    pub(crate) path: &'a str,
    /// Of its records, in their order; empty for what has none.
    pub(crate) keys: &'a [String],
}

impl<'a> Occasion<'a> {
    pub(crate) fn of(
        endpoint: Endpoint,
        record: &'a RequestRecord,
        keys: &'a [String],
    ) -> Occasion<'a> {
        Occasion {
            endpoint,
            method: &record.method,
            path: &record.path,
            keys,
        }
    }
}

/// What happens to one request.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) wait_before: Duration,
    pub(crate) hold_before: Option<Hold>,
    /// Instead of a commit.
    pub(crate) refuse: Option<Instead>,
    /// (index of the record, why).
    pub(crate) records: Vec<(usize, Vec<Refusal>)>,
    pub(crate) wait_after: Duration,
    pub(crate) hold_after: Option<Hold>,
    /// Instead of the reply, after the commit.
    pub(crate) after: Option<Instead>,
    /// Changes of whatever reply there is, in this order.
    pub(crate) changes: Vec<Change>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) hits: u64,
}

/// A request that shall wait, with what is shown of it meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) fault: FaultId,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) records: u64,
    /// The first few.
    pub(crate) keys: Vec<String>,
}

/// What takes the place of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Instead {
    Json {
        status: u16,
        refusal: Refusal,
    },
    SessionExpired {
        revoke: bool,
        message: Option<String>,
    },
    Token {
        error: String,
        description: Option<String>,
    },
    Html(u16),
    /// To another instance, whose URL has no path yet.
    Redirect {
        status: u16,
        location: String,
    },
    Cut,
    Stall,
}

/// What is done to a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Trickle { bytes: usize, pause: Duration },
    Truncate,
    Corrupt,
    ResultCount(i32),
}

impl Plan {
    /// Whether time passes between the arrival and the commit.
    pub(crate) fn waits_before(&self) -> bool {
        self.hold_before.is_some() || !self.wait_before.is_zero()
    }

    /// Adds what a fault does that acts on the whole request.
    pub(super) fn take(&mut self, id: FaultId, fault: &Fault, occasion: &Occasion<'_>) {
        self.hits += 1;
        self.take_headers(fault);
        match &fault.action {
            Action::Pass {} | Action::RecordError { .. } | Action::RecordErrors { .. } => {}
            // An outage is decided before a request is understood, and a job when it starts.
            Action::Down { .. } => {}
            action if action.is_on_jobs() => {}
            Action::Delay {
                milliseconds,
                after_commit,
            } => {
                let wait = if *after_commit {
                    &mut self.wait_after
                } else {
                    &mut self.wait_before
                };
                *wait = wait.saturating_add(Duration::from_millis(*milliseconds));
            }
            Action::Hold { after_commit } => {
                let hold = if *after_commit {
                    &mut self.hold_after
                } else {
                    &mut self.hold_before
                };
                hold.get_or_insert_with(|| Hold::new(id, occasion));
            }
            Action::Trickle {
                bytes,
                milliseconds,
            } => self.changes.push(Change::Trickle {
                bytes: usize::try_from(*bytes).unwrap_or(usize::MAX),
                pause: Duration::from_millis(*milliseconds),
            }),
            Action::Truncate {} => self.changes.push(Change::Truncate),
            Action::Corrupt {} => self.changes.push(Change::Corrupt),
            Action::ResultCount { change } => self.changes.push(Change::ResultCount(*change)),
            other => {
                if let Some((instead, commit)) = instead(other) {
                    let place = if commit {
                        &mut self.after
                    } else {
                        &mut self.refuse
                    };
                    place.get_or_insert(instead);
                }
            }
        }
    }

    /// Adds what a fault does to one record; an earlier fault's reasons stay.
    pub(super) fn take_record(&mut self, fault: &Fault, index: usize) {
        self.hits += 1;
        if self.headers.is_empty() {
            self.take_headers(fault);
        }
        if self.records.iter().any(|(taken, _)| *taken == index) {
            return;
        }
        let refusals = match &fault.action {
            Action::RecordError {
                status_code,
                message,
                fields,
            } => vec![refusal(status_code, message, fields)],
            Action::RecordErrors { errors } => errors
                .iter()
                .map(|error| refusal(&error.status_code, &error.message, &error.fields))
                .collect(),
            _ => return,
        };
        self.records.push((index, refusals));
    }

    fn take_headers(&mut self, fault: &Fault) {
        let parse = |(name, value): (&String, &String)| {
            let name = HeaderName::try_from(name.as_str()).ok()?;
            Some((name, HeaderValue::try_from(value.as_str()).ok()?))
        };
        self.headers.extend(fault.headers.iter().filter_map(parse));
    }
}

impl Hold {
    fn new(fault: FaultId, occasion: &Occasion<'_>) -> Hold {
        Hold {
            fault,
            method: occasion.method.to_owned(),
            path: occasion.path.to_owned(),
            records: occasion.keys.len() as u64,
            keys: occasion.keys.iter().take(SHOWN_KEYS).cloned().collect(),
        }
    }

    /// A bulk job of that many rows.
    pub(crate) fn of_job(fault: FaultId, kind: &str, id: &str, records: u64) -> Hold {
        Hold {
            fault,
            method: "JOB".into(),
            path: format!("/jobs/{kind}/{id}"),
            records,
            keys: Vec::new(),
        }
    }
}

/// What takes the place of an answer, and whether the commit happens all the same.
fn instead(action: &Action) -> Option<(Instead, bool)> {
    Some(match action {
        Action::SessionExpired { revoke, message } => {
            let (revoke, message) = (*revoke, message.clone());
            (Instead::SessionExpired { revoke, message }, false)
        }
        Action::Refuse {
            status,
            code,
            message,
        } => (json(*status, code.clone(), message.clone()), false),
        Action::Preset { preset, commit } => (known(*preset), *commit),
        Action::TokenError { error, description } => {
            let description = match description {
                Some(text) if text.is_empty() => None,
                Some(text) => Some(text.clone()),
                None => wording::of_token_error(error).map(str::to_owned),
            };
            let error = error.clone();
            (Instead::Token { error, description }, false)
        }
        Action::Html { status, commit } => (Instead::Html(*status), *commit),
        Action::Drop { commit } => (Instead::Cut, *commit),
        Action::Stall { commit } => (Instead::Stall, *commit),
        Action::Redirect { location, status } => {
            let (status, location) = (*status, location.clone());
            (Instead::Redirect { status, location }, false)
        }
        Action::Poison { message } => {
            let message = message.clone().unwrap_or_else(|| {
                "Cannot deserialize instance of datetime from VALUE_STRING value 0000-00-00 00:00:00 or request \
                 may be missing a required field at [line:1, column:179]"
                    .into()
            });
            let refusal = Refusal::parser(message);
            (
                Instead::Json {
                    status: 400,
                    refusal,
                },
                false,
            )
        }
        Action::Pass {}
        | Action::Delay { .. }
        | Action::RecordError { .. }
        | Action::RecordErrors { .. }
        | Action::Down { .. }
        | Action::Hold { .. }
        | Action::BulkFail { .. }
        | Action::BulkHold { .. }
        | Action::BulkDelay { .. }
        | Action::BulkShuffle {}
        | Action::BulkExpire {}
        | Action::Trickle { .. }
        | Action::Truncate {}
        | Action::Corrupt {}
        | Action::ResultCount { .. } => return None,
    })
}

fn known(preset: Preset) -> Instead {
    match preset.saying() {
        Saying::Json {
            status,
            code,
            message,
        } => json(status, code.into(), message.into()),
        Saying::Html(status) => Instead::Html(status),
    }
}

fn json(status: u16, code: String, message: String) -> Instead {
    let refusal = Refusal {
        code: code.into(),
        ..Refusal::new("", message)
    };
    Instead::Json { status, refusal }
}

fn refusal(code: &str, message: &str, fields: &[String]) -> Refusal {
    let (usual, usual_fields) = wording::usual(code);
    if message.is_empty() {
        let fields = if fields.is_empty() {
            usual_fields.iter().map(|f| (*f).to_owned()).collect()
        } else {
            fields.to_vec()
        };
        return Refusal {
            code: code.to_owned().into(),
            fields,
            ..Refusal::new("", usual)
        };
    }
    Refusal {
        code: code.to_owned().into(),
        fields: fields.to_vec(),
        ..Refusal::new("", message)
    }
}
