//! Working on an ingest job: check the upload as a whole, then write it in transactions of 200 rows (facts 5.2, 5.5).
//!
//! Between two chunks other requests get their turn; an abort takes effect at the next chunk.
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use bytes::Bytes;

use super::csv::{Reader, Row};
use super::dialect::Dialect;
use super::header::{self, Header};
use super::job::{Gone, Job};
use super::ledger::{CHUNK_ROWS, Ledger};
use super::limits::BATCH_ROWS;
use super::request::{IngestRequest, Operation};
use super::row_error;
use super::rows::RowReader;
use super::shuffle::Shuffle;
use crate::faults::{self, JobPlan, hold};
use crate::org::{Draft, Org, Outcome, Refusal, Transaction, WriteOptions, ambiguous};

/// Rows of the scan between two pauses.
const SCAN_ROWS: usize = 10_000;
const CHUNKS_PER_BATCH: usize = BATCH_ROWS / CHUNK_ROWS;

/// Why the work on a job stops early.
pub(super) enum Stop {
    /// With this `errorMessage`.
    Failed(String),
    Gone,
}

impl Stop {
    /// For a job whose memory the jobs of the org do not have (inference: the code is that of limits, facts 5.5).
    pub(super) fn without_room(refusal: Refusal) -> Stop {
        Stop::Failed(format!("ExceededQuota : {}", refusal.message))
    }
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Stop {
        Stop::Gone
    }
}

/// Works on a job that has begun.
pub(super) async fn run(
    org: &Org,
    job: &Arc<Job>,
    request: &IngestRequest,
    content: Bytes,
    plan: &JobPlan,
) -> Result<(), Stop> {
    wait_at(org, job, plan, 0..=0).await?;
    let header = header::read(&org.schema, &content, request.dialect).map_err(Stop::Failed)?;
    let ledger = scan(&content, &header, request.dialect).await?;
    let rows = ledger.rows();
    let bytes = ledger.bytes() + ledger.bytes_to_begin();
    org.bulk
        .keep(bytes, org.now(), || job.set_ledger(ledger))
        .map_err(Stop::without_room)??;
    let work = Ingest {
        org,
        job,
        request,
        reader: RowReader::new(&org.schema, request.operation, header),
        content,
        plan,
        rows,
    };
    work.write_all().await
}

/// Finds where the rows begin; the line endings must be those of the job (facts 5.4).
async fn scan(content: &Bytes, header: &Header, dialect: Dialect) -> Result<Ledger, Stop> {
    let wrong = || {
        Err(Stop::Failed(format!(
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is {}",
            dialect.ending.name()
        )))
    };
    let mut row = Row::default();
    let mut reader = Reader::new(content, 0, dialect);
    reader.read(&mut row);
    if reader.saw_wrong_ending() {
        return wrong();
    }
    let mut reader = Reader::new(content, header.end, dialect);
    let mut ledger = Ledger::new(content.len());
    while reader.read(&mut row) {
        ledger.push_row(row.start);
        if ledger.rows().is_multiple_of(SCAN_ROWS) {
            tokio::task::yield_now().await;
        }
    }
    if reader.saw_wrong_ending() {
        return wrong();
    }
    ledger.seal();
    Ok(ledger)
}

/// Holds or fails the job when its faults say so after that many rows.
async fn wait_at(
    org: &Org,
    job: &Job,
    plan: &JobPlan,
    rows: RangeInclusive<u64>,
) -> Result<(), Stop> {
    for (_, fault) in plan.holds.iter().filter(|(after, _)| rows.contains(after)) {
        hold(org, job.held_by(*fault), false).await;
    }
    match &plan.fail {
        Some((after, message)) if rows.contains(after) => Err(Stop::Failed(message.clone())),
        _ => Ok(()),
    }
}

struct Ingest<'o> {
    org: &'o Org,
    job: &'o Arc<Job>,
    request: &'o IngestRequest,
    reader: RowReader<'o>,
    content: Bytes,
    plan: &'o JobPlan,
    rows: usize,
}

impl Ingest<'_> {
    async fn write_all(&self) -> Result<(), Stop> {
        let chunks = self.rows.div_ceil(CHUNK_ROWS);
        let order = (self.plan.shuffle).then(|| Shuffle::new(chunks, self.job.number));
        let chunk_at = |step| order.map_or(step, |order| order.at(step));
        let mut done = 0;
        for step in 0..chunks {
            if step.is_multiple_of(CHUNKS_PER_BATCH) {
                self.take_batch((step..chunks).map(chunk_at))?;
            }
            if !self.plan.chunk_delay.is_zero() {
                tokio::time::sleep(self.plan.chunk_delay).await;
            }
            let mut rows = self.rows_of(chunk_at(step));
            while !rows.is_empty() {
                if done > 0 {
                    wait_at(self.org, self.job, self.plan, done..=done).await?;
                }
                let count = rows.len().min(self.rows_until_stop(done));
                // The semaphore is never closed, and nothing depends on the turn but fairness.
                let turn = self.org.bulk.turn.acquire().await;
                self.make_text_room(count);
                self.write(chunk_at(step), rows.start..rows.start + count)?;
                drop(turn);
                rows.start += count;
                done += count as u64;
            }
            tokio::task::yield_now().await;
        }
        // Faults that wait for more rows than there are act at the end.
        wait_at(self.org, self.job, self.plan, done.max(1)..=u64::MAX).await
    }

    /// Error texts lose their messages when there is no room; that is no reason to fail.
    fn make_text_room(&self, rows: usize) {
        let wanted = self.job.text_bytes_wanted(rows);
        if wanted > 0 {
            let grant = || self.job.grant_text_bytes(wanted);
            let _ = self.org.bulk.keep(wanted, self.org.now(), grant);
        }
    }

    fn rows_of(&self, chunk: usize) -> Range<usize> {
        let first = chunk * CHUNK_ROWS;
        first..(first + CHUNK_ROWS).min(self.rows)
    }

    /// Counts the next batch against the day's allocation; without room for it, what is left is listed nowhere.
    fn take_batch(&self, left: impl Iterator<Item = usize> + Clone) -> Result<(), Stop> {
        let batch = left.clone().take(CHUNKS_PER_BATCH);
        let records = batch.map(|chunk| self.rows_of(chunk).len() as u64).sum();
        let now = self.org.now();
        self.org.bulk.take_batch(records, now).or_else(|message| {
            self.job.write_rows(now, |ledger| {
                left.flat_map(|chunk| self.rows_of(chunk))
                    .for_each(|row| ledger.unlisted(row));
            })?;
            Err(Stop::Failed(message))
        })
    }

    /// Rows up to the next fault that counts them.
    fn rows_until_stop(&self, done: u64) -> usize {
        let fail = self.plan.fail.iter().map(|(after, _)| *after);
        let holds = self.plan.holds.iter().map(|(after, _)| *after);
        let next = fail.chain(holds).filter(|after| *after > done).min();
        next.map_or(usize::MAX, |after| {
            usize::try_from(after - done).unwrap_or(usize::MAX)
        })
    }

    /// Writes rows of a chunk in one transaction.
    fn write(&self, chunk: usize, rows: Range<usize>) -> Result<(), Gone> {
        // Faults count the records they are drawn for; those of an aborted job are none.
        self.job.check_in_progress()?;
        let started = self.org.clock.monotonic_micros();
        let start = self.job.look(|progress| progress.chunk_start(chunk));
        let mut reader = Reader::new(&self.content, start, self.request.dialect);
        let mut row = Row::default();
        for _ in chunk * CHUNK_ROWS..rows.start {
            reader.read(&mut row);
        }
        let mut drafts = Vec::with_capacity(rows.len());
        let mut places = Vec::with_capacity(rows.len());
        for _ in rows.clone() {
            reader.read(&mut row);
            let (draft, place) = self.reader.record(&self.content, &row);
            drafts.push(draft);
            places.push(place);
        }
        let refused = {
            let keys: Vec<_> = drafts.iter().map(|draft| draft.key()).collect();
            let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
            self.org.faults.plan_job_records(&keys)
        };
        let hits = refused.len() as u64;
        let id_of = |draft: &Draft<'_>| draft.lead_id(&mut self.org.leads(), &self.org.schema);
        faults::refuse_picked(&mut drafts, refused, id_of);
        let in_progress = {
            let keys = drafts
                .iter()
                .map(|draft| draft.folded_key(&self.org.schema));
            let keys: Vec<_> = keys.collect();
            self.org.watch.enter_keys(keys.iter().map(AsRef::as_ref))
        };
        let now = self.org.now();
        let options = WriteOptions {
            delete: self.deletes(),
            hard_delete: matches!(self.request.operation, Operation::HardDelete),
            // Assignment rules run for jobs that name one only (facts 0.4).
            assignment: (self.request.assignment_rule.as_deref())
                .and_then(|rule| self.org.rules.assignments.by_id(rule).ok()),
            now_micros: now.wall_micros,
            ..WriteOptions::default()
        };
        // Users are numbered far below that.
        let user = u16::try_from(self.job.created_by).unwrap_or_default();
        let (outcomes, trigger_runs) = self.job.write_rows(now, |ledger| {
            let mut transaction = Transaction::begin(self.org, false).by(user);
            let outcomes = transaction.write(drafts, options);
            let trigger_runs = transaction.take_trigger_runs();
            drop(transaction);
            for (row, (outcome, place)) in rows.zip(outcomes.iter().zip(&places)) {
                self.note(ledger, row, outcome, *place);
            }
            (outcomes, trigger_runs)
        })?;
        drop(in_progress);
        self.count(&outcomes, trigger_runs, hits);
        let finished = self.org.clock.monotonic_micros();
        self.job.worked(finished.saturating_sub(started));
        Ok(())
    }

    fn deletes(&self) -> bool {
        match self.request.operation {
            Operation::Delete | Operation::HardDelete => true,
            Operation::Insert | Operation::Update | Operation::Upsert(_) => false,
        }
    }

    /// Notes a row's fate; `place` is the lead that the row named by id.
    fn note(&self, ledger: &mut Ledger, row: usize, outcome: &Outcome, place: Option<u32>) {
        let refusals = match outcome {
            Outcome::Created(place) => return ledger.created(row, *place),
            Outcome::Updated(place) | Outcome::Deleted(place) => {
                return ledger.changed(row, *place);
            }
            Outcome::Failed(refusals) => refusals.as_slice(),
            Outcome::Ambiguous(places) => match self.request.operation {
                Operation::Upsert(key) => &[ambiguous(&self.org.schema, key, places)],
                _ => &[Refusal::not_found()],
            },
            Outcome::Missing => &[Refusal::new(
                "INVALID_CROSS_REFERENCE_KEY",
                "invalid cross reference id",
            )],
        };
        ledger.refused(row, &row_error::format(refusals), place);
    }

    fn count(&self, outcomes: &[Outcome], trigger_runs: u64, faults: u64) {
        let of =
            |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|o| wanted(o)).count() as u64;
        let created = of(|o| matches!(o, Outcome::Created(_)));
        let updated = of(|o| matches!(o, Outcome::Updated(_)));
        let refused = of(|o| !o.is_written());
        self.org.watch.count(|stats| {
            stats.leads = self.org.lead_count();
            stats.trigger_runs += trigger_runs;
            stats.records_created += created;
            stats.records_upserted += created + updated;
            stats.records_rejected += refused;
            stats.bulk_records_processed += outcomes.len() as u64;
            stats.bulk_records_failed += refused;
            stats.faults_applied += faults;
        });
    }
}
