//! What the fuzz target of the result sets calls.

use super::ResultSet;
use super::results::ResultReader;

/// Reads a set of results whole and in pieces: the same rows, and the same verdict. The first byte
/// chooses the set, the second the size of the pieces.
///
/// # Panics
/// When they differ.
pub fn results(bytes: &[u8]) {
    let [set, size, text @ ..] = bytes else {
        return;
    };
    let set = ResultSet::ALL[usize::from(set % 3)];
    let read = |size: usize| {
        let mut reader = ResultReader::new(set, "MySQL_Id__c");
        let mut rows = Vec::new();
        let fed = text
            .chunks(size)
            .try_for_each(|piece| reader.feed(piece, &mut rows));
        let count = fed.and_then(|()| reader.finish(&mut rows));
        (rows, count)
    };
    let (whole, pieces) = (read(usize::MAX), read(usize::from(*size) + 1));
    assert_eq!(whole.0, pieces.0);
    assert_eq!(whole.1.is_ok(), pieces.1.is_ok());
    assert!(whole.1.is_err() || whole.1 == Ok(whole.0.len() as u64));
}
