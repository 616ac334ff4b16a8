//! What every bulk test does: create, upload, close, wait, read results.
use std::collections::BTreeMap;

use salesforce_sandbox::{JobSnapshot, Stats};
use serde_json::{Value, json};

use crate::harness::{Answer, Ask, Org, PATIENCE};

pub const INGEST: &str = "/services/data/v67.0/jobs/ingest";

/// The body that creates an upsert by the demo key.
pub fn upsert() -> Value {
    json!({ "object": "Lead", "operation": "upsert", "externalIdFieldName": "MySQL_Id__c",
            "contentType": "CSV", "lineEnding": "LF" })
}

/// The same with other values.
pub fn upsert_with(changes: Value) -> Value {
    let mut body = upsert();
    let changes = changes.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(changes);
    body
}

pub fn path(id: &str) -> String {
    format!("{INGEST}/{id}")
}

pub fn ended(stats: &Stats) -> u64 {
    stats.bulk_jobs_complete + stats.bulk_jobs_failed + stats.bulk_jobs_aborted
}

impl Org {
    #[track_caller]
    pub fn create_job(&self, body: &Value) -> String {
        let answer = self.ask("POST", INGEST).json(body).send();
        assert_eq!(answer.status, 200, "{}", text(&answer));
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    pub fn ask_upload(&self, id: &str, csv: impl Into<Vec<u8>>) -> Ask {
        self.ask("PUT", &format!("{}/batches", path(id)))
            .body("text/csv", csv)
    }

    #[track_caller]
    pub fn upload(&self, id: &str, csv: impl Into<Vec<u8>>) {
        let answer = self.ask_upload(id, csv).send();
        assert_eq!((answer.status, text(&answer)), (201, String::new()));
    }

    pub fn set_state(&self, id: &str, state: &str) -> Answer {
        self.patch(&path(id), &json!({ "state": state }))
    }

    #[track_caller]
    pub fn close(&self, id: &str) {
        let answer = self.set_state(id, "UploadComplete");
        assert_eq!(answer.status, 200, "{}", text(&answer));
        assert_eq!(answer.json()["state"], "UploadComplete");
    }

    /// Creates, uploads and closes.
    #[track_caller]
    pub fn start_job(&self, body: &Value, csv: impl Into<Vec<u8>>) -> String {
        let id = self.create_job(body);
        self.upload(&id, csv);
        self.close(&id);
        id
    }

    /// Waits until one more job has ended than had before.
    #[track_caller]
    pub fn wait_for_ended(&self, count: u64) {
        let stats = self.sandbox.stats();
        assert!(
            self.sandbox.wait_for(PATIENCE, |s| ended(s) >= count),
            "{stats:?}"
        );
    }

    /// Runs a job to its end and returns its id.
    #[track_caller]
    pub fn run_job(&self, body: &Value, csv: impl Into<Vec<u8>>) -> String {
        let before = ended(&self.sandbox.stats());
        let id = self.start_job(body, csv);
        self.wait_for_ended(before + 1);
        id
    }

    #[track_caller]
    pub fn job(&self, id: &str) -> JobSnapshot {
        let found = self.sandbox.jobs().into_iter().find(|job| job.id == id);
        found.unwrap()
    }

    #[track_caller]
    pub fn info(&self, id: &str) -> Value {
        let answer = self.get(&path(id));
        assert_eq!(answer.status, 200, "{}", text(&answer));
        answer.json()
    }

    #[track_caller]
    pub fn result(&self, id: &str, name: &str) -> Table {
        let answer = self.get(&format!("{}/{name}", path(id)));
        assert_eq!(answer.status, 200, "{}", text(&answer));
        assert_eq!(answer.header("content-type"), Some("text/csv"));
        Table::parse(&text(&answer), ',', "\n")
    }

    /// How many rows the three files hold.
    #[track_caller]
    pub fn result_sizes(&self, id: &str) -> (usize, usize, usize) {
        let size = |name| self.result(id, name).rows.len();
        (
            size("successfulResults"),
            size("failedResults"),
            size("unprocessedrecords"),
        )
    }

    /// Leads by their key.
    pub fn leads_by_key(&self) -> BTreeMap<String, BTreeMap<String, Value>> {
        let leads = self.sandbox.leads();
        leads
            .into_iter()
            .map(|lead| {
                let key = lead.fields["MySQL_Id__c"].as_str().unwrap().to_owned();
                (key, lead.fields)
            })
            .collect()
    }
}

pub fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

/// A file with rows `first..last`: key, last name, company.
pub fn numbered(first: usize, last: usize) -> String {
    let mut csv = String::from("MySQL_Id__c,LastName,Company\n");
    for n in first..last {
        csv.push_str(&format!("{n},Doe {n},Acme\n"));
    }
    csv
}

/// A CSV whose every value is quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Fails on a value without quotes, because some clients split such values at any delimiter.
    #[track_caller]
    pub fn parse(text: &str, delimiter: char, ending: &str) -> Table {
        let mut rows = vec![vec![]];
        let mut rest = text;
        while !rest.is_empty() {
            let mut value = String::new();
            rest = rest.strip_prefix('"').unwrap_or_else(|| panic!("{rest}"));
            loop {
                let (head, tail) = rest.split_once('"').unwrap();
                value.push_str(head);
                rest = tail;
                let Some(tail) = rest.strip_prefix('"') else {
                    break;
                };
                value.push('"');
                rest = tail;
            }
            rows.last_mut().unwrap().push(value);
            if let Some(tail) = rest.strip_prefix(delimiter) {
                rest = tail;
            } else {
                rest = rest
                    .strip_prefix(ending)
                    .unwrap_or_else(|| panic!("{rest}"));
                rows.push(vec![]);
            }
        }
        assert_eq!(rows.pop(), Some(vec![]), "the last line has an end");
        // A job without data has no header either.
        let header = match rows.is_empty() {
            true => vec![],
            false => rows.remove(0),
        };
        assert!(rows.iter().all(|row| row.len() == header.len()));
        Table { header, rows }
    }

    /// The values of a column, sorted.
    #[track_caller]
    pub fn column(&self, name: &str) -> Vec<String> {
        let at = self.header.iter().position(|h| h == name).unwrap();
        let mut values: Vec<String> = self.rows.iter().map(|row| row[at].clone()).collect();
        values.sort();
        values
    }

    /// The row whose column holds this value.
    #[track_caller]
    pub fn row(&self, column: &str, value: &str) -> BTreeMap<String, String> {
        let at = self.header.iter().position(|h| h == column).unwrap();
        let row = self.rows.iter().find(|row| row[at] == value).unwrap();
        self.header.iter().cloned().zip(row.clone()).collect()
    }
}
