//! CSV as Bulk API 2.0 takes and gives it (facts 5.3 and 5.4).
//!
//! Reading never fails as a whole: a row that breaks the rules says so, and the next row begins after the next line
//! end. Writing quotes every cell, because a client may split at any of the six delimiters at once.
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use reader::{Flaw, Reader, Row};
pub(crate) use writer::{write_cell, write_row};
