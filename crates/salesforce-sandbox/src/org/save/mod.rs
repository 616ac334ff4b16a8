//! Saving records: the steps from a draft to a lead, in the order in which Salesforce takes them.
//!
//! For every record of a call, in this order:
//! 1. what is wrong whatever the org holds: literals, lengths, picklists, e-mail addresses (when the draft is made);
//! 2. **match**: which lead it is meant for (`judge`);
//! 3. **locks**: rows that somebody else holds, approvals, converted leads;
//! 4. **access**: fields that the user may not write;
//! 5. **fields**: required ones, references, addresses, coordinates;
//! 6. **before triggers**;
//! 7. **validation rules**, then **duplicate rules**;
//! 8. **uniqueness** and **storage**, as the row goes into the database (`keep`);
//! 9. **after triggers**;
//! 10. **assignment**, which writes the owner last.
//!
//! Inference: steps 6 to 10 stand in the documented order of execution (general knowledge of the platform); of the
//! steps before them it is documented that references and restricted picklists are looked at first when records come
//! by the API, and that a row is locked when it is loaded. Lengths are looked at twice there, before and after the
//! triggers; here triggers change nothing, so once is enough. What one step refuses, no later step sees; the reasons
//! of one step are told together.
//!
//! With triggers, a call that may succeed in part has up to three attempts (facts 3.4): see [`save_all`].
mod judge;
mod keep;
mod view;

use std::borrow::Cow;
use std::collections::HashMap;

use super::draft::{Draft, Target};
use super::leads::{Lead, Stamp};
use super::locks::LockTicket;
use super::transaction::Undo;
use super::{LeadStore, Refusal, id};
use crate::rules::{
    Assignment, DuplicateOptions, MAX_ATTEMPTS, Rules, TriggerEvent, TriggerRun, too_many_retries,
};
use crate::schema::Schema;
pub(super) use judge::taken;
use view::View;

/// What became of a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Created(u32),
    Updated(u32),
    Deleted(u32),
    /// Several leads carry the key.
    Ambiguous(Vec<u32>),
    /// No lead to update or to delete.
    Missing,
    Failed(Vec<Refusal>),
}

impl Outcome {
    /// Whether the org holds something else than before.
    pub(crate) fn is_written(&self) -> bool {
        match self {
            Outcome::Created(_) | Outcome::Updated(_) | Outcome::Deleted(_) => true,
            Outcome::Ambiguous(_) | Outcome::Missing | Outcome::Failed(_) => false,
        }
    }
}

/// How a request wants its records written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WriteOptions<'a> {
    pub(crate) all_or_none: bool,
    pub(crate) update_only: bool,
    /// The records are deleted instead of saved.
    pub(crate) delete: bool,
    /// They do not go to the recycle bin then.
    pub(crate) hard_delete: bool,
    /// Seconds since 1970-01-01 UTC after which no existing lead of the request may have been written (facts 8).
    pub(crate) unmodified_since: Option<i64>,
    /// The assignment rule that runs.
    pub(crate) assignment: Option<Assignment<'a>>,
    /// What the client says about duplicates.
    pub(crate) duplicates: DuplicateOptions,
    /// The locks that the request holds itself.
    pub(crate) ticket: Option<LockTicket>,
    /// Number of the user who writes.
    pub(crate) user: u16,
    /// Of the API, for what is shown of duplicates; 0 stands for the newest.
    pub(crate) version: u32,
    pub(crate) now_micros: i64,
}

impl WriteOptions<'_> {
    fn stamp(&self) -> Stamp {
        Stamp {
            user: self.user,
            micros: self.now_micros,
        }
    }
}

/// How far a record has come.
#[derive(Debug)]
enum Verdict {
    Pending,
    /// Accepted so far.
    Insert,
    Update(u32),
    Delete(u32),
    Done(Outcome),
}

impl Verdict {
    fn refused(refusals: Vec<Refusal>) -> Verdict {
        Verdict::Done(Outcome::Failed(refusals))
    }

    fn is_failed(&self) -> bool {
        matches!(self, Verdict::Done(outcome) if !outcome.is_written())
    }
}

/// One call's records on their way.
struct Save<'s> {
    store: &'s mut LeadStore,
    schema: &'s Schema,
    rules: &'s Rules,
    options: WriteOptions<'s>,
    /// What was there before, if anybody may have to know.
    undo: Option<&'s mut Undo>,
    /// Whether the call has a single record; only then are duplicates told in full (facts 7.3).
    single: bool,
}

/// Writes the records in order; the outcomes are in the order of the drafts, one each. What was before is kept in
/// `undo`, which must be there if there are triggers.
///
/// With triggers, records that fail are set aside and the others are saved again from the beginning, triggers
/// included; if the third attempt fails one more, all fail (facts 3.4). All-or-none calls have a single attempt.
pub(super) fn save_all<'s>(
    store: &'s mut LeadStore,
    schema: &'s Schema,
    rules: &'s Rules,
    mut drafts: Vec<Draft<'s>>,
    options: WriteOptions<'s>,
    undo: Option<&'s mut Undo>,
) -> Vec<Outcome> {
    refuse_repeated_keys(schema, &mut drafts);
    refuse_repeated_ids(&mut drafts);
    let mut save = Save {
        store,
        schema,
        rules,
        options,
        undo,
        single: drafts.len() == 1,
    };
    let mut verdicts: Vec<Verdict> = drafts.iter().map(|_| Verdict::Pending).collect();
    if rules.triggers.any() && !options.delete {
        save.attempts(&mut drafts, &mut verdicts);
    } else {
        save.attempt(1, &mut drafts, &mut verdicts);
    }
    verdicts
        .into_iter()
        .map(|verdict| match verdict {
            Verdict::Done(outcome) => outcome,
            // An attempt brings every record to an end.
            _ => Outcome::Missing,
        })
        .collect()
}

impl<'s> Save<'s> {
    /// Saves in the presence of triggers.
    fn attempts(&mut self, drafts: &mut [Draft<'s>], verdicts: &mut [Verdict]) {
        let failed = |verdicts: &[Verdict]| verdicts.iter().filter(|v| v.is_failed()).count();
        for attempt in 1..=MAX_ATTEMPTS {
            let mark = self.mark();
            let set_aside = failed(verdicts);
            self.attempt(attempt, drafts, verdicts);
            let now_failed = failed(verdicts);
            if now_failed == set_aside || self.options.all_or_none {
                return;
            }
            self.undo_to(mark);
            if now_failed == verdicts.len() {
                return;
            }
            if attempt == MAX_ATTEMPTS {
                let all = Outcome::Failed(vec![too_many_retries()]);
                verdicts.fill_with(|| Verdict::Done(all.clone()));
                return;
            }
            for verdict in verdicts.iter_mut().filter(|verdict| !verdict.is_failed()) {
                *verdict = Verdict::Pending;
            }
        }
    }

    /// Takes every pending record through all steps.
    fn attempt(&mut self, attempt: u8, drafts: &mut [Draft<'s>], verdicts: &mut [Verdict]) {
        for (draft, verdict) in drafts.iter_mut().zip(verdicts.iter_mut()) {
            if matches!(verdict, Verdict::Pending) {
                *verdict = self.judge(draft).unwrap_or_else(Verdict::Done);
            }
        }
        let has_triggers = self.rules.triggers.any();
        if has_triggers {
            self.run_before(attempt, drafts, verdicts);
        }
        if self.rules.look_at_records() {
            for (draft, verdict) in drafts.iter().zip(verdicts.iter_mut()) {
                self.apply_rules(draft, verdict);
            }
        }
        if self.options.all_or_none && verdicts.iter().any(Verdict::is_failed) {
            // Nothing of the call goes into the database any more.
            for verdict in verdicts.iter_mut().filter(|v| !v.is_failed()) {
                *verdict = Verdict::refused(vec![rolled_back()]);
            }
            return;
        }
        let mark = self.mark();
        let mut kept = Vec::new();
        for (at, (draft, verdict)) in drafts.iter().zip(verdicts.iter_mut()).enumerate() {
            if matches!(verdict, Verdict::Done(_)) {
                continue;
            }
            *verdict = Verdict::Done(self.keep(draft, verdict));
            if has_triggers && !verdict.is_failed() {
                kept.push(at);
            }
        }
        if has_triggers {
            self.run_after(attempt, mark, &kept, drafts, verdicts);
        }
    }

    /// Runs the triggers before records are stored: those of inserts, then those of updates.
    fn run_before(&mut self, attempt: u8, drafts: &[Draft<'s>], verdicts: &mut [Verdict]) {
        for event in [TriggerEvent::BeforeInsert, TriggerEvent::BeforeUpdate] {
            let mut places = Vec::new();
            let mut views = Vec::new();
            for (at, (draft, verdict)) in drafts.iter().zip(verdicts.iter()).enumerate() {
                let before = match (event, verdict) {
                    (TriggerEvent::BeforeInsert, Verdict::Insert) => None,
                    (TriggerEvent::BeforeUpdate, Verdict::Update(place)) => self.store.get(*place),
                    _ => continue,
                };
                places.push(at);
                views.push(self.view(draft, before));
            }
            let run = self.rules.triggers.run(event, attempt, &views);
            drop(views);
            self.apply_run(run, &places, verdicts);
        }
    }

    /// Runs the triggers after records are stored; `kept` says which ones were, in the order of the undo log.
    fn run_after(
        &mut self,
        attempt: u8,
        mark: usize,
        kept: &[usize],
        drafts: &[Draft<'s>],
        verdicts: &mut [Verdict],
    ) {
        for event in [TriggerEvent::AfterInsert, TriggerEvent::AfterUpdate] {
            let mut places = Vec::new();
            let mut views = Vec::new();
            let stored = self.undo.as_deref().map_or(&[][..], |undo| &undo[mark..]);
            for (at, (_, before)) in kept.iter().zip(stored) {
                if before.is_none() == (event == TriggerEvent::AfterInsert) {
                    places.push(*at);
                    views.push(self.view(&drafts[*at], before.as_ref()));
                }
            }
            let run = self.rules.triggers.run(event, attempt, &views);
            drop(views);
            self.apply_run(run, &places, verdicts);
        }
    }

    fn apply_run(&mut self, run: TriggerRun, places: &[usize], verdicts: &mut [Verdict]) {
        self.store.trigger_runs += run.runs;
        for (at, refusal) in places.iter().zip(run.refusals) {
            if let Some(refusal) = refusal {
                verdicts[*at] = Verdict::refused(vec![refusal]);
            }
        }
    }

    fn view<'v>(&self, draft: &'v Draft<'_>, before: Option<&'v Lead>) -> View<'v>
    where
        's: 'v,
    {
        View {
            schema: self.schema,
            before,
            values: &draft.values,
            user: self.options.user,
        }
    }

    fn mark(&self) -> usize {
        self.undo.as_ref().map_or(0, |undo| undo.len())
    }

    fn undo_to(&mut self, mark: usize) {
        if let Some(undo) = self.undo.as_deref_mut() {
            undo_to(self.store, undo, mark);
        }
    }
}

/// Undoes what was written since the log had `mark` entries.
pub(super) fn undo_to(store: &mut LeadStore, undo: &mut Undo, mark: usize) {
    for (place, before) in undo.drain(mark..).rev() {
        match before {
            Some(lead) => store.restore(place, lead),
            None => store.forget(place),
        }
    }
}

/// All copies of a key that appears twice are refused, whether its lead exists or not (facts 3.1).
fn refuse_repeated_keys(schema: &Schema, drafts: &mut [Draft<'_>]) {
    if drafts.len() < 2 {
        return;
    }
    let keys: Vec<Cow<'_, str>> = drafts
        .iter()
        .map(|draft| match draft.target {
            Target::Key { .. } => draft.folded_key(schema),
            Target::Place(_) | Target::New => Cow::Borrowed(""),
        })
        .collect();
    let mut counts = HashMap::with_capacity(keys.len());
    for key in keys.iter().filter(|key| !key.is_empty()) {
        *counts.entry(key.as_ref()).or_insert(0_u32) += 1;
    }
    if counts.values().all(|count| *count == 1) {
        return;
    }
    let is_repeated = |key: &Cow<'_, str>| counts.get(key.as_ref()).is_some_and(|count| *count > 1);
    let repeated: Vec<bool> = keys.iter().map(is_repeated).collect();
    for (draft, repeated) in drafts.iter_mut().zip(repeated) {
        if let (true, Target::Key { field, .. }) = (repeated, &draft.target) {
            let name = &schema.field(*field).name;
            let shown = draft.key();
            let message = format!("Duplicate external id specified: {shown}");
            let refusal = Refusal::record("DUPLICATE_VALUE", message, &[name]);
            draft.refuse(vec![refusal]);
        }
    }
}

/// All copies of an id that appears twice are refused, whatever the call does with its lead (facts 3.1 for keys;
/// inference for ids).
fn refuse_repeated_ids(drafts: &mut [Draft<'_>]) {
    let place_of = |draft: &Draft<'_>| match draft.target {
        Target::Place(place) => Some(place),
        Target::Key { .. } | Target::New => None,
    };
    let mut places: Vec<u32> = drafts.iter().filter_map(place_of).collect();
    places.sort_unstable();
    let pairs = places.windows(2).filter(|pair| pair[0] == pair[1]);
    let repeated: Vec<u32> = pairs.map(|pair| pair[0]).collect();
    if repeated.is_empty() {
        return;
    }
    for draft in drafts {
        if let Some(place) = place_of(draft)
            && repeated.binary_search(&place).is_ok()
        {
            let text = format!("Duplicate id specified: {}", id::lead(place));
            draft.refuse(vec![Refusal::record("DUPLICATE_VALUE", text, &["Id"])]);
        }
    }
}

/// Several leads carry the key of a record.
pub(crate) fn ambiguous(schema: &Schema, key: u16, places: &[u32]) -> Refusal {
    let field = schema.field(key);
    let ids: Vec<String> = places.iter().map(|place| id::lead(*place)).collect();
    let text = format!(
        "{}: more than one record found for external id field: [{}]",
        field.label,
        ids.join(", ")
    );
    Refusal::record("DUPLICATE_EXTERNAL_ID", text, &[&field.name])
}

pub(super) fn rolled_back() -> Refusal {
    Refusal::new(
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "Record rolled back because not all records were valid and the request was using AllOrNone header",
    )
}
