//! The steps of a lead as a story: under each change what became of it, moment by moment, with the
//! time since the moment before.

use serde_json::Value;

use crate::cli::time::{duration, moment};
use crate::core::time::Micros;

/// The beginning of what names a snapshot's row where others name their transaction.
const SNAPSHOT: &str = "snapshot:";

/// As wide as any duration below a hundred days.
const WAIT_WIDTH: usize = 14;

/// The lines of the story.
pub fn tell(events: &[Value]) -> Vec<String> {
    let mut story = Story::default();
    for event in events {
        story.step(event);
    }
    story.lines
}

#[derive(Default)]
struct Story {
    lines: Vec<String>,
    /// The change that is told of.
    change: Option<[String; 4]>,
    /// The moment before.
    before: Option<Micros>,
    /// Of this change, so that it is told once.
    payload: Option<String>,
}

impl Story {
    fn step(&mut self, event: &Value) {
        self.begin_change(event);
        let sent = at(event, "sent_at");
        let attempt = number(event, "attempt").unwrap_or(1);
        if let (Some(sent), Some(batch)) = (sent, number(event, "batch")) {
            self.moment(sent, format!("sent in batch {batch}, attempt {attempt}"));
        }
        let mut outcome = outcome(event);
        let durable = at(event, "at");
        match at(event, "answered_at") {
            Some(answered) => {
                let since = committed(event).filter(|_| text(event, "kind") == Some("delivered"));
                if let Some(committed) = since {
                    let took = duration(answered.seconds_since(committed));
                    outcome.push_str(&format!(", {took} after the {}", origin(event)));
                }
                self.moment(answered, format!("answered: {outcome}"));
            }
            None => {
                if let Some(durable) = durable {
                    self.moment(durable, outcome);
                }
            }
        }
        self.details(event);
        if let (Some(durable), Some(commit)) = (durable, number(event, "commit")) {
            let mut place = format!("written down in commit {commit}");
            if let (Some(segment), Some(offset)) =
                (number(event, "segment"), number(event, "offset"))
            {
                place.push_str(&format!(", segment {segment} at byte {offset}"));
            }
            if let Some(end) = text(event, "read_up_to") {
                place.push_str(&format!("; the binlog was done up to {end}"));
            }
            self.moment(durable, place);
        }
    }

    fn begin_change(&mut self, event: &Value) {
        let (Some(table), Some(row), Some(transaction)) = (
            text(event, "table"),
            number(event, "row"),
            text(event, "transaction"),
        ) else {
            return;
        };
        let route = text(event, "route").unwrap_or("?");
        let change = [table, &row.to_string(), transaction, route].map(str::to_owned);
        if self.change.as_ref() == Some(&change) {
            return;
        }
        if self.change.replace(change).is_some() {
            self.lines.push(String::new());
        }
        (self.before, self.payload) = (None, None);
        let operation = text(event, "operation").unwrap_or("change");
        let place = place(table, row, transaction);
        self.lines
            .push(format!("{operation} of {place}, for route {route}"));
        if let Some(committed) = committed(event) {
            let what = match origin(event) {
                "reading" => "read by the snapshot",
                _ => "committed in MySQL",
            };
            self.moment(committed, what.to_owned());
        }
        if let Some(captured) = at(event, "captured_at") {
            self.moment(captured, "captured".to_owned());
        }
    }

    fn moment(&mut self, at: Micros, what: String) {
        let waited = self.before.map_or_else(String::new, |before| {
            let seconds = at.seconds_since(before);
            // Clocks of two machines, or one that was set back.
            if seconds < 0.0 {
                "earlier".to_owned()
            } else {
                format!("+{}", duration(seconds))
            }
        });
        self.before = Some(at);
        self.lines
            .push(format!("  {}  {waited:<WAIT_WIDTH$}{what}", moment(at)));
    }

    fn details(&mut self, event: &Value) {
        let Some(personal) = event.get("personal") else {
            return;
        };
        if let Some(key) = text(personal, "key").filter(|key| !key.is_empty()) {
            self.detail("key", key);
        }
        let payload = personal.get("fields").map(Value::to_string);
        if payload.is_some() && self.payload != payload {
            self.payload = payload;
            self.fields("payload", personal.get("fields"));
        }
        self.fields("source row", personal.get("source_row"));
        let errors = personal.get("errors").and_then(Value::as_array);
        for error in errors.into_iter().flatten() {
            let code = text(error, "code").unwrap_or("?");
            let message = text(error, "message").unwrap_or_default();
            self.detail("error", &format!("{code}: {message}"));
        }
        self.fields("before", personal.get("before"));
        self.fields("after", personal.get("after"));
        if let Some(reason) = text(personal, "reason") {
            self.detail("reason", reason);
        }
    }

    fn detail(&mut self, name: &str, value: &str) {
        self.lines.push(format!("      {name:<12}{value}"));
    }

    /// One field a line.
    fn fields(&mut self, name: &str, fields: Option<&Value>) {
        let Some(fields) = fields.and_then(Value::as_object) else {
            return;
        };
        let width = fields.keys().map(|field| field.chars().count()).max();
        let width = width.unwrap_or(0).min(40);
        let mut name = name;
        for (field, value) in fields {
            let value = match value {
                Value::String(text) if !text.chars().any(char::is_control) => text.clone(),
                other => other.to_string(),
            };
            self.detail(name, &format!("{field:<width$}  {value}"));
            name = "";
        }
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

fn committed(event: &Value) -> Option<Micros> {
    at(event, "committed_at")
}

/// What came first: a commit, or a snapshot's reading.
fn origin(event: &Value) -> &'static str {
    match text(event, "transaction") {
        Some(transaction) if transaction.starts_with(SNAPSHOT) => "reading",
        _ => "commit",
    }
}

fn place(table: &str, row: i64, transaction: &str) -> String {
    let of_snapshot = transaction
        .strip_prefix(SNAPSHOT)
        .and_then(|rest| rest.split_once(':'));
    match of_snapshot {
        Some((number, key)) => format!("{table}, primary key {key}, read by snapshot {number}"),
        None => format!("{table}, row {row} of transaction {transaction}"),
    }
}

fn outcome(event: &Value) -> String {
    let code = text(event, "code").unwrap_or("?");
    let class = text(event, "class").unwrap_or("?");
    let author = text(event, "author").unwrap_or("?");
    let letter = number(event, "letter").unwrap_or_default();
    let rule = text(event, "rule").unwrap_or("?");
    let flag = |name: &str| event.get(name).and_then(Value::as_bool).unwrap_or_default();
    match text(event, "kind").unwrap_or("?") {
        "delivered" => {
            let verb = if flag("created") {
                "created"
            } else {
                "updated"
            };
            let id = text(event, "salesforce_id").unwrap_or("?");
            match number(event, "letter") {
                Some(letter) => format!("{verb} {id}, which closes dead letter {letter}"),
                None => format!("{verb} {id}"),
            }
        }
        "dead_letter" => format!("set aside as dead letter {letter}: {code} ({class})"),
        "edited" => format!("dead letter {letter} edited by {author}"),
        "replayed" => format!("dead letter {letter} sent again by {author}"),
        "discarded" => format!("dead letter {letter} discarded by {author}"),
        "outdated" => {
            format!("dead letter {letter} is outdated: a newer image of its key was delivered")
        }
        "retried" => format!("refused for now: {code} ({class})"),
        "parked" if flag("unknown") => {
            "parked: durable here; Salesforce may have it, and gets the same again".to_owned()
        }
        "parked" => "parked: durable here; waits for Salesforce, for its turn, or for a mapping \
                     that fits"
            .to_owned(),
        "superseded" => match event.get("by").and_then(|by| text(by, "tx")) {
            Some(newer) => {
                format!("superseded by a newer image of its key, of transaction {newer}")
            }
            None => "superseded by a newer image of its key".to_owned(),
        },
        "skipped" if rule == "where" => "left out by the route's filter (where)".to_owned(),
        "skipped" if code == "?" => format!("skipped: {rule}"),
        "skipped" => format!("skipped: {rule} ({code})"),
        "unanswered" => "not answered when the service stopped: sent again after it".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
    fn a_story_has_every_moment_and_the_time_between() {
        let step = |more: Value| {
            let mut event = json!({
                "route": "leads", "table": "crm.leads", "row": 0, "operation": "insert",
                "transaction": "3e11fa47-71ca-11e1-9e33-c80aa9429562:23",
                "committed_at": 1_000_000, "captured_at": 1_002_000, "segment": 1, "offset": 700,
            });
            let fields = more.as_object().unwrap().clone();
            event.as_object_mut().unwrap().extend(fields);
            event
        };
        let events = [
            step(json!({
                "kind": "retried", "class": "contention", "code": "UNABLE_TO_LOCK_ROW",
                "batch": 5, "attempt": 1, "sent_at": 2_002_000, "answered_at": 2_185_000,
                "commit": 8, "at": 2_190_000, "read_up_to": "binlog.000003:4711",
            })),
            step(json!({
                "kind": "delivered", "created": true, "salesforce_id": "00Q000000000001AAA",
                "batch": 6, "attempt": 2, "sent_at": 5_190_000, "answered_at": 5_390_000,
                "commit": 9, "at": 5_395_000,
                "personal": {"key": "1", "fields": {"City": "B…6", "LastName": "L…10"}},
            })),
        ];
        let told = tell(&events).join("\n");
        let expected = "\
insert of crm.leads, row 0 of transaction 3e11fa47-71ca-11e1-9e33-c80aa9429562:23, for route leads
  1970-01-01 00:00:01.000 UTC                committed in MySQL
  1970-01-01 00:00:01.002 UTC  +2 ms         captured
  1970-01-01 00:00:02.002 UTC  +1.0 s        sent in batch 5, attempt 1
  1970-01-01 00:00:02.185 UTC  +0.2 s        answered: refused for now: UNABLE_TO_LOCK_ROW (contention)
  1970-01-01 00:00:02.190 UTC  +5 ms         written down in commit 8, segment 1 at byte 700; the \
binlog was done up to binlog.000003:4711
  1970-01-01 00:00:05.190 UTC  +3.0 s        sent in batch 6, attempt 2
  1970-01-01 00:00:05.390 UTC  +0.2 s        answered: created 00Q000000000001AAA, 4.4 s after the commit
      key         1
      payload     City      B…6
                  LastName  L…10
  1970-01-01 00:00:05.395 UTC  +5 ms         written down in commit 9, segment 1 at byte 700";
        assert_eq!(told, expected);
    }
}
