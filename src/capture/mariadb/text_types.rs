//! UUID, INET4 and INET6, which the binlog does not tell from BINARY of their length.
//!
//! Which columns they are is asked when the stream is opened. A column is taken for one only if the
//! binlog's own description, of the moment the row was written, fits: BINARY of that length.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::capture::connection::query_error;
use crate::capture::error::Error;
use crate::capture::settings::{RoutedTable, SourceSettings};
use crate::core::schema::TableName;

/// A type that is stored in binary and spoken of as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::capture) enum TextType {
    Uuid,
    Inet4,
    Inet6,
}

/// The columns of such types, by table and folded name.
#[derive(Clone, Debug, Default)]
pub(in crate::capture) struct TextTypes {
    columns: HashMap<TableName, HashMap<String, TextType>>,
}

impl TextType {
    pub(in crate::capture) fn of_name(name: &str) -> Option<Self> {
        match name {
            "uuid" => Some(Self::Uuid),
            "inet4" => Some(Self::Inet4),
            "inet6" => Some(Self::Inet6),
            _ => None,
        }
    }

    /// The longest text.
    pub(in crate::capture) fn max_chars(self) -> u64 {
        match self {
            Self::Uuid => 36,
            Self::Inet4 => 15,
            Self::Inet6 => 39,
        }
    }

    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Inet4 => 4,
            Self::Uuid | Self::Inet6 => 16,
        }
    }

    /// As `SELECT` prints it. Zero bytes at the end are not in the row.
    pub(in crate::capture) fn text(self, mut bytes: Vec<u8>) -> Result<String, String> {
        let wrong = || format!("it has {} bytes", self.bytes());
        if bytes.len() > self.bytes() {
            return Err(wrong());
        }
        bytes.resize(self.bytes(), 0);
        Ok(match self {
            Self::Uuid => {
                let mut text = String::with_capacity(36);
                for (index, byte) in bytes.iter().enumerate() {
                    if matches!(index, 4 | 6 | 8 | 10) {
                        text.push('-');
                    }
                    text.push_str(&format!("{byte:02x}"));
                }
                text
            }
            Self::Inet4 => {
                let bytes: [u8; 4] = bytes.try_into().map_err(|_| wrong())?;
                Ipv4Addr::from(bytes).to_string()
            }
            Self::Inet6 => {
                let bytes: [u8; 16] = bytes.try_into().map_err(|_| wrong())?;
                inet6(Ipv6Addr::from(bytes))
            }
        })
    }
}

/// As the server prints it (`sql_type_inet.cc`): the first of the longest runs of zeros becomes
/// `::`, a single zero too; an address that embeds one of version 4 ends in its dotted form.
fn inet6(address: Ipv6Addr) -> String {
    let segments = address.segments();
    let run_at = |start: usize| {
        let zeros = segments[start..]
            .iter()
            .take_while(|segment| **segment == 0);
        start..start + zeros.count()
    };
    let run = (0..8).rev().map(run_at).max_by_key(ExactSizeIterator::len);
    let run = run.filter(|run| !run.is_empty()).unwrap_or(8..8);
    let hex = |segments: &[u16]| -> String {
        let texts: Vec<String> = segments
            .iter()
            .map(|segment| format!("{segment:x}"))
            .collect();
        texts.join(":")
    };
    if run.is_empty() {
        return hex(&segments);
    }
    let [.., a, b, c, d] = address.octets();
    let embedded = Ipv4Addr::new(a, b, c, d);
    match (run.start, run.end, segments[5]) {
        (0, 6, _) => format!("::{embedded}"),
        (0, 5, 0xffff) => format!("::ffff:{embedded}"),
        (start, end, _) => format!("{}::{}", hex(&segments[..start]), hex(&segments[end..])),
    }
}

impl TextTypes {
    /// Asks which columns of the routed tables have such a type.
    pub(in crate::capture) async fn ask(
        conn: &mut Conn,
        settings: &SourceSettings,
        tables: &[RoutedTable],
    ) -> Result<Self, Error> {
        let mut columns = HashMap::new();
        for table in tables {
            let rows: Vec<(String, String)> = conn
                .exec(
                    "SELECT column_name, data_type FROM information_schema.columns \
                     WHERE table_schema = ? AND table_name = ? \
                     AND data_type IN ('uuid', 'inet4', 'inet6')",
                    (&table.name.schema, &table.name.table),
                )
                .await
                .map_err(|error| query_error(settings, "read the table's columns", error))?;
            let types: HashMap<String, TextType> = rows
                .into_iter()
                .filter_map(|(name, kind)| Some((name.to_lowercase(), TextType::of_name(&kind)?)))
                .collect();
            if !types.is_empty() {
                columns.insert(table.name.clone(), types);
            }
        }
        Ok(Self { columns })
    }

    pub(in crate::capture) fn find(&self, table: &TableName, column: &str) -> Option<TextType> {
        let columns = self.columns.get(table)?;
        columns.get(&column.to_lowercase()).copied()
    }
}
