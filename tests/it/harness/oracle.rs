//! The oracle: what MySQL committed, what the journal says, what Salesforce holds, compared row by
//! row. It shares no code with the pipeline; the promise is held when it finds nothing.

use std::collections::{BTreeMap, BTreeSet};

use leadstream::runtime::status::Status;
use serde_json::Value;

use super::World;
use super::journal::{self, Journal};

/// What was found when everything was as it must be; for what a single test expects beyond.
#[derive(Debug)]
pub struct Judgement {
    pub rows: u64,
    pub delivered: BTreeSet<String>,
    /// By key: the code it was set aside with.
    pub dead_letters: BTreeMap<String, String>,
    pub journal: Journal,
}

/// Compares the three.
///
/// # Panics
/// With the first promise that is broken.
#[track_caller]
pub fn judge(world: &mut World, status: &Status) -> Judgement {
    let rows = committed_rows(world);
    let journal = journal::read(&world.state().join("journal"));
    let mut delivered = BTreeMap::new();
    let mut dead_letters = BTreeMap::new();
    for (change, steps) in &journal.finals {
        assert_eq!(
            steps.len(),
            1,
            "{change:?} has more than one outcome: {steps:?}"
        );
        let step = &steps[0];
        let key = step.key.clone().unwrap_or_default();
        match step.kind.as_str() {
            "delivered" => {
                let id = step
                    .salesforce_id
                    .clone()
                    .expect("a delivered record has an id");
                assert_eq!(
                    delivered.insert(key.clone(), id),
                    None,
                    "key {key} delivered twice"
                );
            }
            "dead_letter" => {
                dead_letters.insert(key, step.code.clone().unwrap_or_default());
            }
            other => panic!("{change:?} ended as {other}"),
        }
    }
    assert_eq!(
        journal.still_parked, [0_u64; 0],
        "parked records were forgotten"
    );

    // Every committed row is delivered once or dead-lettered, and nothing else is.
    let outcomes: BTreeSet<&String> = delivered.keys().chain(dead_letters.keys()).collect();
    let committed: BTreeSet<&String> = rows.keys().collect();
    let lost: Vec<_> = committed.difference(&outcomes).take(10).collect();
    let invented: Vec<_> = outcomes.difference(&committed).take(10).collect();
    assert!(
        lost.is_empty() && invented.is_empty(),
        "lost: {lost:?}, invented: {invented:?}"
    );
    assert_eq!(
        delivered.len() + dead_letters.len(),
        rows.len(),
        "one outcome a row"
    );

    compare_with_salesforce(world, &rows, &delivered);
    let books = &status.routes[0];
    assert!(books.balances, "the books: {books:?}");
    let captured = rows.len() as u64 + journal.skipped_rows;
    assert_eq!(books.captured, captured, "captured once for ever");
    let totals = &books.totals;
    assert_eq!(totals.skipped_total(), journal.skipped_rows, "skipped");
    assert_eq!(totals.delivered(), delivered.len() as u64, "delivered");
    let open = dead_letters.len() as u64;
    assert_eq!(totals.dead_letters_open, open, "dead letters");
    Judgement {
        rows: rows.len() as u64,
        delivered: delivered.into_keys().collect(),
        dead_letters,
        journal,
    }
}

/// Each row's key with the values that can be compared as text.
fn committed_rows(world: &mut World) -> BTreeMap<String, (String, String)> {
    let sql = world.committed;
    let texts = world.with_form(async |form| form.texts(sql).await);
    texts
        .iter()
        .map(|text| {
            let parts: Vec<&str> = text.split('\u{1f}').collect();
            (
                parts[0].to_owned(),
                (parts[1].to_owned(), parts[2].to_owned()),
            )
        })
        .collect()
}

fn compare_with_salesforce(
    world: &World,
    rows: &BTreeMap<String, (String, String)>,
    delivered: &BTreeMap<String, String>,
) {
    let mut leads = BTreeMap::new();
    for lead in world.org.leads() {
        let key = lead.fields["MySQL_Id__c"]
            .as_str()
            .expect("a key")
            .to_owned();
        assert!(
            leads.insert(key.clone(), lead).is_none(),
            "two Leads with key {key}"
        );
    }
    for (key, id) in delivered {
        let lead = leads
            .get(key)
            .unwrap_or_else(|| panic!("key {key} is not in Salesforce"));
        assert_eq!(lead.id, *id, "key {key}");
        let (last_name, email) = &rows[key];
        let text = |name: &str| {
            lead.fields
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        assert_eq!(text("LastName"), last_name, "key {key}");
        assert_eq!(text("Email"), email, "key {key}");
    }
    let unknown: Vec<_> = leads
        .keys()
        .filter(|key| !delivered.contains_key(*key))
        .collect();
    assert!(
        unknown.is_empty(),
        "in Salesforce, but not delivered: {unknown:?}"
    );
    assert_eq!(
        world.org.stats().max_concurrent_per_key,
        u64::from(!leads.is_empty()),
        "calls at once for a key"
    );
}

/// What a snapshot came to, beside whatever the stream brought.
#[derive(Debug)]
pub struct SnapshotJudgement {
    /// Rows of the snapshot with an outcome.
    pub rows: u64,
    pub dead_letters: BTreeSet<String>,
    pub journal: Journal,
}

/// Compares the three after a snapshot beside a stream of inserts, updates and deletes, on an
/// insert-only route: every row that stands has an outcome, by the snapshot or by the stream; each
/// change has one, however often the process died.
///
/// # Panics
/// With the first promise that is broken.
#[track_caller]
pub fn judge_snapshot(world: &mut World, status: &Status) -> SnapshotJudgement {
    let rows = committed_rows(world);
    let journal = journal::read(&world.state().join("journal"));
    let (mut delivered, mut dead_letters) = (BTreeSet::new(), BTreeSet::new());
    let (mut deliveries, mut refusals, mut of_snapshot) = (0_u64, 0_u64, 0_u64);
    for (change, steps) in &journal.finals {
        assert_eq!(steps.len(), 1, "{change:?} has more than one outcome");
        of_snapshot += u64::from(change.0.starts_with("snapshot:"));
        let key = steps[0].key.clone().unwrap_or_default();
        match steps[0].kind.as_str() {
            "delivered" => {
                deliveries += 1;
                delivered.insert(key);
            }
            "dead_letter" => {
                refusals += 1;
                dead_letters.insert(key);
            }
            "superseded" => {}
            other => panic!("{change:?} ended as {other}"),
        }
    }
    assert_eq!(
        journal.still_parked, [0_u64; 0],
        "parked records were forgotten"
    );
    let lost: Vec<_> = rows
        .keys()
        .filter(|key| !delivered.contains(*key) && !dead_letters.contains(*key))
        .take(10)
        .collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    for lead in world.org.leads() {
        let key = lead.fields["MySQL_Id__c"].as_str().expect("a key");
        // A row that is gone by now may have been delivered before; when a kill took the answer with
        // it, nobody reads the row again.
        let Some((last_name, email)) = rows.get(key) else {
            continue;
        };
        assert!(
            delivered.contains(key),
            "{key} is in Salesforce, but not delivered"
        );
        let text = |name: &str| lead.fields.get(name).and_then(Value::as_str);
        assert_eq!(text("LastName").unwrap_or_default(), last_name, "key {key}");
        assert_eq!(text("Email").unwrap_or_default(), email, "key {key}");
    }
    assert_eq!(
        world.org.stats().max_concurrent_per_key,
        1,
        "calls at once for a key"
    );
    let route = &status.routes[0];
    assert!(route.balances, "the books: {route:?}");
    assert_eq!(route.totals.delivered(), deliveries, "delivered");
    assert_eq!(route.totals.dead_letters_open, refusals, "dead letters");
    let counted: u64 = status
        .snapshot
        .iter()
        .flat_map(|snapshot| &snapshot.tables)
        .map(|table| table.rows)
        .sum();
    assert_eq!(
        counted, of_snapshot,
        "rows of the snapshot, each counted once"
    );
    SnapshotJudgement {
        rows: of_snapshot,
        dead_letters,
        journal,
    }
}
