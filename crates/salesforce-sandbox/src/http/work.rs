//! What a request asks of a resource, understood but not done yet.
//!
//! Understanding needs no lock and may refuse; doing happens under the armed faults (a call of its own, [`run`]) or
//! inside of somebody else's transaction (a part of a composite call, [`Work::perform`]). So nothing that understands
//! a request may look at the leads: the caller may hold their lock.
use std::borrow::Cow;

use axum::http::HeaderMap;

use super::faulted;
use super::reply::Reply;
use super::row_locks;
use crate::faults::{self, Endpoint, Instead, Occasion};
use crate::org::{Draft, LeadStore, Org, Outcome, Refusal, Transaction, WriteOptions, look};
use crate::rules::DuplicateOptions;
use crate::schema::Schema;
use crate::watch::RequestRecord;

/// Turns the outcomes of a write, one per draft, into its reply.
pub(super) type Respond<'r> = Box<dyn FnOnce(&Org, &[Outcome]) -> Reply + Send + 'r>;
/// Answers from what the org holds.
pub(super) type Answer<'r> = Box<dyn FnOnce(&Org, &mut LeadStore) -> Reply + Send + 'r>;

/// Answers from what an org is made of, its leads aside.
pub(super) type AnswerFixed<'r> = Box<dyn FnOnce(&Org) -> Reply + Send + 'r>;

/// An understood request.
pub(super) enum Work<'r> {
    Write(Write<'r>),
    Read(Endpoint, Answer<'r>),
    /// What no write changes: it is answered while others hold the leads.
    ReadFixed(Endpoint, AnswerFixed<'r>),
}

/// Records to be written.
pub(super) struct Write<'r> {
    endpoint: Endpoint,
    /// The key of each draft, as faults and the log name it.
    keys: Vec<String>,
    drafts: Vec<Draft<'r>>,
    options: WriteOptions<'r>,
    respond: Respond<'r>,
}

/// Work that is done, but for its reply, which needs no lock.
pub(super) enum Done<'r> {
    Reply(Reply),
    Outcomes(Respond<'r>, Vec<Outcome>),
}

/// What writes came to, for counters and log.
#[derive(Debug, Default)]
pub(super) struct Tally {
    records: u64,
    created: u64,
    updated: u64,
    deleted: u64,
    /// Whether or not anything of it was kept.
    trigger_runs: u64,
    /// Of accepted records.
    keys: Vec<String>,
}

impl<'r> Work<'r> {
    /// Records to be written; refuses a request whose headers ask for what cannot be done.
    pub(super) fn write(
        org: &'r Org,
        headers: &HeaderMap,
        endpoint: Endpoint,
        drafts: Vec<Draft<'r>>,
        options: WriteOptions<'r>,
        respond: impl FnOnce(&Org, &[Outcome]) -> Reply + Send + 'r,
    ) -> Result<Work<'r>, Reply> {
        let header = |name: &str| {
            headers
                .get(name)
                .map(|value| value.to_str().unwrap_or_default())
        };
        // Rules run unless the client says `FALSE` (facts 0.4 and 8).
        let assignment = org
            .rules
            .assignments
            .for_header(header("sforce-auto-assign"))
            .map_err(|refusal| Reply::error(400, &refusal))?;
        let duplicates = header("sforce-duplicate-rule-header")
            .map(|text| DuplicateOptions::parse(text, options.version))
            .unwrap_or_default();
        Ok(Work::Write(Write {
            endpoint,
            keys: drafts
                .iter()
                .map(|draft| draft.key().into_owned())
                .collect(),
            drafts,
            options: WriteOptions {
                assignment,
                duplicates,
                ..options
            },
            respond: Box::new(respond),
        }))
    }

    /// Something to be read.
    pub(super) fn read(answer: impl FnOnce(&Org, &mut LeadStore) -> Reply + Send + 'r) -> Work<'r> {
        Work::Read(Endpoint::Other, Box::new(answer))
    }

    /// Something to be read that has nothing to do with the leads.
    pub(super) fn read_fixed(answer: impl FnOnce(&Org) -> Reply + Send + 'r) -> Work<'r> {
        Work::ReadFixed(Endpoint::Other, Box::new(answer))
    }

    /// Whether it writes records.
    pub(super) fn writes(&self) -> bool {
        matches!(self, Work::Write(_))
    }

    /// The key of each record that is to be written, as faults and the log name it.
    pub(super) fn keys(&self) -> &[String] {
        match self {
            Work::Read(..) | Work::ReadFixed(..) => &[],
            Work::Write(write) => &write.keys,
        }
    }

    /// The keys as they are compared.
    pub(super) fn folded_keys(&self, schema: &Schema) -> Vec<Cow<'_, str>> {
        match self {
            Work::Read(..) | Work::ReadFixed(..) => Vec::new(),
            Work::Write(write) => write
                .drafts
                .iter()
                .map(|draft| draft.folded_key(schema))
                .collect(),
        }
    }

    /// The records that are to be written.
    pub(super) fn drafts_mut(&mut self) -> &mut [Draft<'r>] {
        match self {
            Work::Read(..) | Work::ReadFixed(..) => &mut [],
            Work::Write(write) => &mut write.drafts,
        }
    }

    /// Notes which keys match now, before a wait.
    pub(super) fn look(&mut self, org: &Org) {
        if let Work::Write(write) = self {
            look(&mut org.leads(), &org.schema, &mut write.drafts);
        }
    }

    /// Lets the faults on records act on a part of a composite call; those on the whole call have acted already.
    /// `record` is that of the whole call, whose `transaction` holds the lock of the leads.
    pub(super) fn meet_faults_on_part(
        &mut self,
        org: &Org,
        record: &RequestRecord,
        transaction: Option<&mut Transaction<'_>>,
    ) -> Result<(), Reply> {
        let Work::Write(write) = self else {
            return Ok(());
        };
        let occasion = Occasion::of(Endpoint::Composite, record, &write.keys);
        let plan = org.faults.plan_part(write.endpoint, &occasion);
        if plan.hits > 0 {
            org.watch.count(|stats| stats.faults_applied += plan.hits);
        }
        match transaction {
            Some(transaction) => write.refuse(plan.records, |draft| {
                draft.lead_id(transaction.store(), &org.schema)
            }),
            None => write.refuse(plan.records, |draft| {
                draft.lead_id(&mut org.leads(), &org.schema)
            }),
        }
        match plan.refuse {
            Some(Instead::Json { status, refusal }) => Err(Reply::error(status, &refusal)),
            _ => Ok(()),
        }
    }

    /// Does it in a transaction of its own, if it needs one.
    pub(super) fn perform_alone<'o>(
        self,
        org: &Org,
        begin: impl FnOnce() -> Transaction<'o>,
        tally: &mut Tally,
    ) -> Done<'r> {
        match self {
            Work::ReadFixed(_, answer) => Done::Reply(answer(org)),
            Work::Read(..) | Work::Write(_) => self.perform(org, &mut begin(), tally),
        }
    }

    /// Does it inside of a transaction.
    pub(super) fn perform(
        self,
        org: &Org,
        transaction: &mut Transaction<'_>,
        tally: &mut Tally,
    ) -> Done<'r> {
        match self {
            Work::Read(_, answer) => Done::Reply(answer(org, transaction.store())),
            Work::ReadFixed(_, answer) => Done::Reply(answer(org)),
            Work::Write(write) => {
                let options = WriteOptions {
                    now_micros: org.clock.wall_micros(),
                    ..write.options
                };
                let outcomes = transaction.write(write.drafts, options);
                tally.add(write.keys, &outcomes);
                tally.trigger_runs += transaction.take_trigger_runs();
                Done::Outcomes(write.respond, outcomes)
            }
        }
    }
}

impl Write<'_> {
    fn refuse(
        &mut self,
        picked: Vec<(usize, Vec<Refusal>)>,
        id_of: impl FnMut(&Draft<'_>) -> Option<String>,
    ) {
        faults::refuse_picked(&mut self.drafts, picked, id_of);
    }
}

impl Done<'_> {
    /// Whether a record was refused, which the reply to a collection does not tell by its status.
    pub(super) fn refused_any(&self) -> bool {
        match self {
            Done::Reply(_) => false,
            Done::Outcomes(_, outcomes) => outcomes.iter().any(|outcome| !outcome.is_written()),
        }
    }

    pub(super) fn reply(self, org: &Org) -> Reply {
        match self {
            Done::Reply(reply) => reply,
            Done::Outcomes(respond, outcomes) => respond(org, &outcomes),
        }
    }
}

impl Tally {
    fn add(&mut self, keys: Vec<String>, outcomes: &[Outcome]) {
        self.records += outcomes.len() as u64;
        for (key, outcome) in keys.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Created(_) => self.created += 1,
                Outcome::Updated(_) => self.updated += 1,
                Outcome::Deleted(_) => self.deleted += 1,
                Outcome::Ambiguous(_) | Outcome::Missing | Outcome::Failed(_) => continue,
            }
            self.keys.push(key);
        }
    }

    /// Nothing of it was kept.
    pub(super) fn roll_back(&mut self) {
        *self = Tally {
            records: self.records,
            trigger_runs: self.trigger_runs,
            ..Tally::default()
        };
    }

    /// Counts what was committed and notes it in the log entry.
    pub(super) fn note(self, org: &Org, record: &mut RequestRecord) {
        let written = self.created + self.updated + self.deleted;
        record.records += self.records;
        if written > 0 {
            record.committed_monotonic_micros = Some(org.clock.monotonic_micros());
            record.keys.extend(self.keys);
        }
        if self.records == 0 {
            return;
        }
        org.watch.count(|stats| {
            // Read under the lock of the counters, so that of two calls the later has the last word.
            stats.leads = org.lead_count();
            stats.trigger_runs += self.trigger_runs;
            stats.records_created += self.created;
            stats.records_upserted += self.created + self.updated;
            stats.records_rejected += self.records - written;
        });
    }
}

/// Does the work of a call of its own under the armed faults.
pub(super) async fn run(
    org: &Org,
    token: Option<&str>,
    record: &mut RequestRecord,
    mut work: Work<'_>,
) -> Reply {
    let endpoint = match &work {
        Work::Read(endpoint, _) | Work::ReadFixed(endpoint, _) => *endpoint,
        Work::Write(write) => write.endpoint,
    };
    let mut plan = org
        .faults
        .plan(&Occasion::of(endpoint, record, work.keys()));
    let in_progress = {
        let keys = work.folded_keys(&org.schema);
        org.watch.enter_keys(keys.iter().map(AsRef::as_ref))
    };
    let user = token.and_then(|token| org.sessions().holder(token));
    if let Work::Write(write) = &mut work {
        write.refuse(std::mem::take(&mut plan.records), |draft| {
            draft.lead_id(&mut org.leads(), &org.schema)
        });
    }
    let mut rows = None;
    if plan.refuse.is_none() {
        rows = row_locks::take(org, &mut [work.drafts_mut()], plan.waits_before()).await;
    }
    if plan.waits_before() {
        work.look(org);
    }
    let reply = faulted::run(org, token, plan, || {
        let ticket = rows.as_ref().map(|rows| rows.ticket);
        let begin = || {
            Transaction::begin(org, false)
                .by(user.unwrap_or_default())
                .holding(ticket)
        };
        let mut tally = Tally::default();
        let done = work.perform_alone(org, begin, &mut tally);
        drop(rows);
        tally.note(org, record);
        done.reply(org)
    })
    .await;
    drop(in_progress);
    reply
}

#[cfg(test)]
mod tests;
