//! Bulk jobs in the model world: a worker that loses its memory with the process, and a Salesforce
//! whose jobs outlive it and work at their own pace, in any order.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::World;
use crate::core::bulk::{
    BulkAnswer, BulkNews, BulkOrder, BulkSettings, BulkStep, JobFault, JobProgress, LaneSpan,
    key_number,
};
use crate::core::entry::{Image, ParkedRecord};
use crate::core::outcome::{CallOutcome, Disposition, ErrorClass, RecordResult, RequestFailure};

/// Small enough that a storm sees several jobs.
pub fn settings(choice: u64) -> BulkSettings {
    BulkSettings {
        from: (choice > 0).then_some(3 * choice),
        job_records: 8,
        job_bytes: 1_500,
        gather_ms: 30,
    }
}

#[derive(Default)]
pub struct Jobs {
    /// Salesforce's.
    there: BTreeMap<String, There>,
    /// The worker's: gone with the process.
    files: BTreeMap<u64, Vec<Arc<Image>>>,
    results: BTreeMap<u64, BTreeMap<u64, RecordResult>>,
    made: u64,
    /// That came to their end and were read.
    pub finished: u64,
}

#[derive(Default)]
struct There {
    rows: Vec<Arc<Image>>,
    closed: bool,
    ended: bool,
    results: BTreeMap<u64, RecordResult>,
}

impl Jobs {
    pub fn restart(&mut self) {
        self.files.clear();
        self.results.clear();
    }

    /// Whether a job may still write this key.
    pub fn may_write(&self, key: &str) -> bool {
        let at_work = |job: &&There| job.closed && !job.ended;
        let mut jobs = self.there.values().filter(at_work);
        jobs.any(|job| job.rows.iter().any(|row| row.key.as_ref() == key))
    }
}

fn failure(kind: JobFault, class: ErrorClass) -> BulkNews {
    BulkNews::Failed {
        kind,
        failure: RequestFailure {
            class,
            page: "LS2087",
            code: "TEST".into(),
            text: "refused".into(),
            disposition: Disposition::Backoff,
            unknown: true,
            retry_after_ms: None,
        },
    }
}

impl World {
    pub fn carry_out(&mut self, order: BulkOrder) -> Option<BulkAnswer> {
        let BulkOrder { route, job, step } = order;
        let news = self.news(job, step)?;
        let wall = self.now().wall;
        Some(BulkAnswer {
            route,
            job,
            news,
            sent_at: wall,
            answered_at: wall,
            api_calls: 1,
        })
    }

    fn news(&mut self, job: u64, step: BulkStep) -> Option<BulkNews> {
        let luck = if self.faults {
            self.random.below(12)
        } else {
            11
        };
        // The first kind failed before it did anything, the second after.
        let lost = |news| match luck {
            1 => failure(JobFault::Request, ErrorClass::Network),
            2 => failure(JobFault::Gone, ErrorClass::Unknown),
            _ => news,
        };
        let is_call = !matches!(
            step,
            BulkStep::Scan(_) | BulkStep::Spool { .. } | BulkStep::Settle(_) | BulkStep::Forget
        );
        if luck == 0 && is_call {
            return Some(failure(JobFault::Request, ErrorClass::Network));
        }
        Some(match step {
            BulkStep::Forget => {
                self.jobs.files.remove(&job);
                self.jobs.results.remove(&job);
                return None;
            }
            BulkStep::Scan(spans) => self.scan(&spans),
            BulkStep::Spool { spans, avoid } => self.spool(job, &spans, &avoid, luck),
            BulkStep::Create if luck == 3 => failure(JobFault::Request, ErrorClass::Configuration),
            BulkStep::Create => {
                self.jobs.made += 1;
                let id = format!("750{:0>15}", self.jobs.made);
                self.jobs.there.insert(id.clone(), There::default());
                match luck {
                    1 => failure(JobFault::Request, ErrorClass::Network),
                    _ => BulkNews::Created(id.as_str().into()),
                }
            }
            BulkStep::Upload(id) => {
                let rows = self.jobs.files[&job].clone();
                let there = self.jobs.there.get_mut(&*id).unwrap();
                assert!(there.rows.is_empty() && !there.closed, "uploaded twice");
                there.rows = rows;
                match luck {
                    // Cut off in its middle.
                    1 => {
                        there.rows.truncate(1);
                        failure(JobFault::Request, ErrorClass::Network)
                    }
                    _ => BulkNews::Done,
                }
            }
            BulkStep::Close(id) => {
                let there = self.jobs.there.get_mut(&*id).unwrap();
                if there.closed {
                    return Some(failure(JobFault::WrongState, ErrorClass::Unknown));
                }
                there.closed = true;
                match luck {
                    1 => failure(JobFault::Request, ErrorClass::Network),
                    _ => BulkNews::Done,
                }
            }
            BulkStep::Abort(id) => {
                let there = self.jobs.there.get_mut(&*id).unwrap();
                assert!(!there.closed, "aborted while it may work");
                there.ended = true;
                lost(BulkNews::Done)
            }
            BulkStep::Poll(id) => self.poll(&id),
            BulkStep::Collect { id, .. } => {
                let results = self.jobs.there[&*id].results.clone();
                assert!(self.jobs.there[&*id].ended, "results before the end");
                let found = results.len() as u64;
                self.jobs.results.insert(job, results);
                self.jobs.finished += 1;
                lost(BulkNews::Collected(found))
            }
            BulkStep::Settle(span) => {
                let results = &self.jobs.results[&job];
                let records = self.parked(&span.span, &span.settled);
                let joined = records.into_iter().map(|record| {
                    let key = key_number(&record.subject.image.key);
                    (record, results.get(&key).cloned())
                });
                BulkNews::Piece(joined.collect())
            }
        })
    }

    fn records(&self, spans: &[LaneSpan]) -> Vec<ParkedRecord> {
        let read = |it: &LaneSpan| self.parked(&it.span, &it.settled);
        spans.iter().flat_map(read).collect()
    }

    fn scan(&self, spans: &[LaneSpan]) -> BulkNews {
        let mut keys = Vec::new();
        for record in self.records(spans) {
            if record.subject.image.source_row().is_some() {
                return BulkNews::Scanned(None);
            }
            keys.push(key_number(&record.subject.image.key));
        }
        BulkNews::Scanned(Some(keys))
    }

    fn spool(&mut self, job: u64, spans: &[LaneSpan], avoid: &HashSet<u64>, luck: u64) -> BulkNews {
        if luck == 0 {
            return failure(JobFault::File, ErrorClass::Unknown);
        }
        let (mut seen, mut left_out, mut rows) = (HashSet::new(), BTreeSet::new(), Vec::new());
        for record in self.records(spans) {
            let image = record.subject.image;
            let key = key_number(&image.key);
            let odd = self.random.below(8) == 0;
            if avoid.contains(&key) || !seen.insert(key) || odd {
                left_out.insert(record.serial);
            } else {
                rows.push(image);
            }
        }
        let records = rows.len() as u64;
        self.jobs.files.insert(job, rows);
        BulkNews::Spooled { records, left_out }
    }

    fn poll(&mut self, id: &str) -> BulkNews {
        let there = self.jobs.there.get_mut(id).unwrap();
        let state = |progress, processed, failure| BulkNews::State {
            progress,
            processed,
            failure,
        };
        if !there.closed {
            return state(JobProgress::Open, 0, None);
        }
        let mut left: Vec<Arc<Image>> = there
            .rows
            .iter()
            .filter(|row| !there.results.contains_key(&key_number(&row.key)))
            .cloned()
            .collect();
        while !left.is_empty() && self.random.below(5) > 0 {
            let pick = self.random.below(left.len() as u64) as usize;
            let row = left.swap_remove(pick);
            let result = match self.answer_row(&row) {
                Some(result) => result,
                None => continue,
            };
            let there = self.jobs.there.get_mut(id).unwrap();
            there.results.insert(key_number(&row.key), result);
        }
        let ends = self.random.below(3) == 0;
        let there = self.jobs.there.get_mut(id).unwrap();
        let processed = there.results.len() as u64;
        there.ended |= ends;
        let progress = if there.ended {
            JobProgress::Ended
        } else {
            JobProgress::Working
        };
        state(progress, processed, None)
    }

    /// One row of a job; `None`: it is not processed.
    fn answer_row(&mut self, row: &Arc<Image>) -> Option<RecordResult> {
        match self.answer(std::slice::from_ref(row)) {
            CallOutcome::Answered(results) => results.into_iter().next(),
            // Written or not: a job that fails in its middle says nothing of the row.
            CallOutcome::Failed(_) => None,
        }
    }
}
