//! A second opinion of the journal: reads the files by docs/journal.md alone, with none of
//! leadstream's code, and verifies the chain on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

/// What the journal says became of a change: transaction, table, row, route.
pub type Change = (String, String, u64, String);

#[derive(Debug, Default)]
pub struct Journal {
    /// Final steps by change; a change that is settled twice has two.
    pub finals: BTreeMap<Change, Vec<Step>>,
    /// Serials of parked records without a final step.
    pub still_parked: Vec<u64>,
    pub commits: u64,
    pub events: Vec<String>,
    pub parked_ever: u64,
    pub retried: u64,
    pub retried_by_key: BTreeMap<String, u64>,
    pub unanswered: u64,
    /// Rows that no route carries.
    pub skipped_rows: u64,
}

#[derive(Debug, Clone)]
pub struct Step {
    pub kind: String,
    pub salesforce_id: Option<String>,
    pub code: Option<String>,
    pub class: Option<String>,
    pub key: Option<String>,
}

impl Journal {
    /// Class and code of each dead letter, by key.
    pub fn set_aside(&self) -> BTreeMap<String, (String, String)> {
        let steps = self.finals.values().flatten();
        steps
            .filter(|step| step.kind == "dead_letter")
            .map(|step| {
                let said = |text: &Option<String>| text.clone().unwrap_or_default();
                (said(&step.key), (said(&step.class), said(&step.code)))
            })
            .collect()
    }
}

const SEAL: &[u8] = b",\"chain\":\"";

/// Reads every segment of `state/journal`.
///
/// # Panics
/// When the format or the chain is broken.
pub fn read(folder: &Path) -> Journal {
    let numbers: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the journal's folder")
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| {
            let number = name
                .strip_suffix(".jsonl")
                .or(name.strip_suffix(".jsonl.zst"));
            number.map(str::to_owned)
        })
        .collect();
    let mut journal = Journal::default();
    let mut parked = BTreeMap::new();
    let mut chain = [0_u8; 32];
    for number in numbers {
        let bytes = segment(folder, &number);
        read_segment(&bytes, &mut chain, &mut journal, &mut parked);
    }
    journal.still_parked = parked.into_keys().collect();
    journal
}

/// A closed segment may be packed at any moment: the plain file goes once the packed one is there.
fn segment(folder: &Path, number: &str) -> Vec<u8> {
    match std::fs::read(folder.join(format!("{number}.jsonl"))) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let packed = std::fs::read(folder.join(format!("{number}.jsonl.zst"))).unwrap();
            // Frames one behind the other, as any reader of zstd sees them.
            zstd::stream::decode_all(packed.as_slice()).unwrap()
        }
        Err(error) => panic!("{number}: {error}"),
    }
}

fn read_segment(
    bytes: &[u8],
    chain: &mut [u8; 32],
    journal: &mut Journal,
    parked: &mut BTreeMap<u64, ()>,
) {
    let mut run: Vec<(Value, Option<Value>)> = Vec::new();
    let mut hashed = blake3::Hasher::new();
    hashed.update(chain);
    for (number, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let text = line.strip_suffix(b"\n").expect("a finished line");
        if text.starts_with(b"{\"x\":") {
            let (entry, personal) = run.last_mut().expect("an entry before its personal line");
            let digest = &blake3::hash(text).to_hex()[..32];
            assert_eq!(entry["x"], digest, "personal line {number}");
            *personal = Some(serde_json::from_slice(text).unwrap());
            continue;
        }
        let value: Value = serde_json::from_slice(text).expect("JSON");
        let sealed = number == 0 || value["t"] == "commit";
        if !sealed {
            hashed.update(line);
            run.push((value, None));
            continue;
        }
        let seal = text
            .windows(SEAL.len())
            .rposition(|window| window == SEAL)
            .expect("a seal");
        hashed.update(&text[..seal]);
        *chain = *hashed.finalize().as_bytes();
        assert_eq!(
            value["chain"],
            blake3::Hash::from_bytes(*chain).to_hex().as_str(),
            "the chain"
        );
        hashed = blake3::Hasher::new();
        hashed.update(chain);
        if number > 0 {
            journal.commits += 1;
            assert_eq!(value["lines"], run.len(), "lines of a commit");
            for (entry, personal) in run.drain(..) {
                take(&entry, personal.as_ref(), journal, parked);
            }
        }
    }
    assert!(run.is_empty(), "a run without its commit");
}

fn take(
    entry: &Value,
    personal: Option<&Value>,
    journal: &mut Journal,
    parked: &mut BTreeMap<u64, ()>,
) {
    let text = |name: &str| entry[name].as_str().map(str::to_owned);
    let kind = text("t").unwrap();
    match kind.as_str() {
        "service" => journal.events.push(text("event").unwrap()),
        "parked" => {
            journal.parked_ever += 1;
            parked.insert(entry["serial"].as_u64().unwrap(), ());
        }
        "retried" => {
            journal.retried += 1;
            let key = personal.and_then(|line| line["x"]["k"].as_str());
            let key = key.unwrap_or_default().to_owned();
            *journal.retried_by_key.entry(key).or_default() += 1;
        }
        "unanswered" => journal.unanswered += 1,
        // Who did what: of no record.
        "act" => {}
        "delivered" | "dead_letter" | "superseded" => {
            if let Some(serial) = entry["parked"].as_u64() {
                assert!(
                    parked.remove(&serial).is_some(),
                    "serial {serial} is settled twice"
                );
            }
            let change = (
                text("tx").unwrap(),
                text("table").unwrap(),
                entry["row"].as_u64().unwrap(),
                text("route").unwrap(),
            );
            let step = Step {
                kind,
                salesforce_id: text("id"),
                code: text("code"),
                class: text("class"),
                key: personal.and_then(|line| line["x"]["k"].as_str().map(str::to_owned)),
            };
            journal.finals.entry(change).or_default().push(step);
        }
        "skipped" if entry["rule"] == "where" => {
            if let Some(serial) = entry["parked"].as_u64() {
                assert!(
                    parked.remove(&serial).is_some(),
                    "serial {serial} is settled twice"
                );
            }
            journal.skipped_rows += 1;
        }
        "skipped" => journal.skipped_rows += entry["rows"].as_u64().unwrap(),
        other => panic!("an entry of kind {other}"),
    }
}
