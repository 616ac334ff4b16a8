//! From cells to bytes; every cell is quoted.
use crate::bulk::dialect::Dialect;

/// Appends one cell: quoted, with doubled quotes inside.
pub(crate) fn write_cell(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    let mut rest = value;
    while let Some(at) = rest.iter().position(|byte| *byte == b'"') {
        out.extend_from_slice(&rest[..=at]);
        out.push(b'"');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends one row with its line end.
pub(crate) fn write_row<V: AsRef<[u8]>>(
    out: &mut Vec<u8>,
    dialect: Dialect,
    values: impl IntoIterator<Item = V>,
) {
    for (i, value) in values.into_iter().enumerate() {
        if i > 0 {
            out.push(dialect.delimiter.byte());
        }
        write_cell(out, value.as_ref());
    }
    out.extend_from_slice(dialect.ending.bytes());
}
