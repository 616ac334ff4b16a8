//! What the tests of recorded binlogs share.

use crate::core::position::{Checkpoint, FilePosition, GtidSet, Position};
use crate::core::value::Value;

/// The beginning of a fixture's file, by GTID set or by file position.
pub(super) fn from_start(gtids: bool) -> Checkpoint {
    let end = at(4);
    let position = if gtids {
        Position::Gtid(GtidSet::default())
    } else {
        Position::File(end.clone())
    };
    Checkpoint {
        server_uuid: String::new(),
        position,
        end,
        inside: Default::default(),
    }
}

/// A place in the file that the fixtures are.
pub(super) fn at(offset: u64) -> FilePosition {
    FilePosition {
        file: "binlog.000001".into(),
        offset,
    }
}

/// A value in few letters; of long texts the length.
pub(super) fn short(value: &Option<Value>) -> String {
    match value {
        None => "-".to_owned(),
        Some(Value::Null) => "null".to_owned(),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Text(text)) if text.len() > 20 => format!("[{}]", text.len()),
        Some(Value::Text(text)) => text.clone(),
        Some(other) => format!("{other:?}"),
    }
}
