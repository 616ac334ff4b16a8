//! The proof: every line against the chain, every header against what the lines before it come to.
//!
//! The books are made again from the first header that is kept and every commit behind it, through
//! the same code that a start uses, and compared at every header and at the end. Works beside a
//! running service, needs no index and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use serde_json::Value;

use super::books::JournalState;
use super::chain::Chain;
use super::header::{FEATURES, Header};
use super::line::Decoder;
use super::personal::is_erased;
use super::recover::apply_run;
use super::scan::Run;
use super::segments::present_path;
use super::walk::{Place, Progress, Visitor, Walk};
use crate::core::entry::Totals;
use crate::core::snapshot::{KeyBound, KeyPart, Snapshot};
use crate::core::time::Micros;
use crate::state::audit::Error;

/// What a header says of the time before it, and a pass over that time can say again.
const RETOLD: [&str; 15] = [
    "last_at",
    "next",
    "checkpoint",
    "totals",
    "settled_ahead",
    "parked",
    "parked_settled",
    "api_calls",
    "jobs",
    "snapshot",
    "schemas",
    "unanswered_at",
    "running",
    "letters",
    "pauses",
];
/// Of them, those that every version has written.
const ALWAYS_RETOLD: [&str; 2] = ["last_at", "totals"];

/// A journal that verifies.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Verified {
    /// Names the store for ever.
    pub store: String,
    pub first_segment: u64,
    pub segments: u64,
    /// Before the first segment that is kept.
    pub commits_before: u64,
    pub last_commit: u64,
    pub last_at: Micros,
    /// The chain behind the last commit.
    pub chain: Chain,
    pub entries: u64,
    /// Personal lines that were erased; they verify.
    pub erased: u64,
    pub bytes: u64,
    /// What an unfinished write left at the end; the next start cuts it off.
    pub torn_bytes: u64,
    /// The books, by route.
    pub totals: BTreeMap<String, Totals>,
    pub open_dead_letters: u64,
    pub parked: u64,
}

/// Takes every run that has been verified.
pub(in crate::state) trait Witness {
    /// These dead letters are open where the journal begins.
    fn begin(&mut self, open: BTreeSet<u64>);

    fn run(&mut self, segment: u64, run: &Run<'_>);
}

/// Nothing more is to be compared.
pub(in crate::state) struct NoWitness;

impl Witness for NoWitness {
    fn begin(&mut self, _open: BTreeSet<u64>) {}

    fn run(&mut self, _segment: u64, _run: &Run<'_>) {}
}

/// Verifies all of the journal, or says the first place that does not hold. Each of `heads` must be
/// the chain behind one of its commits or headers.
pub(in crate::state) fn verify(
    walk: &Walk,
    heads: &[Chain],
    witness: &mut dyn Witness,
    progress: &mut Progress<'_>,
) -> Result<Verified, Error> {
    let mut check = Check {
        state: None,
        decoder: Decoder::new(),
        first: (0, 0),
        entries: 0,
        erased: 0,
        letters: BTreeSet::new(),
        knows_letters: true,
        heads: heads.to_vec(),
        witness,
    };
    let end = walk.visit(0, &mut check, progress)?;
    let file = present_path(&walk.folder, end.segment);
    let Check {
        state,
        first,
        entries,
        erased,
        letters,
        knows_letters,
        heads,
        ..
    } = check;
    let Some(mut state) = state else {
        return Err(Error::Missing {
            missing: first.0,
            file,
        });
    };
    let recovered = state.recovered(end.torn_bytes);
    let mut open = 0;
    for (route, totals) in &recovered.totals {
        let known = recovered.letters.get(route);
        let count = known.map_or(0, |letters| letters.len() as u64);
        open += totals.dead_letters_open;
        if knows_letters && count != totals.dead_letters_open {
            return Err(Error::Books {
                file,
                fields: format!("open dead letters of route {route}"),
            });
        }
    }
    let mut numbers = recovered.letters.values().flat_map(|of| of.iter());
    if let Some((number, _)) = numbers.find(|(number, _)| !letters.contains(number)) {
        return Err(Error::Books {
            file,
            fields: format!("dead letter {number} is open, but its lines are not kept:"),
        });
    }
    drop(numbers);
    if let Some(span) = recovered.parked.iter().find(|span| span.place.0 < first.0) {
        return Err(Error::Missing {
            missing: span.place.0,
            file: present_path(&walk.folder, first.0),
        });
    }
    let parked = recovered.totals.values().map(|totals| totals.parked).sum();
    let waiting: u64 = recovered.parked.iter().map(|it| u64::from(it.count)).sum();
    if waiting - recovered.parked_settled.len() as u64 != parked {
        return Err(Error::Books {
            file,
            fields: "parked records".to_owned(),
        });
    }
    if let Some(head) = heads.first() {
        return Err(Error::Head {
            head: head.to_string(),
        });
    }
    Ok(Verified {
        store: state.store.clone(),
        first_segment: first.0,
        segments: end.segments,
        commits_before: first.1,
        last_commit: state.last_commit,
        last_at: state.last_at,
        chain: state.chain,
        entries,
        erased,
        bytes: end.read_bytes,
        torn_bytes: end.torn_bytes,
        totals: recovered.totals,
        open_dead_letters: open,
        parked,
    })
}

struct Check<'a> {
    state: Option<JournalState>,
    decoder: Decoder,
    /// The first segment, and how many commits came before it.
    first: (u64, u64),
    entries: u64,
    erased: u64,
    /// Dead letters whose lines were met and that are open.
    letters: BTreeSet<u64>,
    /// Headers say which letters are open, or the journal was read from its beginning.
    knows_letters: bool,
    /// Not met yet.
    heads: Vec<Chain>,
    witness: &'a mut dyn Witness,
}

impl Visitor for Check<'_> {
    fn segment(
        &mut self,
        place: Place<'_>,
        header: Header,
        chain: Chain,
    ) -> Result<ControlFlow<()>, Error> {
        self.heads
            .retain(|head| *head != chain && *head != header.prev);
        let Some(state) = &mut self.state else {
            self.first = (place.segment, header.commits);
            self.knows_letters = header.names_letters() || header.commits == 0;
            let state = self
                .state
                .insert(JournalState::from_header(header, chain, &[]));
            self.witness.begin(state.holds().open_letters);
            return Ok(ControlFlow::Continue(()));
        };
        if place.segment != state.segment + 1 {
            return Err(Error::Missing {
                missing: state.segment + 1,
                file: place.file.to_owned(),
            });
        }
        if header.store != state.store {
            return Err(place.broken("the segment belongs to another store"));
        }
        if header.commits != state.last_commit {
            return Err(place.broken(format!(
                "the segment goes on behind commit {}, and the one before ends with commit {}",
                header.commits, state.last_commit
            )));
        }
        if header.prev != state.chain {
            return Err(place.broken("the chain does not go on from the segment before"));
        }
        let told = state.next_header(header.opened_at);
        let differing = differing(&told, &header)
            .map_err(|_| place.broken("the header cannot be compared with the lines before it"))?;
        if !differing.is_empty() {
            return Err(Error::Books {
                file: place.file.to_owned(),
                fields: differing.join(", "),
            });
        }
        state.segment = place.segment;
        state.chain = chain;
        // Under another key it stands there otherwise, and the next header repeats that.
        state.snapshot = header.snapshot.into_iter().next_back();
        let open = state.holds().open_letters;
        self.letters.retain(|number| open.contains(number));
        Ok(ControlFlow::Continue(()))
    }

    fn run(&mut self, place: Place<'_>, run: Run<'_>) -> Result<ControlFlow<()>, Error> {
        let Some(state) = &mut self.state else {
            return Err(place.broken("a commit stands before any header"));
        };
        if !self.heads.is_empty() {
            self.heads.retain(|head| *head != run.chain);
        }
        for raw in run.entries() {
            self.entries += 1;
            self.erased += u64::from(raw.personal.is_some_and(is_erased));
            if let Some(number) = opened_letter(raw.line) {
                self.letters.insert(number);
            }
            if !self.heads.is_empty()
                && let Some(dropped) = dropped_head(raw.line)
            {
                self.heads.retain(|head| *head != dropped);
            }
        }
        self.witness.run(place.segment, &run);
        apply_run(state, &mut self.decoder, run).map_err(|reason| place.broken(reason))?;
        Ok(ControlFlow::Continue(()))
    }
}

/// The number of the dead letter that this line opens or keeps.
fn opened_letter(line: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Letter {
        letter: u64,
    }
    // Most lines need no look at all; `letter_kept` carries one over from a dropped segment.
    let is_one =
        line.starts_with(b"{\"t\":\"dead_letter\"") || line.starts_with(b"{\"t\":\"letter_kept\"");
    if !is_one {
        return None;
    }
    let letter: Letter = serde_json::from_slice(line).ok()?;
    Some(letter.letter)
}

/// The chain at the end of a segment that was dropped, of the line that notes it.
fn dropped_head(line: &[u8]) -> Option<Chain> {
    #[derive(serde::Deserialize)]
    struct Dropped {
        prev: Chain,
    }
    if !line.starts_with(b"{\"t\":\"segment_dropped\"") {
        return None;
    }
    let dropped: Dropped = serde_json::from_slice(line).ok()?;
    Some(dropped.prev)
}

/// Names of the fields in which two headers differ.
fn differing(told: &Header, found: &Header) -> Result<Vec<&'static str>, serde_json::Error> {
    let known = |feature: &&str| found.requires.iter().any(|known| known == *feature);
    let fields: &[&'static str] = if FEATURES.iter().all(known) {
        &RETOLD
    } else {
        &ALWAYS_RETOLD
    };
    let same_snapshot = same_snapshot(&told.snapshot, &found.snapshot);
    let (told, found) = (serde_json::to_value(told)?, serde_json::to_value(found)?);
    let differs = |field: &&str| match *field {
        "snapshot" => !same_snapshot,
        field => comparable(&told, field) != comparable(&found, field),
    };
    Ok(fields.iter().copied().filter(differs).collect())
}

/// Whether two snapshots are the same. A place that is sealed is sealed anew when the key changes:
/// then nobody can compare it without the keys.
fn same_snapshot(told: &[Snapshot], found: &[Snapshot]) -> bool {
    let places = |of: &[Snapshot]| -> Vec<Option<KeyBound>> {
        let tables = of.iter().flat_map(|snapshot| &snapshot.tables);
        tables.map(|table| table.after.clone()).collect()
    };
    let without_places = |of: &[Snapshot]| {
        let mut of = of.to_vec();
        for table in of.iter_mut().flat_map(|snapshot| &mut snapshot.tables) {
            table.after = None;
        }
        of
    };
    let key = |bound: &KeyBound| match &bound.values[..] {
        [KeyPart::Sealed { i, .. }] => Some(i.clone()),
        _ => None,
    };
    let same = |(told, found): (&Option<KeyBound>, &Option<KeyBound>)| match (told, found) {
        (Some(told), Some(found)) if key(told) != key(found) => told.columns == found.columns,
        (told, found) => told == found,
    };
    without_places(told) == without_places(found)
        && places(told).iter().zip(&places(found)).all(same)
}

/// Rows that were settled ahead stand in no order.
fn comparable(header: &Value, field: &str) -> Value {
    let mut value = header.get(field).cloned().unwrap_or_default();
    if field == "settled_ahead"
        && let Some(rows) = value.as_array_mut()
    {
        rows.sort_by_cached_key(Value::to_string);
    }
    value
}
