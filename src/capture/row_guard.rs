//! What a rows event says about its own size, held against its bytes before mysql_cdc reads them:
//! it allocates by lengths that stand in the event, and reads rows without columns for ever.

use std::collections::HashMap;

use mysql_cdc::events::table_map_event::TableMapEvent;

/// Types of a rewritten table map whose width does not follow from the type alone.
mod cdc {
    pub(super) const SHORT: u8 = 2;
    pub(super) const LONG: u8 = 3;
    pub(super) const FLOAT: u8 = 4;
    pub(super) const DOUBLE: u8 = 5;
    pub(super) const LONGLONG: u8 = 8;
    pub(super) const INT24: u8 = 9;
    pub(super) const DATE: u8 = 10;
    pub(super) const BIT: u8 = 16;
    pub(super) const DECIMAL: u8 = 246;
    pub(super) const ENUM: u8 = 247;
    pub(super) const SET: u8 = 248;
    pub(super) const BLOB: u8 = 252;
}

/// A prefix of this many bytes names at most 64 KiB: not worth a walk.
const SMALL_PREFIX: u16 = 2;
const UPDATE: [u8; 2] = [24, 31];

/// Checks an event whose column count is known to be its table map's; `head` is the length of what
/// stands before the column count, and the count itself.
pub(super) fn check(
    kind: u8,
    data: &[u8],
    head: usize,
    id: u64,
    maps: &HashMap<u64, TableMapEvent>,
) -> Result<(), String> {
    let Some(map) = maps.get(&id) else {
        return Err("no table map came before it".to_owned());
    };
    let columns = map.column_types.len();
    let short = || "it is shorter than it says".to_owned();
    let mut rest = data.get(head..).ok_or_else(short)?;
    let images = if UPDATE.contains(&kind) { 2 } else { 1 };
    let mut present = Vec::with_capacity(images);
    for _ in 0..images {
        let (bits, behind) = rest
            .split_at_checked(columns.div_ceil(8))
            .ok_or_else(short)?;
        rest = behind;
        let image: Vec<usize> = (0..columns).filter(|column| bit(bits, *column)).collect();
        if image.is_empty() && !rest.is_empty() {
            return Err("its row image holds no column at all".to_owned());
        }
        present.push(image);
    }
    let is_large = |(kind, meta): (&u8, &u16)| *kind == cdc::BLOB && *meta > SMALL_PREFIX;
    if !map
        .column_types
        .iter()
        .zip(&map.column_metadata)
        .any(is_large)
    {
        return Ok(());
    }
    while !rest.is_empty() {
        for image in &present {
            rest = walk(rest, image, map).ok_or_else(short)?;
        }
    }
    Ok(())
}

/// What stands behind one row's image.
fn walk<'d>(data: &'d [u8], image: &[usize], map: &TableMapEvent) -> Option<&'d [u8]> {
    let (nulls, mut rest) = data.split_at_checked(image.len().div_ceil(8))?;
    for (place, column) in image.iter().enumerate() {
        if bit(nulls, place) {
            continue;
        }
        let meta = *map.column_metadata.get(*column)?;
        let width = match *map.column_types.get(*column)? {
            cdc::BLOB => {
                let (length, behind) = rest.split_at_checked(usize::from(meta))?;
                rest = behind;
                length
                    .iter()
                    .rev()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte))
            }
            cdc::SHORT => 2,
            cdc::INT24 | cdc::DATE => 3,
            cdc::LONG | cdc::FLOAT => 4,
            cdc::LONGLONG | cdc::DOUBLE => 8,
            cdc::ENUM | cdc::SET => usize::from(meta),
            cdc::BIT => (usize::from(meta >> 8) * 8 + usize::from(meta & 0xFF)).div_ceil(8),
            cdc::DECIMAL => decimal_bytes(meta),
            _ => 1,
        };
        rest = rest.get(width..)?;
    }
    Some(rest)
}

fn bit(bits: &[u8], index: usize) -> bool {
    bits.get(index / 8)
        .is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

/// Nine digits in four bytes, what is left over in fewer.
fn decimal_bytes(meta: u16) -> usize {
    const LEFT_OVER: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
    let (precision, scale) = (usize::from(meta & 0xFF), usize::from(meta >> 8));
    let bytes = |digits: usize| digits / 9 * 4 + LEFT_OVER[digits % 9];
    bytes(precision.saturating_sub(scale)) + bytes(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(types: &[u8], metadata: &[u16]) -> HashMap<u64, TableMapEvent> {
        let map = TableMapEvent {
            table_id: 7,
            database_name: String::new(),
            table_name: String::new(),
            column_types: types.to_vec(),
            column_metadata: metadata.to_vec(),
            null_bitmap: Vec::new(),
            table_metadata: None,
        };
        HashMap::from([(7, map)])
    }

    #[track_caller]
    fn is_good(kind: u8, data: &[u8], types: &[u8], metadata: &[u16]) -> bool {
        check(kind, data, 0, 7, &maps(types, metadata)).is_ok()
    }

    #[test]
    fn rows_that_are_as_long_as_they_say_pass() {
        let types = [cdc::LONG, cdc::BLOB, cdc::DECIMAL];
        let metadata = [0, 4, 10 | 2 << 8];
        let mut row = vec![0, 1, 0, 0, 0, 2, 0, 0, 0, b'a', b'b', 1, 2, 3, 4, 5];
        // All of it, then one with NULLs.
        let mut data = vec![0b111];
        data.append(&mut row);
        data.extend([0b110, 9, 0, 0, 0]);
        assert!(is_good(30, &data, &types, &metadata));
        assert!(!is_good(30, &data[..data.len() - 1], &types, &metadata));
    }

    #[test]
    fn a_length_that_reaches_beyond_the_event_is_refused() {
        let data = [1, 0, 0xFF, 0xFF, 0xFF, 0xFF, b'a'];
        assert!(!is_good(30, &data, &[cdc::BLOB], &[4]));
    }

    #[test]
    fn rows_without_any_column_would_never_end() {
        assert!(!is_good(30, &[0, 1], &[cdc::LONG], &[0]));
        assert!(is_good(30, &[0], &[cdc::LONG], &[0]));
        assert!(!is_good(31, &[1, 0, 0, 1, 0, 0, 0], &[cdc::LONG], &[0]));
    }
}
