//! The calls of a comparison: each is taken from the budget first, and counted.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::Ledger;
use crate::config::Config;
use crate::core::describe::{FieldKind, ObjectDescribe};
use crate::core::outcome::{Disposition, RequestFailure};
use crate::core::reconcile::Comparison;
use crate::delivery::bulk::JobId;
use crate::delivery::{
    JOB_PAGE_ROWS, JobPage, NextPage, Org, PAGE_ROWS, QueryJobState, QueryPage, address_bytes,
    fits, literal,
};
use crate::runtime::commands::Declined;

/// A page is asked for so often before the failure is told.
const TRIES: u64 = 4;

/// Grows with each try.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) type Record = Map<String, Value>;

pub(super) struct Asking<'a> {
    org: &'a Org,
    pub(super) ledger: &'a dyn Ledger,
    max_calls: Option<u64>,
    /// Of a service that does not run, nobody keeps the budget: what Salesforce has left.
    bound: Option<u64>,
    calls: u64,
}

/// How all records of an object are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// SOQL, 2,000 records a call.
    Soql,
    /// A query job of Bulk API 2.0: some calls more, and 10,000 records each.
    Bulk,
}

/// Calls of a query job beside its pages: its beginning, and the looks at it. The pauses between
/// them grow to half a minute, so a job of an hour takes a hundred more.
const JOB_CALLS: u64 = 10;
const JOB_PAUSES_MS: [u64; 6] = [200, 1_000, 2_000, 5_000, 10_000, 30_000];
/// A job that works for longer than some four hours is given up.
const JOB_LOOKS: usize = 500;

impl By {
    /// The cheaper of the two for this many records, and the calls that it takes.
    pub(super) fn cheaper(records: u64, wanted: Option<By>) -> (By, u64) {
        let soql = records.div_ceil(PAGE_ROWS).max(1);
        let bulk = records.div_ceil(JOB_PAGE_ROWS) + JOB_CALLS;
        match wanted {
            Some(By::Bulk) => (By::Bulk, bulk),
            Some(By::Soql) => (By::Soql, soql),
            None if bulk < soql => (By::Bulk, bulk),
            None => (By::Soql, soql),
        }
    }
}

/// One call, as it is made and made again.
enum Call<'c> {
    First(&'c str),
    Next(&'c NextPage),
}

impl<'a> Asking<'a> {
    pub(super) fn new(org: &'a Org, ledger: &'a dyn Ledger, max_calls: Option<u64>) -> Self {
        Self {
            org,
            ledger,
            max_calls,
            bound: None,
            calls: 0,
        }
    }

    /// Bounds the run by what Salesforce has left for us.
    pub(super) async fn bound_by_org(&mut self, config: &Config) -> Result<(), Declined> {
        self.spend()?;
        let limits = self.org.limits().await?.daily_api_requests;
        let reserve = limits.max / 100 * i64::from(config.pace.reserve_percent);
        let left = u64::try_from(limits.remaining - reserve).unwrap_or(0);
        let own = config.pace.daily_calls.unwrap_or(u64::MAX);
        self.bound = Some(self.calls.saturating_add(left.min(own)));
        Ok(())
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    /// Calls that may still be made: by the budget and by `--max-calls`.
    pub(super) fn left(&self) -> Result<Option<u64>, Declined> {
        let affordable = self.ledger.progress()?.affordable;
        let own = self.max_calls.map(|most| most.saturating_sub(self.calls));
        let bound = self.bound.map(|most| most.saturating_sub(self.calls));
        Ok(affordable.into_iter().chain(own).chain(bound).min())
    }

    pub(super) async fn describe(&mut self, object: &str) -> Result<ObjectDescribe, Declined> {
        self.spend()?;
        Ok(self.org.describe(object).await?)
    }

    /// How many records have a value in the external id.
    pub(super) async fn count(&mut self, comparison: &Comparison) -> Result<u64, Declined> {
        let soql = format!(
            "SELECT COUNT() FROM {} WHERE {} != null",
            comparison.object, comparison.key.name
        );
        Ok(self.ask(&Call::First(&soql)).await?.total)
    }

    /// The first page of all records with a value in the external id.
    pub(super) async fn all(&mut self, comparison: &Comparison) -> Result<QueryPage, Declined> {
        let soql = format!(
            "{} WHERE {} != null",
            selection(comparison),
            comparison.key.name
        );
        self.ask(&Call::First(&soql)).await
    }

    pub(super) async fn more(&mut self, next: &NextPage) -> Result<QueryPage, Declined> {
        self.ask(&Call::Next(next)).await
    }

    /// A finished query job for all records with a value in the external id.
    pub(super) async fn job(&mut self, comparison: &Comparison) -> Result<JobId, Declined> {
        let soql = format!(
            "{} WHERE {} != null",
            selection(comparison),
            comparison.key.name
        );
        self.spend()?;
        let job = self.org.query_job(&soql).await?;
        let longest = JOB_PAUSES_MS.last().copied().into_iter().cycle();
        let pauses = JOB_PAUSES_MS.into_iter().chain(longest).take(JOB_LOOKS);
        for pause_ms in pauses {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            self.spend()?;
            match self.org.query_job_state(&job).await {
                Ok(QueryJobState::Complete) => return Ok(job),
                Ok(QueryJobState::Failed) => break,
                Ok(QueryJobState::Working) => {}
                Err(failure) if passes(&failure) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Declined {
            page: "LS2110".to_owned(),
            text: format!("the query job {job} did not come to its end"),
            remedy: "see why in Setup, Bulk Data Load Jobs; or run it again with --by soql"
                .to_owned(),
        })
    }

    pub(super) async fn job_page(
        &mut self,
        job: &JobId,
        next: Option<&str>,
    ) -> Result<JobPage, Declined> {
        let mut tried = 0;
        loop {
            self.spend()?;
            tried += 1;
            match self.org.query_job_page(job, next).await {
                Ok(page) => return Ok(page),
                Err(failure) if tried < TRIES && passes(&failure) => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    /// The records with these external ids, by the key as it compares.
    pub(super) async fn by_keys(
        &mut self,
        comparison: &Comparison,
        keys: &[&str],
    ) -> Result<HashMap<String, Record>, Declined> {
        let mut found = HashMap::new();
        for group in groups(comparison, keys) {
            let list: Vec<String> = group
                .iter()
                .map(|key| of_key(&comparison.key.kind, key))
                .collect();
            let soql = format!(
                "{} WHERE {} IN ({})",
                selection(comparison),
                comparison.key.name,
                list.join(",")
            );
            for record in self.whole(&soql).await? {
                let key = record.get(&comparison.key.name);
                if let Some(key) = key.and_then(|key| comparison.key_of(key)) {
                    found.insert(key, record);
                }
            }
        }
        Ok(found)
    }

    /// External ids by the first 15 characters of the record's id, for records that are still there.
    pub(super) async fn keys_of(
        &mut self,
        comparison: &Comparison,
        ids: &[String],
    ) -> Result<Vec<(String, Value)>, Declined> {
        let mut found = Vec::new();
        for group in ids.chunks(400) {
            let list: Vec<String> = group.iter().map(|id| literal(id)).collect();
            let soql = format!(
                "SELECT Id, {} FROM {} WHERE Id IN ({})",
                comparison.key.name,
                comparison.object,
                list.join(",")
            );
            for mut record in self.whole(&soql).await? {
                let key = record.remove(&comparison.key.name).unwrap_or_default();
                found.push((id_of(&record), key));
            }
        }
        Ok(found)
    }

    async fn whole(&mut self, soql: &str) -> Result<Vec<Record>, Declined> {
        let mut page = self.ask(&Call::First(soql)).await?;
        let mut records = page.records;
        while let Some(next) = page.next {
            page = self.ask(&Call::Next(&next)).await?;
            records.append(&mut page.records);
        }
        Ok(records)
    }

    async fn ask(&mut self, call: &Call<'_>) -> Result<QueryPage, Declined> {
        let mut tried = 0;
        loop {
            self.spend()?;
            tried += 1;
            let answer = match call {
                Call::First(soql) => self.org.query(soql).await,
                Call::Next(next) => self.org.query_more(next).await,
            };
            match answer {
                Ok(page) => return Ok(page),
                Err(failure) if tried < TRIES && passes(&failure) => {
                    tracing::debug!(page = failure.page, tried, "a query is asked again");
                    tokio::time::sleep(PAUSE.saturating_mul(u32::try_from(tried).unwrap_or(1)))
                        .await;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    fn spend(&mut self) -> Result<(), Declined> {
        if let Some(most) = self.max_calls.filter(|most| self.calls >= *most) {
            return Err(Declined {
                page: "LS6031".to_owned(),
                text: format!("the comparison needs more than the {most} calls of --max-calls"),
                remedy: "raise --max-calls, or compare less: --route, --since, --from-key, --where"
                    .to_owned(),
            });
        }
        if self.bound.is_some_and(|most| self.calls >= most) {
            return Err(Declined {
                page: "LS6030".to_owned(),
                text: "the org has no call left beside the reserve".to_owned(),
                remedy: "wait until calls come back, or lower pace.reserve_percent".to_owned(),
            });
        }
        self.ledger.take_call()?;
        self.calls += 1;
        Ok(())
    }
}

fn passes(failure: &RequestFailure) -> bool {
    failure.disposition == Disposition::Backoff
}

/// A record's id without its checksum.
pub(super) fn id_of(record: &Record) -> String {
    let id = record.get("Id").and_then(Value::as_str).unwrap_or_default();
    id.chars().take(15).collect()
}

fn selection(comparison: &Comparison) -> String {
    let mut names = vec!["Id", &comparison.key.name];
    names.extend(comparison.fields.iter().map(|field| field.name.as_str()));
    format!("SELECT {} FROM {}", names.join(", "), comparison.object)
}

fn of_key(kind: &FieldKind, key: &str) -> String {
    match kind {
        FieldKind::Int { .. } | FieldKind::Number { .. } => {
            // A number stands without quotes, and what is none matches nothing.
            match key.parse::<f64>() {
                Ok(_) => key.to_owned(),
                Err(_) => "null".to_owned(),
            }
        }
        _ => literal(key),
    }
}

/// As many keys at a time as a query's address takes.
fn groups<'k>(comparison: &Comparison, keys: &[&'k str]) -> Vec<Vec<&'k str>> {
    let around = address_bytes(&selection(comparison)) + 100;
    let mut groups: Vec<Vec<&str>> = Vec::new();
    let mut bytes = usize::MAX;
    for key in keys {
        let more = address_bytes(&of_key(&comparison.key.kind, key)) + 3;
        if !fits(bytes.saturating_add(more)) {
            groups.push(Vec::new());
            bytes = around;
        }
        bytes += more;
        if let Some(group) = groups.last_mut() {
            group.push(key);
        }
    }
    groups
}

/// How many of these keys one query takes, for the plan.
pub(super) fn keys_in_a_call(comparison: &Comparison, key: &str) -> u64 {
    let keys = vec![key; 2_000];
    groups(comparison, &keys)
        .first()
        .map_or(1, |group| group.len().max(1) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::reconcile::ComparedField;

    fn comparison(kind: FieldKind) -> Comparison {
        Comparison {
            object: "Lead".to_owned(),
            key: ComparedField {
                name: "MySQL_Id__c".to_owned(),
                kind,
            },
            key_case_sensitive: false,
            fields: Vec::new(),
        }
    }

    #[test]
    fn keys_are_cut_into_queries_and_none_is_lost() {
        let comparison = comparison(FieldKind::Text { max_chars: 80 });
        let keys: Vec<String> = (0..5_000).map(|n| format!("key-{n}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let cut = groups(&comparison, &keys);
        assert!((5..20).contains(&cut.len()), "{}", cut.len());
        assert_eq!(cut.concat(), keys);
        assert!(groups(&comparison, &[]).is_empty());
        assert!(keys_in_a_call(&comparison, "1234567890") > 400);
    }

    #[test]
    fn a_key_of_another_kind_matches_nothing_and_breaks_no_query() {
        let number = FieldKind::Number {
            precision: 18,
            scale: 0,
        };
        assert_eq!(of_key(&number, "42"), "42");
        assert_eq!(of_key(&number, "1) OR (Id != null"), "null");
        let text = FieldKind::Text { max_chars: 80 };
        assert_eq!(of_key(&text, "o'x"), "'o\\'x'");
    }

    #[test]
    fn the_cheaper_way_is_taken_unless_one_is_asked_for() {
        assert_eq!(By::cheaper(0, None), (By::Soql, 1));
        assert_eq!(By::cheaper(20_000, None), (By::Soql, 10));
        assert_eq!(By::cheaper(1_000_000, None), (By::Bulk, 110));
        assert_eq!(By::cheaper(1_000_000, Some(By::Soql)), (By::Soql, 500));
    }
}
