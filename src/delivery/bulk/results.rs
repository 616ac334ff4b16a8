//! Reads a set of results as it arrives, piece by piece.
//!
//! Columns are found by name: `sf__Id`, `sf__Created` or `sf__Error`, and the external id; the
//! others are passed over. Memory is one cell of one row for each of these.
//!
//! Invariants: a row is given out when it is complete and has as many cells as the header; a text
//! that ends inside of quotes, a success without a valid id and a row without a key are faults, told
//! in our own words. However the text is cut into pieces, the rows are the same.
//! Source: salesforce-facts 5.3.

use csv_core::{ReadFieldResult, Reader};

use super::{ResultRow, ResultSet, row_error};
use crate::core::outcome::RecordResult;
use crate::delivery::{classify, wire};

/// More than any cell that we send (131,072 characters), or any text about it.
const MAX_CELL_BYTES: usize = 1024 * 1024;

/// More than a file may have, and what Salesforce adds.
const MAX_COLUMNS: usize = 6_000;

/// Of a cell, copied at once.
const STEP_BYTES: usize = 1024;

pub(super) struct ResultReader<'a> {
    set: ResultSet,
    external_id: &'a str,
    reader: Reader,
    header: Header,
    /// Until its row ends, the header is being read.
    columns: Option<usize>,
    /// Number of the cell that is being read.
    column: usize,
    cell: Vec<u8>,
    id: Vec<u8>,
    told: Vec<u8>,
    key: Vec<u8>,
    rows: u64,
    odd_quotes: bool,
}

/// Where the columns are that count.
#[derive(Default)]
struct Header {
    id: Option<usize>,
    told: Option<usize>,
    key: Option<usize>,
}

impl<'a> ResultReader<'a> {
    pub fn new(set: ResultSet, external_id: &'a str) -> ResultReader<'a> {
        ResultReader {
            set,
            external_id,
            reader: Reader::new(),
            header: Header::default(),
            columns: None,
            column: 0,
            cell: Vec::new(),
            id: Vec::new(),
            told: Vec::new(),
            key: Vec::new(),
            rows: 0,
            odd_quotes: false,
        }
    }

    /// Takes a piece; appends the rows that it completes. After a fault nothing more can be read.
    pub fn feed(&mut self, mut piece: &[u8], rows: &mut Vec<ResultRow>) -> Result<(), String> {
        let quotes = piece.iter().filter(|&&byte| byte == b'"').count();
        self.odd_quotes ^= quotes % 2 == 1;
        // An empty piece would be the end.
        while !piece.is_empty() {
            let (read, _) = self.step(piece, rows)?;
            piece = &piece[read..];
        }
        Ok(())
    }

    /// The text has ended. Gives the number of rows of all pieces.
    pub fn finish(mut self, rows: &mut Vec<ResultRow>) -> Result<u64, String> {
        if self.odd_quotes {
            return Err(self.fault("ends inside of quotes"));
        }
        while !self.step(&[], rows)?.1 {}
        Ok(self.rows)
    }

    /// Reads on, up to the end of the cell. Gives the bytes taken and whether all is read.
    fn step(&mut self, input: &[u8], rows: &mut Vec<ResultRow>) -> Result<(usize, bool), String> {
        let mut out = [0; STEP_BYTES];
        let (result, read, written) = self.reader.read_field(input, &mut out);
        if self.is_wanted() {
            if self.cell.len() + written > MAX_CELL_BYTES {
                return Err(self.fault("has a cell that is too long"));
            }
            self.cell.extend_from_slice(&out[..written]);
        }
        match result {
            ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
            ReadFieldResult::Field { record_end } => {
                self.end_cell()?;
                if record_end {
                    self.end_row(rows)?;
                }
            }
            ReadFieldResult::End => return Ok((read, true)),
        }
        Ok((read, false))
    }

    fn is_wanted(&self) -> bool {
        let Header { id, told, key } = self.header;
        self.columns.is_none() || [id, told, key].contains(&Some(self.column))
    }

    fn end_cell(&mut self) -> Result<(), String> {
        if self.column == self.columns.unwrap_or(MAX_COLUMNS) {
            return Err(self.fault("has too many cells"));
        }
        let at = Some(self.column);
        if self.columns.is_none() {
            let name = String::from_utf8_lossy(&self.cell);
            let place = if name.eq_ignore_ascii_case(self.external_id) {
                &mut self.header.key
            } else if name.eq_ignore_ascii_case("sf__Id") {
                &mut self.header.id
            } else if name.eq_ignore_ascii_case("sf__Created")
                || name.eq_ignore_ascii_case("sf__Error")
            {
                &mut self.header.told
            } else {
                &mut None
            };
            place.get_or_insert(self.column);
        } else if at == self.header.id {
            std::mem::swap(&mut self.id, &mut self.cell);
        } else if at == self.header.told {
            std::mem::swap(&mut self.told, &mut self.cell);
        } else if at == self.header.key {
            std::mem::swap(&mut self.key, &mut self.cell);
        }
        self.cell.clear();
        self.column += 1;
        Ok(())
    }

    fn end_row(&mut self, rows: &mut Vec<ResultRow>) -> Result<(), String> {
        let cells = std::mem::take(&mut self.column);
        let Some(columns) = self.columns else {
            let Header { id, told, key } = self.header;
            let complete = match self.set {
                ResultSet::Successful => id.is_some() && told.is_some(),
                ResultSet::Failed => told.is_some(),
                ResultSet::Unprocessed => true,
            };
            if !complete || key.is_none() {
                return Err(format!(
                    "{} have a header that lacks a column",
                    self.set.as_str()
                ));
            }
            self.columns = Some(cells);
            return Ok(());
        };
        if cells != columns {
            return Err(self.fault("has too few cells"));
        }
        let key = std::str::from_utf8(&self.key)
            .ok()
            .filter(|key| !key.is_empty())
            .ok_or_else(|| self.fault("has no external id"))?;
        let result = match self.set {
            ResultSet::Successful => {
                let id = std::str::from_utf8(&self.id)
                    .ok()
                    .and_then(wire::full_id)
                    .ok_or_else(|| self.fault("succeeds without a valid id"))?;
                let created = self.told.eq_ignore_ascii_case(b"true");
                Some(RecordResult::Delivered { id, created })
            }
            ResultSet::Failed => {
                let errors = row_error::decode(&String::from_utf8_lossy(&self.told));
                let rejection = classify::record(errors, self.external_id);
                Some(RecordResult::Rejected(rejection))
            }
            ResultSet::Unprocessed => None,
        };
        rows.push(ResultRow {
            key: key.to_string(),
            result,
        });
        self.rows += 1;
        Ok(())
    }

    fn fault(&self, what: &str) -> String {
        format!("row {} of {} {what}", self.rows + 1, self.set.as_str())
    }
}

#[cfg(test)]
mod tests;
