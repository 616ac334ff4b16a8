//! Commits to bytes. One encoder lives as long as the journal's thread and reuses its buffers: a
//! record costs no allocation.

use std::io::Write;
use std::sync::Arc;

use super::books::JournalState;
use super::chain::{digest, push_hex, seal};
use super::personal::{Keep, PayloadPolicy, push_personal, push_reason};
use super::recover::Spans;
use super::sealed::{seal_line, seal_places};
use super::text::{push_field, push_flag, push_name, push_number, push_string};
use crate::core::change::{ChangeId, Operation, RouteId};
use crate::core::entry::{Attempt, Commit, Entry, ParkedSpan, SkipRule, Subject};
use crate::core::outcome::RecordError;
use crate::core::position::{GtidSource, TransactionId};
use crate::core::schema::TableName;
use crate::core::snapshot::Snapshot;
use crate::state::error::Error;
use crate::state::keyring::Keyring;

pub(super) struct Encoder {
    policy: PayloadPolicy,
    index_key: [u8; 32],
    /// Seals personal lines; without it they stand in clear.
    pub keys: Option<Arc<Keyring>>,
    /// A line could not be sealed: its commit must not go on.
    sealing_failed: bool,
    /// Runs that wait to be written.
    pub out: Vec<u8>,
    /// The entry lines of the run in hand, without personal lines: what the chain covers.
    pub(super) chained: Vec<u8>,
    pub(super) personal: Vec<u8>,
    /// Texts that repeat, ready to be appended.
    sources: Vec<(GtidSource, String)>,
    tables: Vec<(Arc<TableName>, Vec<u8>)>,
    pub(super) routes: Vec<Vec<u8>>,
}

/// What an entry's personal line is made of.
type Personal<'a> = Option<(&'a Subject, &'a [RecordError], Keep)>;

impl Encoder {
    /// `routes` are the config's, by number.
    pub(super) fn new(policy: PayloadPolicy, index_key: [u8; 32], routes: &[String]) -> Self {
        let quoted = |name: &String| {
            let mut text = Vec::new();
            push_string(&mut text, name);
            text
        };
        Self {
            policy,
            index_key,
            keys: None,
            sealing_failed: false,
            out: Vec::new(),
            chained: Vec::new(),
            personal: Vec::new(),
            sources: Vec::new(),
            tables: Vec::new(),
            routes: routes.iter().map(quoted).collect(),
        }
    }

    /// Appends a commit's run to `out` and enters it into the state. `start` is the place in the
    /// segment where `out` begins; `group` is the first commit of the write that it goes with.
    pub(super) fn push_commit(
        &mut self,
        state: &mut JournalState,
        commit: &Commit,
        start: u64,
        group: u64,
    ) -> Result<Vec<ParkedSpan>, Error> {
        self.check_routes(commit)?;
        self.chained.clear();
        let before_commit = self.out.len();
        let mut spans = Spans::default();
        for entry in &commit.entries {
            let before = self.out.len();
            self.push_entry(entry);
            if let Entry::Parked {
                subject, serial, ..
            } = entry
            {
                let route = &state.routes[usize::from(subject.id.route.0)];
                let place = (state.segment, start + before as u64);
                let bytes = (self.out.len() - before) as u64;
                let transaction = &subject.id.transaction;
                let of_stream = !transaction.id.is_snapshot();
                let committed = of_stream.then_some(transaction.committed_at);
                spans.push(route, *serial, place, bytes, committed);
            }
        }
        let snapshot = self.sealed_snapshot(commit);
        if std::mem::take(&mut self.sealing_failed) {
            self.out.truncate(before_commit);
            return Err(Error::Unsealed);
        }
        let line = self.out.len();
        let (lines, number) = (commit.entries.len(), state.last_commit + 1);
        let told = snapshot.as_ref().or(commit.snapshot.as_ref());
        self.push_commit_line(commit, told, lines, number, group);
        let chain = seal(&mut self.out, line, &state.chain, &self.chained);
        state.apply(commit, &spans.done, chain);
        if snapshot.is_some() {
            // Headers repeat it as it stands here, letter by letter.
            state.snapshot = snapshot;
        }
        Ok(spans.done)
    }

    /// The commit's snapshot as it is written down, where that is not as it is.
    fn sealed_snapshot(&mut self, commit: &Commit) -> Option<Snapshot> {
        let keys = self.keys.as_deref()?;
        let mut snapshot = commit.snapshot.clone()?;
        self.sealing_failed |= seal_places(keys, &mut snapshot).is_none();
        Some(snapshot)
    }

    /// Checked before a byte is written: routes come by number and are stored by name.
    fn check_routes(&self, commit: &Commit) -> Result<(), Error> {
        let unknown = |route: &RouteId| usize::from(route.0) >= self.routes.len();
        match commit.entries.iter().filter_map(Entry::route).find(unknown) {
            Some(route) => Err(Error::UnknownRoute {
                route: format!("number {}", route.0),
            }),
            None => Ok(()),
        }
    }

    pub(super) fn push_commit_line(
        &mut self,
        commit: &Commit,
        snapshot: Option<&Snapshot>,
        lines: usize,
        number: u64,
        group: u64,
    ) {
        let out = &mut self.out;
        out.extend_from_slice(b"{\"t\":\"commit\"");
        push_number(out, "n", number);
        push_number(out, "group", group);
        push_number(out, "lines", lines);
        push_number(out, "at", commit.at.0);
        if commit.api_calls > 0 {
            push_number(out, "calls", commit.api_calls);
        }
        if let Some(checkpoint) = &commit.checkpoint {
            push_name(out, "checkpoint");
            // Its parts are texts and numbers, and a vector takes them all.
            let _ = serde_json::to_writer(&mut *out, checkpoint);
        }
        if let Some(snapshot) = snapshot {
            push_name(out, "snapshot");
            let _ = serde_json::to_writer(&mut *out, snapshot);
        }
        if !commit.schemas.is_empty() {
            push_name(out, "schemas");
            let _ = serde_json::to_writer(&mut *out, &commit.schemas);
        }
        if !commit.jobs.is_empty() {
            push_name(out, "jobs");
            let _ = serde_json::to_writer(&mut *out, &commit.jobs);
        }
    }

    /// Appends an entry's line, and its personal line behind it.
    fn push_entry(&mut self, entry: &Entry) {
        let start = self.out.len();
        self.personal.clear();
        if self.push_letter_step(entry) {
            // It has written both.
        } else if let Some((subject, errors, keep)) = self.push_entry_fields(entry) {
            push_personal(
                &mut self.personal,
                &self.index_key,
                &subject.image,
                errors,
                keep,
            );
        }
        if let Some(keys) = self.keys.as_deref().filter(|_| !self.personal.is_empty()) {
            self.sealing_failed |= seal_line(keys, &mut self.personal).is_none();
        }
        if !self.personal.is_empty() {
            self.out.extend_from_slice(b",\"x\":\"");
            push_hex(&mut self.out, &digest(&self.personal));
            self.out.push(b'"');
        }
        self.out.extend_from_slice(b"}\n");
        self.chained.extend_from_slice(&self.out[start..]);
        if !self.personal.is_empty() {
            self.out.extend_from_slice(&self.personal);
            self.out.push(b'\n');
        }
    }

    fn push_entry_fields<'a>(&mut self, entry: &'a Entry) -> Personal<'a> {
        match entry {
            Entry::Delivered {
                subject,
                salesforce_id,
                created,
                attempt,
            } => {
                self.push_subject("delivered", subject);
                push_attempt(&mut self.out, attempt);
                push_field(&mut self.out, "id", salesforce_id);
                push_flag(&mut self.out, "created", *created);
                Some((subject, &[], Keep::Payload(self.policy)))
            }
            Entry::DeadLettered {
                subject,
                letter,
                class,
                code,
                errors,
                attempt,
                open,
            } => {
                self.push_subject("dead_letter", subject);
                if let Some(attempt) = attempt {
                    push_attempt(&mut self.out, attempt);
                }
                push_number(&mut self.out, "letter", *letter);
                if let Some(key) = open.key {
                    push_field(&mut self.out, "key", &key.to_string());
                }
                if open.last {
                    push_flag(&mut self.out, "last", true);
                }
                if subject.letter.is_some() {
                    push_flag(&mut self.out, "replayed", true);
                }
                push_field(&mut self.out, "class", class.as_str());
                push_field(&mut self.out, "code", code);
                Some((subject, errors, Keep::Everything))
            }
            Entry::Superseded { subject, by } => {
                self.push_subject("superseded", subject);
                push_name(&mut self.out, "by");
                self.out.extend_from_slice(b"{\"route\":");
                self.push_id(by);
                self.out.push(b'}');
                Some((subject, &[], Keep::Payload(self.policy)))
            }
            Entry::Skipped {
                id,
                rows,
                operation,
                rule,
            } => {
                self.push_start("skipped", id, *operation);
                push_number(&mut self.out, "committed", id.transaction.committed_at.0);
                push_number(&mut self.out, "rows", *rows);
                push_field(&mut self.out, "rule", rule_word(*rule));
                None
            }
            Entry::SkippedRecord {
                subject,
                rule,
                code,
                attempt,
            } => {
                self.push_subject("skipped", subject);
                push_attempt(&mut self.out, attempt);
                push_number(&mut self.out, "rows", 1);
                push_field(&mut self.out, "rule", rule.as_str());
                push_field(&mut self.out, "code", code);
                Some((subject, &[], Keep::Payload(self.policy)))
            }
            Entry::Filtered { subject } => {
                self.push_subject("skipped", subject);
                push_number(&mut self.out, "rows", 1);
                push_field(&mut self.out, "rule", rule_word(SkipRule::Where));
                Some((subject, &[], Keep::Names))
            }
            Entry::Parked {
                subject,
                serial,
                unknown,
            } => {
                self.push_subject("parked", subject);
                push_number(&mut self.out, "serial", *serial);
                push_flag(&mut self.out, "unknown", *unknown);
                Some((subject, &[], Keep::Everything))
            }
            Entry::Retried {
                subject,
                class,
                code,
                attempt,
            } => {
                self.push_subject("retried", subject);
                push_attempt(&mut self.out, attempt);
                push_field(&mut self.out, "class", class.as_str());
                push_field(&mut self.out, "code", code);
                Some((subject, &[], Keep::Names))
            }
            Entry::Unanswered {
                subject,
                batch,
                sent_at,
            } => {
                self.push_subject("unanswered", subject);
                push_number(&mut self.out, "batch", *batch);
                push_number(&mut self.out, "sent", sent_at.0);
                Some((subject, &[], Keep::Names))
            }
            Entry::Service { event, detail } => {
                self.out.extend_from_slice(b"{\"t\":\"service\"");
                push_name(&mut self.out, "event");
                // A word without fields; a vector takes it.
                let _ = serde_json::to_writer(&mut self.out, event);
                push_field(&mut self.out, "detail", detail);
                None
            }
            Entry::Act(act) => {
                self.out.extend_from_slice(b"{\"t\":\"act\"");
                push_field(&mut self.out, "act", act.kind.as_str());
                push_field(&mut self.out, "author", &act.author);
                if let Some(route) = &act.route {
                    push_field(&mut self.out, "route", route);
                }
                if !act.reason.is_empty() {
                    push_reason(&mut self.personal, &act.reason);
                }
                None
            }
            Entry::Edited { .. }
            | Entry::Replayed { .. }
            | Entry::Discarded { .. }
            | Entry::LetterOutdated { .. } => None,
        }
    }

    fn push_subject(&mut self, kind: &str, subject: &Subject) {
        self.push_start(kind, &subject.id, subject.operation);
        push_number(
            &mut self.out,
            "committed",
            subject.id.transaction.committed_at.0,
        );
        push_number(&mut self.out, "captured", subject.captured_at.0);
        if let Some(serial) = subject.parked {
            push_number(&mut self.out, "parked", serial);
        }
        if let Some(letter) = subject.letter.filter(|_| kind != "dead_letter") {
            push_number(&mut self.out, "letter", letter);
        }
    }

    fn push_start(&mut self, kind: &str, id: &ChangeId, operation: Operation) {
        self.out.extend_from_slice(b"{\"t\":\"");
        self.out.extend_from_slice(kind.as_bytes());
        self.out.extend_from_slice(b"\",\"route\":");
        self.push_id(id);
        push_field(&mut self.out, "op", operation_word(operation));
    }

    /// Appends a change's name, from the route's value on.
    pub(super) fn push_id(&mut self, id: &ChangeId) {
        match self.routes.get(usize::from(id.route.0)) {
            Some(text) => self.out.extend_from_slice(text),
            None => self.out.extend_from_slice(b"null"),
        }
        push_name(&mut self.out, "tx");
        self.push_transaction(&id.transaction.id);
        self.push_table(&id.table);
        push_number(&mut self.out, "row", id.row);
    }

    fn push_transaction(&mut self, id: &TransactionId) {
        let TransactionId::Gtid(gtid) = id else {
            return push_string(&mut self.out, &id.to_string());
        };
        let known = self
            .sources
            .iter()
            .position(|(source, _)| *source == gtid.source);
        let known = known.unwrap_or_else(|| {
            if self.sources.len() >= 64 {
                self.sources.clear();
            }
            self.sources
                .push((gtid.source.clone(), gtid.source.to_string()));
            self.sources.len() - 1
        });
        self.out.push(b'"');
        self.out.extend_from_slice(self.sources[known].1.as_bytes());
        self.out.push(b':');
        self.out
            .extend_from_slice(itoa::Buffer::new().format(gtid.number).as_bytes());
        self.out.push(b'"');
    }

    fn push_table(&mut self, table: &Arc<TableName>) {
        let known = self
            .tables
            .iter()
            .position(|(known, _)| Arc::ptr_eq(known, table));
        let known = known.unwrap_or_else(|| {
            // A table read anew has a new `Arc`; old ones are let go now and then.
            if self.tables.len() >= 64 {
                self.tables.clear();
            }
            let mut text = Vec::new();
            push_field(&mut text, "table", &table.to_string());
            // Without it the name could be split in two ways.
            if table.schema.contains('.') {
                push_field(&mut text, "schema", &table.schema);
            }
            self.tables.push((Arc::clone(table), text));
            self.tables.len() - 1
        });
        self.out.extend_from_slice(&self.tables[known].1);
    }

    /// Writes everything to `file` and forgets it.
    pub(super) fn write_to(&mut self, file: &mut impl Write) -> std::io::Result<u64> {
        file.write_all(&self.out)?;
        let written = self.out.len() as u64;
        self.out.clear();
        Ok(written)
    }
}

fn push_attempt(out: &mut Vec<u8>, attempt: &Attempt) {
    push_number(out, "batch", attempt.batch);
    push_number(out, "attempt", attempt.number);
    push_number(out, "sent", attempt.sent_at.0);
    push_number(out, "answered", attempt.answered_at.0);
}

pub(super) fn operation_word(operation: Operation) -> &'static str {
    match operation {
        Operation::Insert => "insert",
        Operation::Update => "update",
        Operation::Delete => "delete",
    }
}

pub(super) fn rule_word(rule: SkipRule) -> &'static str {
    match rule {
        SkipRule::OperationNotRouted => "operation_not_routed",
        SkipRule::Superseded => "superseded",
        SkipRule::Converted => "converted",
        SkipRule::Unchanged => "unchanged",
        SkipRule::Where => "where",
    }
}
