//! What is MariaDB's own: its GTIDs, its compressed events and columns, its types, and what it is
//! asked before a dump.
//!
//! Everything else goes the way that MySQL's events go. MariaDB always has GTIDs, so there is no
//! following it by file and position.

mod compressed;
mod events;
mod history;
mod preflight;
mod table_map;
mod text_types;

pub(super) use compressed::unpack_column;
pub(super) use events::{is_own, unread_checksum};
pub(super) use history::{
    check_history, end, is_other_history, lagging, position, prepare, replication, resolve_start,
    written,
};
pub(super) use preflight::check_settings;
pub(super) use table_map::{Form, Plain, describe as describe_type, plain};
pub(super) use text_types::{TextType, TextTypes};

#[cfg(test)]
mod tests;
