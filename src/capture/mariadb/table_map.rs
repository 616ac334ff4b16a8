//! Table maps with MariaDB's compressed columns, in the words of plain ones.

use mysql_async::binlog::events::Event;
use mysql_async::consts::ColumnType;

use super::events::replaced;
use super::text_types::TextType;
use crate::capture::decode::Cell;

/// `field_types` of MariaDB; the driver does not know them, and with one of them in a map it cannot
/// find the metadata of those behind it.
const BLOB_COMPRESSED: u8 = 140;
const VARCHAR_COMPRESSED: u8 = 141;

/// A table map without compressed columns, and which ones they were.
pub(in crate::capture) struct Plain {
    /// `None`: there are none, and the event is good as it is.
    event: Option<Event>,
    compressed: Vec<usize>,
    is_mariadb: bool,
}

/// Gives compressed columns the type that they would have without: their metadata and the form in
/// which their bytes stand in a row are the same.
pub(in crate::capture) fn plain(event: &Event) -> Result<Plain, String> {
    let data = event.data();
    let types = types(data).ok_or("it is too short")?;
    let mut plain = Plain {
        event: None,
        compressed: Vec::new(),
        is_mariadb: event
            .fde()
            .server_version_raw()
            .windows(7)
            .any(|part| part == b"MariaDB"),
    };
    let mut changed = Vec::new();
    for index in types.clone() {
        let kind = match data[index] {
            BLOB_COMPRESSED => ColumnType::MYSQL_TYPE_BLOB,
            VARCHAR_COMPRESSED => ColumnType::MYSQL_TYPE_VARCHAR,
            _ => continue,
        };
        if changed.is_empty() {
            changed = data.to_vec();
        }
        changed[index] = kind as u8;
        plain.compressed.push(index - types.start);
    }
    if !changed.is_empty() {
        let kind = event.header().event_type_raw();
        let event = replaced(event, kind, &changed).map_err(|error| error.to_string())?;
        plain.event = Some(event);
    }
    Ok(plain)
}

impl Plain {
    pub(in crate::capture) fn event<'e>(&'e self, original: &'e Event) -> &'e Event {
        self.event.as_ref().unwrap_or(original)
    }

    /// MariaDB lists spatial columns among those with a charset, MySQL does not.
    pub(in crate::capture) fn counts_as_character(&self, kind: ColumnType) -> bool {
        self.is_mariadb && kind == ColumnType::MYSQL_TYPE_GEOMETRY
    }

    pub(in crate::capture) fn is_compressed(&self, index: usize) -> bool {
        self.compressed.contains(&index)
    }

    /// What is to be known of the column at `index` beyond its plain type.
    pub(in crate::capture) fn form(&self, index: usize, text: Option<TextType>) -> Form {
        Form {
            is_compressed: self.is_compressed(index),
            text,
        }
    }
}

/// What a plain column type does not say.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::capture) struct Form {
    is_compressed: bool,
    text: Option<TextType>,
}

impl Form {
    /// The decoder, given that of the plain type.
    pub(in crate::capture) fn apply(self, cell: Cell) -> Cell {
        let cell = match (self.text, cell) {
            (Some(text), Cell::Bytes { pad_to }) if pad_to == text.bytes() => Cell::AsText(text),
            (_, cell) => cell,
        };
        if self.is_compressed {
            Cell::Compressed(Box::new(cell))
        } else {
            cell
        }
    }
}

/// What cannot be read, as people know it.
pub(in crate::capture) fn describe(kind: ColumnType) -> String {
    match kind {
        // Nothing in the binlog says how many digits of a second they have, hence how wide they are.
        ColumnType::MYSQL_TYPE_TIMESTAMP
        | ColumnType::MYSQL_TYPE_DATETIME
        | ColumnType::MYSQL_TYPE_TIME => format!(
            "{kind:?} in the format of before 5.6 (ALTER TABLE … FORCE with \
             mysql56_temporal_format = ON gives it the present one)"
        ),
        kind => format!("{kind:?}"),
    }
}

/// Where the columns' types stand: behind the id, the flags, two names with their lengths and zero
/// bytes, and the number of columns.
fn types(data: &[u8]) -> Option<std::ops::Range<usize>> {
    let mut at = 8;
    for _ in 0..2 {
        at += usize::from(*data.get(at)?) + 2;
    }
    let (count, length) = match *data.get(at)? {
        count @ 0..=250 => (usize::from(count), 1),
        252 => {
            let count = [*data.get(at + 1)?, *data.get(at + 2)?];
            (usize::from(u16::from_le_bytes(count)), 3)
        }
        _ => return None,
    };
    let start = at + length;
    (start + count <= data.len()).then_some(start..start + count)
}
