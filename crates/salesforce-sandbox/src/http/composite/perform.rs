//! Doing the subrequests of a composite call, in their order.
//!
//! Invariants: a sequence that is all or none runs in one transaction, so nobody sees it half done; every other
//! subrequest is a transaction of its own. What is made from references, and what is answered, stays within the size
//! of one message, whatever the subrequests multiply to.
use std::collections::HashSet;

use super::parse::{Plan, Sequence, is_reference_id};
use super::part::{Asked, Part};
use super::reference::{Answers, Filler, references};
use super::shape::{self, Answer};
use super::{Family, Sent};
use crate::faults::{Endpoint, Occasion};
use crate::http::reply::{MAX_REPLY_BYTES, Reply};
use crate::http::work::{Tally, Work};
use crate::http::{faulted, limits, row_locks};
use crate::org::{LockTicket, Org, Refusal, Transaction};
use crate::watch::RequestRecord;

/// After so many failed graphs the others are not done (facts 4).
const MAX_FAILED_GRAPHS: usize = 14;
/// Since this version a reference to null stands for null.
const NULLS_SINCE_VERSION: u32 = 52;

/// A subrequest before its turn.
enum Ready<'p> {
    Understood(Work<'p>),
    Refused(Reply),
    /// It refers to others.
    Waits,
}

/// Does a parsed call under the armed faults.
pub(super) async fn run(
    org: &Org,
    sent: &Sent<'_>,
    plan: Plan,
    record: &mut RequestRecord,
) -> Reply {
    let asked: Vec<Vec<Option<Asked>>> = plan
        .sequences
        .iter()
        .map(|sequence| ask(sent.family, sequence))
        .collect();
    let mut ready: Vec<Vec<Ready<'_>>> = asked
        .iter()
        .map(|parts| parts.iter().map(|asked| understand(org, asked)).collect())
        .collect();
    let (faults, in_progress) = {
        let works = || ready.iter().flatten().filter_map(Ready::work);
        let keys: Vec<String> = works().flat_map(Work::keys).cloned().collect();
        let folded: Vec<_> = works()
            .flat_map(|work| work.folded_keys(&org.schema))
            .collect();
        (
            org.faults
                .plan_composite(&Occasion::of(Endpoint::Composite, record, &keys)),
            org.watch.enter_keys(folded.iter().map(AsRef::as_ref)),
        )
    };
    let mut rows = None;
    if faults.refuse.is_none() {
        let works = ready.iter_mut().flatten().filter_map(Ready::work_mut);
        let mut parts: Vec<_> = works.map(Work::drafts_mut).collect();
        rows = row_locks::take(org, &mut parts, faults.waits_before()).await;
    }
    if faults.waits_before() {
        look(org, &mut ready);
    }
    let user = sent.token.and_then(|token| org.sessions().holder(token));
    let reply = faulted::run(org, sent.token, faults, || {
        let mut call = Call {
            org,
            sent,
            user: user.unwrap_or_default(),
            ticket: rows.as_ref().map(|rows| rows.ticket),
            app: sent.app,
            room: org.config.max_request_bytes,
            reply_room: MAX_REPLY_BYTES,
            record,
        };
        let reply = call.answer(&plan, ready);
        drop(rows);
        reply
    })
    .await;
    drop(in_progress);
    reply
}

fn ask(family: Family, sequence: &Sequence) -> Vec<Option<Asked>> {
    let refers = |part: &Part| family != Family::Batch && part.refers();
    sequence
        .parts
        .iter()
        .filter(|_| sequence.refusal.is_none())
        .map(|part| (!refers(part)).then(|| part.ask(family)))
        .collect()
}

fn understand<'r>(org: &'r Org, asked: &'r Option<Asked>) -> Ready<'r> {
    match asked.as_ref().map(|asked| asked.understand(org)) {
        Some(Ok(work)) => Ready::Understood(work),
        Some(Err(reply)) => Ready::Refused(reply),
        None => Ready::Waits,
    }
}

/// Notes which keys match before a wait, so that a race is lost as in Salesforce (facts 10). What an earlier
/// subrequest of the same call may have written is no race.
fn look(org: &Org, ready: &mut [Vec<Ready<'_>>]) {
    let mut seen = HashSet::new();
    for ready in ready.iter_mut().flatten() {
        match ready {
            Ready::Understood(work) => {
                let keys: Vec<String> = work
                    .folded_keys(&org.schema)
                    .into_iter()
                    .map(Into::into)
                    .collect();
                if !keys.iter().any(|key| seen.contains(key)) {
                    work.look(org);
                }
                seen.extend(keys);
            }
            Ready::Refused(_) => {}
            // Nobody knows yet what it writes.
            Ready::Waits => return,
        }
    }
}

impl<'p> Ready<'p> {
    fn work(&self) -> Option<&Work<'p>> {
        match self {
            Ready::Understood(work) => Some(work),
            Ready::Refused(_) | Ready::Waits => None,
        }
    }

    fn work_mut(&mut self) -> Option<&mut Work<'p>> {
        match self {
            Ready::Understood(work) => Some(work),
            Ready::Refused(_) | Ready::Waits => None,
        }
    }
}

/// A composite call in the middle of being done.
struct Call<'c> {
    org: &'c Org,
    sent: &'c Sent<'c>,
    /// Number of the user who sends it.
    user: u16,
    /// The rows that it holds.
    ticket: Option<LockTicket>,
    /// Number of the app behind the session.
    app: Option<usize>,
    /// Bytes that may still be made from references.
    room: usize,
    /// Bytes that may still be read.
    reply_room: usize,
    record: &'c mut RequestRecord,
}

impl<'c> Call<'c> {
    fn answer(&mut self, plan: &Plan, ready: Vec<Vec<Ready<'_>>>) -> Reply {
        let mut sequences = plan.sequences.iter().zip(ready);
        match (self.sent.family, sequences.next()) {
            (Family::Graph, first) => self.graphs(first.into_iter().chain(sequences)),
            (Family::Composite, Some((sequence, ready))) if plan.all_or_none => {
                let (answers, _) = self.all_or_none(&sequence.parts, ready);
                shape::composite(&sequence.parts, &answers)
            }
            (Family::Composite, Some((sequence, ready))) => {
                shape::composite(&sequence.parts, &self.each(&sequence.parts, ready))
            }
            (Family::Batch, Some((_, ready))) => {
                shape::batch(&self.batch(ready, plan.halt_on_error))
            }
            (Family::Composite | Family::Batch, None) => Reply::error(404, &Refusal::not_found()),
        }
    }

    fn begin(&self, revocable: bool) -> Transaction<'c> {
        Transaction::begin(self.org, revocable)
            .by(self.user)
            .holding(self.ticket)
    }

    /// Each graph is all or none.
    fn graphs<'g>(
        &mut self,
        sequences: impl Iterator<Item = (&'g Sequence, Vec<Ready<'g>>)>,
    ) -> Reply {
        let mut failed = 0;
        let mut done = Vec::new();
        for (sequence, ready) in sequences {
            let (answers, is_kept) = if let Some(refusal) = &sequence.refusal {
                (vec![Answer::refused(400, refusal)], false)
            } else if failed >= MAX_FAILED_GRAPHS {
                let answers = sequence.parts.iter().map(|_| halted(TOO_MANY_FAILED));
                (answers.collect(), false)
            } else {
                self.all_or_none(&sequence.parts, ready)
            };
            failed += usize::from(!is_kept);
            done.push((sequence, answers, is_kept));
        }
        shape::graphs(&done)
    }

    /// All in one transaction, undone when one of them fails; whether it was kept.
    fn all_or_none(&mut self, parts: &[Part], ready: Vec<Ready<'_>>) -> (Vec<Answer>, bool) {
        let referenced = referenced(parts);
        let mut known = Answers::default();
        let mut answers = Vec::with_capacity(parts.len());
        let mut tally = Tally::default();
        let mut failure = None;
        let mut transaction = self.begin(true);
        for (part, ready) in parts.iter().zip(ready) {
            let (reply, failed) =
                self.step(part, ready, &known, Some(&mut transaction), &mut tally);
            if failed {
                failure = Some(Answer::new(reply));
                break;
            }
            keep(&mut known, &referenced, part, &reply);
            answers.push(Answer::new(reply));
        }
        let is_kept = failure.is_none();
        if let Some(failure) = failure {
            transaction.roll_back();
            tally.roll_back();
            let done = answers.len();
            answers.clear();
            answers.resize_with(done, || halted(ROLLED_BACK));
            answers.push(failure);
            answers.resize_with(parts.len(), || halted(ROLLED_BACK));
        }
        drop(transaction);
        tally.note(self.org, self.record);
        (answers, is_kept)
    }

    /// Each in a transaction of its own.
    fn each(&mut self, parts: &[Part], ready: Vec<Ready<'_>>) -> Vec<Answer> {
        let referenced = referenced(parts);
        let mut known = Answers::default();
        let mut answers = Vec::with_capacity(parts.len());
        for (part, ready) in parts.iter().zip(ready) {
            let mut tally = Tally::default();
            let (reply, _) = self.step(part, ready, &known, None, &mut tally);
            tally.note(self.org, self.record);
            keep(&mut known, &referenced, part, &reply);
            answers.push(Answer::new(reply));
        }
        answers
    }

    /// Each in a transaction of its own, and a call of its own: the first is what the call itself was counted for.
    fn batch(&mut self, ready: Vec<Ready<'_>>, halt_on_error: bool) -> Vec<Answer> {
        let mut answers: Vec<Answer> = Vec::with_capacity(ready.len());
        let mut halts = false;
        for ready in ready {
            let answer = if halts {
                Answer::refused(412, &Refusal::new("BATCH_PROCESSING_HALTED", BATCH_HALTED))
            } else if !answers.is_empty()
                && let Err(refusal) = limits::spend(self.org, self.app)
            {
                Answer::refused(403, &refusal)
            } else {
                let mut tally = Tally::default();
                let reply = match ready {
                    Ready::Understood(work) => self.perform(work, None, &mut tally).0,
                    Ready::Refused(reply) => reply,
                    Ready::Waits => Reply::error(404, &Refusal::not_found()),
                };
                tally.note(self.org, self.record);
                Answer::new(reply)
            };
            halts = halts || (halt_on_error && answer.status >= 400);
            answers.push(answer);
        }
        answers
    }

    /// One subrequest whose turn has come: its reply, and whether that is a failure.
    fn step(
        &mut self,
        part: &Part,
        ready: Ready<'_>,
        known: &Answers<'_>,
        transaction: Option<&mut Transaction<'_>>,
        tally: &mut Tally,
    ) -> (Reply, bool) {
        match ready {
            Ready::Understood(work) => self.perform(work, transaction, tally),
            Ready::Refused(reply) => (reply, true),
            Ready::Waits => {
                let mut filler = Filler {
                    answers: known,
                    takes_null: self.sent.version >= NULLS_SINCE_VERSION,
                    room: &mut self.room,
                };
                let asked = match part.fill(self.sent.family, &mut filler) {
                    Ok(asked) => asked,
                    Err(refusal) => return (Reply::error(400, &refusal), true),
                };
                match asked.understand(self.org) {
                    Ok(work) => self.perform(work, transaction, tally),
                    Err(reply) => (reply, true),
                }
            }
        }
    }

    fn perform(
        &mut self,
        mut work: Work<'_>,
        mut transaction: Option<&mut Transaction<'_>>,
        tally: &mut Tally,
    ) -> (Reply, bool) {
        let met = work.meet_faults_on_part(self.org, self.record, transaction.as_deref_mut());
        if let Err(reply) = met {
            return (reply, true);
        }
        // What was written is written: its answer, which is small, is never replaced.
        let writes = work.writes();
        let done = match transaction {
            Some(transaction) => work.perform(self.org, transaction, tally),
            None => work.perform_alone(self.org, || self.begin(false), tally),
        };
        let refused_any = done.refused_any();
        let reply = done.reply(self.org);
        match self.reply_room.checked_sub(reply.body.len()) {
            Some(left) => self.reply_room = left,
            None if writes => self.reply_room = 0,
            None => return (Reply::too_large(), true),
        }
        // What the client has already is no failure.
        let failed = refused_any || (reply.status >= 300 && reply.status != 304);
        (reply, failed)
    }
}

/// The reference ids that a later subrequest names.
fn referenced(parts: &[Part]) -> HashSet<&str> {
    parts
        .iter()
        .flat_map(|part| [part.url.as_str(), part.body_text()])
        .flat_map(references)
        .map(|reference| reference.name())
        .collect()
}

/// Keeps an answer for those who refer to it; a failed subrequest has none to give.
fn keep<'p>(known: &mut Answers<'p>, referenced: &HashSet<&str>, part: &'p Part, reply: &Reply) {
    let name = part.reference.as_str();
    // An ill-formed id, which older versions allow, cannot be referred to (facts 4).
    if reply.status < 300
        && is_reference_id(name)
        && referenced.contains(name)
        && let Ok(answer) = serde_json::from_slice(&reply.body)
    {
        known.keep(name, answer);
    }
}

const ROLLED_BACK: &str =
    "The transaction was rolled back since another operation in the same transaction failed.";
const TOO_MANY_FAILED: &str =
    "The graph was not processed since too many graphs of the request failed.";
const BATCH_HALTED: &str = "Batch processing halted per request";

fn halted(text: &str) -> Answer {
    Answer::refused(400, &Refusal::new("PROCESSING_HALTED", text))
}
