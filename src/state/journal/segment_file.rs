//! Reading a segment, whether it is packed or not. Nobody else opens one to read.
//!
//! A segment is packed, then its plain file deleted: whoever finds neither has lost nothing but a
//! race, and the segment itself only when retention dropped it.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::frames::Frames;
use super::segments::{packed_path, segment_path};

/// One open segment.
pub(in crate::state) struct SegmentFile {
    source: Source,
    length: u64,
}

enum Source {
    Plain(File),
    Packed(Frames),
}

/// A part of a segment, read from its beginning to its end.
pub(in crate::state) struct SegmentReader {
    source: Source,
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    used: usize,
    buffer_bytes: usize,
}

impl SegmentFile {
    /// Fails with [`io::ErrorKind::NotFound`] when the segment has gone.
    pub(in crate::state) fn open(folder: &Path, segment: u64) -> io::Result<Self> {
        match File::open(segment_path(folder, segment)) {
            Ok(file) => {
                let length = file.metadata()?.len();
                Ok(Self {
                    source: Source::Plain(file),
                    length,
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Self::open_packed(&packed_path(folder, segment))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn open_packed(path: &Path) -> io::Result<Self> {
        let frames = Frames::open(File::open(path)?)?;
        Ok(Self {
            length: frames.len(),
            source: Source::Packed(frames),
        })
    }

    /// Bytes of the segment, as they are when it is not packed.
    pub(in crate::state) fn len(&self) -> u64 {
        self.length
    }

    /// Reads from one byte up to another; a plain file in pieces of `buffer_bytes`.
    pub(in crate::state) fn reader(self, from: u64, to: u64, buffer_bytes: usize) -> SegmentReader {
        SegmentReader {
            source: self.source,
            at: from,
            end: to.min(self.length),
            buffer: Vec::new(),
            used: 0,
            buffer_bytes,
        }
    }
}

impl BufRead for SegmentReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used >= self.buffer.len() && self.at < self.end {
            let left = self.end - self.at;
            let keep = match &mut self.source {
                Source::Plain(file) => {
                    let wanted = left.min(self.buffer_bytes as u64) as usize;
                    self.buffer.resize(wanted, 0);
                    let read = loop {
                        match file.read_at(&mut self.buffer, self.at) {
                            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                            read => break read?,
                        }
                    };
                    self.used = 0;
                    read
                }
                Source::Packed(frames) => {
                    let start = frames.read_frame(self.at, &mut self.buffer)?;
                    self.used = (self.at - start) as usize;
                    let left = usize::try_from(left).unwrap_or(usize::MAX);
                    self.buffer.len().min(self.used.saturating_add(left))
                }
            };
            self.buffer.truncate(keep);
            if self.buffer.len() <= self.used {
                // The file is shorter than it was.
                self.end = self.at;
            }
        }
        Ok(self.buffer.get(self.used..).unwrap_or_default())
    }

    fn consume(&mut self, bytes: usize) {
        self.used += bytes;
        self.at += bytes as u64;
    }
}

impl Read for SegmentReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let bytes = ready.len().min(out.len());
        out[..bytes].copy_from_slice(&ready[..bytes]);
        self.consume(bytes);
        Ok(bytes)
    }
}
