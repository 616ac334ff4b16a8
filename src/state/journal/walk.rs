//! Reading the journal from one segment to the next, every run verified, beside a service that
//! writes on: up to the last commit that is known to be durable, and never beyond.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::chain::Chain;
use super::header::Header;
use super::recover::{OpenSegment, later_write_exists, open_segment};
use super::scan::{Run, RunReader, ScanError};
use super::segment_file::SegmentFile;
use super::segments::{list_segments, present_path};
use crate::state::audit::Error;
use crate::state::error::Error as StateError;

/// How far a pass has come, in bytes, of how many.
pub type Progress<'a> = dyn FnMut(u64, u64) + 'a;

/// What to read.
#[derive(Clone, Debug)]
pub(in crate::state) struct Walk {
    pub folder: PathBuf,
    /// The last commit that is durable, as the running service says; without one, the last that
    /// is whole.
    pub through: Option<u64>,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug)]
pub(in crate::state) struct Place<'a> {
    pub file: &'a Path,
    pub segment: u64,
    pub line: u64,
    pub byte: u64,
}

impl Place<'_> {
    pub(in crate::state) fn broken(&self, what: impl Into<String>) -> Error {
        Error::Broken {
            file: self.file.to_owned(),
            line: self.line,
            byte: self.byte,
            what: what.into(),
        }
    }
}

/// Takes what a walk comes by.
pub(super) trait Visitor {
    /// A segment begins; to break off means that neither it nor what lies behind it is wanted.
    fn segment(
        &mut self,
        place: Place<'_>,
        header: Header,
        chain: Chain,
    ) -> Result<ControlFlow<()>, Error>;

    fn run(&mut self, place: Place<'_>, run: Run<'_>) -> Result<ControlFlow<()>, Error>;
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::state) struct End {
    pub segments: u64,
    /// What an unfinished write left behind the last good run.
    pub torn_bytes: u64,
    /// Behind the last run that was read.
    pub segment: u64,
    pub bytes: u64,
    /// Of all segments.
    pub read_bytes: u64,
}

impl Walk {
    /// Hands over segments and runs in their order, from segment `first` on.
    pub(super) fn visit(
        &self,
        first: u64,
        visitor: &mut dyn Visitor,
        progress: &mut Progress<'_>,
    ) -> Result<End, Error> {
        let mut segments = list_segments(&self.folder)?;
        segments.retain(|segment| *segment >= first);
        let Some(newest) = segments.last().copied() else {
            return Err(Error::State(StateError::Missing {
                path: self.folder.clone(),
            }));
        };
        let sizes = segments.iter().map(|segment| {
            // What cannot be opened is told when its turn comes.
            SegmentFile::open(&self.folder, *segment).map_or(0, |file| file.len())
        });
        let total = sizes.sum();
        let (mut end, mut before) = (End::default(), 0);
        for segment in segments {
            let path = present_path(&self.folder, segment);
            let open = match open_segment(&self.folder, segment) {
                Ok(open) => open,
                // Its retention was over since the list was made.
                Err(StateError::Read { source, .. })
                    if end.segments == 0
                        && segment != newest
                        && source.kind() == ErrorKind::NotFound =>
                {
                    continue;
                }
                Err(error) => return Err(broken(error)),
            };
            end.bytes = 0;
            let flow = self.visit_segment(
                &path,
                (segment, segment == newest),
                open,
                visitor,
                &mut end,
                &mut |bytes| progress(before + bytes, total),
            )?;
            before += end.bytes;
            end.read_bytes = before;
            if flow.is_break() {
                break;
            }
        }
        progress(total, total);
        Ok(end)
    }

    fn visit_segment(
        &self,
        path: &Path,
        (segment, is_newest): (u64, bool),
        open: OpenSegment,
        visitor: &mut dyn Visitor,
        end: &mut End,
        progress: &mut dyn FnMut(u64),
    ) -> Result<ControlFlow<()>, Error> {
        let OpenSegment {
            reader,
            header,
            chain,
            bytes,
        } = open;
        let place = Place {
            file: path,
            segment,
            line: 1,
            byte: 0,
        };
        if header.segment != segment {
            return Err(place.broken("the header belongs to another segment"));
        }
        let mut last = header.commits;
        if self.is_past(last + 1) && end.segments > 0 {
            return Ok(ControlFlow::Break(()));
        }
        if visitor.segment(place, header, chain)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        (end.segments, end.segment, end.bytes) = (end.segments + 1, segment, bytes);
        let mut runs = RunReader::new(reader, chain, bytes, 2);
        loop {
            // What the service writes beyond is not finished, and not looked at.
            if self.is_past(last + 1) {
                return Ok(ControlFlow::Break(()));
            }
            let place = Place {
                line: runs.line(),
                byte: runs.at(),
                ..place
            };
            let run = match runs.next_run() {
                Ok(Some(run)) => run,
                Ok(None) if is_newest && self.through.is_some_and(|through| last < through) => {
                    return Err(place.broken("the journal ends before its last durable commit"));
                }
                Ok(None) => return Ok(ControlFlow::Continue(())),
                Err(ScanError::Io(source)) => return Err(unreadable(place, source)),
                Err(ScanError::Fault(fault)) => {
                    let torn = is_newest
                        && self.through.is_none()
                        && !later_write_exists(path, place.byte, last + 1)
                            .map_err(|source| StateError::read(path, source))?;
                    if !torn {
                        let place = Place {
                            line: fault.line,
                            byte: fault.byte,
                            ..place
                        };
                        return Err(place.broken(fault.reason));
                    }
                    let length = path.metadata().map_or(place.byte, |file| file.len());
                    end.torn_bytes = length.saturating_sub(place.byte);
                    return Ok(ControlFlow::Break(()));
                }
            };
            if run.commit.n != last + 1 {
                return Err(place.broken(format!(
                    "commit {} stands where commit {} belongs",
                    run.commit.n,
                    last + 1
                )));
            }
            last = run.commit.n;
            let flow = visitor.run(place, run)?;
            end.bytes = runs.at();
            progress(end.bytes);
            if flow.is_break() {
                return Ok(flow);
            }
        }
    }

    fn is_past(&self, commit: u64) -> bool {
        self.through.is_some_and(|through| commit > through)
    }

    /// The segment in which a period begins: the last one that was begun before it.
    pub(super) fn segment_before(&self, is_before: impl Fn(&Header) -> bool) -> Result<u64, Error> {
        let segments = list_segments(&self.folder)?;
        for segment in segments.iter().rev() {
            match open_segment(&self.folder, *segment) {
                Ok(open) if is_before(&open.header) => return Ok(*segment),
                Ok(_) => {}
                Err(StateError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(0)
    }
}

/// What cannot be unpacked is as broken as a line that does not verify.
fn unreadable(place: Place<'_>, source: std::io::Error) -> Error {
    if matches!(
        source.kind(),
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof
    ) {
        place.broken(format!("it cannot be unpacked: {source}"))
    } else {
        StateError::read(place.file, source).into()
    }
}

/// The same for an error that has its place already.
fn broken(error: StateError) -> Error {
    match error {
        StateError::Damaged {
            file,
            line,
            byte,
            reason,
        } => Error::Broken {
            file,
            line,
            byte,
            what: reason.to_owned(),
        },
        StateError::Read { path, source } if source.kind() == ErrorKind::InvalidData => {
            Error::Broken {
                file: path,
                line: 1,
                byte: 0,
                what: format!("it cannot be unpacked: {source}"),
            }
        }
        other => other.into(),
    }
}

/// The segment that is open and how many of its bytes are durable.
pub(in crate::state) fn durable_end(walk: &Walk) -> Result<(u64, u64), Error> {
    struct Pass;
    impl Visitor for Pass {
        fn segment(&mut self, _: Place<'_>, _: Header, _: Chain) -> Result<ControlFlow<()>, Error> {
            Ok(ControlFlow::Continue(()))
        }
        fn run(&mut self, _: Place<'_>, _: Run<'_>) -> Result<ControlFlow<()>, Error> {
            Ok(ControlFlow::Continue(()))
        }
    }
    let through = walk.through;
    let is_open = |header: &Header| through.is_none_or(|through| header.commits <= through);
    let first = walk.segment_before(is_open)?;
    let end = walk.visit(first, &mut Pass, &mut |_, _| {})?;
    Ok((end.segment, end.bytes))
}
