//! Who did what: acts of people, from the newest back. Reads a few segments at a time and no index;
//! acts of one person that lie together are told as one.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::line::{PersonalLine, Text};
use super::recover::{OpenSegment, open_segment};
use super::scan::{RawEntry, Run, RunReader, ScanError};
use super::sealed::open_line;
use super::segments::{list_segments, present_path};
use crate::core::acts::{ActKind, OperatorPauses};
use crate::core::time::Micros;
use crate::state::error::Error;
use crate::state::keyring::Keyring;

/// Segments that one question reads: some 130 MB, well under a second.
const SEGMENTS_AT_ONCE: usize = 4;

/// Acts alike are told as one when no more than this lies between one and the next, and between
/// the first and the last: what was done today is not what was done last week.
const APART_MICROS: i64 = 15 * 60 * 1_000_000;
const TOGETHER_MICROS: i64 = 60 * 60 * 1_000_000;

/// Acts that one question is answered with.
const MAX_LIMIT: usize = 1_000;

/// Which acts are asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ActivityQuestion {
    /// Those from this moment on.
    #[serde(default)]
    pub since: Option<Micros>,
    /// Those up to this moment.
    #[serde(default)]
    pub until: Option<Micros>,
    /// Older than this commit: where the page before ended.
    #[serde(default)]
    pub before: Option<u64>,
    #[serde(default)]
    pub author: Option<String>,
    pub limit: usize,
}

/// Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityPage {
    pub acts: Vec<Activity>,
    /// Ask again with this as `before`; `None`: there is nothing older. A page may be empty and
    /// still have one behind it.
    pub next: Option<u64>,
}

/// One act, or several alike that lie together: within an hour, with no gap of a quarter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Of the first.
    pub at: Micros,
    /// Of the last.
    pub until: Micros,
    pub author: String,
    /// `pause_route`, `edited`, `discarded`, `erased` and so on.
    pub what: String,
    pub route: Option<String>,
    /// The first dead letter.
    pub letter: Option<u64>,
    /// Acts, or what one act bore on.
    pub count: u64,
    /// As a person typed it: it may name people. Empty when none was given or it was erased.
    pub reason: String,
    /// The first's commit.
    pub commit: u64,
    #[serde(skip)]
    last_commit: u64,
}

#[derive(Deserialize)]
struct ActLine<'a> {
    #[serde(borrow)]
    t: Text<'a>,
    #[serde(borrow, default)]
    act: Option<Text<'a>>,
    #[serde(borrow, default)]
    author: Option<Text<'a>>,
    #[serde(borrow, default)]
    route: Option<Text<'a>>,
    #[serde(default)]
    letter: Option<u64>,
    #[serde(default)]
    lines: Option<u64>,
}

/// One page of what people did, up to the commit that is durable.
pub(in crate::state) fn activity(
    folder: &Path,
    through: Option<u64>,
    keys: Option<&Keyring>,
    question: &ActivityQuestion,
) -> Result<ActivityPage, Error> {
    let limit = question.limit.clamp(1, MAX_LIMIT);
    let through = through.unwrap_or(u64::MAX);
    let before = question.before.unwrap_or(u64::MAX);
    let end = before.min(through.saturating_add(1));
    let mut page = ActivityPage::default();
    let mut read = 0;
    for segment in list_segments(folder)?.into_iter().rev() {
        let open = match open_segment(folder, segment) {
            Ok(open) => open,
            // Retention was quicker: nothing older is there.
            Err(Error::Read { source, .. }) if source.kind() == ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        };
        let first = open.header.commits + 1;
        let too_new = |until| open.header.opened_at > until;
        if first >= end || question.until.is_some_and(too_new) {
            continue;
        }
        // Everything from the segment on that was read last is told.
        if page.acts.len() >= limit || read == SEGMENTS_AT_ONCE {
            return Ok(page);
        }
        read += 1;
        let (opened_at, left) = (open.header.opened_at, limit - page.acts.len());
        let path = present_path(folder, segment);
        let (found, cut) = read_segment(&path, open, end, keys, question, left)?;
        page.acts.extend(found.into_iter().rev());
        if cut {
            page.next = page.acts.last().map(|act| act.commit);
            return Ok(page);
        }
        // What begins here is the end of what is older.
        page.next = Some(first);
        if question.since.is_some_and(|since| opened_at < since) {
            break;
        }
    }
    page.next = None;
    Ok(page)
}

/// The newest acts of a segment, in their order, and whether older ones in it were left out.
fn read_segment(
    path: &Path,
    open: OpenSegment,
    end: u64,
    keys: Option<&Keyring>,
    question: &ActivityQuestion,
    limit: usize,
) -> Result<(VecDeque<Activity>, bool), Error> {
    let mut runs = RunReader::new(open.reader, open.chain, open.bytes, 2);
    let (mut found, mut cut) = (VecDeque::<Activity>::new(), false);
    let mut last = open.header.commits;
    while last + 1 < end {
        let run = match runs.next_run() {
            Ok(Some(run)) => run,
            Ok(None) => break,
            Err(ScanError::Io(source)) => return Err(Error::read(path, source)),
            // The end of what a crash, or the writer just now, left unfinished; damage before it
            // is for `audit verify` to tell.
            Err(ScanError::Fault(_)) => break,
        };
        last = run.commit.n;
        let at = Micros(run.commit.at);
        let outside = question.since.is_some_and(|since| at < since)
            || question.until.is_some_and(|until| at > until);
        if last >= end || outside {
            continue;
        }
        for raw in run.entries() {
            let Some(act) = read_act(&run, raw, keys) else {
                continue;
            };
            let wanted = question.author.as_ref();
            if wanted.is_some_and(|author| *author != act.author) {
                continue;
            }
            match found.back_mut() {
                Some(before) if are_alike(before, &act) => {
                    before.count += act.count;
                    (before.until, before.last_commit) = (act.until, act.last_commit);
                }
                _ => found.push_back(act),
            }
            // Acts of one commit stay together: a page ends between commits.
            while found.len() > limit && found[0].last_commit < found[1].commit {
                found.pop_front();
                cut = true;
            }
        }
    }
    Ok((found, cut))
}

/// Why these routes are paused, as their acts say; the journal's own state has no reasons.
pub(in crate::state) fn read_reasons(
    folder: &Path,
    keys: Option<&Keyring>,
    pauses: &mut OperatorPauses,
) {
    for (route, pause) in pauses {
        let question = ActivityQuestion {
            since: Some(pause.since),
            until: Some(pause.since),
            before: None,
            author: Some(pause.author.clone()),
            limit: MAX_LIMIT,
        };
        let page = match activity(folder, None, keys, &question) {
            Ok(page) => page,
            // A route stays paused whether or not anybody knows why.
            Err(error) => {
                tracing::warn!(%error, route, "why an operator paused this route is not found");
                continue;
            }
        };
        let paused = |act: &&Activity| {
            act.what == ActKind::PauseRoute.as_str() && act.route.as_ref() == Some(route)
        };
        if let Some(act) = page.acts.iter().rfind(paused) {
            pause.reason.clone_from(&act.reason);
        }
    }
}

fn are_alike(one: &Activity, other: &Activity) -> bool {
    one.letter.is_some()
        && other.at.0.saturating_sub(one.until.0) <= APART_MICROS
        && other.at.0.saturating_sub(one.at.0) <= TOGETHER_MICROS
        && (&one.what, &one.author, &one.route, &one.reason)
            == (&other.what, &other.author, &other.route, &other.reason)
}

fn read_act(run: &Run<'_>, raw: RawEntry<'_>, keys: Option<&Keyring>) -> Option<Activity> {
    const KINDS: [&[u8]; 5] = [
        b"{\"t\":\"act\"",
        b"{\"t\":\"edited\"",
        b"{\"t\":\"replayed\"",
        b"{\"t\":\"discarded\"",
        b"{\"t\":\"erased\"",
    ];
    if !KINDS.iter().any(|kind| raw.line.starts_with(kind)) {
        return None;
    }
    let line: ActLine<'_> = serde_json::from_slice(raw.line).ok()?;
    let text = |text: &Text<'_>| text.0.to_string();
    let at = Micros(run.commit.at);
    Some(Activity {
        at,
        until: at,
        author: text(line.author.as_ref()?),
        what: text(line.act.as_ref().unwrap_or(&line.t)),
        route: line.route.as_ref().map(text),
        letter: line.letter,
        count: line.lines.unwrap_or(1),
        reason: reason_of(raw, keys).unwrap_or_default(),
        commit: run.commit.n,
        last_commit: run.commit.n,
    })
}

/// Why a dead letter was discarded or a route paused; what is erased or sealed with an unknown key
/// is not told.
fn reason_of(raw: RawEntry<'_>, keys: Option<&Keyring>) -> Option<String> {
    if [&b"{\"t\":\"edited\""[..], b"{\"t\":\"replayed\""]
        .iter()
        .any(|kind| raw.line.starts_with(kind))
    {
        return None;
    }
    let line = open_line(keys, raw.personal?).ok()?;
    let personal: PersonalLine<'_> = serde_json::from_slice(&line).ok()?;
    Some(personal.x?.reason?.0.to_string())
}
