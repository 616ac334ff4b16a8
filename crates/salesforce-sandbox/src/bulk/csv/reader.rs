//! From bytes to rows of cells, one row at a time, without copying.
//!
//! Invariants: no input panics or loops; every byte belongs to at most one row; a [`Row`] is reused, so that reading
//! costs no allocation per row. Blank lines are no rows.
use std::borrow::Cow;

use crate::bulk::dialect::{Dialect, LineEnding};

/// Cells kept of a row: one more than a record may have (facts 5.5), so that too many are seen as too many.
const MAX_CELLS: usize = 5_001;

/// Why a row is refused (facts 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A quote that neither begins nor ends its cell; mostly a space next to it.
    Quote,
    /// A quoted cell that the end of the file cut off.
    Unterminated,
}

/// Where a cell stands in the data, without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    start: usize,
    end: usize,
    /// Holds doubled quotes.
    escaped: bool,
}

impl Cell {
    /// The value; `data` is what the row was read from.
    pub(crate) fn bytes<'a>(&self, data: &'a [u8]) -> Cow<'a, [u8]> {
        let raw = data.get(self.start..self.end).unwrap_or_default();
        if !self.escaped {
            return Cow::Borrowed(raw);
        }
        let mut bytes = Vec::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(at) = rest.windows(2).position(|pair| pair == b"\"\"") {
            bytes.extend_from_slice(&rest[..=at]);
            rest = &rest[at + 2..];
        }
        bytes.extend_from_slice(rest);
        Cow::Owned(bytes)
    }

    /// The value as text; what is not UTF-8 becomes replacement characters.
    pub(crate) fn text<'a>(&self, data: &'a [u8]) -> Cow<'a, str> {
        match self.bytes(data) {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
                .into(),
        }
    }
}

/// One row.
#[derive(Debug, Default, Clone)]
pub(crate) struct Row {
    /// Its first byte.
    pub(crate) start: usize,
    /// Behind its last byte, the line end not included.
    pub(crate) end: usize,
    pub(crate) cells: Vec<Cell>,
    pub(crate) flaw: Option<Flaw>,
}

/// Reads rows.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    dialect: Dialect,
    wrong_ending: bool,
}

impl<'a> Reader<'a> {
    /// Starts at a byte where a row begins.
    pub(crate) fn new(data: &'a [u8], at: usize, dialect: Dialect) -> Reader<'a> {
        Reader {
            data,
            at,
            dialect,
            wrong_ending: false,
        }
    }

    /// Whether a line ended otherwise than the dialect says, in what was read so far.
    pub(crate) fn saw_wrong_ending(&self) -> bool {
        self.wrong_ending
    }

    /// Where it will go on.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Reads the next row into `row`; false at the end of the data.
    pub(crate) fn read(&mut self, row: &mut Row) -> bool {
        while matches!(self.peek(), Some(b'\n' | b'\r')) {
            self.skip_line_end();
        }
        row.cells.clear();
        row.flaw = None;
        row.start = self.at;
        if self.at >= self.data.len() {
            row.end = self.at;
            return false;
        }
        loop {
            let cell = if self.peek() == Some(b'"') {
                self.quoted(row)
            } else {
                self.bare(row)
            };
            if row.cells.len() < MAX_CELLS {
                row.cells.push(cell);
            }
            row.end = self.at;
            match self.peek() {
                // After the delimiter there is one more cell, an empty one even at the end of the data.
                Some(byte) if byte == self.dialect.delimiter.byte() => self.at += 1,
                Some(_) => {
                    self.skip_line_end();
                    return true;
                }
                None => return true,
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.data.get(self.at).copied()
    }

    fn bare(&mut self, row: &mut Row) -> Cell {
        let start = self.at;
        self.skip_to_boundary(row);
        Cell {
            start,
            end: self.at,
            escaped: false,
        }
    }

    /// Goes to the next delimiter or line end; a quote on the way is a flaw.
    fn skip_to_boundary(&mut self, row: &mut Row) {
        let delimiter = self.dialect.delimiter.byte();
        let rest = self.data.get(self.at..).unwrap_or_default();
        let mut quote = false;
        let length = rest
            .iter()
            .position(|byte| {
                quote |= *byte == b'"';
                *byte == delimiter || *byte == b'\n' || *byte == b'\r'
            })
            .unwrap_or(rest.len());
        self.at += length;
        if quote {
            row.flaw = row.flaw.or(Some(Flaw::Quote));
        }
    }

    fn quoted(&mut self, row: &mut Row) -> Cell {
        let open = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            let rest = self.data.get(self.at..).unwrap_or_default();
            let Some(length) = rest.iter().position(|byte| *byte == b'"') else {
                self.at = self.data.len();
                row.flaw = row.flaw.or(Some(Flaw::Unterminated));
                return Cell {
                    start: open + 1,
                    end: self.at,
                    escaped,
                };
            };
            self.at += length + 1;
            if self.peek() != Some(b'"') {
                break;
            }
            escaped = true;
            self.at += 1;
        }
        let end = self.at - 1;
        let delimiter = self.dialect.delimiter.byte();
        match self.peek() {
            Some(byte) if byte != delimiter && byte != b'\n' && byte != b'\r' => {
                row.flaw = row.flaw.or(Some(Flaw::Quote));
                self.skip_to_boundary(row);
                // What cannot be understood is shown as it was sent.
                Cell {
                    start: open,
                    end: self.at,
                    escaped: false,
                }
            }
            _ => Cell {
                start: open + 1,
                end,
                escaped,
            },
        }
    }

    fn skip_line_end(&mut self) {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let (length, right) = match rest {
            [b'\r', b'\n', ..] => (2, self.dialect.ending == LineEnding::CrLf),
            [b'\n', ..] => (1, self.dialect.ending == LineEnding::Lf),
            // A lone carriage return ends lines in no dialect.
            [_, ..] => (1, false),
            [] => (0, true),
        };
        self.at += length;
        self.wrong_ending |= !right;
    }
}
