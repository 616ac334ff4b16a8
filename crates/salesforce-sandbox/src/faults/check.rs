//! What a fault may say: reading it from JSON or TOML, and the rules that no fault may violate.
//!
//! Every mistake is told, with the key it is in and what would be allowed; the texts begin with the key.
use axum::http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::{Map, Value, json};

use super::{Action, Endpoint, Fault};
use crate::shape;

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];
/// A longer wait is a hold.
const MAX_DELAY_MILLISECONDS: u64 = 24 * 3_600_000;
const MAX_PAUSE_MILLISECONDS: u64 = 60_000;
const RESULT_CHANGES: std::ops::RangeInclusive<i32> = -1000..=1000;

impl Action {
    /// Whether it is done to records rather than to requests.
    pub(super) fn is_on_records(&self) -> bool {
        matches!(
            self,
            Action::RecordError { .. } | Action::RecordErrors { .. }
        )
    }

    /// Whether it is done to bulk jobs as such, rather than to requests or records.
    pub(super) fn is_on_jobs(&self) -> bool {
        matches!(
            self,
            Action::BulkFail { .. }
                | Action::BulkHold { .. }
                | Action::BulkDelay { .. }
                | Action::BulkShuffle {}
                | Action::BulkExpire {}
        )
    }
}

impl Fault {
    /// Reads a fault, or says what is wrong with its keys, one sentence each. Whether the values make sense together
    /// is for [`Fault::mistakes`].
    pub fn from_json(value: &Value) -> Result<Fault, Vec<String>> {
        let Value::Object(object) = value else {
            return Err(vec!["a fault must be an object with an `action`".into()]);
        };
        let nothing = json!({ "kind": "pass" });
        let mut found = Vec::new();
        match object.get("action") {
            Some(Value::Object(action)) => {
                found.extend(action_mistakes(action));
            }
            Some(_) => found.push("action: must be an object with a `kind`".into()),
            None => found.push("action: missing; it says what goes wrong".into()),
        }
        let fixed = Map::from_iter([("action".to_owned(), nothing)]);
        found.extend(shape::mistakes::<Fault>(object, &fixed, ""));
        if !found.is_empty() {
            return Err(found);
        }
        Fault::deserialize(value).map_err(|error| vec![error.to_string()])
    }

    /// What contradicts itself or cannot be done, as sentences that begin with the key.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(share) = self.probability
            && !(0.0..=1.0).contains(&share)
        {
            found.push(format!("probability: must be 0 to 1, not {share}"));
        }
        if self.keys.as_ref().is_some_and(Vec::is_empty) {
            found.push("keys: must name one key at least; leave it out for all keys".into());
        }
        if let Some(method) = &self.method
            && !METHODS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(method))
        {
            found.push(format!(
                "method: must be one of {}, not `{method}`",
                METHODS.join(", ")
            ));
        }
        if let Some(path) = &self.path
            && !path.starts_with('/')
        {
            found.push(format!("path: must start with `/`, unlike `{path}`"));
        }
        self.check_times(&mut found);
        for (name, value) in &self.headers {
            if HeaderName::try_from(name.as_str()).is_err() {
                found.push(format!("headers: `{name}` is no name of a header"));
            }
            if HeaderValue::try_from(value.as_str()).is_err() {
                found.push(format!("headers.{name}: the value cannot be sent"));
            }
        }
        self.check_action(&mut found);
        found
    }

    fn check_times(&self, found: &mut Vec<String>) {
        match (self.for_seconds, self.every_seconds) {
            (Some(0), _) => found.push("for_seconds: must be at least 1".into()),
            (None, Some(_)) => found.push("every_seconds: needs for_seconds".into()),
            (Some(lasts), Some(period)) if period <= lasts => found.push(format!(
                "every_seconds: must be more than for_seconds, which is {lasts}"
            )),
            _ => {}
        }
    }

    fn check_action(&self, found: &mut Vec<String>) {
        let token = matches!(self.on, Endpoint::Token | Endpoint::Login);
        match &self.action {
            // 1xx are no replies of their own.
            Action::Refuse { status, .. } | Action::Html { status, .. }
                if !(200..=599).contains(status) =>
            {
                found.push(format!("action.status: must be 200 to 599, not {status}"));
            }
            Action::Redirect { location, status } => {
                if !REDIRECTS.contains(status) {
                    let known = REDIRECTS.map(|status| status.to_string()).join(", ");
                    found.push(format!(
                        "action.status: must be one of {known}, not {status}"
                    ));
                }
                let host = ["http://", "https://"]
                    .iter()
                    .find_map(|scheme| location.strip_prefix(scheme));
                let is_origin = host.is_some_and(|host| {
                    let host = host.strip_suffix('/').unwrap_or(host);
                    !host.is_empty() && !host.contains(['/', '?', '#', '\\'])
                });
                if !is_origin || HeaderValue::try_from(location.as_str()).is_err() {
                    found.push(format!(
                        "action.location: must be a URL of scheme and host alone, not `{location}`"
                    ));
                }
            }
            Action::Delay { milliseconds, .. } | Action::BulkDelay { milliseconds }
                if *milliseconds > MAX_DELAY_MILLISECONDS =>
            {
                found.push(format!(
                    "action.milliseconds: must be {MAX_DELAY_MILLISECONDS} (a day) at most"
                ));
            }
            Action::Trickle {
                bytes,
                milliseconds,
            } => {
                if *bytes == 0 {
                    found.push("action.bytes: must be at least 1".into());
                }
                if *milliseconds > MAX_PAUSE_MILLISECONDS {
                    found.push(format!(
                        "action.milliseconds: must be {MAX_PAUSE_MILLISECONDS} at most"
                    ));
                }
            }
            Action::ResultCount { change } if !RESULT_CHANGES.contains(change) || *change == 0 => {
                let most = RESULT_CHANGES.end();
                found.push(format!(
                    "action.change: must be -{most} to {most} and not 0, not {change}"
                ));
            }
            Action::RecordErrors { errors } if errors.is_empty() => {
                found.push("action.errors: must hold one error at least".into());
            }
            Action::TokenError { .. } if !self.on.covers(Endpoint::Token) => {
                found.push("on: must be `token` or `all` for a token_error".into());
            }
            Action::SessionExpired { .. } if token => {
                found.push("on: must not be `token` or `login` for a session_expired".into());
            }
            action if action.is_on_jobs() && !self.on.covers(Endpoint::Bulk) => {
                found.push("on: must be `bulk` or `all` for what is done to bulk jobs".into());
            }
            action if action.is_on_jobs() && (self.method.is_some() || self.path.is_some()) => {
                found.push("action.kind: a bulk job has neither method nor path".into());
            }
            action if action.is_on_records() && token => {
                found.push("on: must not be `token` or `login` for an error of records".into());
            }
            _ => {}
        }
    }
}

/// Faults of a configuration file.
pub(crate) fn read_list<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Fault>, D::Error> {
    let values = Vec::<Value>::deserialize(deserializer)?;
    let mut found = Vec::new();
    let mut faults = Vec::new();
    for (i, value) in values.iter().enumerate() {
        match Fault::from_json(value) {
            Ok(fault) => faults.push(fault),
            Err(mistakes) => {
                found.extend(
                    mistakes
                        .into_iter()
                        .map(|text| format!("faults[{i}].{text}")),
                );
            }
        }
    }
    if found.is_empty() {
        Ok(faults)
    } else {
        Err(D::Error::custom(found.join("; ")))
    }
}

fn action_mistakes(action: &Map<String, Value>) -> Vec<String> {
    let Some(kind) = action.get("kind") else {
        return vec!["action.kind: missing; it names what goes wrong".into()];
    };
    let only_kind = Map::from_iter([("kind".to_owned(), kind.clone())]);
    let mut found = shape::mistakes::<Action>(&only_kind, &Map::new(), "action.");
    if found.is_empty() {
        found = shape::mistakes::<Action>(action, &only_kind, "action.");
    }
    if found.is_empty()
        && let Err(error) = Action::deserialize(&Value::Object(action.clone()))
    {
        found.push(format!("action: {}", shape::plain(&error.to_string())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_read(fault: Value, expected: &[&str]) {
        let mistakes = Fault::from_json(&fault).err().unwrap_or_default();
        assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
        for (mistake, part) in mistakes.iter().zip(expected) {
            assert!(mistake.starts_with(part), "{mistake} is not {part}");
        }
    }

    #[test]
    fn each_wrong_key_is_named_with_what_is_allowed() {
        check_read(json!([]), &["a fault must be an object"]);
        check_read(json!({}), &["action: missing"]);
        check_read(json!({ "action": "html" }), &["action: must be an object"]);
        check_read(
            json!({ "action": { "status": 503 } }),
            &["action.kind: missing"],
        );
        check_read(
            json!({ "action": { "kind": "htlm" } }),
            &["action.kind: unknown variant `htlm`, expected one of `pass`, `delay`"],
        );
        check_read(
            json!({ "action": { "kind": 3 } }),
            &["action.kind: must be one of the names that it knows, not 3"],
        );
        check_read(
            json!({ "action": { "kind": "refuse", "status": "403", "mesage": "x" } }),
            &[
                "action.mesage: unknown field `mesage`, expected one of `status`, `code`, `message`",
                "action.status: must be a whole number from 0 to 65535, not \"403\"",
            ],
        );
        check_read(
            json!({ "action": { "kind": "refuse", "status": 403, "message": "x" } }),
            &["action: missing field `code`"],
        );
        check_read(
            json!({ "on": "colections", "times": -1, "tims": 2, "action": { "kind": "truncate", "x": 1 } }),
            &[
                "action.x: unknown field `x`",
                "on: unknown variant `colections`, expected one of `all`, `token`, `login`",
                "times: must be a whole number, 0 or more, not -1",
                "tims: unknown field `tims`, expected one of `on`, `method`",
            ],
        );
        check_read(json!({ "action": { "kind": "truncate" } }), &[]);
    }

    #[track_caller]
    fn check_sense(fault: Fault, expected: &str) {
        let mistakes = fault.mistakes();
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert!(mistakes[0].starts_with(expected), "{mistakes:?}");
    }

    #[test]
    fn what_contradicts_itself_is_told() {
        let pass = || Fault::new(Action::Pass {});
        let html = |status| Action::Html {
            status,
            commit: false,
        };
        let redirect = |location: &str, status| Action::Redirect {
            location: location.into(),
            status,
        };
        check_sense(pass().probability(1.5, 0), "probability: must be 0 to 1");
        check_sense(
            pass().probability(f64::NAN, 0),
            "probability: must be 0 to 1",
        );
        check_sense(pass().keys([] as [&str; 0]), "keys: ");
        check_sense(pass().method("FETCH"), "method: must be one of GET, HEAD");
        check_sense(pass().path("services"), "path: must start with");
        check_sense(pass().for_seconds(0), "for_seconds: ");
        check_sense(pass().every_seconds(9), "every_seconds: needs");
        check_sense(
            pass().for_seconds(9).every_seconds(9),
            "every_seconds: must be more",
        );
        check_sense(pass().header("bad name", "x"), "headers: `bad name`");
        check_sense(pass().header("X-A", "a\r\nB: c"), "headers.X-A: ");
        for status in [0, 99, 101, 199, 600] {
            check_sense(
                Fault::new(html(status)),
                "action.status: must be 200 to 599",
            );
        }
        check_sense(
            Fault::new(redirect("https://b.example", 200)),
            "action.status: ",
        );
        for location in [
            "",
            "b.example",
            "https://",
            "https://b.example/x",
            "https://b\n.example",
        ] {
            check_sense(Fault::new(redirect(location, 302)), "action.location: ");
        }
        let token_error = Action::TokenError {
            error: "x".into(),
            description: None,
        };
        check_sense(Fault::new(token_error).on(Endpoint::Single), "on: ");
        let expired = Action::SessionExpired {
            revoke: false,
            message: None,
        };
        check_sense(Fault::new(expired).on(Endpoint::Token), "on: ");
        check_sense(
            Fault::new(Action::BulkShuffle {}).on(Endpoint::Single),
            "on: ",
        );
        check_sense(
            Fault::new(Action::BulkExpire {}).path("/x"),
            "action.kind: ",
        );
        let none = Action::RecordErrors { errors: vec![] };
        check_sense(Fault::new(none), "action.errors: ");
        for change in [0, 1_001, i32::MIN] {
            check_sense(
                Fault::new(Action::ResultCount { change }),
                "action.change: must be -1000 to 1000 and not 0",
            );
        }
        assert!(pass().for_seconds(1).every_seconds(2).mistakes().is_empty());
        assert!(
            Fault::new(redirect("https://b.example/", 307))
                .mistakes()
                .is_empty()
        );
    }
}
